//! `auth-service audit …`: what happened, and whether the trail of it is whole.

use std::io::{BufWriter, Write as _, stdout};
use std::time::Duration;

use clap::Subcommand;
use humantime::{parse_duration, parse_rfc3339_weak};

use crate::cli::user::{advise, introduction};
use crate::domain::audit::verify::{Anchor, verify};
use crate::domain::audit::{AuditEntry, EventKind, TrailQuery};
use crate::domain::issuer::Issuer;
use crate::settings::Settings;

/// How many events are read at once.
const STEP: u32 = 500;

/// What can be done about the audit trail.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Check that nothing was changed, left out, put in or made again. Exit code 1 and a line for each finding otherwise.
    Verify {
        /// Where a chain stood once, as the log said it: CHAIN:POSITION:MAC. Finds a database that was set back as a whole.
        /// May be repeated.
        #[arg(long = "anchor", value_name = "CHAIN:POSITION:MAC")]
        anchors: Vec<Anchor>,
    },
    /// Print events as JSON lines, the newest first.
    List {
        /// Only since then: a duration (24h), unix seconds, or a time in UTC (2026-11-22T10:00:00).
        #[arg(long, value_parser = since)]
        since: Option<Since>,
        /// Only what was done to this user or client: a user name or an id. A name that was another account's not long
        /// ago is not enough.
        #[arg(long)]
        subject: Option<String>,
        /// Only events of this name.
        #[arg(long, value_parser = event)]
        event: Option<String>,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Since {
    /// So long ago.
    Ago(Duration),
    /// Unix seconds.
    At(i64),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    if let Ok(ago) = parse_duration(text) {
        return Ok(Since::Ago(ago));
    }
    let time = parse_rfc3339_weak(text).ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let seconds = time.and_then(|time| i64::try_from(time.as_secs()).ok());
    seconds.map(Since::At).ok_or_else(|| "neither a duration nor a time".to_owned())
}

fn event(name: &str) -> Result<String, String> {
    let names = || EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    EventKind::named(name)
        .map(|kind| kind.as_str().to_owned())
        .ok_or_else(|| format!("there are: {}", names()))
}

pub(super) async fn run(settings: &Settings, command: AuditCommand) -> Result<(), String> {
    crate::cli::as_operator(settings, async |issuer| match command {
        AuditCommand::Verify { anchors } => check(issuer, anchors).await,
        AuditCommand::List { since, subject, event } => list(issuer, since, subject, event).await,
    })
    .await
}

async fn check(issuer: &Issuer, anchors: Vec<Anchor>) -> Result<(), String> {
    // On the first start ever the key is made right now, and the trail begins with that.
    issuer.audit.flush().await;
    let verdict = verify(&issuer.store, &issuer.keyring.audit_keys(), anchors).await;
    let verdict = verdict.map_err(|error| error.to_string())?;
    for remark in &verdict.remarks {
        println!("remark: {remark}");
    }
    for finding in &verdict.findings {
        println!("finding: {finding}");
    }
    let (chains, rows, remarks) = (verdict.chains, verdict.rows, verdict.remarks.len());
    println!("{chains} chains, {rows} rows, {} findings, {remarks} remarks", verdict.findings.len());
    if verdict.findings.is_empty() {
        Ok(())
    } else {
        Err("the audit trail is not as it was written".to_owned())
    }
}

/// The id of whom `--subject` means. Says on standard error which account that is: only events are printed.
async fn subject_of(issuer: &Issuer, called: String) -> Result<String, String> {
    let found = issuer.audit_subject(&called).await;
    let Some(named) = found.map_err(|error| advise(&error, "--subject"))? else { return Ok(called) };
    eprintln!("{}", introduction(&named));
    Ok(named.user.id)
}

async fn list(
    issuer: &Issuer,
    since: Option<Since>,
    subject: Option<String>,
    event: Option<String>,
) -> Result<(), String> {
    let since = since.map(|since| match since {
        Since::At(at) => at,
        Since::Ago(ago) => issuer.clock.now().saturating_sub_unsigned(ago.as_secs()),
    });
    let subject = match subject {
        Some(called) => Some(subject_of(issuer, called).await?),
        None => None,
    };
    let mut query = TrailQuery { subject, event, since, limit: STEP, ..TrailQuery::default() };
    let mut out = BufWriter::new(stdout());
    loop {
        let page = issuer.list_audit(query.clone()).await.map_err(|error| error.to_string())?;
        for event in &page.events {
            let line = serde_json::to_string(&AuditEntry::from(event)).map_err(|error| error.to_string())?;
            if writeln!(out, "{line}").is_err() {
                return Ok(()); // whoever reads has seen enough
            }
        }
        if page.next.is_none() {
            let _ = out.flush();
            return Ok(());
        }
        query.after = page.next;
    }
}
