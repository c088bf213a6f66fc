//! The commands, and what runs them.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use service_kit::program::Failure;
use service_kit::server::outlive_hangups;
use service_kit::settings::{SettingsError, process_environment};
use service_kit::{healthcheck, logging};
use shared_claims::verifier::Clock;

use crate::app;
use crate::app::StartError;
use crate::cli::audit::AuditCommand;
use crate::cli::client::ClientCommand;
use crate::cli::import::ImportCommand;
use crate::cli::key::KeyCommand;
use crate::cli::user::UserCommand;
use crate::cli::{audit, client, import, key, migrate, recover, user};
use crate::settings::{DEFAULTS, Settings};

/// Owns accounts and sessions, and signs the tokens that other services verify locally.
///
/// Settings come from variables (`AUTH__LISTEN`, …) and from the file that `AUTH_CONFIG` names.
#[derive(Debug, Parser)]
#[command(name = "auth-service", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM. The same as no command at all.
    Serve,
    /// Bring the database up to date, and do nothing else. `serve` does the same at its start.
    Migrate {
        /// Undo this many of the newest migrations instead, with the data in their tables. Without --yes, or while a server is
        /// live, only additive migrations.
        #[arg(long, value_name = "COUNT")]
        revert: Option<usize>,
        /// Undo migrations that are not additive too: the data in their tables is lost.
        #[arg(long, requires = "revert")]
        yes: bool,
    },
    /// Create, disable and enable accounts, change their roles, and free addresses.
    #[command(subcommand)]
    User(UserCommand),
    /// List signing keys, and rotate them.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create, list, disable and enable clients: services with a secret of their own.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Take accounts with their password hashes from another system. They log in with the passwords they have.
    ///
    /// No password is hashed, and no existing account is changed. Accounts that exist with the same hash are counted, so an
    /// interrupted import is repeated with the same command.
    Import(ImportCommand),
    /// Verify the audit trail, and read it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// After a restore from a backup: invalidate every token that was ever issued, and create new keys.
    ///
    /// Ends every session and revokes every token, so that none that was used or ended after the backup is valid again.
    /// Accounts, passwords and clients stay. Run it before you start the services again.
    Recover {
        /// The master key is lost: create a new one in the data folder.
        #[arg(long)]
        new_master_key: bool,
    },
    /// Ask the service with these settings, on this machine, whether it is ready: for the health check of a container.
    ///
    /// Follows `listen`, also to a Unix socket, and `tls`. The exit code is 0 when `/readyz` answers 200, else 1.
    Healthcheck,
    /// Print every setting with its default and its meaning.
    Settings,
}

/// Runs the program.
///
/// # Errors
/// A setting is wrong, or the command failed.
pub async fn run() -> Result<(), Failure> {
    match Cli::parse().command.unwrap_or(Command::Serve) {
        Command::Serve => serve().await,
        Command::Settings => {
            print!("{DEFAULTS}");
            Ok(())
        }
        Command::Healthcheck => {
            // Without a log: it runs every few seconds, and would repeat the warnings.
            let settings = settings()?;
            Ok(healthcheck::check(&settings.listen, &settings.tls).await?)
        }
        command => {
            logging::init();
            let settings = settings()?;
            eprintln!("auth-service: works on {}", settings.database_shown());
            Ok(Box::pin(operate(&settings, command)).await?)
        }
    }
}

async fn serve() -> Result<(), Failure> {
    logging::init();
    if let Err(error) = outlive_hangups() {
        log::warn!("SIGHUP ends this process until it listens: {error}");
    }
    let app = match app::build(&settings()?, Clock::system()).await {
        Err(StartError::Setting(error)) => return Err(error.into()),
        built => built.map_err(anyhow::Error::from)?,
    };
    Ok(app.run.await.context("cannot serve")?)
}

fn settings() -> Result<Settings, SettingsError> {
    app::load(&process_environment("AUTH")?)
}

/// Runs a command of an operator.
async fn operate(settings: &Settings, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Migrate { revert: None, .. } => migrate::forward(settings).await,
        Command::Migrate { revert: Some(count), yes } => migrate::revert(settings, count, yes),
        Command::User(command) => user::run(settings, command).await,
        Command::Key(command) => key::run(settings, command).await,
        Command::Client(command) => client::run(settings, command).await,
        Command::Import(command) => import::run(settings, command).await,
        Command::Audit(command) => audit::run(settings, command).await,
        Command::Recover { new_master_key } => recover::run(settings, new_master_key).await,
        Command::Serve | Command::Settings | Command::Healthcheck => Ok(()), // `run` has done these
    }
}
