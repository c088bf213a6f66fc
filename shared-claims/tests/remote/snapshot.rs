//! The snapshot on disk: what a service can verify that starts without its issuer, and which snapshots are ignored.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::support::{
    AUDIENCE, ISSUER, NOW, Signer, claims, jwks,
    lists::{KEYS, List, PATH, is_revoked, revocations, serve, token_at},
    server::{Reply, Server, is_ready, jump, reason, until},
    with,
};
use serde_json::{Value, json};
use shared_claims::{
    Policy, Remote, Verifier,
    error::Refusal,
    verifier::{ManualClock, Readiness},
};
use tempfile::TempDir;

/// A folder with the snapshot of a verifier: one key, and one list in which 7 is set.
struct Left {
    folder: TempDir,
    signer: Signer,
}

impl Left {
    async fn behind() -> Self {
        let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::es256("es"));
        let left = Self { folder, signer };
        let server = left.server(&List::new(&[7]).revision(3)).await;
        let verifier = left.start_at(NOW, &server.url);
        verifier.verify(&token_at(&left.signer, 6)).await.unwrap();
        until("the list is in the file", || left.text().contains(PATH)).await;
        left
    }

    async fn server(&self, list: &List) -> Server {
        let server = Server::start().await;
        server.publish(ISSUER, &jwks(&[&self.signer]));
        let metadata = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}{KEYS}")});
        server.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
        serve(&server, list, &self.signer);
        server
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("verifier.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut saved = serde_json::from_str(&self.text()).unwrap();
        change(&mut saved);
        fs::write(self.path(), saved.to_string()).unwrap();
    }

    /// A verifier that starts at that time, with its issuer at `url`.
    fn start_at(&self, now: u64, url: &str) -> Verifier {
        start(&self.path(), ISSUER, now, url, |remote| remote)
    }

    /// The same without an issuer.
    fn start_alone(&self, now: u64) -> Verifier {
        self.start_at(now, "http://127.0.0.1:1")
    }

    /// A token that is valid for days.
    fn token(&self, idx: u64) -> String {
        let status = json!({"status_list": {"idx": idx, "uri": format!("{ISSUER}{PATH}")}});
        let claims = with(with(claims(), "status", status), "exp", json!(NOW + 1_000_000));
        self.signer.token_of(&claims)
    }
}

fn start(path: &Path, issuer: &str, now: u64, url: &str, setting: impl Fn(Remote) -> Remote) -> Verifier {
    let policy = Policy::new(issuer, [AUDIENCE]).unwrap();
    let remote = setting(Remote::discover().internal_url(url).snapshot(path));
    let verifier = Verifier::remote(policy, remote).unwrap().with_clock(ManualClock::at(now).clock());
    verifier.start();
    verifier
}

#[tokio::test]
async fn a_service_that_starts_while_the_issuer_is_offline_verifies_with_its_snapshot() {
    let left = Left::behind().await;
    let verifier = left.start_alone(NOW + 3600);
    verifier.verify_now(&left.token(6)).unwrap();
    assert!(is_revoked(&verifier, &left.token(7)));
    match verifier.readiness() {
        Readiness::Ready { keys_age_secs, revocations: Some(known) } => {
            assert_eq!((keys_age_secs, known.lists, known.oldest_age_secs), (3600, 1, 3600));
        }
        other => panic!("{other:?}"),
    }
    // A missing key or list is not the token's fault.
    let other = json!({"status_list": {"idx": 1, "uri": format!("{ISSUER}/status-lists/2")}});
    let other = left.signer.token_of(&with(with(claims(), "status", other), "exp", json!(NOW + 1_000_000)));
    assert_eq!(verifier.verify(&other).await.unwrap_err(), Refusal::Unavailable);
    let stranger = Signer::es256("stranger").token();
    assert_eq!(verifier.verify(&stranger).await.unwrap_err(), Refusal::Unavailable);
}

#[tokio::test]
async fn what_was_known_goes_on_when_the_issuer_is_back() {
    let left = Left::behind().await;
    let server = left.server(&List::new(&[6, 7]).revision(4)).await;
    let verifier = left.start_at(NOW + 60, &server.url);
    until("the list is current", || is_revoked(&verifier, &left.token(6))).await;
    until("the keys are confirmed", || {
        matches!(verifier.readiness(), Readiness::Ready { keys_age_secs: 0, .. })
    })
    .await;

    serve(&server, &List::new(&[]).revision(2), &left.signer);
    let verifier = left.start_at(NOW + 60, &server.url);
    until("an older list is brought", || server.hits(PATH) >= 3).await;
    assert!(is_revoked(&verifier, &left.token(7)), "it does not replace the snapshot's");
}

#[tokio::test]
async fn a_snapshot_is_too_old_after_a_day_by_the_wall_clock_restarts_included() {
    let left = Left::behind().await;
    assert!(is_ready(&left.start_alone(NOW + 86_390)));
    let verifier = left.start_alone(NOW + 86_401);
    assert!(reason(&verifier).starts_with("no keys yet"), "{}", reason(&verifier));

    let verifier = left.start_alone(NOW + 86_000);
    jump(399).await;
    assert!(is_ready(&verifier));
    jump(2).await;
    assert!(reason(&verifier).starts_with("the keys are too old"), "{}", reason(&verifier));

    let week = |remote: Remote| remote.max_staleness(Duration::from_secs(7 * 86_400));
    let verifier = start(&left.path(), ISSUER, NOW + 6 * 86_400, "http://127.0.0.1:1", week);
    verifier.verify_now(&left.signer.token_of(&with(claims(), "exp", json!(NOW + 1_000_000)))).unwrap();
    assert_eq!(
        verifier.verify_now(&left.token(6)).unwrap_err(),
        Refusal::Unavailable,
        "the list has expired"
    );
    assert!(is_ready(&left.start_alone(NOW - 60)), "clocks are put right");
    assert!(!is_ready(&left.start_alone(NOW - 61)));
}

#[tokio::test]
async fn a_snapshot_that_is_broken_foreign_or_forged_is_passed_over() {
    let left = Left::behind().await;
    let whole = left.text();
    for broken in
        ["", "{", "[]", "null", "{}", "\u{0}", &whole[..whole.len() / 2], &whole.replace("keys", "cays")]
    {
        fs::write(left.path(), broken).unwrap();
        assert!(!is_ready(&left.start_alone(NOW)), "{broken}");
    }
    fs::write(left.path(), &whole).unwrap();
    assert!(!is_ready(&start(&left.path(), "https://other.example", NOW, "http://127.0.0.1:1", |remote| {
        remote
    })));
    left.change(|saved| saved["version"] = json!(2));
    assert!(!is_ready(&left.start_alone(NOW)));
    fs::remove_file(left.path()).unwrap();
    fs::create_dir(left.path()).unwrap();
    assert!(!is_ready(&left.start_alone(NOW)));
}

#[tokio::test]
async fn lists_in_a_snapshot_are_verified_again() {
    let (left, stranger) = (Left::behind().await, Signer::es256("es"));
    let signed = |list: List| list.signed(&left.signer);
    let rows = [
        ("a stranger's", List::new(&[]).signed(&stranger)),
        ("another list", signed(List::of(ISSUER, "/status-lists/2", &[]))),
        ("an access token", left.signer.token()),
        ("garbage", "garbage".to_owned()),
        ("expired", signed(List::new(&[]).with("exp", json!(NOW - 31)))),
    ];
    for (name, token) in rows {
        left.change(|saved| saved["lists"][0]["token"] = json!(token));
        let verifier = left.start_alone(NOW);
        assert!(is_ready(&verifier), "{name}: the keys are good");
        assert_eq!(revocations(&verifier).lists, 0, "{name}");
        assert_eq!(verifier.verify_now(&left.token(7)).unwrap_err(), Refusal::Unavailable, "{name}");
    }
    let left = Left::behind().await;
    left.change(|saved| saved["lists"][0]["confirmed_at"] = json!(NOW - 86_401));
    assert_eq!(revocations(&left.start_alone(NOW)).lists, 0);
}

#[tokio::test]
async fn a_withdrawn_key_is_gone_from_the_file() {
    let left = Left::behind().await;
    let server = left.server(&List::new(&[7]).revision(3)).await;
    let new = Signer::es256("new");
    server.route(KEYS, Reply::ok(jwks(&[&new])));
    serve(&server, &List::new(&[7]).revision(3), &new);
    let verifier = left.start_at(NOW, &server.url);
    until("the new key is there", || verifier.verify_now(&new.token()).is_ok()).await;
    until("the file has it", || left.text().contains(r#"\"kid\":\"new\""#)).await;
    assert!(!left.text().contains(r#"\"kid\":\"es\""#));
    assert_eq!(left.start_alone(NOW).verify_now(&left.token(6)).unwrap_err(), Refusal::UnknownKey);
}

#[tokio::test]
async fn an_issuer_that_was_set_up_anew_counts_from_the_start_and_is_followed_after_a_restart() {
    let (left, new) = (Left::behind().await, Signer::es256("new"));
    left.change(|saved| {
        saved["keys"]["document"] = json!(json!({"keys": [left.signer.jwk()], "revision": 9}).to_string());
    });
    let server = left.server(&List::new(&[8]).revision(0)).await;
    server.route(KEYS, Reply::ok(json!({"keys": [new.jwk()], "revision": 1}).to_string()));
    serve(&server, &List::new(&[8]).revision(0), &new);
    let verifier = left.start_at(NOW, &server.url);
    assert!(is_ready(&verifier));
    until("the new key is there", || verifier.verify_now(&new.token()).is_ok()).await;
    until("the new list is there", || is_revoked(&verifier, &token_at(&new, 8))).await;
    assert!(!is_revoked(&verifier, &token_at(&new, 7)), "what the list of the withdrawn key said");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone_and_no_draft_is_left() {
    use std::os::unix::fs::PermissionsExt;

    let left = Left::behind().await;
    assert_eq!(fs::metadata(left.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> =
        fs::read_dir(left.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["verifier.json"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_stops_nothing() {
    let signer = Signer::es256("es");
    let left = Left { folder: tempfile::tempdir().unwrap(), signer };
    let server = left.server(&List::new(&[7])).await;
    let path = left.folder.path().join("missing/verifier.json");
    let verifier = start(&path, ISSUER, NOW, &server.url, |remote| remote);
    verifier.verify(&token_at(&left.signer, 6)).await.unwrap();
    fs::create_dir(left.folder.path().join("missing")).unwrap();
    jump(61).await;
    until("it is written", || path.exists()).await;
    assert!(is_revoked(&verifier, &token_at(&left.signer, 7)));
}

#[tokio::test]
async fn keys_that_were_set_by_hand_come_before_the_file() {
    let left = Left::behind().await;
    let other = Signer::es256("other");
    let policy = Policy::new(ISSUER, [AUDIENCE]).unwrap();
    let remote = Remote::discover().internal_url("http://127.0.0.1:1").snapshot(left.path());
    let verifier = Verifier::remote(policy, remote).unwrap().with_clock(ManualClock::at(NOW).clock());
    verifier.set_keys(crate::support::key_set(&[&other]));
    verifier.start();
    verifier.verify_now(&other.token()).unwrap();
    assert_eq!(verifier.verify_now(&left.signer.token()).unwrap_err(), Refusal::UnknownKey);
}
