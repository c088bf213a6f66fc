//! Log lines: time, level, the request they belong to, and the message. Whatever strangers send, a line is bounded and escaped
//! (`line.rs`), and so is the number of lines that one place in the code writes (`budget.rs`).

mod budget;
mod line;
mod logger;
mod settings;

pub use logger::init;
pub(crate) use logger::{keep_reporting, report};
pub use settings::LogSettings;
