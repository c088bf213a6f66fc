//! The server beneath the app: connections, in TLS or not, each at its own pace.
//!
//! actix-web's `HttpServer` is these same parts put together, without a place for what [`Paced`] adds to a connection.

use std::future::ready;
use std::io;
use std::net::TcpListener;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::connection::{Pace, Paced};
use crate::server::HttpSettings;
use crate::tls::Handshakes;

/// A socket that is bound, and how its connections are handled.
pub(crate) struct Listener<'a> {
    pub(crate) socket: TcpListener,
    pub(crate) http: &'a HttpSettings,
    /// Plain text without it.
    pub(crate) acceptor: Option<Handshakes>,
}

impl Listener<'_> {
    /// Serves what `app` makes, once for each worker.
    ///
    /// # Errors
    /// The system does not say how many processors there are, or refuses the socket.
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
        let builder = builder(self.http)?;
        let (signal, http) = (builder.graceful_shutdown_signal(), self.http.clone());
        let pace = Pace { between: http.keep_alive + http.head_timeout, unread: http.write_timeout };
        let listening = match self.acceptor {
            None => builder.listen("http", self.socket, move || {
                let connected = move |io: TcpStream| {
                    let peer = io.peer_addr().ok();
                    ready(Ok::<_, DispatchError>((Paced::new(io, pace), Protocol::Http1, peer)))
                };
                fn_service(connected).and_then(service(app(), &http, &signal))
            }),
            Some(handshakes) => builder.listen("https", self.socket, move || {
                let handshakes = handshakes.clone();
                let connected = move |io: TcpStream| {
                    let handshakes = handshakes.clone();
                    async move {
                        let peer = io.peer_addr().ok();
                        let io =
                            handshakes.accept(io).await.inspect_err(|error| log::debug!("TLS: {error}"))?;
                        Ok::<_, DispatchError>((Paced::new(io, pace), Protocol::Http1, peer))
                    }
                };
                fn_service(connected).and_then(service(app(), &http, &signal))
            }),
        };
        Ok(listening?.run())
    }
}

fn builder(http: &HttpSettings) -> io::Result<ServerBuilder> {
    let workers = match http.workers {
        0 => std::thread::available_parallelism()?.get(),
        workers => workers,
    };
    Ok(Server::build()
        .workers(workers)
        .max_concurrent_connections(http.max_connections)
        .shutdown_timeout(http.shutdown_timeout.as_secs())
        .disable_signals()) // they end the streams of events as well, so `server` handles them
}

/// HTTP/1.1 over connections of type `T`.
fn service<T, I, S, B>(
    app: I,
    http: &HttpSettings,
    signal: &GracefulShutdownSignal,
) -> impl ServiceFactory<
    (Paced<T>, Protocol, Option<std::net::SocketAddr>),
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
    HttpService::build()
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
        .finish(map_config(app, |()| AppConfig::default()))
}
