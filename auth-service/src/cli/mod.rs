//! The command line: `serve`, and what operators do beside a running server.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where the program talks to a terminal"
)]

mod account_notes;
mod audit;
mod client;
mod command;
mod import;
mod key;
mod migrate;
mod operator;
mod recover;
mod user;

pub use command::run;
