//! The connections of each peer: one address cannot have all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::connection::Activity;

/// The open connections by the address of their peer. Peers that are trusted proxies are not counted: they bring the
/// requests of many clients.
#[derive(Debug, Clone)]
pub(crate) struct Peers(Arc<State>);

#[derive(Debug)]
struct State {
    per_address: usize,
    trusted_proxies: Box<[IpNet]>,
    open: Mutex<HashMap<IpAddr, Vec<Activity>>>,
}

impl Peers {
    pub(crate) fn new(per_address: usize, trusted_proxies: &[IpNet]) -> Self {
        Self(Arc::new(State { per_address, trusted_proxies: trusted_proxies.into(), open: Mutex::default() }))
    }

    /// Takes in a new connection. If its address has as many as it may have, the one of them that has been idle for the
    /// longest time is closed.
    ///
    /// `None`: the connection is refused, because every other one of that address is answering a request.
    pub(crate) fn admit(&self, peer: Option<SocketAddr>) -> Option<Admitted> {
        let activity = Activity::new();
        let Some(address) = peer.map(|peer| peer.ip().to_canonical()).filter(|address| self.counts(*address))
        else {
            return Some(Admitted { activity, place: None });
        };
        let network = network_of(address);
        let mut open = self.open();
        let of_network = open.entry(network).or_default();
        if of_network.len() >= self.0.per_address && !close_longest_idle(of_network) {
            return None;
        }
        of_network.push(activity.clone());
        let place = Place { peers: self.clone(), network, activity: activity.clone() };
        Some(Admitted { activity, place: Some(place) })
    }

    fn counts(&self, address: IpAddr) -> bool {
        !self.0.trusted_proxies.iter().any(|proxies| proxies.contains(&address))
    }

    /// Nothing panics while it holds this lock.
    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, Vec<Activity>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the connection that has been idle for the longest time, and takes it off the list.
fn close_longest_idle(open: &mut Vec<Activity>) -> bool {
    loop {
        let idle = open.iter().enumerate().filter_map(|(at, one)| Some((one.quiet_since()?, at)));
        let Some((_, at)) = idle.min() else { return false };
        if open[at].close_if_idle() {
            open.swap_remove(at);
            return true;
        }
    }
}

/// An IPv4 address, or the /64 of an IPv6 address, which is one customer's.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A connection that was taken in; it counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) activity: Activity,
    /// `None` where nobody counts.
    #[expect(dead_code, reason = "gives the place back when it is dropped")]
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    peers: Peers,
    network: IpAddr,
    activity: Activity,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.open();
        let Some(of_network) = open.get_mut(&self.network) else { return };
        // It is not there any more if it was closed for another one.
        if let Some(at) = of_network.iter().position(|one| one.is(&self.activity)) {
            of_network.swap_remove(at);
        }
        if of_network.is_empty() {
            open.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(peers: &Peers, address: &str) -> Option<Admitted> {
        peers.admit(Some(SocketAddr::new(address.parse().unwrap(), 1234)))
    }

    #[test]
    fn addresses_of_one_ipv6_customer_and_both_forms_of_an_ipv4_address_are_one() {
        for (one, same, other) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ] {
            let peers = Peers::new(1, &[]);
            let first = admit(&peers, one).unwrap();
            let answering = first.activity.begin();
            assert!(admit(&peers, same).is_none(), "{same}");
            assert!(admit(&peers, other).is_some(), "{other}");
            drop(answering);
            assert!(admit(&peers, same).is_some());
        }
    }

    #[test]
    fn what_is_over_does_not_count_and_leaves_nothing_behind() {
        let peers = Peers::new(2, &[]);
        for _ in 0..10 {
            let both = [admit(&peers, "192.0.2.1").unwrap(), admit(&peers, "192.0.2.1").unwrap()];
            let _busy = both.each_ref().map(|admitted| admitted.activity.begin());
            assert!(admit(&peers, "192.0.2.1").is_none());
        }
        assert!(peers.open().is_empty());
    }

    #[test]
    fn trusted_proxies_are_not_counted() {
        let peers = Peers::new(1, &["192.0.2.0/24".parse().unwrap()]);
        let many: Vec<_> = (0..10).map(|_| admit(&peers, "192.0.2.1").unwrap()).collect();
        let _busy: Vec<_> = many.iter().map(|admitted| admitted.activity.begin()).collect();
        assert!(admit(&peers, "::ffff:192.0.2.1").is_some());
    }
}
