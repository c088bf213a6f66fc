//! `auth-service import FILE`: accounts of another system with their password hashes, beside a running server.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use clap::{Args, ValueEnum};
use tokio::sync::mpsc;

use crate::app::Services;
use crate::cli::account_notes::{warn_about_refused_logins, warn_about_unknown_roles};
use crate::cli::operator::as_operator;
use crate::domain::accounts::import::formats::format::{self, Format};
use crate::domain::accounts::import::formats::record::ReadError;
use crate::domain::accounts::import::size_warning;
use crate::domain::accounts::import::{BATCH, Outcome, Read, Rehearsal, Report};
use crate::domain::tokens::size::TokenTooLarge;
use crate::settings::Settings;

/// Batches that are read ahead.
const AHEAD: usize = 4;
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// `auth-service import`.
#[derive(Debug, Args)]
pub(super) struct ImportCommand {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// The system that exported it.
    #[arg(long, value_enum, default_value = "lines")]
    format: Source,
    /// Report what would be done, and store nothing. Needs about 50 bytes of memory for each account.
    #[arg(long)]
    dry_run: bool,
    /// Give accounts Keycloak's realm roles by their names. Check them first: an `admin` there becomes an `admin` here.
    #[arg(long)]
    with_roles: bool,
    /// Take resting names and addresses too. Other services may still mistake them for their former owner's.
    #[arg(long)]
    allow_resting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// JSON lines: `{username, password_hash, email?, email_verified?, roles?, disabled?}`.
    Lines,
    /// A realm as `kc.sh export` writes it.
    Keycloak,
    /// Users as Auth0 exports them, or as its bulk import takes them.
    Auth0,
    /// The table auth.users, as CSV with a header or as JSON.
    Supabase,
}

/// How accounts are stored.
#[derive(Debug, Clone, Copy)]
struct Options {
    dry_run: bool,
    allow_resting: bool,
}

pub(super) async fn run(settings: &Settings, command: ImportCommand) -> anyhow::Result<()> {
    let ImportCommand { file, format, dry_run, with_roles, allow_resting } = command;
    let format = match format {
        Source::Lines => Format::Lines,
        Source::Keycloak => Format::Keycloak { with_roles },
        Source::Auth0 => Format::Auth0,
        Source::Supabase => Format::Supabase,
    };
    let (reader, options) = (open(&file)?, Options { dry_run, allow_resting });
    as_operator(settings, async |services| act(services, format, reader, options).await).await
}

async fn act(
    services: &Services,
    format: Format,
    reader: Box<dyn BufRead + Send>,
    options: Options,
) -> anyhow::Result<()> {
    let (sender, batches) = mpsc::channel(AHEAD);
    let reading = std::thread::spawn(move || read(format, reader, &sender));
    let mut report = Report::default();
    let stored = store(services, batches, options, &mut report).await;
    // After a failure to store, the channel is closed, and the reader ends.
    let read = reading.join().unwrap_or_else(|_| Err(anyhow!("the reader panicked")));
    print(&report, options.dry_run);
    stored
        .and(read)
        .map_err(|error| anyhow!("{error:#}. What was stored stays; the same command goes on from there."))?;
    let refused = report.refused;
    ensure!(refused == 0, "{refused} refused; the lines above say why");
    Ok(())
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead + Send>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// Accounts, each with its place in the file.
type Batch = Vec<(u64, Read)>;

/// Fills batches until the file ends, or the receiver is closed.
fn read(
    format: Format,
    mut reader: Box<dyn BufRead + Send>,
    sender: &mpsc::Sender<Batch>,
) -> anyhow::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    let outcome = format::read(format, &mut *reader, &mut |place, read| {
        batch.push((place, read));
        batch.len() < BATCH || sender.blocking_send(std::mem::take(&mut batch)).is_ok()
    });
    let _ = sender.blocking_send(batch);
    match outcome {
        Ok(()) | Err(ReadError::Stopped) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Stores the batches, up to the first that fails. `report` counts the accounts of those that were stored.
async fn store(
    services: &Services,
    mut batches: mpsc::Receiver<Batch>,
    options: Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut roles = BTreeSet::new();
    let (mut shown, mut rehearsal) = (Instant::now(), options.dry_run.then(Rehearsal::default));
    while let Some(batch) = batches.recv().await {
        let (places, accounts): (Vec<u64>, Vec<Read>) = batch.into_iter().unzip();
        let named = accounts.iter().flatten().flat_map(|account| account.roles.iter());
        let new: Vec<String> = named.filter(|role| !roles.contains(*role)).cloned().collect();
        warn_about_unknown_roles(services, new.iter().collect::<BTreeSet<_>>());
        roles.extend(new);
        let warnings: Vec<_> =
            accounts.iter().map(|account| size_warning(&services.tokens, account)).collect();
        let outcomes =
            services.accounts.import_with(accounts, rehearsal.as_mut(), options.allow_resting).await?;
        for ((place, outcome), warning) in places.iter().zip(&outcomes).zip(warnings) {
            report.count(outcome);
            complain(*place, outcome);
            warn(*place, outcome, warning);
        }
        if shown.elapsed() >= PROGRESS_EVERY {
            shown = Instant::now();
            let Report { created, present, refused, .. } = report;
            eprintln!("auth-service: {created} created, {present} already there, {refused} refused so far");
        }
    }
    Ok(())
}

fn complain(place: u64, outcome: &Outcome) {
    let Outcome::Refused(mistakes) = outcome else { return };
    for mistake in mistakes {
        eprintln!("{place}: {}: {}", mistake.field, mistake.message);
    }
}

/// Warns of an account that was created and cannot log in.
fn warn(place: u64, outcome: &Outcome, warning: Option<TokenTooLarge>) {
    if let (Outcome::Created(_), Some(too_large)) = (outcome, warning) {
        warn_about_refused_logins(&format!("{place}: the account"), &too_large);
    }
}

fn print(report: &Report, dry_run: bool) {
    let created = if dry_run { "would be created" } else { "created" };
    println!("{} {created}, {} already there, {} refused", report.created, report.present, report.refused);
    for (kind, count) in &report.kinds {
        println!("{kind}: {count}");
    }
    for ((field, code), count) in &report.refusals {
        println!("refused for {field} {code}: {count}");
    }
}
