//! Bounds the connections of each address and network, so that none can have all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::activity::Activity;
use crate::peer::Peer;

/// How many connections of a network are searched for the one that has been idle longest, each time other ones. The bound keeps
/// a flood of new connections cheap.
const SEARCHED: usize = 1000;

/// The open connections by the networks of their peers. Trusted proxies are not counted, because they forward the requests of
/// many clients.
#[derive(Debug, Clone)]
pub(crate) struct Peers(Arc<State>);

/// The largest numbers of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Of an IPv4 address or an IPv6 /64.
    pub(crate) address: usize,
    /// Of an IPv4 /24 or an IPv6 /48.
    pub(crate) network: usize,
}

#[derive(Debug)]
struct State {
    shares: Shares,
    trusted_proxies: Box<[IpNet]>,
    open: Mutex<Open>,
}

/// Each connection is in the lists of both its networks, or in none.
#[derive(Debug, Default)]
struct Open {
    of: HashMap<IpNet, Vec<Connection>>,
    /// The position at which the next search for an idle connection begins.
    turn: usize,
}

#[derive(Debug, Clone)]
struct Connection {
    networks: [IpNet; 2],
    activity: Activity,
}

impl Peers {
    pub(crate) fn new(shares: Shares, trusted_proxies: &[IpNet]) -> Self {
        Self(Arc::new(State { shares, trusted_proxies: trusted_proxies.into(), open: Mutex::default() }))
    }

    /// Admits a new connection. If its address or network already has its largest number, this closes the one that has been idle
    /// longest.
    ///
    /// Returns `None` if the connection is refused, because all others are answering requests.
    pub(crate) fn admit(&self, peer: Peer) -> Option<Admitted> {
        let activity = Activity::new();
        let address = match peer {
            Peer::Address(address) if self.counts(address) => address,
            // The mode of a socket decides who may connect.
            Peer::Address(_) | Peer::UnixSocket => return Some(Admitted { activity, peer, place: None }),
        };
        let connection = Connection { networks: networks_of(address), activity: activity.clone() };
        let Shares { address, network } = self.0.shares;
        let mut open = self.open();
        // A connection closed for the address makes room in the network as well, so at most one is closed.
        for (network, most) in connection.networks.into_iter().zip([address, network]) {
            if open.count(network) >= most && !open.close_longest_idle(network) {
                return None;
            }
        }
        open.add(&connection);
        Some(Admitted { activity, peer, place: Some(Place { peers: self.clone(), connection }) })
    }

    fn counts(&self, address: IpAddr) -> bool {
        !self.0.trusted_proxies.iter().any(|proxies| proxies.contains(&address))
    }

    /// No code panics while it holds this lock.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn count(&self, network: IpNet) -> usize {
        self.of.get(&network).map_or(0, Vec::len)
    }

    fn add(&mut self, connection: &Connection) {
        for network in connection.networks {
            self.of.entry(network).or_default().push(connection.clone());
        }
    }

    /// Does nothing if the connection was already removed to make room.
    fn remove(&mut self, connection: &Connection) {
        for network in connection.networks {
            let Some(list) = self.of.get_mut(&network) else { continue };
            if let Some(at) = list.iter().position(|one| one.activity.is(&connection.activity)) {
                list.swap_remove(at);
            }
            if list.is_empty() {
                self.of.remove(&network);
            }
        }
    }

    /// Closes the connection of this network that has been idle longest, and removes it from both lists.
    fn close_longest_idle(&mut self, network: IpNet) -> bool {
        self.turn = self.turn.wrapping_add(SEARCHED);
        loop {
            let Some(list) = self.of.get(&network) else { return false };
            let (later, first) = list.split_at(self.turn % list.len().max(1));
            let searched = first.iter().chain(later).take(SEARCHED);
            let idle = searched.filter_map(|one| Some((one.activity.quiet_since()?, one)));
            let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) else { return false };
            if longest.activity.close_if_idle() {
                let longest = longest.clone();
                self.remove(&longest);
                return true;
            }
        }
    }
}

/// Returns the two networks by which an address is counted: an IPv4 address and its /24, or the /64 and the /48 of an IPv6
/// address. The first is typical for one customer, the second for one with many addresses.
fn networks_of(address: IpAddr) -> [IpNet; 2] {
    let lengths = if address.is_ipv4() { [32, 24] } else { [64, 48] };
    lengths.map(|length| IpNet::new_assert(address, length).trunc())
}

/// An admitted connection. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) activity: Activity,
    pub(crate) peer: Peer,
    /// `None` for a peer that is not counted.
    #[expect(dead_code, reason = "removes the connection from the lists when it is dropped")]
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    peers: Peers,
    connection: Connection,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.peers.open().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(address: usize, network: usize) -> Peers {
        Peers::new(Shares { address, network }, &[])
    }

    fn admit(peers: &Peers, address: &str) -> Option<Admitted> {
        let address: IpAddr = address.parse().unwrap();
        peers.admit(std::net::SocketAddr::new(address, 1234).into())
    }

    fn is_closed(admitted: &Admitted) -> bool {
        use futures_util::FutureExt as _;
        std::future::poll_fn(|context| admitted.activity.poll_closed(context)).now_or_never().is_some()
    }

    #[test]
    fn addresses_of_one_ipv6_customer_and_both_forms_of_an_ipv4_address_are_one() {
        for (one, same, other) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ] {
            let peers = peers(1, 2);
            let first = admit(&peers, one).unwrap();
            let answering = first.activity.begin();
            assert!(admit(&peers, same).is_none(), "{same}");
            assert!(admit(&peers, other).is_some(), "{other}");
            drop(answering);
            assert!(admit(&peers, same).is_some());
        }
    }

    #[test]
    fn many_addresses_of_one_network_have_one_share_and_leave_others_theirs() {
        for (one, same, other) in [
            ("2001:db8:1::1", "2001:db8:1:ff::1", "2001:db8:2::1"),
            ("192.0.2.1", "192.0.2.2", "192.0.3.1"),
            ("192.0.2.1", "::ffff:192.0.2.2", "198.51.100.1"),
        ] {
            let peers = peers(2, 3);
            let bystander = admit(&peers, other).unwrap();
            let crowd = [one, one, same].map(|address| admit(&peers, address).unwrap());
            let fourth = admit(&peers, same).unwrap();
            assert_eq!(crowd.each_ref().map(is_closed), [true, false, false], "{one}");
            assert!(!is_closed(&bystander) && !is_closed(&fourth));
            // It was removed from both lists: its address may have one more, and its end removes nothing.
            let [first, second, third] = crowd;
            drop(first);
            let answering = [&second, &third, &fourth].map(|admitted| admitted.activity.begin());
            assert!(admit(&peers, one).is_none(), "all of the network are answering");
            assert!(admit(&peers, other).is_some());
            drop(answering);
            let again = admit(&peers, one).unwrap();
            assert_eq!([&second, &third, &fourth, &again].map(is_closed), [true, false, false, false]);
            drop((bystander, second, third, fourth, again));
            assert!(peers.open().of.is_empty());
        }
    }

    #[test]
    fn a_full_address_in_a_full_network_closes_one_connection_and_its_own() {
        let peers = peers(2, 3);
        let [neighbour, first, second] =
            ["192.0.2.9", "192.0.2.1", "192.0.2.1"].map(|address| admit(&peers, address).unwrap());
        let third = admit(&peers, "192.0.2.1").unwrap();
        assert_eq!([&neighbour, &first, &second, &third].map(is_closed), [false, true, false, false]);
        assert_eq!(peers.open().of.values().map(Vec::len).max(), Some(3));
    }

    #[test]
    fn an_idle_connection_is_found_among_many_more_than_are_searched_each_time() {
        let peers = peers(3 * SEARCHED, 3 * SEARCHED);
        let all: Vec<_> = (0..3 * SEARCHED).map(|_| admit(&peers, "192.0.2.1").unwrap()).collect();
        let _busy: Vec<_> = all[1..].iter().map(|admitted| admitted.activity.begin()).collect();
        assert!((0..3).any(|_| admit(&peers, "192.0.2.1").is_some()));
        assert!(is_closed(&all[0]));
    }

    #[test]
    fn ended_connections_do_not_count_and_leave_no_entry() {
        let peers = peers(2, 2);
        for _ in 0..10 {
            let both = [admit(&peers, "192.0.2.1").unwrap(), admit(&peers, "192.0.2.1").unwrap()];
            let _busy = both.each_ref().map(|admitted| admitted.activity.begin());
            assert!(admit(&peers, "192.0.2.1").is_none());
        }
        assert!(peers.open().of.is_empty());
    }

    #[test]
    fn trusted_proxies_are_not_counted() {
        let peers = Peers::new(Shares { address: 1, network: 1 }, &["192.0.2.0/24".parse().unwrap()]);
        let many: Vec<_> = (0..10).map(|_| admit(&peers, "192.0.2.1").unwrap()).collect();
        let _busy: Vec<_> = many.iter().map(|admitted| admitted.activity.begin()).collect();
        assert!(admit(&peers, "::ffff:192.0.2.1").is_some());
    }
    #[test]
    fn peers_on_a_unix_socket_are_not_counted() {
        let peers = peers(1, 1);
        let many: Vec<_> = (0..10).map(|_| peers.admit(Peer::UnixSocket).unwrap()).collect();
        let _busy: Vec<_> = many.iter().map(|admitted| admitted.activity.begin()).collect();
        assert!(peers.admit(Peer::UnixSocket).is_some() && admit(&peers, "127.0.0.1").is_some());
    }
}
