//! The logger of the process.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use env_logger::{Builder, Env, Logger};
use log::{Level, Log, Metadata, Record};

use super::budget::Budget;
use super::line;
use super::settings::{DEFAULTS, LogSettings};
use crate::envelope::REQUEST_ID;

/// actix logs each worker that it starts, which is of no use to an operator.
const DEFAULT_FILTER: &str = "info,actix_server=warn";
/// Off at every level: any client could write an error into the log with each malformed request. `RUST_LOG=actix_http=error`
/// turns it on.
const UNLESS_NAMED: &str = "actix_http=off";

static BUDGET: LazyLock<Budget> = LazyLock::new(|| Budget::new(DEFAULTS.burst, DEFAULTS.per_minute));
static MAX_LINE: AtomicUsize = AtomicUsize::new(DEFAULTS.max_line_bytes);
/// Seconds.
static REPORT_EVERY: AtomicU64 = AtomicU64::new(DEFAULTS.report_every.as_secs());

impl LogSettings {
    /// Applies these bounds to the log of this process.
    pub fn apply(&self) {
        MAX_LINE.store(self.max_line_bytes, Ordering::Relaxed);
        REPORT_EVERY.store(self.report_every.as_secs(), Ordering::Relaxed);
        BUDGET.set(self.burst, self.per_minute);
    }
}

/// Sends the `log` crate's records to standard error, filtered by `RUST_LOG` (default `info`).
///
/// A line that is written while a request is handled contains its id. Control characters are escaped, so that no input can
/// forge a line (OWASP ASVS 5, 16.4.1). Panics are logged as well.
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

/// Leaves out lines of a place in the code beyond its budget. Debug and trace lines, which `RUST_LOG` turns on, have none.
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

/// Logs panics like every line, because their messages may quote input. With `RUST_BACKTRACE` they are also printed as usual.
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

/// Background task that reports lines that were left out.
pub(crate) async fn keep_reporting() {
    loop {
        tokio::time::sleep(Duration::from_secs(REPORT_EVERY.load(Ordering::Relaxed))).await;
        report();
    }
}

/// Logs how many lines were left out since the last report.
pub(crate) fn report() {
    if let Some(left_out) = BUDGET.report() {
        log::warn!("{left_out}");
    }
}
