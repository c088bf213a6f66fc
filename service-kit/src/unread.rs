//! Logs requests that actix-http refuses before any code of the service runs: their clients get an answer without a body, so
//! the reason is in the log only.

use std::net::SocketAddr;

use actix_http::Protocol;
use actix_http::error::{DispatchError, ParseError};
use actix_service::{Service as _, ServiceFactory, apply_fn_factory};

use crate::connection::Paced;
use crate::peer::Peer;

type Connection<T> = (Paced<T>, Protocol, Option<SocketAddr>);

/// Logs a line for each connection of `service` that ends with a request that could not be read.
pub(crate) fn logged<T, S>(
    service: S,
) -> impl ServiceFactory<Connection<T>, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    S: ServiceFactory<Connection<T>, Config = (), Response = (), Error = DispatchError, InitError = ()>,
{
    apply_fn_factory(service, |connection: Connection<T>, service: &S::Service| {
        let (activity, peer) = (connection.0.activity(), connection.0.peer());
        let served = service.call(connection);
        async move {
            served.await.inspect_err(|error| {
                if let DispatchError::Parse(reason) = error {
                    log_refusal(reason, activity.lacks_length(), peer);
                }
            })
        }
    })
}

fn log_refusal(reason: &ParseError, lacks_length: bool, peer: Peer) {
    let peer = match peer {
        Peer::Address(address) => address.to_string(),
        Peer::UnixSocket => "the Unix socket".to_owned(),
    };
    if lacks_length && matches!(reason, ParseError::Header) {
        log::warn!(
            "a request from {peer} was refused with 400: a POST over HTTP/1.0 without Content-Length. A proxy must use \
             HTTP/1.1 to this service (docs/proxies.md)"
        );
    } else {
        log::info!("a request from {peer} was refused before it could be read: {reason}");
    }
}
