//! The command line: `serve`, and what operators do beside a running server.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where the program talks to a terminal"
)]

mod audit;
mod client;
mod healthcheck;
mod import;
mod key;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nix::unistd::{Uid, User};
use service_kit::server::outlive_hangups;
use service_kit::settings::process_environment;
use shared_claims::verifier::Clock;

use crate::app;
use crate::app::StartError;
use crate::domain::accounts::address_check::{AddressReport, settle_addresses};
use crate::domain::audit::Origin;
use crate::domain::issuer::Issuer;
use crate::domain::keyring::Makes;
use crate::settings::Settings;
use crate::store::engine::store::Store;

/// Owns users and sessions, and signs the tokens that other services verify by themselves.
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
        /// Undo this many of the newest migrations instead, and what is stored in what they made. Without --yes, additive
        /// ones at most; while a server is live, additive ones at most in any case.
        #[arg(long, value_name = "COUNT")]
        revert: Option<usize>,
        /// Undo also migrations that are not additive: everything that is stored in their tables is lost.
        #[arg(long, requires = "revert")]
        yes: bool,
    },
    /// Create, disable and enable accounts, change their roles, and free addresses.
    #[command(subcommand)]
    User(user::UserCommand),
    /// List signing keys, and rotate them.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Create, list, disable and enable clients: services with a secret of their own.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Take accounts with their password hashes from another system. They log in with the passwords they have.
    ///
    /// Nothing is hashed, and nothing that is there is changed: what is there already with the same hash is counted, so that
    /// an import that broke off is started again in the same way.
    Import(import::ImportCommand),
    /// Check the audit trail, and read it.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// After a restore from a backup: make everything that was ever given worthless, and begin anew with new keys.
    ///
    /// Ends every session and revokes every token, so that nothing that was used or ended after the backup comes back to
    /// life. Accounts, passwords and clients stay. Run it before the services are started again.
    Recover {
        /// The master key is lost: make a new one in the data folder.
        #[arg(long)]
        new_master_key: bool,
    },
    /// Ask the service of these settings, on this machine, whether it is ready: for the health check of a container.
    ///
    /// Follows `listen`, also to a Unix socket, and `tls`. The exit code is 0 when `/readyz` answers 200, else 1.
    Healthcheck,
    /// Print every setting with its default and its meaning.
    Settings,
}

/// Settings that are wrong (`EX_USAGE` would be 64; the contract says 2, like clap).
const EXIT_SETTINGS: u8 = 2;

/// Runs the program; the exit code is 0, 1 after a failure, or 2 for a wrong setting or argument.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Settings) = cli.command {
        print!("{}", crate::settings::DEFAULTS);
        return ExitCode::SUCCESS;
    }
    // A check every few seconds repeats no warnings.
    if !matches!(cli.command, Some(Command::Healthcheck)) {
        service_kit::logging::init();
    }
    if matches!(cli.command, None | Some(Command::Serve))
        && let Err(error) = outlive_hangups()
    {
        log::warn!("SIGHUP ends this process until it listens: {error}");
    }
    let loaded = process_environment("AUTH").and_then(|env| app::load(&env));
    let settings = match loaded {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("auth-service: {error}");
            return ExitCode::from(EXIT_SETTINGS);
        }
    };
    // `serve` says it in its log, and a health check works on none.
    if !matches!(cli.command, None | Some(Command::Serve | Command::Healthcheck)) {
        eprintln!("auth-service: works on {}", settings.database_shown());
    }
    let done = match cli.command {
        None | Some(Command::Serve | Command::Settings) => match serve(&settings).await {
            Err(StartError::Setting(error)) => {
                eprintln!("auth-service: {error}");
                return ExitCode::from(EXIT_SETTINGS);
            }
            served => served.map_err(|error| error.to_string()),
        },
        Some(Command::Migrate { revert, yes }) => migrate(&settings, revert, yes).await,
        Some(Command::User(command)) => user::run(&settings, command).await,
        Some(Command::Key(command)) => key::run(&settings, command).await,
        Some(Command::Client(command)) => client::run(&settings, command).await,
        Some(Command::Import(command)) => import::run(&settings, command).await,
        Some(Command::Audit(command)) => audit::run(&settings, command).await,
        Some(Command::Healthcheck) => healthcheck::run(&settings).await,
        Some(Command::Recover { new_master_key }) => Box::pin(recover(&settings, new_master_key)).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // libpq writes its reasons on lines of their own.
            let sentence: Vec<&str> = message.lines().map(str::trim).collect();
            eprintln!("auth-service: {}", sentence.join(" "));
            ExitCode::FAILURE
        }
    }
}

/// Who runs the command, as the system knows them: by name or, where they have none, by number.
fn operator() -> Origin {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten();
    Origin::operator(&user.map_or_else(|| uid.to_string(), |user| user.name))
}

/// Does what an operator wants on the use cases. When this returns, it stands in the audit trail.
async fn as_operator<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Issuer) -> Result<T, String>,
) -> Result<T, String> {
    as_operator_making(settings, Makes::Proofs, work).await
}

/// The same for a command that may make keys.
async fn as_operator_making<T>(
    settings: &Settings,
    makes: Makes,
    work: impl AsyncFnOnce(&Issuer) -> Result<T, String>,
) -> Result<T, String> {
    let work = async {
        let issuer = Box::pin(app::build_operator(settings, Clock::system(), makes)).await;
        let issuer = issuer.map_err(|error| error.to_string())?;
        let done = Box::pin(work(&issuer)).await;
        if tokio::time::timeout(settings.database.timeout, issuer.audit.close()).await.is_err() {
            eprintln!("auth-service: the database did not take what this command adds to the audit trail");
        }
        // The process ends: what it committed is written down now.
        issuer.save_marks().await;
        issuer.store.close().await;
        done
    };
    operator().scope(work).await
}

async fn migrate(settings: &Settings, revert: Option<usize>, yes: bool) -> Result<(), String> {
    let (url, limits) = (settings.database_url(), app::store_limits(settings));
    match revert {
        None => {
            app::make_data_dir(settings).map_err(|error| error.to_string())?;
            let store = Store::open(&url, limits).map_err(|error| error.to_string())?;
            match app::behind_in(settings, &store, Clock::system())
                .await
                .map_err(|error| error.to_string())?
            {
                None => migrate_addresses(&store).await?,
                Some(lack) => eprintln!(
                    "auth-service: the database is older than what was answered from it before ({lack}): the addresses \
                     of accounts are left as they are. After `auth-service recover`, run this again"
                ),
            }
            store.close().await;
            println!("the database is up to date");
        }
        Some(count) => {
            let reverted = app::revert(settings, count, yes, &Clock::system());
            for version in reverted.map_err(|error| error.to_string())? {
                println!("reverted migration {version}");
            }
        }
    }
    Ok(())
}

async fn migrate_addresses(store: &Store) -> Result<(), String> {
    let found = settle_addresses(store).await.map_err(|error| error.to_string())?;
    if found != AddressReport::default() {
        let AddressReport { respelled, collisions, refused } = found;
        let (collisions, refused) = (collisions.len(), refused.len());
        println!(
            "addresses: {respelled} written in one spelling, {collisions} that another account has too, {refused} that \
             are none; the log names the accounts"
        );
    }
    Ok(())
}

async fn recover(settings: &Settings, new_master_key: bool) -> Result<(), String> {
    if new_master_key {
        let path = app::new_master_key(settings).map_err(|error| error.to_string())?;
        println!("made a master key in {}: keep a copy", path.display());
    }
    let recovery = operator().scope(Box::pin(app::recover(settings, Clock::system())));
    let ended = recovery.await.map_err(|error| error.to_string())?;
    println!("ended {ended} sessions, and made new keys; everybody logs in again");
    Ok(())
}

async fn serve(settings: &Settings) -> Result<(), StartError> {
    let app = app::build(settings, Clock::system()).await?;
    app.run.await.map_err(StartError::Serve)
}
