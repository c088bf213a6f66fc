//! Status lists for tests, signed and well-formed or not, and tokens with an index in them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};
use serde_json::{Value, json};
use shared_claims::{
    Remote, Verifier,
    error::Refusal,
    verifier::{Readiness, Revocations},
};

use super::{
    ISSUER, NOW, Signer, b64, claims, jwks,
    server::{Reply, Server, remote},
    with,
};

/// Entries of a list, unless a test says otherwise.
pub(crate) const ENTRIES: usize = 1024;
/// The path of the key set.
pub(crate) const KEYS: &str = "/jwks.json";
/// The path of a list.
pub(crate) const PATH: &str = "/status-lists/1";

/// The content of a list.
#[derive(Clone)]
pub(crate) struct List {
    pub(crate) payload: Value,
}

impl List {
    /// A list of `issuer` with one bit each, where these are set.
    pub(crate) fn of(issuer: &str, path: &str, set: &[usize]) -> Self {
        let mut bytes = vec![0; ENTRIES / 8];
        for idx in set {
            bytes[idx / 8] |= 1 << (idx % 8);
        }
        let payload = json!({
            "iss": issuer, "sub": format!("{issuer}{path}"), "iat": NOW, "exp": NOW + 86_400, "ttl": 5,
            "status_list": {"bits": 1, "lst": lst(&bytes)},
        });
        Self { payload }
    }

    /// The list at [`PATH`] of [`ISSUER`].
    pub(crate) fn new(set: &[usize]) -> Self {
        Self::of(ISSUER, PATH, set)
    }

    pub(crate) fn revision(self, revision: u64) -> Self {
        self.with("revision", json!(revision))
    }

    pub(crate) fn with(self, name: &str, value: Value) -> Self {
        Self { payload: with(self.payload, name, value) }
    }

    pub(crate) fn signed(&self, signer: &Signer) -> String {
        self.signed_as(&json!({"typ": "statuslist+jwt", "alg": signer.alg(), "kid": signer.kid}), signer)
    }

    pub(crate) fn signed_as(&self, header: &Value, signer: &Signer) -> String {
        signer.compact(header.to_string(), self.payload.to_string())
    }

    pub(crate) fn reply(&self, signer: &Signer) -> Reply {
        Reply::list("", self.signed(signer))
    }
}

/// Encodes bytes as `lst`.
pub(crate) fn lst(bytes: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    b64(encoder.finish().unwrap())
}

pub(crate) fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// Returns claims with an index in a list.
pub(crate) fn claims_at(uri: &str, idx: u64) -> Value {
    with(claims(), "status", json!({"status_list": {"idx": idx, "uri": uri}}))
}

/// Returns a valid token with an index in the list at [`PATH`] of [`ISSUER`].
pub(crate) fn token_at(signer: &Signer, idx: u64) -> String {
    signer.token_of(&claims_at(&format!("{ISSUER}{PATH}"), idx))
}

/// Returns an event about the list at [`PATH`].
pub(crate) fn list_event(revision: u64) -> String {
    event_of(&format!("{ISSUER}{PATH}"), revision)
}

pub(crate) fn event_of(uri: &str, revision: u64) -> String {
    format!("event: list\ndata: {}\n\n", json!({"uri": uri, "revision": revision}))
}

pub(crate) fn keys_event(revision: u64) -> String {
    format!("event: keys\ndata: {}\n\n", json!({"revision": revision}))
}

/// Publishes a list at [`PATH`].
pub(crate) fn serve(server: &Server, list: &List, signer: &Signer) {
    server.route(PATH, list.reply(signer));
}

pub(crate) fn revocations(verifier: &Verifier) -> Revocations {
    match verifier.readiness() {
        Readiness::Ready { revocations: Some(revocations), .. } => revocations,
        other => panic!("{other:?}"),
    }
}

/// Returns whether the token is refused as revoked. Any other refusal fails the test.
pub(crate) fn is_revoked(verifier: &Verifier, token: &str) -> bool {
    match verifier.verify_now(token) {
        Ok(_) => false,
        Err(Refusal::Revoked) => true,
        Err(other) => panic!("{other:?}"),
    }
}

/// Starts an issuer without an aggregation and events, like most issuers, and a verifier that has its keys.
pub(crate) async fn started(signer: &Signer, list: &List) -> (Server, Verifier) {
    started_with(signer, list, |remote| remote).await
}

pub(crate) async fn started_with(
    signer: &Signer,
    list: &List,
    setting: impl Fn(Remote) -> Remote,
) -> (Server, Verifier) {
    let server = Server::start().await;
    server.route(KEYS, Reply::ok(jwks(&[signer])));
    let metadata = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}{KEYS}")});
    server.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
    serve(&server, list, signer);
    let verifier = remote(ISSUER, setting(Remote::discover().internal_url(&server.url))).unwrap();
    verifier.start();
    verifier.verify(&signer.token()).await.unwrap();
    (server, verifier)
}
