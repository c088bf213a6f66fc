//! The source of a request, by which attempts and hashes are counted.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the /64 of an IPv6 address, which is one customer's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// Commands on this machine, and connections without an address.
    pub const LOCAL: Self = Self(None);

    /// The source of the address that is stored with a session; all requests without an address are one source.
    #[must_use]
    pub fn of(address: Option<&str>) -> Self {
        let address = address.and_then(|address| address.parse().ok()).map(|address: IpAddr| {
            match address.to_canonical() {
                IpAddr::V6(v6) => {
                    let [a, b, c, d, ..] = v6.segments();
                    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
                }
                v4 @ IpAddr::V4(_) => v4,
            }
        });
        Self(address)
    }

    /// As it is written; empty without an address.
    pub(in crate::domain) fn text(&self) -> String {
        self.0.map_or_else(String::new, |address| address.to_string())
    }

    /// Networks of the source, the widest first and itself last: IPv4 /16, /24 and address, IPv6 /48, /56 and /64. An IPv4
    /// address is mapped into IPv6, where no IPv6 source has the same networks.
    pub(in crate::domain) fn networks(&self) -> [u128; 3] {
        let (address, lengths) = match self.0 {
            None => return [u128::MAX; 3],
            Some(IpAddr::V4(v4)) => (u128::from(v4.to_ipv6_mapped()), [112, 120, 128]),
            Some(IpAddr::V6(v6)) => (u128::from(v6), [48, 56, 64]),
        };
        lengths.map(|length: u32| address & (u128::MAX << (128 - length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(address: &str) -> [String; 3] {
        Source::of(Some(address)).networks().map(|network| Ipv6Addr::from(network).to_string())
    }

    #[test]
    fn a_source_is_in_networks_of_falling_size() {
        assert_eq!(networks("192.0.2.77"), ["::ffff:192.0.0.0", "::ffff:192.0.2.0", "::ffff:192.0.2.77"]);
        assert_eq!(networks("::ffff:192.0.2.77"), networks("192.0.2.77"));
        assert_eq!(
            networks("2001:db8:1:2345:6::7"),
            ["2001:db8:1::", "2001:db8:1:2300::", "2001:db8:1:2345::"]
        );
    }

    #[test]
    fn no_address_of_one_family_shares_a_network_with_the_other_or_with_none() {
        let sources = ["192.0.2.1", "::1", "::ffff:0:1", "2001:db8::1"].map(|text| Source::of(Some(text)));
        let mut widest: Vec<_> = sources.iter().map(|source| source.networks()[0]).collect();
        widest.push(Source::LOCAL.networks()[0]);
        widest.sort_unstable();
        widest.dedup();
        assert_eq!(widest.len(), 5, "{widest:x?}");
    }
}
