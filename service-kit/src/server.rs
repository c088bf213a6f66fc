//! The HTTP server of a service: its middleware, its bounds, its start and its stop.

use std::future::{Ready, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_web::dev::{Payload, Server, ServerHandle};
use actix_web::http::header::HeaderValue;
use actix_web::middleware::from_fn;
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{App as Actix, FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::body::BodyLimits;
use crate::capacity::Capacity;
use crate::cors;
use crate::envelope::{Envelope, Refusal};
use crate::http_settings::HttpSettings;
use crate::listen::{Listen, Sockets};
use crate::listener::Listener;
use crate::logging;
use crate::tls::Tls;
use crate::unix_socket::SocketSettings;

/// Where a service listens, and how.
pub struct Endpoint<'a> {
    /// The name of the service, for the log and for the realm of its challenges.
    pub name: &'static str,
    /// The setting `listen`.
    pub address: Listen,
    /// Access to the socket, if it is a Unix socket.
    pub socket: SocketSettings,
    /// The bounds of connections and requests.
    pub http: &'a HttpSettings,
    /// The largest number of connections.
    pub capacity: Capacity,
    /// `None` for plain text.
    pub tls: Option<Tls>,
    /// The value of `Strict-Transport-Security`, from [`TlsSettings::hsts`](crate::TlsSettings::hsts).
    pub hsts: Option<HeaderValue>,
    /// The answer to a request that is refused before its handler.
    pub refusal: Refusal,
}

/// A service that listens. It serves while `run` is awaited.
pub struct App {
    /// The address, with the actual port; for a Unix socket the loopback with port 0.
    pub address: SocketAddr,
    /// Stops the service.
    pub handle: Handle,
    /// Serves until `SIGTERM`, `SIGINT` or [`Handle::stop`].
    pub run: LocalBoxFuture<'static, io::Result<()>>,
}

/// Stops a service.
#[derive(Debug, Clone)]
pub struct Handle {
    server: ServerHandle,
    closing: Arc<watch::Sender<bool>>,
    /// When the stop began.
    asked: Arc<OnceLock<Instant>>,
    shutdown_timeout: Duration,
}

impl Handle {
    /// Stops the service: accepts no more requests, and ends endless answers immediately. If `graceful`, requests in progress
    /// may continue for `http.shutdown_timeout`. Returns when the server has ended.
    pub async fn stop(&self, graceful: bool) {
        self.asked.get_or_init(Instant::now);
        self.closing.send_replace(true);
        self.server.stop(graceful).await;
    }
}

/// Extractor for handlers of endless answers, such as event streams: signals that the service is stopping.
#[derive(Debug, Clone)]
pub struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Returns when the service is stopping.
    pub async fn closed(&mut self) {
        // An error means that the server has ended already.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

impl FromRequest for Closing {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Without `App::listen` there is no signal, so the service counts as stopping.
        let closing = req.app_data::<Self>().cloned();
        ready(Ok(closing.unwrap_or_else(|| Self(watch::channel(true).1))))
    }
}

impl App {
    /// Listens at `endpoint`, with these routes.
    ///
    /// # Errors
    /// The address is taken or not one of this machine.
    pub fn listen(
        endpoint: Endpoint<'_>,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let Endpoint { name, address: listen, http, capacity, tls, .. } = endpoint;
        let sockets = listen.bind(&endpoint.socket)?;
        let (closing, closed) = watch::channel(false);
        let envelope = Envelope {
            trusted_proxies: http.trusted_proxies.as_slice().into(),
            limits: http.head_limits(),
            hsts: endpoint.hsts,
            name,
            refusal: endpoint.refusal,
        };
        let body = BodyLimits { max_bytes: http.max_body_bytes, timeout: http.body_timeout };
        let app = move || {
            let envelope = envelope.clone();
            Actix::new()
                .app_data(PayloadConfig::new(body.max_bytes)) // for what reads a body by itself
                .app_data(body)
                .app_data(Closing(closed.clone()))
                .configure(&routes)
                .wrap(from_fn(move |req, next| envelope.clone().wrap(req, next)))
                .wrap(from_fn(cors::wrap))
        };
        let has_tls = tls.is_some();
        let (address, place) = place(&listen, &sockets, if has_tls { "https" } else { "http" })?;
        let (acceptor, refresher) = tls.map(Tls::into_parts).unzip();
        capacity.report(http);
        let (server, file) = Listener { sockets, http, capacity, acceptor }.serve(app)?;
        let handle = Handle {
            server: server.handle(),
            closing: Arc::new(closing),
            asked: Arc::default(),
            shutdown_timeout: http.shutdown_timeout,
        };
        let serving = serve(name, server, handle.clone(), place, has_tls);
        let run = Box::pin(async move {
            let ended = serving.await;
            drop(file);
            ended
        });
        let app = Self { address, handle, run };
        Ok(match refresher {
            Some(refresher) => app.beside(refresher.run()),
            None => app,
        })
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

    /// Runs `work` after the service has ended, before `run` returns. It has the rest of the shutdown time-out, and at least a
    /// second.
    #[must_use]
    pub fn afterwards(self, work: impl Future<Output = ()> + 'static) -> Self {
        let Handle { asked, shutdown_timeout, .. } = self.handle.clone();
        let run = async move {
            let ended = self.run.await;
            let gone = asked.get().map_or(Duration::ZERO, Instant::elapsed);
            let left = shutdown_timeout.saturating_sub(gone).max(LAST_WORK);
            if tokio::time::timeout(left, work).await.is_err() {
                log::warn!("the work after the last request was given up: it took longer than {left:?}");
            }
            ended
        };
        Self { run: Box::pin(run), ..self }
    }
}

/// The least time for work after the last request.
const LAST_WORK: Duration = Duration::from_secs(1);

/// Keeps `SIGHUP` from ending this process. Once the service listens, [`App`] handles the signal. Call this before anything that
/// takes time.
///
/// # Errors
/// The system refuses the handler.
pub fn outlive_hangups() -> io::Result<()> {
    signal(SignalKind::hangup()).map(drop) // the runtime's handler stays
}

/// Returns the address, and the URLs of the service for the log.
fn place(listen: &Listen, sockets: &Sockets, scheme: &str) -> io::Result<(SocketAddr, String)> {
    match sockets {
        Sockets::Tcp { first, more } => {
            let address = first.local_addr()?;
            let sockets = std::iter::once(first).chain(more);
            let urls: io::Result<Vec<_>> =
                sockets.map(|socket| Ok(format!("{scheme}://{}", socket.local_addr()?))).collect();
            Ok((address, urls?.join(" and ")))
        }
        Sockets::Unix(_) => Ok(((Ipv4Addr::LOCALHOST, 0).into(), format!("{listen} ({scheme})"))),
    }
}

/// Logs at each `SIGHUP` that nothing is reloaded, unless there is a certificate.
async fn answer_hangups(has_tls: bool) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        if !has_tls {
            log::info!("SIGHUP: there is nothing to reload: settings are read only at start");
        }
    }
    Ok(())
}

async fn serve(name: &str, mut server: Server, handle: Handle, url: String, has_tls: bool) -> io::Result<()> {
    outlive_hangups()?;
    let mut hangups = std::pin::pin!(answer_hangups(has_tls));
    let _ = futures_util::poll!(&mut hangups); // from now on the signal is handled
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // After this line, every signal is handled.
    log::info!("{name} listens on {url}");
    let graceful = tokio::select! {
        ended = &mut server => return ended,
        () = logging::keep_reporting() => true, // never
        _ = hangups => true, // never
        _ = terminate.recv() => true,
        _ = interrupt.recv() => false,
    };
    log::info!("{name} stops");
    let ((), ended) = futures_util::future::join(handle.stop(graceful), server).await;
    logging::report();
    ended
}
