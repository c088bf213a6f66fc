//! Handshakes with time-outs.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Accepts TLS connections.
#[derive(Clone)]
pub(crate) struct Handshakes {
    pub(super) acceptor: TlsAcceptor,
    pub(super) timeout: Duration,
}

impl Handshakes {
    /// Makes a handshake, bounded in time. The number of handshakes is bounded by that of connections: with a bound of their own,
    /// stalled ones could block others.
    ///
    /// # Errors
    /// The handshake failed or did not end in time.
    pub(crate) async fn accept<T>(&self, io: T) -> io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        timeout(self.timeout, self.acceptor.accept(io)).await?
    }
}
