//! Entry points for fuzz targets, which the public interface only reaches by a fetch. They exist under `cfg(fuzzing)`, which
//! `cargo fuzz` sets. Each function panics if an invariant is violated.

use super::{
    discovery::Location,
    events::parser::Events,
    lists::signed_list::{Expected, SignedList},
};
use crate::{keys::key_set::KeySet, policy::Policy};

/// Reads a signed status list, as it is fetched.
pub fn status_list(token: &str, keys: &KeySet, policy: &Policy, uri: &str, now: u64, max_bytes: usize) {
    let expected = Expected { uri, policy, now, max_bytes };
    let Ok(signed) = SignedList::verify(token, keys, &expected) else { return };
    let entries = (0..).take_while(|idx| signed.list.get(*idx).is_some()).count();
    assert!((1..=max_bytes * 8).contains(&entries), "{entries} entries in {max_bytes} bytes");
    assert!(signed.exp.is_none_or(|exp| now < exp + policy.leeway_secs()), "an expired list");
    assert!([entries as u64, u64::MAX].iter().all(|idx| signed.list.get(*idx).is_none()));
    let _ = (signed.is_old(now), signed.compared_with(&signed));
}

/// Reads the metadata of `issuer`, as it is fetched, and checks the URLs of lists that it allows.
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

/// Reads an event stream, whole and in pieces: the signals are the same.
pub fn events(text: &[u8], piece: usize) {
    let (mut whole, mut in_pieces) = (Vec::new(), Vec::new());
    let outcome = Events::default().feed(text, &mut whole);
    let mut events = Events::default();
    let other = text.chunks(piece.max(1)).try_for_each(|piece| events.feed(piece, &mut in_pieces));
    assert_eq!((outcome, whole), (other, in_pieces));
}
