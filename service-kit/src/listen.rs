//! The setting `listen`, and its sockets.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::str::FromStr;

use nix::errno::Errno;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::unix_socket::{SocketSettings, UnixSocket};

/// The setting `listen`. Port 0 takes a free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:8080`, `[::1]:8080`.
    Address(SocketAddr),
    /// `localhost:8080`: the loopback by IPv4 and, if the machine has it, by IPv6.
    Localhost(u16),
    /// `:8080`: every address of the machine, by IPv6 and IPv4.
    Everywhere(u16),
    /// `unix:/path`.
    Unix(PathBuf),
}

/// Sockets that are bound.
pub(crate) enum Sockets {
    Tcp { first: TcpListener, more: Vec<TcpListener> },
    Unix(UnixSocket),
}

impl Listen {
    /// Returns whether nothing that is sent there crosses a network.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
            Self::Localhost(_) | Self::Unix(_) => true,
            Self::Everywhere(_) => false,
        }
    }

    /// Binds the sockets. `settings` apply to a Unix socket.
    ///
    /// # Errors
    /// An address is taken or not one of this machine; there is a file at the path of the socket.
    pub(crate) fn bind(&self, settings: &SocketSettings) -> io::Result<Sockets> {
        let tcp = |first| Sockets::Tcp { first, more: Vec::new() };
        match self {
            Self::Address(address) => TcpListener::bind(address).map(tcp),
            Self::Localhost(port) => {
                let first = TcpListener::bind((Ipv4Addr::LOCALHOST, *port))?;
                // With port 0 the log names the address to use, so one is enough.
                let second = (*port != 0).then(|| TcpListener::bind((Ipv6Addr::LOCALHOST, *port)));
                let more = match second.transpose() {
                    Err(error) if !is_without_ipv6(&error) => return Err(error),
                    second => second.ok().flatten().into_iter().collect(),
                };
                Ok(Sockets::Tcp { first, more })
            }
            Self::Everywhere(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)) {
                Err(error) if is_without_ipv6(&error) => {
                    TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).map(tcp)
                }
                bound => bound.map(tcp),
            },
            Self::Unix(path) => UnixSocket::bind(path, settings).map(Sockets::Unix),
        }
    }
}

/// Returns whether binding failed because the machine has no IPv6.
fn is_without_ipv6(error: &io::Error) -> bool {
    let without = [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| without.contains(&Errno::from_raw(code)))
}

/// A text that is no address to listen on.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no address to listen on, such as 127.0.0.1:8080, [::1]:8080, localhost:8080, :8080 or \
     unix:/run/service.sock"
)]
pub struct ListenError(String);

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let wrong = || ListenError(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            let is_file = !path.is_empty() && !path.ends_with('/') && !path.starts_with('@');
            return if is_file { Ok(Self::Unix(path.into())) } else { Err(wrong()) };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        match host {
            "" | "*" => Ok(Self::Everywhere(port)),
            _ if host.eq_ignore_ascii_case("localhost") => Ok(Self::Localhost(port)),
            _ => Err(wrong()),
        }
    }
}

impl Display for Listen {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Localhost(port) => write!(formatter, "localhost:{port}"),
            Self::Everywhere(port) => write!(formatter, ":{port}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_as_it_was() {
        let address = |text: &str| Listen::Address(text.parse().unwrap());
        for (text, meant, is_local) in [
            ("127.0.0.1:8080", address("127.0.0.1:8080"), true),
            ("[::ffff:127.0.0.1]:1", address("[::ffff:127.0.0.1]:1"), true),
            ("[::]:8080", address("[::]:8080"), false),
            ("localhost:8080", Listen::Localhost(8080), true),
            (":8080", Listen::Everywhere(8080), false),
            ("unix:/run/a.sock", Listen::Unix("/run/a.sock".into()), true),
            ("unix:data/a.sock", Listen::Unix("data/a.sock".into()), true),
        ] {
            let read: Listen = text.parse().unwrap();
            assert_eq!((read.to_string().as_str(), read.is_local()), (text, is_local));
            assert_eq!(read, meant);
        }
    }

    #[test]
    fn text_that_is_no_address_is_refused_with_examples_of_the_right_forms() {
        for text in [
            "everywhere",
            "8080",
            "localhost",
            "localhost:http",
            "auth:8080",
            ":70000",
            "unix:",
            "unix:@a",
            "unix:/a/",
        ] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains("localhost:8080") && error.contains("unix:/"), "{text}: {error}");
        }
    }

    #[test]
    fn localhost_is_both_loopback_addresses() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(Listen::Localhost(port).bind(&SocketSettings::default()).is_err(), "it is taken");
        drop(taken);
        let Ok(Sockets::Tcp { first, more }) = Listen::Localhost(port).bind(&SocketSettings::default())
        else {
            return; // another program took it meanwhile
        };
        assert_eq!(first.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], port)));
        let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
        let second: Vec<_> = more.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
        assert_eq!(second, has_ipv6.then(|| format!("[::1]:{port}")).into_iter().collect::<Vec<_>>());
    }
}
