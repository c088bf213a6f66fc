//! Takes connections into TLS.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Takes connections into TLS.
#[derive(Clone)]
pub(crate) struct Handshakes {
    pub(super) acceptor: TlsAcceptor,
    pub(super) timeout: Duration,
}

impl Handshakes {
    /// Makes one handshake, bounded in time. How many there are at once is bounded by the number of connections: a bound of
    /// their own would let stalled ones keep others out.
    ///
    /// # Errors
    /// The client did not say in time, or not in TLS 1.2 or 1.3, what it takes.
    pub(crate) async fn accept<T>(&self, io: T) -> io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        timeout(self.timeout, self.acceptor.accept(io)).await?
    }
}
