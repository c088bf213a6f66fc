//! The places for listeners to the stream of events. No network and no client takes them all.
//!
//! The events are public, so anonymous listeners are allowed; without limits an attacker could take every place. Half of the
//! places are therefore kept for authenticated clients. The other half is shared by network and address: when it is full, a
//! new listener takes the newest place in the largest network. The largest network is found as in the hashing queue, from the
//! widest network down to the address, so that many addresses of one network count as one.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::domain::authn::proven_client::ProvenClient;
use crate::domain::authn::source::Source;
use crate::store::clients;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// Limits on the number of streams.
#[derive(Debug, Clone, Copy)]
pub struct PlaceLimits {
    /// All streams; at most half of them are anonymous.
    pub all: usize,
    /// Anonymous streams of one address.
    pub per_address: usize,
    /// Streams of one client.
    pub per_client: usize,
}

impl PlaceLimits {
    /// The number of streams that may be anonymous.
    #[must_use]
    pub fn anonymous(&self) -> usize {
        self.all / 2
    }
}

/// A listener.
#[derive(Debug, Clone)]
pub enum Listener {
    /// An anonymous listener at this address.
    Anonymous(Source),
    /// An authenticated client.
    Client(ProvenClient),
}

/// What the streams of a listener are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Address(Source),
    /// The name of the client.
    Client(String),
}

impl Holder {
    fn is_anonymous(&self) -> bool {
        matches!(self, Self::Address(_))
    }

    /// Its networks, the widest first. Clients are in none.
    fn networks(&self) -> [u128; 2] {
        match self {
            Self::Address(source) => {
                let [wide, middle, _] = source.networks();
                [wide, middle]
            }
            Self::Client(_) => [0; 2],
        }
    }
}

/// The places of this process.
#[derive(Debug, Clone)]
pub struct Places(Arc<State>);

#[derive(Debug)]
struct State {
    limits: PlaceLimits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The id of the newest stream.
    newest: u64,
    /// The number of streams.
    all: usize,
    /// The number of anonymous streams.
    anonymous: usize,
    /// The streams of each holder, by their ids. A higher id is a newer stream.
    held: HashMap<Holder, BTreeMap<u64, Stream>>,
}

/// A number of streams, and the id of the newest.
#[derive(Clone, Copy)]
struct Size {
    streams: usize,
    newest: u64,
}

/// Returns the group with the most streams. Of groups with as many it is `own`, or else the one with the newest stream.
fn largest<G: Eq + Hash>(sizes: impl Iterator<Item = (G, Size)>, own: &G) -> Option<(G, Size)> {
    let mut groups: HashMap<G, Size> = HashMap::new();
    for (group, size) in sizes {
        let sum = groups.entry(group).or_insert(Size { streams: 0, newest: 0 });
        sum.streams += size.streams;
        sum.newest = sum.newest.max(size.newest);
    }
    groups.into_iter().max_by_key(|(group, size)| (size.streams, group == own, size.newest))
}

struct Stream {
    end: Arc<Notify>,
    /// The digest of the secret that the client authenticated with.
    secret_digest: Option<String>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Stream") // without the digest
    }
}

/// A place. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    holder: Holder,
    id: u64,
    end: Arc<Notify>,
}

impl Place {
    /// Returns when the stream has to end, because its place was given to another listener or its client was withdrawn.
    pub async fn ended(&self) {
        self.end.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(&self.holder, self.id);
    }
}

impl Places {
    /// Creates free places.
    #[must_use]
    pub fn new(limits: PlaceLimits) -> Self {
        Self(Arc::new(State { limits, taken: Mutex::default() }))
    }

    /// Takes a place for one more stream, which may end another stream. `None`: there is no place for this listener.
    #[must_use]
    pub fn take(&self, listener: Listener) -> Option<Place> {
        let limits = &self.0.limits;
        let (holder, secret_digest, most) = match listener {
            Listener::Anonymous(source) => (Holder::Address(source), None, limits.per_address),
            Listener::Client(ProvenClient(client)) => {
                (Holder::Client(client.name), Some(client.secret_digest), limits.per_client)
            }
        };
        let mut taken = self.taken();
        let own = taken.held.get(&holder).map_or(0, BTreeMap::len);
        if own >= most || !taken.make_room(limits, &holder) {
            return None;
        }
        let end = Arc::new(Notify::new());
        let id = taken.add(&holder, Stream { end: Arc::clone(&end), secret_digest });
        Some(Place { places: self.clone(), holder, id, end })
    }

    /// The names of the listening clients.
    fn clients(&self) -> Vec<String> {
        let name = |holder: &Holder| match holder {
            Holder::Client(name) => Some(name.clone()),
            Holder::Address(_) => None,
        };
        self.taken().held.keys().filter_map(name).collect()
    }

    /// Ends the streams of a client that did not authenticate with this secret; `None` ends all of them.
    fn end_unless(&self, name: &str, secret_digest: Option<&str>) {
        let holder = Holder::Client(name.to_owned());
        let mut taken = self.taken();
        let Some(streams) = taken.held.get(&holder) else { return };
        let withdrawn = streams.iter().filter(|(_, stream)| {
            secret_digest.is_none() || stream.secret_digest.as_deref() != secret_digest
        });
        let withdrawn: Vec<u64> = withdrawn.map(|(id, _)| *id).collect();
        for id in withdrawn {
            taken.end(&holder, id);
        }
    }

    // No code panics while it holds this lock.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Makes room for `newcomer`, by ending another stream if necessary. Returns whether there is room.
    fn make_room(&mut self, limits: &PlaceLimits, newcomer: &Holder) -> bool {
        if self.all < limits.all && (!newcomer.is_anonymous() || self.anonymous < limits.anonymous()) {
            return true;
        }
        let Some((holder, newest)) = self.stream_to_end(newcomer) else { return false };
        self.end(&holder, newest);
        true
    }

    /// Returns the newest stream of the holder with the most, in the network with the most. `None` when that is the newcomer
    /// itself, or no listener of its kind is there.
    fn stream_to_end(&self, newcomer: &Holder) -> Option<(Holder, u64)> {
        let alike = self.held.iter().filter(|(holder, _)| holder.is_anonymous() == newcomer.is_anonymous());
        let counted = alike.filter_map(|(holder, streams)| {
            let (newest, _) = streams.last_key_value()?;
            Some((holder, Size { streams: streams.len(), newest: *newest }))
        });
        let mut left: Vec<_> = counted.collect();
        for level in 0..2 {
            let network = |holder: &Holder| holder.networks()[level];
            let sizes = left.iter().map(|(holder, size)| (network(holder), *size));
            let (largest, _) = largest(sizes, &network(newcomer))?;
            left.retain(|(holder, _)| network(holder) == largest);
        }
        let (holder, size) = largest(left.into_iter(), &newcomer)?;
        (holder != newcomer).then(|| (holder.clone(), size.newest))
    }

    fn add(&mut self, holder: &Holder, stream: Stream) -> u64 {
        self.newest += 1;
        self.all += 1;
        self.anonymous += usize::from(holder.is_anonymous());
        self.held.entry(holder.clone()).or_default().insert(self.newest, stream);
        self.newest
    }

    fn end(&mut self, holder: &Holder, id: u64) {
        if let Some(stream) = self.remove(holder, id) {
            stream.end.notify_one();
        }
    }

    /// `None` when the place was given to another listener before.
    fn remove(&mut self, holder: &Holder, id: u64) -> Option<Stream> {
        let streams = self.held.get_mut(holder)?;
        let stream = streams.remove(&id)?;
        if streams.is_empty() {
            self.held.remove(holder);
        }
        self.all -= 1;
        self.anonymous -= usize::from(holder.is_anonymous());
        Some(stream)
    }
}

impl Places {
    /// Background task that ends the streams of withdrawn clients.
    pub async fn follow_withdrawals(&self, store: &Store, interval: Duration) -> Infallible {
        loop {
            sleep(interval).await;
            // While the store fails, streams go on: the events are public.
            if let Err(error) = self.end_streams_of_withdrawn_clients(store).await {
                log::debug!("the clients that listen could not be looked up: {error}");
            }
        }
    }

    /// Ends the streams of clients that were disabled or got another secret since they began to listen.
    async fn end_streams_of_withdrawn_clients(&self, store: &Store) -> Result<(), StoreError> {
        let listening = self.clients();
        if listening.is_empty() {
            return Ok(());
        }
        let clients = store.read(clients::all).await?;
        for name in listening {
            let client = clients.iter().find(|client| client.name == name && !client.disabled);
            self.end_unless(&name, client.map(|client| client.secret_digest.as_str()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::clients::Client;

    const LIMITS: PlaceLimits = PlaceLimits { all: 8, per_address: 3, per_client: 5 };

    fn anonymous(address: &str) -> Listener {
        Listener::Anonymous(Source::of(Some(address)))
    }

    fn client(name: &str, secret_digest: &str) -> Listener {
        Listener::Client(ProvenClient(Client {
            name: name.to_owned(),
            secret_digest: secret_digest.to_owned(),
            scopes: String::new(),
            audience: String::new(),
            disabled: false,
            status_index: None,
            created_at: 0,
        }))
    }

    fn goes_on(place: &Place) -> bool {
        use futures_util::FutureExt as _;
        let ended = place.ended().now_or_never().is_some();
        if ended {
            place.end.notify_one(); // the check consumed the notice
        }
        !ended
    }

    #[test]
    fn an_address_and_a_client_have_so_many_and_no_more() {
        let places = Places::new(PlaceLimits { all: 100, ..LIMITS });
        for (listener, most) in [(anonymous("192.0.2.1"), 3), (client("one", "x"), 5)] {
            let mut held: Vec<_> = (0..most).map(|_| places.take(listener.clone()).unwrap()).collect();
            assert!(places.take(listener.clone()).is_none());
            held.pop();
            held.push(places.take(listener.clone()).unwrap());
            assert!(places.take(listener).is_none() && held.iter().all(goes_on));
        }
        let same =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"].map(|one| places.take(anonymous(one)));
        assert!(same.iter().all(Option::is_some));
        assert!(places.take(anonymous("2001:db8::4")).is_none(), "one customer");
        assert!(places.take(anonymous("2001:db8:0:1::")).is_some());
    }

    #[test]
    fn a_newcomer_takes_the_newest_place_of_the_address_with_the_most() {
        let places = Places::new(LIMITS);
        let lonely = places.take(anonymous("192.0.2.1")).unwrap();
        let crowd: Vec<_> = (0..3).map(|_| places.take(anonymous("192.0.2.2")).unwrap()).collect();
        assert!(places.take(anonymous("192.0.2.2")).is_none());
        let newcomer = places.take(anonymous("192.0.2.3")).unwrap();
        assert_eq!(crowd.iter().map(goes_on).collect::<Vec<_>>(), [true, true, false]);
        assert!(goes_on(&lonely) && goes_on(&newcomer));
        assert!(places.take(anonymous("192.0.2.2")).is_none(), "it is the one with the most");
        let another = places.take(anonymous("192.0.2.4")).unwrap();
        assert_eq!(crowd.iter().map(goes_on).collect::<Vec<_>>(), [true, false, false]);
        assert!([&lonely, &newcomer, &another].into_iter().all(goes_on));
        drop((lonely, crowd, newcomer, another));
        let taken = places.taken();
        assert_eq!((taken.all, taken.anonymous, taken.held.len()), (0, 0, 0));
    }

    #[test]
    fn many_addresses_of_one_network_count_as_one() {
        let crowds = [
            ("/48", (0..9).map(|n| format!("2001:db8:1:{n:x}00::1")).collect::<Vec<_>>()),
            ("/56", (0..9).map(|n| format!("2001:db8:1:2{n:02x}::1")).collect()),
            ("/16", (0..9).map(|n| format!("203.0.{n}.1")).collect()),
            ("/24", (0..9).map(|n| format!("203.0.113.{n}")).collect()),
        ];
        for (length, crowd) in crowds {
            let places = Places::new(LIMITS);
            let mut others: Vec<_> = (0..2).map(|_| places.take(anonymous("192.0.2.1")).unwrap()).collect();
            let mut theirs: Vec<_> = crowd.iter().filter_map(|one| places.take(anonymous(one))).collect();
            assert!(others.iter().all(goes_on), "{length}");
            theirs.retain(goes_on);
            assert_eq!(theirs.len(), 2);
            others.push(places.take(anonymous("198.51.100.1")).unwrap());
            theirs.extend(crowd.iter().filter_map(|one| places.take(anonymous(one))));
            theirs.retain(goes_on);
            assert!(others[0..1].iter().chain(&others[2..]).all(goes_on), "{length}");
        }
    }

    #[test]
    fn within_the_largest_network_the_smaller_ones_share_alike() {
        let places = Places::new(LIMITS);
        let small = places.take(anonymous("203.0.113.1")).unwrap();
        let large = ["203.0.7.1", "203.0.7.2", "203.0.7.3"].map(|one| places.take(anonymous(one)).unwrap());
        let newcomer = places.take(anonymous("203.0.113.2")).unwrap();
        assert!(goes_on(&small) && goes_on(&newcomer));
        assert_eq!(large.each_ref().map(goes_on), [true, true, false]);
        let outside = places.take(anonymous("198.51.100.1")).unwrap();
        assert!(goes_on(&outside));
    }

    #[test]
    fn half_of_the_places_are_kept_for_clients_which_may_have_the_others_as_well() {
        let places = Places::new(LIMITS);
        let strangers: Vec<_> =
            (0..6).filter_map(|last| places.take(anonymous(&format!("192.0.2.{last}")))).collect();
        assert_eq!(strangers.iter().filter(|place| goes_on(place)).count(), 4);
        let clients: Vec<_> = (0..4).map(|_| places.take(client("one", "x")).unwrap()).collect();
        assert!(places.take(client("one", "x")).is_none(), "no anonymous listener has to go for a client");
        let other = places.take(client("two", "x")).unwrap();
        assert_eq!(clients.iter().map(goes_on).collect::<Vec<_>>(), [true, true, true, false]);
        drop(strangers);
        let more: Vec<_> = (0..4).map_while(|_| places.take(client("two", "x"))).collect();
        assert_eq!(more.len(), 4);
        assert!(places.take(anonymous("192.0.2.1")).is_none());
        assert!(clients[..3].iter().chain(&more).chain([&other]).all(goes_on));
    }

    #[test]
    fn streams_of_a_withdrawn_client_end_and_no_others() {
        let places = Places::new(LIMITS);
        let [old, new, other] = [("one", "old"), ("one", "new"), ("two", "old")]
            .map(|(name, proof)| places.take(client(name, proof)).unwrap());
        let stranger = places.take(anonymous("192.0.2.1")).unwrap();
        places.end_unless("one", Some("new"));
        assert_eq!([&old, &new, &other, &stranger].map(goes_on), [false, true, true, true]);
        places.end_unless("one", None);
        assert_eq!([&new, &other, &stranger].map(goes_on), [false, true, true]);
        assert_eq!(places.clients(), ["two"]);
    }
}
