//! Client credentials at the issuer's event stream: where they are sent, and what happens if they are refused.

use crate::support::{
    ISSUER, Signer,
    connected::{EVENTS, NAMES, names, reached_inside},
    jwks,
    lists::{KEYS, List, PATH, is_revoked, revocations, serve, token_at},
    logs,
    server::{Reply, Server, header, jump, remote, until},
    with,
};
use serde_json::json;
use shared_claims::{Remote, Verifier, verifier::Polling};

/// `client:orders` and `a b+c:%`, form-encoded and then joined.
const BASIC: &str = "Basic Y2xpZW50JTNBb3JkZXJzOmErYiUyQmMlM0ElMjU=";
const METADATA: &str = "/.well-known/oauth-authorization-server";

fn with_credentials(remote: Remote) -> Remote {
    remote.credentials("client:orders", "a b+c:%")
}

/// Starts an issuer with one list, whose event stream has this reply.
async fn issuer(signer: &Signer, events: Reply) -> Server {
    let server = Server::start().await;
    server.publish_with_lists(ISSUER, &jwks(&[signer]), &[]);
    reached_inside(&server);
    serve(&server, &List::new(&[]).revision(1), signer);
    server.route(NAMES, names(&[(PATH, 1)]));
    server.route(EVENTS, events);
    server
}

async fn started(server: &Server, signer: &Signer) -> Verifier {
    let remote = with_credentials(Remote::discover().internal_url(&server.url));
    let verifier = crate::support::server::remote(ISSUER, remote).unwrap();
    verifier.start();
    verifier.verify(&token_at(signer, 7)).await.unwrap();
    verifier
}

#[tokio::test]
async fn credentials_are_shown_at_the_event_stream_and_nowhere_else() {
    let signer = Signer::es256("es");
    let full = Reply::status("503 Service Unavailable");
    let server = issuer(&signer, Reply::members(BASIC, Reply::Events(": hello\n\n".to_owned()), full)).await;
    let verifier = started(&server, &signer).await;
    until("it is connected", || revocations(&verifier).streaming).await;
    assert_eq!(server.requests(EVENTS).len(), 1);
    for path in [METADATA, KEYS, NAMES, PATH] {
        let heads = server.requests(path);
        assert!(!heads.is_empty(), "{path}");
        assert!(heads.iter().all(|head| header(head, "authorization").is_none()), "{path}");
    }
    let elsewhere = format!("302 Found\r\nLocation: {}/elsewhere\r\n", server.url);
    server.route(EVENTS, Reply::Full(elsewhere, Vec::new()));
    server.hang_up();
    jump(2).await;
    until("it is asked again", || server.hits(EVENTS) >= 2).await;
    assert_eq!(server.hits("/elsewhere"), 0, "redirects are not followed");
}

#[tokio::test]
async fn refused_credentials_give_way_to_an_anonymous_stream_with_one_warning() {
    logs::collect();
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.publish_with_lists(&server.url, &jwks(&[&signer]), &[]);
    let hello = || Box::new(Reply::Events(": hello\n\n".to_owned()));
    server.route(EVENTS, Reply::Members("Basic other".to_owned(), hello(), hello()));
    let verifier = remote(&server.url, with_credentials(Remote::discover())).unwrap();
    verifier.start();
    verifier
        .verify(&signer.token_of(&with(crate::support::claims(), "iss", json!(server.url))))
        .await
        .unwrap();
    until("it is connected", || revocations(&verifier).streaming).await;
    let shown = || {
        let heads = server.requests(EVENTS);
        heads.iter().map(|head| header(head, "authorization").is_some()).collect::<Vec<_>>()
    };
    assert_eq!(shown(), [true, false]);
    let reconnect = async |attempts| {
        server.hang_up();
        until("it notices", || !revocations(&verifier).streaming).await;
        jump(2).await;
        until("it is connected again", || revocations(&verifier).streaming).await;
        assert_eq!(shown().len(), attempts);
    };
    reconnect(3).await;
    assert_eq!(shown(), [true, false, false]);
    jump(24).await;
    server.say(": alive\n\n");
    for _ in 0..30 {
        server.say(": alive\n\n");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        jump(20).await;
    }
    reconnect(5).await;
    assert_eq!(shown(), [true, false, false, true, false], "after ten minutes they are shown again");
    let warnings = logs::warnings(&format!("{} refuses the client's credentials", server.url));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(!warnings[0].contains("a b+c"), "{warnings:?}");
}

#[tokio::test]
async fn it_polls_where_the_stream_refuses_every_client() {
    let signer = Signer::es256("es");
    let refused = || Box::new(Reply::status("401 Unauthorized"));
    let server = issuer(&signer, Reply::Members("Basic other".to_owned(), refused(), refused())).await;
    let verifier = started(&server, &signer).await;
    until("it polls", || revocations(&verifier).polling == Some(Polling::Revisions)).await;
    serve(&server, &List::new(&[7]).revision(2), &signer);
    server.route(NAMES, names(&[(PATH, 2)]));
    jump(1).await;
    until("the token is refused", || is_revoked(&verifier, &token_at(&signer, 7))).await;
    assert!(!revocations(&verifier).streaming);
}

#[tokio::test]
async fn over_plain_http_credentials_go_to_the_loopback_and_to_hosts_that_are_allowed_it() {
    let signer = Signer::es256("es");
    let stream = Server::start().await;
    stream.route(EVENTS, Reply::Events(": hello\n\n".to_owned()));
    let port = stream.address.port();
    // The same machine, by a name that does not count as loopback.
    let (mapped, host) = (format!("http://[::ffff:127.0.0.1]:{port}{EVENTS}"), "[::ffff:7f00:1]");
    for allowed in [false, true] {
        let server = issuer(&signer, Reply::Close).await;
        let metadata = json!({
            "issuer": ISSUER,
            "jwks_uri": format!("{ISSUER}{KEYS}"),
            "status_list_aggregation_endpoint": format!("{ISSUER}{NAMES}"),
            "status_list_events_endpoint": mapped,
        });
        server.route(METADATA, Reply::ok(metadata.to_string()));
        let remote = with_credentials(Remote::discover().internal_url(&server.url));
        let remote = if allowed { remote.allow_http_hosts([host]) } else { remote };
        let verifier = crate::support::server::remote(ISSUER, remote).unwrap();
        verifier.start();
        verifier.verify(&token_at(&signer, 7)).await.unwrap();
        if allowed {
            until("it is connected", || revocations(&verifier).streaming).await;
            assert_eq!(header(&stream.requests(EVENTS)[0], "authorization"), Some(BASIC));
        } else {
            until("it polls", || revocations(&verifier).polling == Some(Polling::Revisions)).await;
            assert_eq!(stream.hits(EVENTS), 0);
        }
    }
}

#[test]
fn the_secret_does_not_show_in_debug_output() {
    let remote = with_credentials(Remote::discover());
    let verifier = crate::support::server::remote(ISSUER, remote.clone()).unwrap();
    let shown = format!("{remote:?} {verifier:?}");
    assert!(!shown.contains("a b+c") && !shown.contains("YStiJTJC"), "{shown}");
}
