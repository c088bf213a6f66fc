//! Log lines: time, level, the request they belong to, and the message. Whatever strangers send, a line is bounded and escaped
//! (`line.rs`), and so is the number of lines that one place in the code writes (`budget.rs`).

mod budget;
mod line;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use env_logger::{Builder, Env, Logger};
use log::{Level, Log, Metadata, Record};
use serde::Deserialize;

use self::budget::Budget;
use crate::envelope::REQUEST_ID;
use crate::settings::{SettingsError, check_ranges};

/// actix tells of each worker it starts; that is of no use to an operator.
const DEFAULT_FILTER: &str = "info,actix_server=warn";
/// Whatever the level: anybody could write an error into the log with each malformed request. `RUST_LOG=actix_http=error`
/// shows them.
const UNLESS_NAMED: &str = "actix_http=off";

/// What goes for lines that are written before the settings are read.
const DEFAULTS: LogSettings = LogSettings {
    max_line_bytes: 2048,
    at_once: 100,
    per_minute: 120,
    report_every: Duration::from_secs(60),
};

static BUDGET: LazyLock<Budget> = LazyLock::new(|| Budget::new(DEFAULTS.at_once, DEFAULTS.per_minute));
static MAX_LINE: AtomicUsize = AtomicUsize::new(DEFAULTS.max_line_bytes);
/// Seconds.
static REPORT_EVERY: AtomicU64 = AtomicU64::new(DEFAULTS.report_every.as_secs());

/// The `[log]` part of the settings; `config.default.toml` says what each one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct LogSettings {
    pub max_line_bytes: usize,
    pub at_once: u32,
    pub per_minute: u32,
    #[serde(with = "humantime_serde")]
    pub report_every: Duration,
}

impl LogSettings {
    /// # Errors
    /// The first key whose value cannot be meant.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_ranges(&[
            ("log.max_line_bytes", self.max_line_bytes, 256, 64 << 10),
            ("log.at_once", self.at_once as usize, 1, 1_000_000),
            ("log.per_minute", self.per_minute as usize, 1, 1_000_000),
        ])?;
        if (1..=3600).contains(&self.report_every.as_secs()) {
            return Ok(());
        }
        Err(SettingsError::invalid("log.report_every", "must be between 1s and 1h"))
    }

    /// Bounds the log of this process by these settings from now on.
    pub fn apply(&self) {
        MAX_LINE.store(self.max_line_bytes, Ordering::Relaxed);
        REPORT_EVERY.store(self.report_every.as_secs(), Ordering::Relaxed);
        BUDGET.set(self.at_once, self.per_minute);
    }
}

/// Sends the `log` crate's records to standard error, filtered by `RUST_LOG` (default `info`).
///
/// A line that was written while a request was handled carries its id. Control characters are escaped, so that no
/// input can forge a line (OWASP ASVS 5, 16.4.1). Panics are lines as well.
pub fn init() {
    let lines = Builder::new()
        .parse_filters(UNLESS_NAMED)
        .parse_env(Env::default().default_filter_or(DEFAULT_FILTER))
        .format(|out, record| {
            let message = line::bounded(*record.args(), MAX_LINE.load(Ordering::Relaxed));
            let (time, level) = (out.timestamp_millis(), record.level());
            let style = out.default_level_style(level);
            match REQUEST_ID.try_with(Clone::clone) {
                Ok(id) => writeln!(out, "{time} {style}{level:5}{style:#} [{id}] {message}"),
                Err(_) => writeln!(out, "{time} {style}{level:5}{style:#} {message}"),
            }
        })
        .build();
    let most = lines.filter();
    if log::set_boxed_logger(Box::new(Bounded(lines))).is_ok() {
        log::set_max_level(most);
        log_panics();
    }
}

/// Leaves out what one place in the code writes beyond its budget. Debugging is for those who asked for it, and has none.
struct Bounded(Logger);

impl Log for Bounded {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.0.matches(record) && (record.level() > Level::Info || BUDGET.admits(record)) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// A panic's message may quote what was sent: it goes the way of every line. With `RUST_BACKTRACE` it is printed as usual, too.
fn log_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
        match info.location() {
            Some(place) => log::error!("a panic at {place}: {text}"),
            None => log::error!("a panic: {text}"),
        }
        if Backtrace::capture().status() == BacktraceStatus::Captured {
            usual(info);
        }
    }));
}

/// Says at intervals what was left out, for as long as it is awaited.
pub(crate) async fn keep_reporting() {
    loop {
        tokio::time::sleep(Duration::from_secs(REPORT_EVERY.load(Ordering::Relaxed))).await;
        report();
    }
}

/// Says what was left out since the last time, in one line.
pub(crate) fn report() {
    if let Some(left_out) = BUDGET.report() {
        log::warn!("{left_out}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_cannot_be_meant_are_named() {
        DEFAULTS.check().unwrap();
        let wrong = [
            ("log.max_line_bytes", LogSettings { max_line_bytes: 10, ..DEFAULTS }),
            ("log.at_once", LogSettings { at_once: 0, ..DEFAULTS }),
            ("log.per_minute", LogSettings { per_minute: 0, ..DEFAULTS }),
            ("log.report_every", LogSettings { report_every: Duration::ZERO, ..DEFAULTS }),
        ];
        for (key, settings) in wrong {
            assert!(settings.check().unwrap_err().to_string().contains(key), "{key}");
        }
    }
}
