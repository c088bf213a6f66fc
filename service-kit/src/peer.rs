//! The peer of a connection, and whether its forwarding headers are trusted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

/// The peer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address, in its canonical form.
    Address(IpAddr),
    /// A program on this machine, connected to the Unix socket.
    UnixSocket,
}

impl Peer {
    /// Returns the peer of a request, if it is known.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Option<Self> {
        req.conn_data::<Self>().copied().or_else(|| req.peer_addr().map(Self::from))
    }

    /// Returns the address of the peer; the loopback for a Unix socket.
    #[must_use]
    pub fn address(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::UnixSocket => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// Returns whether the peer is a reverse proxy whose headers are trusted: its address is one of `proxies`, or it uses the
    /// Unix socket and sends a forwarding header. Without one, a program on the socket is the client itself.
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
