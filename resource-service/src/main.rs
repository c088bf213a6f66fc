//! Command line, settings, run.
#![expect(clippy::print_stderr, reason = "this is where the program talks to a terminal")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use resource_service::app::{self, StartError};
use resource_service::settings::Settings;
use service_kit::settings::process_environment;
use shared_claims::verifier::Clock;

/// Verifies access tokens by itself: the example of a service beside auth-service.
///
/// Settings come from variables (`RESOURCE__LISTEN`, …) and from the file that `RESOURCE_CONFIG` names.
#[derive(Debug, Parser)]
#[command(name = "resource-service", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM. The same as no command at all.
    Serve,
}

/// A setting is wrong; the same code that clap takes for a wrong argument.
const EXIT_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    service_kit::access::keep_new_files_private();
    run()
}

#[actix_web::main]
async fn run() -> ExitCode {
    let Cli { command: None | Some(Command::Serve) } = Cli::parse();
    service_kit::logging::init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("resource-service: {error}");
            match error {
                StartError::Setting(_) => ExitCode::from(EXIT_SETTINGS),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn serve() -> Result<(), StartError> {
    let settings = Settings::load(&process_environment())?;
    let app = app::build(&settings, Clock::system())?;
    Ok(app.run.await?)
}
