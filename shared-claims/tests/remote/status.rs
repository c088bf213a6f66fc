//! The draft's own status lists, all the way: fetched, verified with their key, and used for tokens.

use crate::support::{
    AUDIENCE, Signer,
    lists::{List, claims_at, is_revoked, lst},
    server::{Reply, Server, remote},
    with,
};
use serde_json::json;
use shared_claims::{Remote, error::Refusal};

/// Section 5.1 of draft-ietf-oauth-status-list.
const SIGNED: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEyIiwidHlwIjoic3RhdHVzbGlzdCtqd3QifQ.eyJleHAiOjIyOTE3MjAxNzAsImlhdC\
    I6MTY4NjkyMDE3MCwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLmNvbSIsInN0YXR1c19saXN0Ijp7ImJpdHMiOjEsImxzdCI6ImVOcmJ1UmdBQWhjQlhRIn0\
    sInN1YiI6Imh0dHBzOi8vZXhhbXBsZS5jb20vc3RhdHVzbGlzdHMvMSIsInR0bCI6NDMyMDB9.2lKUUNG503R9htu4aHAYi7vjmr3sgApbfoDvPrl65N3\
    URUO1EYqqQl45Jfzd-Av4QzlKa3oVALpLwOEUOq-U_g";
const ISSUER: &str = "https://example.com";
const PATH: &str = "/statuslists/1";

/// A verifier of `ISSUER`, whose key set holds the draft's key and that of `signer`, and which has the list at `PATH`.
async fn verifier(server: &Server, signer: &Signer, reply: Reply) -> shared_claims::Verifier {
    let drafts_key = json!({
        "kty": "EC", "crv": "P-256", "kid": "12", "x": "I3HWm_0Ds1dPMI-IWmf4mBmH-YaeAVbPVu7vB27CxXo",
        "y": "6N_d5Elj9bs1htgV3okJKIdbHEpkgTmAluYKJemzn1M",
    });
    let metadata = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks.json")});
    server.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
    server.route("/jwks.json", Reply::ok(json!({"keys": [drafts_key, signer.jwk()]}).to_string()));
    server.route(PATH, reply);
    let verifier = remote(ISSUER, Remote::discover().internal_url(&server.url)).unwrap();
    verifier.start();
    assert_ne!(verifier.verify(&token(signer, 0)).await.err(), Some(Refusal::Unavailable));
    verifier
}

fn token(signer: &Signer, idx: u64) -> String {
    let claims = with(claims_at(&format!("{ISSUER}{PATH}"), idx), "iss", json!(ISSUER));
    signer.token_of(&with(claims, "aud", json!(AUDIENCE)))
}

#[tokio::test]
async fn the_drafts_signed_list_is_verified_by_its_key_and_read() {
    let (server, signer) = (Server::start().await, Signer::es256("ours"));
    let verifier = verifier(&server, &signer, Reply::list("", SIGNED)).await;
    let statuses: Vec<_> = (0..16).map(|idx| u8::from(is_revoked(&verifier, &token(&signer, idx)))).collect();
    assert_eq!(statuses, [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
    let beyond = verifier.verify(&token(&signer, 16)).await.unwrap_err();
    assert_eq!(beyond.code(), "malformed");
}

#[tokio::test]
async fn every_status_but_zero_refuses_the_token() {
    let signer = Signer::es256("ours");
    for (bits, bytes, refused) in [
        (2, [0b1101_1000, 0].as_slice(), [0, 1, 1, 1].as_slice()),
        (4, &[0x10, 0xf2], &[0, 1, 1, 1]),
        (8, &[0x80, 0, 0x01, 0xff], &[1, 0, 1, 1]),
    ] {
        let server = Server::start().await;
        let written = json!({"bits": bits, "lst": lst(bytes)});
        let list = List::of(ISSUER, PATH, &[]).with("status_list", written);
        let verifier = verifier(&server, &signer, list.reply(&signer)).await;
        let are: Vec<_> = (0..4).map(|idx| u8::from(is_revoked(&verifier, &token(&signer, idx)))).collect();
        assert_eq!(are, refused, "{bits}");
    }
}
