//! The server beneath the app: connections, in TLS or not, each at its own pace.
//!
//! actix-web's `HttpServer` is these same parts put together, without a place for what [`Paced`] adds to a connection.

use std::future::{poll_fn, ready};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::capacity::Capacity;
use crate::connection::{Activity, Pace, Paced};
use crate::peers::{Admitted, Peers};
use crate::server::HttpSettings;
use crate::tls::Handshakes;
use crate::unread;

/// A socket that is bound, and how its connections are handled.
pub(crate) struct Listener<'a> {
    pub(crate) socket: TcpListener,
    pub(crate) http: &'a HttpSettings,
    pub(crate) capacity: Capacity,
    /// Plain text without it.
    pub(crate) acceptor: Option<Handshakes>,
}

impl Listener<'_> {
    /// Serves what `app` makes, once for each worker.
    ///
    /// # Errors
    /// The system refuses the socket.
    pub(crate) fn serve<I, S, B>(self, app: impl Fn() -> I + Clone + Send + 'static) -> io::Result<Server>
    where
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<
                Request,
                Config = AppConfig,
                Response = ServiceResponse<B>,
                Error = actix_web::Error,
                InitError = (),
            > + 'static,
        S::Future: 'static,
        B: MessageBody + 'static,
    {
        let builder = builder(self.http, self.capacity);
        let (signal, http) = (builder.graceful_shutdown_signal(), self.http.clone());
        let peers = Peers::new(self.capacity.shares, &http.trusted_proxies);
        let pace = Pace { between: http.keep_alive + http.head_timeout, unread: http.write_timeout };
        let listening = match self.acceptor {
            None => builder.listen("http", self.socket, move || {
                let peers = peers.clone();
                let connected = move |io: TcpStream| {
                    let peer = io.peer_addr().ok();
                    let admitted = admit(&peers, peer);
                    ready(admitted.map(|admitted| (Paced::new(io, admitted, pace), Protocol::Http1, peer)))
                };
                fn_service(connected).and_then(service(app(), &http, &signal))
            }),
            Some(handshakes) => builder.listen("https", self.socket, move || {
                let (handshakes, peers) = (handshakes.clone(), peers.clone());
                let connected = move |io: TcpStream| {
                    let (handshakes, peer) = (handshakes.clone(), io.peer_addr().ok());
                    let admitted = admit(&peers, peer);
                    async move {
                        let admitted = admitted?;
                        let io = handshake(&handshakes, io, &admitted.activity).await;
                        let io = io.inspect_err(|error| log::debug!("TLS: {error}"))?;
                        Ok::<_, DispatchError>((Paced::new(io, admitted, pace), Protocol::Http1, peer))
                    }
                };
                fn_service(connected).and_then(service(app(), &http, &signal))
            }),
        };
        Ok(listening?.run())
    }
}

fn builder(http: &HttpSettings, capacity: Capacity) -> ServerBuilder {
    Server::build()
        .workers(capacity.workers)
        .max_concurrent_connections(capacity.per_worker)
        .shutdown_timeout(http.shutdown_timeout.as_secs())
        .disable_signals() // they end the streams of events as well, so `server` handles them
}

fn admit(peers: &Peers, peer: Option<SocketAddr>) -> Result<Admitted, DispatchError> {
    peers.admit(peer).ok_or_else(|| {
        log::debug!(
            "a connection was refused: its address or network has as many as it may have, and uses them all"
        );
        DispatchError::Io(ErrorKind::ConnectionRefused.into())
    })
}

/// A handshake, unless the connection has to close before it is done.
async fn handshake(
    handshakes: &Handshakes,
    io: TcpStream,
    activity: &Activity,
) -> io::Result<TlsStream<TcpStream>> {
    tokio::select! {
        done = handshakes.accept(io) => done,
        () = poll_fn(|context| activity.poll_closed(context)) => Err(ErrorKind::ConnectionAborted.into()),
    }
}

/// HTTP/1.1 over connections of type `T`.
fn service<T, I, S, B>(
    app: I,
    http: &HttpSettings,
    signal: &GracefulShutdownSignal,
) -> impl ServiceFactory<
    (Paced<T>, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<T, I, S, B>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    let signal = signal.clone();
    let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
    let service = HttpService::build()
        .keep_alive(http.keep_alive)
        .client_request_timeout(http.head_timeout)
        .client_disconnect_timeout(http.close_timeout)
        .graceful_shutdown_signal(move || {
            let signal = signal.clone();
            async move { signal.notified().await }
        })
        .on_connect_ext(|io: &Paced<T>, extensions| {
            extensions.insert(io.activity());
        })
        .finish(map_config(app, |()| AppConfig::default()));
    unread::logged(service)
}
