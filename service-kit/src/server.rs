//! The HTTP server around a route table: its bounds, its envelope, its life from the first request to the last.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{App as Actix, HttpServer};
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;
use serde::Deserialize;

use crate::envelope::Envelope;
use crate::fields::BodyLimits;
use crate::settings::{SettingsError, check_ranges, parsed_list};

/// The `[http]` part of the settings; `config.default.toml` says what each one means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct HttpSettings {
    pub workers: usize,
    pub max_connections: usize,
    pub max_body_bytes: usize,
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    #[serde(deserialize_with = "parsed_list")]
    pub trusted_proxies: Vec<IpNet>,
}

impl HttpSettings {
    /// # Errors
    /// The first key whose value cannot be meant.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_ranges(&[
            ("http.workers", self.workers, 0, 1024),
            ("http.max_connections", self.max_connections, 1, 1_000_000),
            ("http.max_body_bytes", self.max_body_bytes, 1024, 16 << 20),
        ])
    }
}

/// A service that listens, and serves while `run` is awaited.
pub struct App {
    /// Where it listens, with the port that it got.
    pub address: SocketAddr,
    /// Stops it.
    pub handle: ServerHandle,
    /// Serves until `SIGTERM`, `SIGINT` or the handle.
    pub run: LocalBoxFuture<'static, io::Result<()>>,
}

impl App {
    /// Listens on `address` for what `routes` register; the log calls it `name`.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub fn listen(
        name: &'static str,
        address: SocketAddr,
        http: &HttpSettings,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let workers = match http.workers {
            0 => std::thread::available_parallelism()?.get(),
            workers => workers,
        };
        let envelope = Envelope::new(&http.trusted_proxies);
        let (body_bytes, body_limits) = (http.max_body_bytes, BodyLimits { timeout: http.body_timeout });
        let server = HttpServer::new(move || {
            let envelope = envelope.clone();
            Actix::new()
                .app_data(PayloadConfig::new(body_bytes))
                .app_data(body_limits)
                .configure(&routes)
                .wrap(from_fn(move |req, next| envelope.clone().wrap(req, next)))
        });
        let server = server
            .workers(workers)
            .max_connections(http.max_connections)
            .client_request_timeout(http.head_timeout)
            .keep_alive(http.keep_alive)
            .shutdown_timeout(http.shutdown_timeout.as_secs())
            .listen(listener)?
            .run();
        let handle = server.handle();
        Ok(Self { address, handle, run: Box::pin(serve(name, server, address)) })
    }

    /// Runs `work` in the background for as long as the service runs.
    #[must_use]
    pub fn beside(self, work: impl Future<Output: Send> + Send + 'static) -> Self {
        let run = async move {
            let background = tokio::spawn(work);
            let ended = self.run.await;
            background.abort();
            ended
        };
        Self { run: Box::pin(run), ..self }
    }
}

async fn serve(name: &str, mut server: Server, address: SocketAddr) -> io::Result<()> {
    // The first poll sets up the handling of signals: whoever waits for this line may send one.
    if let std::task::Poll::Ready(ended) = futures_util::poll!(&mut server) {
        return ended;
    }
    log::info!("{name} listens on http://{address}");
    server.await
}
