//! The other end of a request's connection, and whether it is believed about the client that it speaks for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address, in its canonical form.
    Address(IpAddr),
    /// A program on this machine that may write to the Unix socket.
    UnixSocket,
}

impl Peer {
    /// Returns the peer of a request, if it is known.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Option<Self> {
        req.conn_data::<Self>().copied().or_else(|| req.peer_addr().map(Self::from))
    }

    /// The address that counts as its own: on a Unix socket the loopback.
    #[must_use]
    pub fn address(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::UnixSocket => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// Whether it is a reverse proxy whose headers are believed: by its address, or because it uses the Unix socket and says
    /// for whom it asks. Without such a header a program on the socket asks for itself.
    #[must_use]
    pub fn is_trusted(self, proxies: &[IpNet], headers: &HeaderMap) -> bool {
        match self {
            Self::Address(address) => proxies.iter().any(|network| network.contains(&address)),
            Self::UnixSocket => headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED),
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address.ip().to_canonical())
    }
}
