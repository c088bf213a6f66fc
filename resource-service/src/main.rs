//! Command line, settings, run.
#![expect(clippy::print_stderr, reason = "this is where the program talks to a terminal")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use resource_service::app;
use resource_service::error::StartError;
use resource_service::settings::Settings;
use service_kit::healthcheck;
use service_kit::server::outlive_hangups;
use service_kit::settings::{SettingsError, process_environment};
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
    /// Ask the service of these settings, on this machine, whether it is ready: for the health check of a container.
    ///
    /// Follows `listen`, also to a Unix socket, and `tls`. The exit code is 0 when `/readyz` answers 200, else 1.
    Healthcheck,
}

/// A setting is wrong; the same code that clap takes for a wrong argument.
const EXIT_SETTINGS: u8 = 2;
const EXIT_FAILURE: u8 = 1;

fn main() -> ExitCode {
    service_kit::access::keep_new_files_private();
    run()
}

#[actix_web::main]
async fn run() -> ExitCode {
    match Cli::parse().command {
        None | Some(Command::Serve) => match serve().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(StartError::Setting(error)) => fail(&error, EXIT_SETTINGS),
            Err(error) => fail(&error, EXIT_FAILURE),
        },
        Some(Command::Healthcheck) => match settings() {
            Err(error) => fail(&error, EXIT_SETTINGS),
            Ok(settings) => match healthcheck::check(&settings.listen, &settings.tls).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, EXIT_FAILURE),
            },
        },
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("resource-service: {error}");
    ExitCode::from(code)
}

fn settings() -> Result<Settings, SettingsError> {
    Settings::load(&process_environment("RESOURCE")?)
}

async fn serve() -> Result<(), StartError> {
    service_kit::logging::init();
    outlive_hangups()?;
    let settings = settings()?;
    let app = app::build(&settings, Clock::system())?;
    Ok(app.run.await?)
}
