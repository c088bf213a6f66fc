//! `auth-service audit …`: reads and verifies the audit trail.

use std::io::{BufWriter, Write as _, stdout};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use humantime::{parse_duration, parse_rfc3339_weak};

use crate::app::Services;
use crate::cli::account_notes::{advise, introduction};
use crate::cli::operator::as_operator;
use crate::domain::audit::verify::{Checkpoint, verify};
use crate::domain::audit::{AuditEntry, EventKind, TrailQuery};
use crate::settings::Settings;

/// How many events are read in one query.
const PAGE_SIZE: u32 = 500;

/// Commands about the audit trail.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Check that no event was changed, deleted, inserted or forged. Exit code 1 and a line for each finding otherwise.
    Verify {
        /// A checkpoint from the log: CHAIN:POSITION:MAC. Finds a database that was set back as a whole. May be repeated.
        #[arg(long = "anchor", value_name = "CHAIN:POSITION:MAC")]
        anchors: Vec<Checkpoint>,
    },
    /// Print events as JSON lines, the newest first.
    List {
        /// Only events from this time on: a duration before now (24h), unix seconds, or a time in UTC (2026-11-22T10:00:00).
        #[arg(long, value_parser = since)]
        since: Option<Since>,
        /// Only events about this user or client: a user name or an id. A name that another account had recently needs the id.
        #[arg(long)]
        subject: Option<String>,
        /// Only events of this name.
        #[arg(long, value_parser = event)]
        event: Option<String>,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Since {
    /// A duration before now.
    Ago(Duration),
    /// Unix seconds.
    At(i64),
}

fn since(text: &str) -> anyhow::Result<Since> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    if let Ok(ago) = parse_duration(text) {
        return Ok(Since::Ago(ago));
    }
    let time = parse_rfc3339_weak(text).ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let seconds = time.and_then(|time| i64::try_from(time.as_secs()).ok());
    seconds.map(Since::At).context("neither a duration nor a time")
}

fn event(name: &str) -> anyhow::Result<String> {
    let names = || EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    let kind = EventKind::named(name).with_context(|| format!("there are: {}", names()))?;
    Ok(kind.as_str().to_owned())
}

pub(super) async fn run(settings: &Settings, command: AuditCommand) -> anyhow::Result<()> {
    as_operator(settings, async |services| match command {
        AuditCommand::Verify { anchors } => check(services, anchors).await,
        AuditCommand::List { since, subject, event } => list(services, since, subject, event).await,
    })
    .await
}

async fn check(services: &Services, anchors: Vec<Checkpoint>) -> anyhow::Result<()> {
    // The event of a key that this process has just created.
    services.audit.flush().await;
    let report = verify(&services.store, &services.keyring.audit_keys(), anchors).await?;
    for remark in &report.remarks {
        println!("remark: {remark}");
    }
    for finding in &report.findings {
        println!("finding: {finding}");
    }
    let (chains, rows, remarks) = (report.chains, report.rows, report.remarks.len());
    println!("{chains} chains, {rows} rows, {} findings, {remarks} remarks", report.findings.len());
    ensure!(report.findings.is_empty(), "the audit trail was tampered with");
    Ok(())
}

/// Returns the id that `--subject` means. Which account that is goes to standard error, since only events are printed.
async fn subject_of(services: &Services, called: String) -> anyhow::Result<String> {
    let found = services.accounts.audit_subject(&called).await;
    let Some(named) = found.map_err(|error| advise(error, "--subject"))? else { return Ok(called) };
    eprintln!("{}", introduction(&named));
    Ok(named.user.id)
}

async fn list(
    services: &Services,
    since: Option<Since>,
    subject: Option<String>,
    event: Option<String>,
) -> anyhow::Result<()> {
    let since = since.map(|since| match since {
        Since::At(at) => at,
        Since::Ago(ago) => services.clock.now().saturating_sub_unsigned(ago.as_secs()),
    });
    let subject = match subject {
        Some(called) => Some(subject_of(services, called).await?),
        None => None,
    };
    let mut query = TrailQuery { subject, event, since, limit: PAGE_SIZE, ..TrailQuery::default() };
    let mut out = BufWriter::new(stdout());
    loop {
        let page = services.trail.list(query.clone()).await?;
        for event in &page.events {
            let line = serde_json::to_string(&AuditEntry::from(event))?;
            if writeln!(out, "{line}").is_err() {
                return Ok(()); // the reader of the pipe has closed it
            }
        }
        if page.next.is_none() {
            let _ = out.flush();
            return Ok(());
        }
        query.after = page.next;
    }
}
