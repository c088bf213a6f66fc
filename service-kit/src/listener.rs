//! The server beneath the app: accepts connections, in TLS or plain text, and bounds each.
//!
//! actix-web's `HttpServer` is made of the same parts, but has no hook for [`Paced`].

use std::future::{poll_fn, ready};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::activity::Activity;
use crate::capacity::Capacity;
use crate::connection::{Pace, Paced};
use crate::http_settings::HttpSettings;
use crate::listen::Sockets;
use crate::peer::Peer;
use crate::peers::{Admitted, Peers};
use crate::tls::Handshakes;
use crate::unix_socket::{SocketFile, UnixSocket};
use crate::unread;

/// Sockets that are bound, and how their connections are handled.
pub(crate) struct Listener<'a> {
    pub(crate) sockets: Sockets,
    pub(crate) http: &'a HttpSettings,
    pub(crate) capacity: Capacity,
    /// `None` for plain text.
    pub(crate) acceptor: Option<Handshakes>,
}

/// A connection below HTTP.
trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Returns the peer; `None` if the connection has ended already.
    fn peer(&self) -> Option<Peer>;
}

impl Stream for TcpStream {
    fn peer(&self) -> Option<Peer> {
        self.peer_addr().ok().map(Peer::from)
    }
}

impl Stream for UnixStream {
    fn peer(&self) -> Option<Peer> {
        Some(Peer::UnixSocket)
    }
}

/// How connections are handled, at each worker.
#[derive(Clone)]
struct Handling {
    http: HttpSettings,
    peers: Peers,
    pace: Pace,
    signal: GracefulShutdownSignal,
}

impl Listener<'_> {
    /// Serves the app of each worker, made by `app`. The file of a Unix socket is removed when the returned [`SocketFile`] is
    /// dropped.
    ///
    /// # Errors
    /// A socket cannot be used.
    pub(crate) fn serve<I, S, B>(
        self,
        app: impl Fn() -> I + Clone + Send + 'static,
    ) -> io::Result<(Server, Option<SocketFile>)>
    where
        I: IntoServiceFactory<S, Request> + 'static,
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
        let mut builder = builder(self.http, self.capacity);
        let http = self.http.clone();
        let handling = Handling {
            peers: Peers::new(self.capacity.shares, &http.trusted_proxies),
            pace: Pace { between: http.keep_alive + http.head_timeout, unread: http.write_timeout },
            signal: builder.graceful_shutdown_signal(),
            http,
        };
        let acceptor = self.acceptor;
        match self.sockets {
            Sockets::Tcp { first, more } => {
                for socket in std::iter::once(first).chain(more) {
                    let (handling, app) = (handling.clone(), app.clone());
                    builder = match acceptor.clone() {
                        None => builder.listen("http", socket, move || plain(app(), &handling)),
                        Some(handshakes) => builder
                            .listen("https", socket, move || encrypted(app(), &handling, handshakes.clone())),
                    }?;
                }
                Ok((builder.run(), None))
            }
            Sockets::Unix(UnixSocket { listener, file }) => {
                let builder = match acceptor {
                    None => builder.listen_uds("http", listener, move || plain(app(), &handling)),
                    Some(handshakes) => builder.listen_uds("https", listener, move || {
                        encrypted(app(), &handling, handshakes.clone())
                    }),
                }?;
                Ok((builder.run(), Some(file)))
            }
        }
    }
}

/// Returns the service for connections in plain text.
fn plain<T, I, S, B>(
    app: I,
    handling: &Handling,
) -> impl ServiceFactory<T, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<T, I, S, B>
where
    T: Stream,
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
    let Handling { http, peers, pace, signal } = handling.clone();
    let connected = move |io: T| {
        let admitted = admit(&peers, io.peer());
        ready(admitted.map(|admitted| (Paced::new(io, admitted, pace), Protocol::Http1, None)))
    };
    fn_service(connected).and_then(service(app, &http, &signal))
}

/// Returns the service for connections in TLS.
fn encrypted<T, I, S, B>(
    app: I,
    handling: &Handling,
    handshakes: Handshakes,
) -> impl ServiceFactory<T, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<T, I, S, B>
where
    T: Stream,
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
    let Handling { http, peers, pace, signal } = handling.clone();
    let connected = move |io: T| {
        let (handshakes, admitted) = (handshakes.clone(), admit(&peers, io.peer()));
        async move {
            let admitted = admitted?;
            let io = handshake(&handshakes, io, &admitted.activity).await;
            let io = io.inspect_err(|error| log::debug!("TLS: {error}"))?;
            Ok::<_, DispatchError>((Paced::new(io, admitted, pace), Protocol::Http1, None))
        }
    };
    fn_service(connected).and_then(service(app, &http, &signal))
}

fn builder(http: &HttpSettings, capacity: Capacity) -> ServerBuilder {
    Server::build()
        .workers(capacity.workers)
        .max_concurrent_connections(capacity.per_worker)
        .shutdown_timeout(http.shutdown_timeout.as_secs())
        .disable_signals() // `server` handles them, because it also ends event streams
}

fn admit(peers: &Peers, peer: Option<Peer>) -> Result<Admitted, DispatchError> {
    let peer = peer.ok_or(DispatchError::Io(ErrorKind::NotConnected.into()))?;
    peers.admit(peer).ok_or_else(|| {
        log::debug!(
            "a connection was refused: all connections that its address or network may have are in use"
        );
        DispatchError::Io(ErrorKind::ConnectionRefused.into())
    })
}

/// Makes a handshake, unless the connection has to close before it is done.
async fn handshake<T: Stream>(
    handshakes: &Handshakes,
    io: T,
    activity: &Activity,
) -> io::Result<TlsStream<T>> {
    tokio::select! {
        done = handshakes.accept(io) => done,
        () = poll_fn(|context| activity.poll_closed(context)) => Err(ErrorKind::ConnectionAborted.into()),
    }
}

/// Returns the service for HTTP/1.1 over connections of type `T`.
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
            extensions.insert(io.peer());
        })
        .finish(map_config(app, |()| AppConfig::default()));
    unread::logged(service)
}
