//! The number of connections: bounded by the settings and by the limit of open files (`RLIMIT_NOFILE`).
//!
//! A server that runs out of descriptors accepts no connection, and cannot open its database either. So the limit is raised
//! as far as possible, some descriptors are reserved for everything else, and the rest is for connections.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::http_settings::HttpSettings;
use crate::peers::Shares;

/// Descriptors of each worker beside its connections: its event queue, its waker, its signals.
const PER_WORKER: usize = 4;
/// Descriptors of every process: standard streams, the socket, the threads that accept connections and run background work,
/// files that are read occasionally, DNS queries.
const PER_PROCESS: usize = 24;
/// The fewest connections of a worker with which a service starts.
const LEAST_CONNECTIONS: usize = 8;
/// One network, and each address in it, has at most a quarter of all connections, whatever the settings are.
const NETWORKS_AT_LEAST: usize = 4;

/// The descriptors that a service needs.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// For everything beside connections: databases, files, outgoing requests.
    pub reserve: usize,
    /// For each connection: one for its socket, and more if a handler opens files.
    pub per_connection: usize,
}

/// Why a service cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    /// The system did not answer.
    #[error("cannot read the limit of open files or the number of processors")]
    Unknown(#[from] io::Error),
    /// Too few descriptors would be left for connections.
    #[error(
        "the limit of open files is {limit}, and at least {needed} are needed with {workers} threads: raise it \
         (LimitNOFILE= of systemd, ulimit -n), or lower http.workers or database.pool_size"
    )]
    TooFewDescriptors {
        /// The limit.
        limit: usize,
        /// The lowest limit that suffices.
        needed: usize,
        /// The number of workers.
        workers: usize,
    },
}

/// How many connections there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// The limit of open files.
    limit: usize,
    pub(crate) workers: usize,
    pub(crate) per_worker: usize,
    pub(crate) shares: Shares,
}

impl Capacity {
    /// Raises the soft limit of open files to the hard one, and computes how many connections it allows. The result is never
    /// above the settings.
    ///
    /// # Errors
    /// The limit is too low, or cannot be read.
    pub fn claim(http: &HttpSettings, needs: Descriptors) -> Result<Self, CapacityError> {
        let limit = raise_limit()?;
        Self::within(http, needs, limit, std::thread::available_parallelism()?.get())
    }

    /// Logs the capacity, and warns if it is below the settings.
    pub(crate) fn report(&self, http: &HttpSettings) {
        let Self { limit, workers, per_worker, shares } = *self;
        log::info!(
            "serves up to {} connections ({workers} threads with {per_worker} each), {} of them from one \
             network and {} from one address; up to {limit} files may be open",
            self.connections(),
            shares.network,
            shares.address,
        );
        if per_worker < http.max_connections {
            log::warn!(
                "http.max_connections is {}, but the limit of {limit} open files allows {per_worker} for each thread: \
                 raise it (LimitNOFILE= of systemd, ulimit -n)",
                http.max_connections
            );
        }
    }

    /// Returns the capacity that `limit` descriptors and the settings allow, on a machine with so many processors.
    fn within(
        http: &HttpSettings,
        needs: Descriptors,
        limit: usize,
        processors: usize,
    ) -> Result<Self, CapacityError> {
        let least = LEAST_CONNECTIONS.min(http.max_connections) * needs.per_connection + PER_WORKER;
        let free = limit.saturating_sub(PER_PROCESS + needs.reserve);
        let workers = match http.workers {
            0 => processors.min(free / least).max(1),
            workers => workers,
        };
        if free / workers < least {
            let needed = PER_PROCESS + needs.reserve + workers * least;
            return Err(CapacityError::TooFewDescriptors { limit, needed, workers });
        }
        let per_worker = ((free / workers - PER_WORKER) / needs.per_connection).min(http.max_connections);
        let network = (workers * per_worker / NETWORKS_AT_LEAST).max(1);
        let shares = Shares { address: http.max_connections_per_address.min(network), network };
        Ok(Self { limit, workers, per_worker, shares })
    }

    /// Returns the largest number of connections, of all workers together.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.workers * self.per_worker
    }

    /// Returns how many endless answers there may be: `configured`, but at most half of all connections, so that the others
    /// are free for requests.
    #[must_use]
    pub fn streams(&self, configured: usize) -> usize {
        configured.min(self.connections() / 2)
    }
}

/// Returns the limit of open files, after raising it.
fn raise_limit() -> io::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = if soft == hard {
        soft
    } else {
        match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => hard,
            Err(error) => {
                log::debug!(
                    "the limit of open files stays at {soft}, it could not be raised to {hard}: {error}"
                );
                soft
            }
        }
    };
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Descriptors = Descriptors { reserve: 40, per_connection: 1 };

    fn http(workers: usize, max_connections: usize, per_address: usize) -> HttpSettings {
        let seconds = std::time::Duration::from_secs;
        HttpSettings {
            workers,
            max_connections,
            max_connections_per_address: per_address,
            max_body_bytes: 1024,
            body_timeout: seconds(1),
            head_timeout: seconds(1),
            keep_alive: seconds(1),
            write_timeout: seconds(1),
            close_timeout: seconds(1),
            shutdown_timeout: seconds(1),
            max_target_bytes: 8192,
            max_header_bytes: 16384,
            max_headers: 64,
            allow_plain_text: false,
            trusted_proxies: Vec::new(),
        }
    }

    #[test]
    fn descriptors_lower_the_maxima_of_the_settings_and_never_raise_them() {
        let capacity = |limit| Capacity::within(&http(2, 1000, 100), NEEDS, limit, 64).unwrap();
        let plenty = capacity(1 << 20);
        assert_eq!((plenty.connections(), plenty.shares.address, plenty.streams(300)), (2000, 100, 300));
        let few = capacity(272);
        assert_eq!((few.connections(), few.shares.address, few.streams(300)), (200, 50, 100));
        let open = few.connections() + NEEDS.reserve + 2 * PER_WORKER + PER_PROCESS;
        assert!(open <= 272, "the reserve is not used for connections: {open}");
    }

    #[test]
    fn a_connection_that_needs_two_descriptors_counts_twice() {
        let needs = Descriptors { per_connection: 2, ..NEEDS };
        let capacity = Capacity::within(&http(1, 1000, 1000), needs, 268, 1).unwrap();
        assert_eq!(capacity.connections(), 100);
    }

    #[test]
    fn no_address_and_no_network_has_more_than_a_quarter_and_each_has_one() {
        let within = |http: &HttpSettings| {
            let Shares { address, network } = Capacity::within(http, NEEDS, 1 << 20, 1).unwrap().shares;
            (address, network)
        };
        assert_eq!(within(&http(1, 400, 1000)), (100, 100));
        assert_eq!(within(&http(1, 400, 30)), (30, 100));
        assert_eq!(within(&http(1, 2, 1000)), (1, 1));
    }

    #[test]
    fn workers_that_were_not_asked_for_are_left_out_before_there_is_an_error() {
        let automatic = Capacity::within(&http(0, 1000, 1000), NEEDS, 100, 64).unwrap();
        assert_eq!((automatic.workers, automatic.per_worker), (3, 8));
        let error = Capacity::within(&http(64, 1000, 1000), NEEDS, 100, 64).unwrap_err().to_string();
        assert!(error.contains("the limit of open files is 100, and at least 832"), "{error}");
        assert!(Capacity::within(&http(64, 1000, 1000), NEEDS, 832, 64).is_ok());
        assert!(Capacity::within(&http(0, 1000, 1000), NEEDS, 24, 64).is_err());
    }
}
