//! Collects what the crate logs. The lines are those of all tests in the process, so look for text that only one test logs.

use std::sync::{Mutex, Once};

static LINES: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());
static COLLECT: Once = Once::new();

struct Collector;

impl log::Log for Collector {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) && record.target().starts_with("shared_claims") {
            LINES.lock().unwrap().push((record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// Collects warnings from now on.
pub(crate) fn collect() {
    collect_up_to(log::LevelFilter::Warn);
}

/// Collects lines of this level and of more severe ones from now on.
pub(crate) fn collect_up_to(level: log::LevelFilter) {
    COLLECT.call_once(|| log::set_logger(&Collector).unwrap());
    log::set_max_level(level.max(log::max_level()));
}

/// Returns the warnings and errors that contain `text`.
pub(crate) fn warnings(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    let lines = lines.iter().filter(|(level, line)| *level <= log::Level::Warn && line.contains(text));
    lines.map(|(_, line)| line.clone()).collect()
}

/// Returns the lines at `debug` that contain `text`.
pub(crate) fn debug_lines(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    let lines = lines.iter().filter(|(level, line)| *level == log::Level::Debug && line.contains(text));
    lines.map(|(_, line)| line.clone()).collect()
}
