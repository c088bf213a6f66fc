//! What fuzz targets reach that the public interface keeps behind a fetch. Only there under `cfg(fuzzing)`, which
//! `cargo fuzz` sets; each function panics when what it reads breaks a promise.

use super::{
    discovery::Location,
    events::parser::Events,
    lists::signed_list::{Expected, SignedList},
};
use crate::{keys::key_set::KeySet, policy::Policy};

/// A signed status list, as it is fetched.
pub fn status_list(token: &str, keys: &KeySet, policy: &Policy, uri: &str, now: u64, most_bytes: usize) {
    let expected = Expected { uri, policy, now, most_bytes };
    let Ok(signed) = SignedList::verify(token, keys, &expected) else { return };
    let places = (0..).take_while(|idx| signed.list.get(*idx).is_some()).count();
    assert!((1..=most_bytes * 8).contains(&places), "{places} places in {most_bytes} bytes");
    assert!(signed.exp.is_none_or(|exp| now < exp + policy.leeway_secs()), "an expired list");
    assert!([places as u64, u64::MAX].iter().all(|idx| signed.list.get(*idx).is_none()));
    let _ = (signed.is_old(now), signed.compared_with(&signed));
}

/// The metadata of `issuer`, as it is fetched, and the places of lists that it allows.
pub fn metadata(issuer: &str, document: &[u8], list: &str) {
    let Ok(location) = Location::new(issuer, None, None) else { return };
    let Ok(endpoints) = location.endpoints_in(document) else { return };
    let announced = endpoints.lists.as_ref().map(url::Url::origin);
    let own = url::Url::parse(issuer).map(|url| url.origin());
    for url in location.of_list(list, Some(&endpoints)) {
        let origin = url.origin();
        assert!(Some(&origin) == announced.as_ref() || Ok(&origin) == own.as_ref(), "a list at {url}");
        assert!(url.username().is_empty() && url.password().is_none(), "a list at {url}");
    }
}

/// An event stream, whole and in pieces: it says the same.
pub fn events(text: &[u8], piece: usize) {
    let (mut whole, mut in_pieces) = (Vec::new(), Vec::new());
    let outcome = Events::default().feed(text, &mut whole);
    let mut events = Events::default();
    let other = text.chunks(piece.max(1)).try_for_each(|piece| events.feed(piece, &mut in_pieces));
    assert_eq!((outcome, whole), (other, in_pieces));
}
