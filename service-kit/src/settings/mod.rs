//! Typed settings from embedded defaults, a file and the environment, in that order; later ones win.
//!
//! The settings of a service are a type with `#[serde(deny_unknown_fields)]`. A value that does not fit the type is an error
//! that names the key.

mod bounds;
mod environment;
mod error;
mod hints;
mod lists;
mod load;
mod renamed;
mod variables;

pub use bounds::{DAY, HOUR, MINUTE, Millis, Number, Seconds, WholeSeconds};
pub use error::SettingsError;
pub use lists::{comma_list, network_list, parsed_list};
pub use load::{load, process_environment};
pub use renamed::{Renamed, renamed};
pub use variables::Variables;
