//! What the `main` functions of both services have in common.

use std::io;
use std::process::ExitCode;

use actix_web::rt::System;

use crate::access::keep_new_files_private;
use crate::healthcheck::Unhealthy;
use crate::settings::SettingsError;

/// The exit code for a wrong setting; clap uses the same one for a wrong argument.
const EXIT_SETTINGS: u8 = 2;
const EXIT_FAILURE: u8 = 1;

/// Why a program ends without success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Anything else, with its causes.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<Unhealthy> for Failure {
    fn from(error: Unhealthy) -> Self {
        Self::Other(error.into())
    }
}

/// Runs `program` to its end, and returns the exit code: 0, 2 for a wrong setting, 1 for any other failure. A failure is
/// written to standard error in one line, with its causes. `name` is the name of the program.
///
/// Called by `main` before there is another thread: files that the process creates are private to its user.
pub fn run(name: &str, program: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    keep_new_files_private();
    match System::new().block_on(program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(name, &failure);
            ExitCode::from(match failure {
                Failure::Settings(_) => EXIT_SETTINGS,
                Failure::Other(_) => EXIT_FAILURE,
            })
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a program are for the terminal")]
fn report(name: &str, failure: &Failure) {
    match failure {
        Failure::Settings(error) => eprintln!("{name}: {error}"),
        Failure::Other(error) => {
            // The reasons of libpq have lines of their own.
            let text = format!("{error:#}");
            eprintln!("{name}: {}", text.lines().map(str::trim).collect::<Vec<_>>().join(" "));
        }
    }
}
