//! `/status-lists…`: the format of the lists (draft-ietf-oauth-status-list), and the stream of events.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, Response};
use serde_json::json;
use shared_claims::{Policy, Verifier, verifier::KeySet};

use crate::api::load::Load;
use crate::api::support::{START, Service, part, send};

const ISSUER: &str = "http://127.0.0.1:8080";

#[actix_web::test]
async fn a_list_is_a_signed_token_as_the_draft_defines_it() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let answer = service.get("/status-lists/0").await;
    assert_eq!(answer.header("content-type"), "application/statuslist+jwt");
    assert_eq!(answer.header("cache-control"), "no-cache");
    answer.assert_envelope();
    let header = part(&answer.text, 0);
    let kid = &tokens.header()["kid"];
    assert_eq!(header, json!({ "typ": "statuslist+jwt", "alg": "ES256", "kid": kid }));
    let claims = part(&answer.text, 1);
    let iat = claims["iat"].as_u64().unwrap();
    assert!(iat <= START && START - iat < 3600, "{claims}");
    let expected = json!({
        "iss": ISSUER, "sub": format!("{ISSUER}/status-lists/0"), "iat": iat, "exp": iat + 86400, "ttl": 5,
        "revision": START, "status_list": {
            "bits": 1, "lst": claims["status_list"]["lst"], "aggregation_uri": format!("{ISSUER}/status-lists"),
        },
    });
    assert_eq!(claims, expected);
    // It is signed with a key of the key set, and still is no access token.
    let key = service.get("/.well-known/jwks.json").await.json()["keys"][0].clone();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let point = [vec![4], decode(key["x"].as_str().unwrap()), decode(key["y"].as_str().unwrap())].concat();
    let (signed, signature) = answer.text.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &decode(signature)).unwrap();
    service.get_as("/me", &answer.text).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn a_list_is_sent_again_only_when_it_changed() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let first = service.get("/status-lists/0").await;
    let ask = |etag: String| service.request(Method::GET, "/status-lists/0").header("if-none-match", etag);
    let unchanged = send(ask(first.header("etag").to_owned())).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), first.header("etag"));
    service.logout(&tokens.access).await;
    let changed = send(ask(first.header("etag").to_owned())).await;
    assert_eq!((changed.status.as_u16(), &part(&changed.text, 1)["revision"]), (200, &json!(START + 1)));
    // It is signed again in time although nothing has changed, so that it does not expire.
    service.clock.advance(Duration::from_secs(3600));
    let renewed = send(ask(changed.header("etag").to_owned())).await;
    assert_eq!(renewed.status, 200);
    assert!(part(&renewed.text, 1)["exp"].as_u64() > part(&changed.text, 1)["exp"].as_u64());
}

#[actix_web::test]
async fn a_list_is_compressed_for_clients_that_accept_it() {
    use std::io::Read as _;
    let service = Service::start().await;
    service.register_and_login("alice").await;
    let plain = service.get("/status-lists/0").await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
    for accepted in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
        let request = service.request(Method::GET, "/status-lists/0").header("accept-encoding", accepted);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip", "{accepted}");
        let body = answer.bytes().await.unwrap();
        assert!(body.len() < plain.text.len());
        let mut text = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(part(&text, 1), part(&plain.text, 1));
    }
    for refused in ["br", "gzip;q=0", "identity"] {
        let request = service.request(Method::GET, "/status-lists/0").header("accept-encoding", refused);
        assert_eq!(send(request).await.header("content-encoding"), "", "{refused}");
    }
}

#[actix_web::test]
async fn lists_are_published_before_their_indexes_are_given_and_others_do_not_exist() {
    let service = Service::start().await;
    let uris = json!([format!("{ISSUER}/status-lists/0"), format!("{ISSUER}/status-lists/1")]);
    assert_eq!(service.get("/status-lists").await.json()["status_lists"], uris);
    service.register_and_login("alice").await;
    assert_eq!(service.get("/status-lists").await.json()["status_lists"], uris);
    assert_eq!(service.get("/status-lists/1").await.status, 200);
    for list in ["2", "-1", "x", "0x0", "99999999999999999999", "0/", "%00", "../me"] {
        let answer = service.get(&format!("/status-lists/{list}")).await;
        assert!(answer.status == 404 || answer.status == 401, "{list}: {}", answer.status);
    }
}

/// Reads events until they contain all of these texts.
async fn read_until(stream: &mut Response, words: &[&str]) -> String {
    let mut text = String::new();
    let listen = async {
        while !words.iter().all(|word| text.contains(word)) {
            let chunk = stream.chunk().await.unwrap().expect("the stream is open");
            text.push_str(str::from_utf8(&chunk).unwrap());
        }
    };
    let in_time = actix_web::rt::time::timeout(Duration::from_secs(20), listen).await;
    assert!(in_time.is_ok(), "{words:?} in {text:?}");
    text
}

async fn listen(service: &Service) -> Response {
    let client = reqwest::Client::new(); // without a timeout
    client.get(format!("http://{}/status-lists/events", service.address)).send().await.unwrap()
}

#[actix_web::test]
async fn a_listener_gets_all_revisions_and_then_the_changes_of_every_replica() {
    let one = Service::start().await;
    let other = one.replica().await;
    let tokens = one.register_and_login("alice").await;
    let mut streams = [listen(&one).await, listen(&other).await];
    for stream in &mut streams {
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        assert_eq!(stream.headers()["cache-control"], "no-store");
        assert_eq!(stream.headers()["x-accel-buffering"], "no");
        let uri = format!("\"uri\":\"{ISSUER}/status-lists/0\"");
        let begin =
            read_until(stream, &["event: keys\ndata: {\"revision\":", "event: list\ndata: ", &uri]).await;
        assert!(begin.contains(&format!("{{\"revision\":{START},")), "{begin}");
    }
    assert_eq!(one.logout(&tokens.access).await.status, 204);
    for stream in &mut streams {
        let events = read_until(stream, &[&format!("\"revision\":{},", START + 1), "/status-lists/0"]).await;
        assert!(
            !events.contains("event: keys") && !events.contains("/status-lists/1"),
            "only the change: {events}"
        );
    }
    // A burst of changes is sent in few events.
    one.register("bob").await;
    for _ in 0..30 {
        let session = one.login("bob").await;
        one.logout(&session.access).await;
    }
    let events = read_until(&mut streams[1], &[&format!("\"revision\":{},", START + 31)]).await;
    assert!(events.matches("event: list").count() < 30, "{events}");
}

#[actix_web::test]
async fn a_stream_has_keep_alive_comments_and_ends_when_the_service_stops() {
    let service = Service::with(&[("AUTH__STATUS_LISTS__HEARTBEAT", "1s")]).await;
    let mut stream = listen(&service).await;
    read_until(&mut stream, &["event: keys", "\n: alive\n"]).await;
    let (begin, load) = (std::time::Instant::now(), Load::watch());
    service.stop().await;
    load.assert(begin.elapsed() < Duration::from_secs(9), "the stop waited for the stream");
    while let Ok(Some(_)) = stream.chunk().await {}
}

#[actix_web::test]
async fn anonymous_listeners_get_at_most_half_of_the_configured_streams() {
    let service = Service::with(&[("AUTH__STATUS_LISTS__MAX_LISTENERS", "2")]).await;
    let mut stream = listen(&service).await;
    read_until(&mut stream, &["event: keys"]).await;
    let refused = service.get("/status-lists/events").await;
    refused.assert_problem(503, "too_many_listeners");
    assert_eq!(refused.header("retry-after"), "10");
}

#[actix_web::test]
async fn shared_claims_accepts_the_published_keys() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let keys = service.get("/.well-known/jwks.json").await.text;
    let policy = Policy::new(ISSUER, ["resource-service"]).unwrap();
    let keys = KeySet::from_json(keys.as_bytes()).unwrap();
    let verifier = Verifier::with_keys(policy, keys).with_clock(service.clock.clock());
    assert_eq!(verifier.verify_now(&tokens.access).unwrap().username.as_deref(), Some("alice"));
}
