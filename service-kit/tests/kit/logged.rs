//! What the kit logs in this process, for tests to look for.

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

/// Keeps lines from now on.
pub fn start() {
    START.call_once(|| {
        log::set_logger(&Kept).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}

/// The lines so far that contain this. Tests run beside each other: `about` names what only one of them does.
pub fn lines(about: &str) -> Vec<String> {
    LINES.lock().unwrap().iter().filter(|line| line.contains(about)).cloned().collect()
}

/// Takes the next line that contains this out of the log.
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
