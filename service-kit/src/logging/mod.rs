//! Log lines: time, level, the id of the request, and the message. Whatever clients send, a line is bounded and escaped
//! (`line.rs`), and the number of lines of each place in the code is bounded (`budget.rs`).

mod budget;
mod line;
mod logger;
mod settings;

pub use logger::init;
pub(crate) use logger::{keep_reporting, report};
pub use settings::LogSettings;
