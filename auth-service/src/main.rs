//! Runs the command line.

use std::process::ExitCode;

use auth_service::cli;
use service_kit::program;

fn main() -> ExitCode {
    program::run("auth-service", cli::run())
}
