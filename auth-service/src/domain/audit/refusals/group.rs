//! Groups of refusals that are counted together.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// The most groups of one event and reason within an interval ...
pub(super) const GROUPS: usize = 64;
/// ... and the most of one network.
pub(super) const GROUPS_OF_NETWORK: usize = 8;

/// Whose refusals are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Group {
    /// Of the user, client or session of this id.
    Holder(String, Option<IpNet>),
    /// Of a source (an IPv4 address, or the /64 of an IPv6 address), about one user or client.
    Source(IpNet, Option<String>),
    /// Of further sources and holders in a network.
    Network(IpNet),
    /// Of all others.
    Others,
}

/// Returns the group itself while there is room, then that of its network, then that of all others. No network takes all the
/// room.
pub(super) fn group_with_room<T>(group: Group, groups: &HashMap<Group, T>) -> Group {
    if groups.contains_key(&group) {
        return group;
    }
    let network = group.network();
    let of_network = || groups.keys().filter(|other| network.is_some() && other.network() == network).count();
    if groups.len() < GROUPS && of_network() < GROUPS_OF_NETWORK {
        return group;
    }
    match network.map(Group::Network) {
        Some(network) if groups.contains_key(&network) || groups.len() < GROUPS => network,
        _ => Group::Others,
    }
}

impl Group {
    fn network(&self) -> Option<IpNet> {
        match self {
            Self::Holder(_, network) => *network,
            Self::Source(source, _) => Some(network_of(*source)),
            Self::Network(_) | Self::Others => None,
        }
    }
}

/// Returns the source of an address: what one customer has.
pub(super) fn source_of(address: Option<&str>) -> Option<IpNet> {
    let address: IpAddr = address?.parse().ok()?;
    let address = address.to_canonical();
    Some(cut(IpNet::from(address), if address.is_ipv4() { 32 } else { 64 }))
}

/// Returns the network of a source: what one customer may have the whole of.
pub(super) fn network_of(source: IpNet) -> IpNet {
    cut(source, if source.addr().is_ipv4() { 16 } else { 48 })
}

fn cut(network: IpNet, bits: u8) -> IpNet {
    IpNet::new(network.addr(), bits).map_or(network, |network| network.trunc())
}

pub(super) fn shown(source: IpNet) -> String {
    if source.prefix_len() == source.max_prefix_len() {
        source.addr().to_string()
    } else {
        source.to_string()
    }
}
