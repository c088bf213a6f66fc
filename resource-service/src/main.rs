//! Command line, settings, run.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use resource_service::app;
use resource_service::settings::Settings;
use service_kit::program::{self, Failure};
use service_kit::server::outlive_hangups;
use service_kit::settings::{SettingsError, process_environment};
use service_kit::{healthcheck, logging};
use shared_claims::verifier::Clock;

/// Verifies access tokens by itself: an example of a service beside auth-service.
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
    /// Check whether the service of these settings, on this machine, is ready: for the health check of a container.
    ///
    /// Follows `listen`, also to a Unix socket, and `tls`. The exit code is 0 when `/readyz` answers 200, else 1.
    Healthcheck,
}

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    program::run("resource-service", execute(command))
}

async fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve => serve().await,
        Command::Healthcheck => {
            let settings = settings()?;
            Ok(healthcheck::check(&settings.listen, &settings.tls).await?)
        }
    }
}

async fn serve() -> Result<(), Failure> {
    logging::init();
    outlive_hangups()?;
    let app = app::build(&settings()?, Clock::system())?;
    Ok(app.run.await?)
}

fn settings() -> Result<Settings, SettingsError> {
    Settings::load(&process_environment("RESOURCE")?)
}
