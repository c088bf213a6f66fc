//! An issuer that was restored from a backup and counts from an earlier revision: earlier revocations stay, and new ones are
//! seen.

use std::{fs, path::Path, time::Duration};

use crate::support::{
    AUDIENCE, ISSUER, NOW, Signer, claims,
    connected::{EVENTS, NAMES, names, reached_inside},
    jwks,
    lists::{List, PATH, list_event, revocations, serve},
    logs,
    server::{Reply, Server, jump, until},
    with,
};
use serde_json::json;
use shared_claims::{Policy, Remote, Verifier, error::Refusal, verifier::ManualClock};

/// The longest lifetime of the tokens of this issuer; the leeway is 30 s.
const LIFETIME: Duration = Duration::from_secs(600);
const HOLD: u64 = 630;

struct World {
    server: Server,
    signer: Signer,
    verifier: Verifier,
}

impl World {
    /// Starts a connected verifier with a list of revision 100 in which these are set.
    async fn knowing(set: &[usize]) -> Self {
        Self::with(set, |remote| remote).await
    }

    async fn with(set: &[usize], setting: impl Fn(Remote) -> Remote) -> Self {
        let (server, signer) = (Server::start().await, Signer::es256("es"));
        server.publish_with_lists(ISSUER, &jwks(&[&signer]), &[&format!("{ISSUER}{PATH}")]);
        reached_inside(&server);
        serve(&server, &list(100, set), &signer);
        server.route(EVENTS, Reply::Events(format!(": hello\n\n{}", list_event(100))));
        let verifier = start(&server.url, &setting);
        let world = Self { server, signer, verifier };
        world.verifier.verify(&world.signer.token()).await.unwrap();
        until("the list is there", || revocations(&world.verifier).lists == 1).await;
        until("it listens", || revocations(&world.verifier).streaming).await;
        world
    }

    /// Publishes a list of this revision.
    fn publish(&self, revision: u64, set: &[usize]) {
        serve(&self.server, &list(revision, set), &self.signer);
        self.server.say(list_event(revision));
    }

    /// A token that is valid for days.
    fn token(&self, idx: u64) -> String {
        let status = json!({"status_list": {"idx": idx, "uri": format!("{ISSUER}{PATH}")}});
        let claims = with(with(claims(), "status", status), "exp", json!(NOW + 1_000_000));
        self.signer.token_of(&claims)
    }

    fn is_revoked(&self, idx: u64) -> bool {
        crate::support::lists::is_revoked(&self.verifier, &self.token(idx))
    }

    /// Lets time pass with a live stream.
    async fn pass(&self, seconds: u64) {
        pass(&self.server, seconds).await;
    }
}

fn list(revision: u64, set: &[usize]) -> List {
    List::new(set).revision(revision)
}

async fn pass(server: &Server, seconds: u64) {
    let mut left = seconds;
    while left > 0 {
        let step = left.min(20);
        server.say(": alive\n\n");
        tokio::time::sleep(Duration::from_millis(10)).await;
        jump(step).await;
        left -= step;
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn start(url: &str, setting: &impl Fn(Remote) -> Remote) -> Verifier {
    start_at(NOW, url, setting)
}

fn start_at(now: u64, url: &str, setting: &impl Fn(Remote) -> Remote) -> Verifier {
    let remote = Remote::discover().internal_url(url).longest_token_lifetime(LIFETIME);
    let policy = Policy::new(ISSUER, [AUDIENCE]).unwrap();
    let verifier = Verifier::remote(policy, setting(remote)).unwrap();
    let verifier = verifier.with_clock(ManualClock::at(now).clock());
    verifier.start();
    verifier
}

#[tokio::test]
async fn a_revocation_after_a_restore_is_seen_and_nothing_is_unlearned() {
    let world = World::knowing(&[1, 2]).await;
    let seen = world.token(3);
    for _ in 0..2 {
        world.verifier.verify_now(&seen).unwrap(); // the second time, it is cached
    }
    assert!(world.is_revoked(2) && !world.is_revoked(3));
    let before = world.server.hits(PATH);
    // The backup has only 1; 3 is revoked after the restore.
    world.publish(51, &[1, 3]);
    until("the new revocation is seen", || world.is_revoked(3)).await;
    assert_eq!(world.server.hits(PATH), before + 1);
    assert_eq!(world.verifier.verify_now(&seen).unwrap_err(), Refusal::Revoked);
    assert!(world.is_revoked(1) && world.is_revoked(2) && !world.is_revoked(4));
    world.publish(52, &[1, 3, 4]);
    until("the next one is seen", || world.is_revoked(4)).await;
    world.server.say(list_event(52));
    world.pass(5).await;
    assert_eq!(world.server.hits(PATH), before + 2, "what is known is not fetched");
    assert!(world.is_revoked(2));
}

#[tokio::test]
async fn a_restore_is_seen_without_a_stream_too() {
    let world = World::knowing(&[1, 2]).await;
    world.server.route(EVENTS, Reply::status("503 Service Unavailable"));
    world.server.route(NAMES, names(&[(PATH, 51)]));
    serve(&world.server, &list(51, &[3]), &world.signer);
    world.server.hang_up();
    until("it notices", || !revocations(&world.verifier).streaming).await;
    jump(6).await;
    until("the new revocation is seen", || world.is_revoked(3)).await;
    assert!(world.is_revoked(1) && world.is_revoked(2));
}

#[tokio::test]
async fn what_was_held_holds_for_the_longest_lifetime_of_a_token_and_no_longer() {
    let world = World::knowing(&[1, 2]).await;
    world.publish(51, &[3]);
    until("the new revocation is seen", || world.is_revoked(3)).await;
    world.pass(HOLD - 20).await;
    assert!(world.is_revoked(1) && world.is_revoked(2) && world.is_revoked(3));
    world.pass(40).await;
    until("what was held is over", || !world.is_revoked(2)).await;
    assert!(world.is_revoked(3) && !world.is_revoked(1));
    // From then on only the earlier revision is used.
    world.publish(52, &[3, 4]);
    until("the next one is seen", || world.is_revoked(4)).await;
    world.publish(53, &[4]);
    until("it replaces the one before", || !world.is_revoked(3)).await;
}

#[tokio::test]
async fn an_earlier_list_makes_nothing_fresher() {
    let staleness = |remote: Remote| remote.max_staleness(Duration::from_secs(300));
    let world = World::with(&[1], staleness).await;
    world.pass(60).await;
    let age = revocations(&world.verifier).oldest_age_secs;
    world.publish(51, &[3]);
    until("the new revocation is seen", || world.is_revoked(3)).await;
    assert!(revocations(&world.verifier).oldest_age_secs >= age);
    // The list in memory can no longer be used: the earlier one replaces it, and the content of both still counts.
    world.pass(400).await;
    until("the earlier one is current", || revocations(&world.verifier).oldest_age_secs < 300).await;
    assert!(world.is_revoked(3) && world.is_revoked(1) && !world.is_revoked(2));
    world.pass(300).await;
    until("what was held is over", || !world.is_revoked(1)).await;
    assert!(world.is_revoked(3));
}

#[tokio::test]
async fn an_issuer_that_counts_past_what_was_known_does_not_make_it_forgotten() {
    let world = World::knowing(&[1, 2]).await;
    world.publish(99, &[3]);
    until("the new revocation is seen", || world.is_revoked(3)).await;
    world.publish(101, &[3, 4]);
    until("the next one is seen", || world.is_revoked(4)).await;
    assert!(world.is_revoked(1) && world.is_revoked(2) && world.is_revoked(3));
    world.pass(HOLD + 20).await;
    assert!(world.is_revoked(4) && world.is_revoked(3));
    world.publish(102, &[3, 4]);
    until("what was held is over", || !world.is_revoked(1)).await;
    assert!(world.is_revoked(4) && world.is_revoked(3));
}

#[tokio::test]
async fn of_one_revision_that_was_reached_twice_both_lists_count() {
    let world = World::knowing(&[1, 2]).await;
    serve(&world.server, &list(100, &[2, 3, 5]).with("iat", json!(NOW + 5)), &world.signer);
    world.server.say(list_event(99)); // causes a fetch
    until("the new revocation is seen", || world.is_revoked(3)).await;
    assert!(world.is_revoked(1) && world.is_revoked(2));
    // Within one revision a list loses entries that have expired, which need not be kept.
    serve(&world.server, &list(100, &[3]).with("iat", json!(NOW + 6)), &world.signer);
    world.server.say(list_event(98));
    until("what has expired is gone", || !world.is_revoked(5)).await;
    assert!(world.is_revoked(3) && world.is_revoked(1) && world.is_revoked(2));
}

#[tokio::test]
async fn a_cache_that_answers_with_an_earlier_list_does_no_harm() {
    let world = World::knowing(&[1, 2]).await;
    for _ in 0..3 {
        let before = world.server.hits(PATH);
        world.publish(99, &[1]);
        until("the earlier one is brought", || world.server.hits(PATH) > before).await;
        world.pass(1).await;
        world.publish(100, &[1, 2]);
        until("the right one is brought again", || world.server.hits(PATH) >= before + 2).await;
        assert!(world.is_revoked(1) && world.is_revoked(2) && !world.is_revoked(3));
    }
    until("it is confirmed", || revocations(&world.verifier).oldest_age_secs == 0).await;
    world.publish(101, &[2]);
    until("what has expired is gone", || !world.is_revoked(1)).await;
    assert!(world.is_revoked(2));
}

#[tokio::test]
async fn earlier_lists_of_another_key_or_another_uri_are_not_merged() {
    let world = World::knowing(&[1]).await;
    let stranger = Signer::es256("es");
    let other = List::of(ISSUER, "/status-lists/2", &[4]).revision(50);
    for reply in [list(51, &[3]).reply(&stranger), other.reply(&world.signer)] {
        let before = world.server.hits(PATH);
        world.server.route(PATH, reply);
        world.server.say(list_event(51));
        until("it is brought", || world.server.hits(PATH) >= before + 2).await;
        assert!(world.is_revoked(1) && !world.is_revoked(3) && !world.is_revoked(4));
    }
}

#[tokio::test]
async fn what_was_merged_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("verifier.json");
    let snapshot = |remote: Remote| remote.snapshot(&path);
    let mut world = World::with(&[1, 2], snapshot).await;
    world.publish(51, &[3]);
    until("the new revocation is seen", || world.is_revoked(3)).await;
    world.publish(50, &[4]);
    until("another one is seen", || world.is_revoked(4)).await;
    until("it is in the file", || saved(&path)["lists"][0]["remembered"]["lst"].is_string()).await;

    let away = "http://127.0.0.1:1";
    world.verifier = start_at(NOW + 60, away, &snapshot);
    for idx in [1, 2, 3, 4] {
        assert!(world.is_revoked(idx), "{idx}");
    }
    assert!(!world.is_revoked(5));
    world.server.route(EVENTS, Reply::Events(format!(": hello\n\n{}", list_event(51))));
    serve(&world.server, &list(51, &[3]), &world.signer);
    let url = world.server.url.clone();
    world.verifier = start_at(NOW + 60, &url, &snapshot);
    until("it listens", || revocations(&world.verifier).streaming).await;
    assert!(world.is_revoked(2) && world.is_revoked(4), "the issuer's own list does not replace it");
    // As long as before the restart, and no longer.
    world.pass(HOLD - 60 + 20).await;
    until("what was held is over", || !world.is_revoked(2)).await;
    assert!(world.is_revoked(3));

    let late = start_at(NOW + 5 * HOLD, away, &snapshot);
    assert!(!crate::support::lists::is_revoked(&late, &world.token(2)), "nor is it revoked later");
    assert!(crate::support::lists::is_revoked(&late, &world.token(3)));
}

#[tokio::test]
async fn the_log_names_the_command_that_was_forgotten_once() {
    logs::collect();
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.publish_with_lists(&server.url, &jwks(&[&signer]), &[&format!("{}{PATH}", server.url)]);
    let list = |revision| List::of(&server.url, PATH, &[1]).revision(revision).reply(&signer);
    let event = |revision| crate::support::lists::event_of(&format!("{}{PATH}", server.url), revision);
    server.route(PATH, list(100));
    server.route(EVENTS, Reply::Events(event(100)));
    let policy = Policy::new(&server.url, [AUDIENCE]).unwrap();
    let verifier = Verifier::remote(policy, Remote::discover()).unwrap().with_clock(crate::support::clock());
    verifier.start();
    verifier.verify(&signer.token_of(&with(claims(), "iss", json!(server.url)))).await.unwrap();
    until("it listens", || revocations(&verifier).streaming && revocations(&verifier).lists == 1).await;
    for revision in [50, 100, 51, 100, 52] {
        let before = server.hits(PATH);
        server.route(PATH, list(revision));
        server.say(event(revision));
        until("it is brought", || server.hits(PATH) > before).await;
        pass(&server, 1).await;
    }
    let warnings = logs::warnings(&format!("{}{PATH}", server.url));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("from revision 100 to 50") && warnings[0].contains("recover"),
        "{warnings:?}"
    );
}

fn saved(path: &Path) -> serde_json::Value {
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
