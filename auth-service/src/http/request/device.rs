//! The address and the user agent of a request, which are stored with a session. Wrong passwords are counted by the address.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, USER_AGENT, X_FORWARDED_FOR};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use ipnet::IpNet;
use rfc7239::{NodeIdentifier, NodeName};
use service_kit::Peer;

use crate::domain::sessions::device::Device;

/// The header in which a trusted proxy names the client.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ForwardedHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// Finds the device of a request.
#[derive(Debug, Clone)]
pub(crate) struct Devices {
    max_user_agent_chars: usize,
    /// The peers that may name the client ...
    trusted_proxies: Arc<[IpNet]>,
    /// ... in this header.
    header: ForwardedHeader,
}

impl Devices {
    pub(crate) fn new(
        max_user_agent_chars: usize,
        trusted_proxies: &[IpNet],
        header: ForwardedHeader,
    ) -> Self {
        Self { max_user_agent_chars, trusted_proxies: trusted_proxies.into(), header }
    }

    /// Returns the first address on the way from here to the client that is not a trusted proxy. Addresses behind it in the
    /// header may be forged.
    pub(in crate::http) fn address(&self, req: &HttpRequest) -> Option<IpAddr> {
        let (peer, headers) = (Peer::of(req)?, req.headers());
        let mut address = peer.address();
        let mut claimed = match self.header {
            ForwardedHeader::XForwardedFor => listed(headers, &X_FORWARDED_FOR),
            ForwardedHeader::Forwarded => forwarded(headers),
        };
        let mut is_proxy = peer.is_trusted(&self.trusted_proxies, headers);
        while is_proxy {
            let Some(Some(before)) = claimed.pop() else { break };
            address = before;
            is_proxy = self.trusted_proxies.iter().any(|network| network.contains(&address));
        }
        Some(address)
    }
}

/// Returns the addresses in all lines of `X-Forwarded-For`. The nearest proxy has added the last one.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(name).map(HeaderValue::to_str);
    lines.flat_map(|line| line.unwrap_or("?").split(',').map(address_in)).collect()
}

/// Parses an address with or without a port.
fn address_in(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    address.map(|address| address.to_canonical())
}

/// Returns the addresses in `Forwarded` (RFC 7239 section 4). Lines that cannot be parsed are skipped.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED).map(HeaderValue::to_str);
    let elements = lines.flat_map(|line| rfc7239::parse(line.unwrap_or("?")));
    let node = |node: NodeIdentifier<'_>| match node.name {
        NodeName::Ip(address) => Some(address.to_canonical()),
        _ => None,
    };
    elements.map(|element| element.ok()?.forwarded_for.and_then(node)).collect()
}

/// The client's address and user agent.
pub(in crate::http) struct DeviceOf(pub(in crate::http) Device);

impl FromRequest for DeviceOf {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let devices = req.app_data::<Data<Devices>>();
        let most = devices.map_or(0, |devices| devices.max_user_agent_chars);
        let user_agent = req.headers().get(USER_AGENT).map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .chars()
                .filter(|char| !char.is_control())
                .take(most)
                .collect()
        });
        let ip = devices.and_then(|devices| devices.address(req));
        ready(Ok(Self(Device { ip: ip.map(|ip| ip.to_string()), user_agent })))
    }
}
