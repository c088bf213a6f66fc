//! The log of this process, for tests to search.

use std::sync::{Mutex, Once};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use tokio::time::timeout;

use crate::client::PATIENCE;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static START: Once = Once::new();

struct Kept;

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("service_kit")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Starts to keep log lines.
pub fn start() {
    START.call_once(|| {
        log::set_logger(&Kept).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}

/// Returns the lines so far that contain `about`. Tests run in parallel, so it must be in the lines of one test only.
pub fn lines(about: &str) -> Vec<String> {
    LINES.lock().unwrap().iter().filter(|line| line.contains(about)).cloned().collect()
}

/// Waits for a line that contains `about`, and removes it from the log.
pub async fn next(about: &str) -> String {
    let waiting = async {
        loop {
            let found = LINES.lock().unwrap().iter().position(|line| line.contains(about));
            if let Some(found) = found {
                return LINES.lock().unwrap().remove(found);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no line with {about:?}"))
}
