//! Polls the files of the certificate for changes, and reads them at `SIGHUP`.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use tokio::signal::unix::Signal;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::current::{Current, Now};
use super::files::{Content, Files, expiry};

const DAY: i64 = 24 * 3600;

/// Background task that replaces the certificate when its files change.
pub(crate) struct Refresher {
    pub(super) current: Arc<Current>,
    pub(super) files: Arc<Files>,
    pub(super) provider: Arc<CryptoProvider>,
    /// The content that was read last, or why it could not be read. A failure is logged once, not at every poll.
    pub(super) seen: Result<Content, String>,
    pub(super) poll_interval: Duration,
    pub(super) hangup: Signal,
    pub(super) now: Now,
    pub(super) expiry_warning: Duration,
    /// When to warn again that the certificate expires, in unix seconds.
    pub(super) remind_at: i64,
}

impl Refresher {
    /// Runs until the service stops.
    pub(crate) async fn run(mut self) {
        self.remind();
        // The files have just been read: the first poll is due after one interval.
        let mut polls = interval_at(Instant::now() + self.poll_interval, self.poll_interval);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = polls.tick() => {}
                _ = self.hangup.recv() => log::info!("SIGHUP: reads the certificate; settings are read only at start"),
            }
            self.refresh().await;
            self.remind();
        }
    }

    async fn refresh(&mut self) {
        let files = Arc::clone(&self.files);
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        let read = match read {
            Ok(read) => read.map_err(|error| error.to_string()),
            Err(_) => return, // the service stops
        };
        if read != self.seen {
            self.take_over(&read);
            self.seen = read;
        }
    }

    fn take_over(&mut self, read: &Result<Content, String>) {
        let certified = read.as_ref().map_err(Clone::clone).and_then(|content| {
            self.files.certified(content, &self.provider).map_err(|error| error.to_string())
        });
        match certified {
            Ok(certified) => {
                self.current.0.store(Arc::new(certified));
                self.remind_at = 0;
                log::info!("uses the new certificate in {}", self.files.certificate.display());
            }
            Err(reason) => log::error!("keeps the certificate that it has: {reason}"),
        }
    }

    /// Warns once a day, if the certificate expires soon.
    fn remind(&mut self) {
        let now = i64::try_from((self.now)()).unwrap_or(i64::MAX);
        let warning = i64::try_from(self.expiry_warning.as_secs()).unwrap_or(i64::MAX);
        let Some(expiry) = self.current.0.load().cert.first().and_then(expiry) else { return };
        if now < self.remind_at || expiry - now > warning {
            return;
        }
        self.remind_at = now + DAY;
        let name = self.files.certificate.display();
        match expiry - now {
            left if left > 0 => log::warn!("the certificate in {name} expires in {} days", left / DAY),
            _ => log::error!("the certificate in {name} has expired"),
        }
    }
}
