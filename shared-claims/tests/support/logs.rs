//! What the crate warns of.

use std::sync::{Mutex, Once};

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static COLLECT: Once = Once::new();

struct Collector;

impl log::Log for Collector {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNINGS.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Collects warnings from now on; those of all tests in the process.
pub(crate) fn collect() {
    COLLECT.call_once(|| {
        log::set_logger(&Collector).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
    });
}

/// The warnings in which `text` stands.
pub(crate) fn warnings(text: &str) -> Vec<String> {
    WARNINGS.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
}
