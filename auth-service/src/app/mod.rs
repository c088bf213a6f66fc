//! Builds the service from its settings. `rules` says what the settings mean to the domain; `opening` says what a process
//! creates and what it only opens.

mod assembly;
mod build;
mod checks;
mod opening;
mod recovery;
mod rules;
mod services;
mod start_error;
mod waiting;
mod warnings;

pub use assembly::{behind_in, build_operator, build_services};
pub use build::build;
pub use checks::load;
pub use opening::{make_data_dir, new_master_key, revert};
pub use recovery::recover;
pub use rules::store_limits;
pub use services::Services;
pub use start_error::StartError;
