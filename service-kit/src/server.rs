//! The HTTP server around a route table: its bounds, its envelope, its life from the first request to the last.

use std::future::{Ready, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_web::dev::{Payload, Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{App as Actix, FromRequest, HttpRequest, HttpServer};
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
    pub handle: Handle,
    /// Serves until `SIGTERM`, `SIGINT` or the handle.
    pub run: LocalBoxFuture<'static, io::Result<()>>,
}

/// Stops a service.
#[derive(Debug, Clone)]
pub struct Handle {
    server: ServerHandle,
    closing: Arc<watch::Sender<bool>>,
    /// When it was asked to stop.
    asked: Arc<OnceLock<Instant>>,
    shutdown_timeout: Duration,
}

impl Handle {
    /// Takes no more requests, and ends endless answers at once. With `graceful`, requests in flight may go on for as long
    /// as the settings say. Returns when the server has ended.
    pub async fn stop(&self, graceful: bool) {
        self.asked.get_or_init(Instant::now);
        self.closing.send_replace(true);
        self.server.stop(graceful).await;
    }
}

/// Tells an endless answer, such as a stream of events, that the service is about to stop. A parameter of handlers.
#[derive(Debug, Clone)]
pub struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Returns when the service is about to stop.
    pub async fn closed(&mut self) {
        // An error means that the server is gone, which is the same.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

impl FromRequest for Closing {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Outside of `App::listen` nobody would ever say it, so it counts as said.
        let closing = req.app_data::<Self>().cloned();
        ready(Ok(closing.unwrap_or_else(|| Self(watch::channel(true).1))))
    }
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
        let (closing, closed) = watch::channel(false);
        let server = HttpServer::new(move || {
            let envelope = envelope.clone();
            Actix::new()
                .app_data(PayloadConfig::new(body_bytes))
                .app_data(body_limits)
                .app_data(Closing(closed.clone()))
                .configure(&routes)
                .wrap(from_fn(move |req, next| envelope.clone().wrap(req, next)))
        });
        let server = server
            .workers(workers)
            .max_connections(http.max_connections)
            .client_request_timeout(http.head_timeout)
            .keep_alive(http.keep_alive)
            .shutdown_timeout(http.shutdown_timeout.as_secs())
            .disable_signals() // they end the streams of events as well, so they are handled below
            .listen(listener)?
            .run();
        let handle = Handle {
            server: server.handle(),
            closing: Arc::new(closing),
            asked: Arc::default(),
            shutdown_timeout: http.shutdown_timeout,
        };
        Ok(Self { address, handle: handle.clone(), run: Box::pin(serve(name, server, handle, address)) })
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

    /// Does `work` when the service has ended, before `run` returns: in what is left of the shutdown time-out, and in a second
    /// if there is less.
    #[must_use]
    pub fn afterwards(self, work: impl Future<Output = ()> + 'static) -> Self {
        let Handle { asked, shutdown_timeout, .. } = self.handle.clone();
        let run = async move {
            let ended = self.run.await;
            let gone = asked.get().map_or(Duration::ZERO, Instant::elapsed);
            let left = shutdown_timeout.saturating_sub(gone).max(LAST_WORK);
            if tokio::time::timeout(left, work).await.is_err() {
                log::warn!("what had to be done after the last request was not done in {left:?}");
            }
            ended
        };
        Self { run: Box::pin(run), ..self }
    }
}

/// However long the requests in flight took, work that comes after them has this long.
const LAST_WORK: Duration = Duration::from_secs(1);

async fn serve(name: &str, mut server: Server, handle: Handle, address: SocketAddr) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Whoever waits for this line may send a signal.
    log::info!("{name} listens on http://{address}");
    let graceful = tokio::select! {
        ended = &mut server => return ended,
        _ = terminate.recv() => true,
        _ = interrupt.recv() => false,
    };
    log::info!("{name} stops");
    let ((), ended) = futures_util::future::join(handle.stop(graceful), server).await;
    ended
}
