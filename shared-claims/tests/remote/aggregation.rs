//! The issuer's status list aggregation: lists are added and dropped with it.

use std::time::Duration;

use crate::support::{
    ISSUER, Signer,
    connected::{NAMES, connected},
    jwks,
    lists::{KEYS, List, PATH, claims_at, event_of, revocations, token_at},
    server::{Reply, Server, jump, remote, until},
    with,
};
use serde_json::json;
use shared_claims::{Remote, error::Refusal};

#[tokio::test]
async fn lists_that_the_issuer_names_are_there_before_any_token() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    verifier.verify_now(&token_at(&signer, 7)).unwrap();
    assert_eq!((server.hits(NAMES), server.hits(PATH)), (1, 1));
}

#[tokio::test]
async fn an_event_about_an_unknown_list_has_the_names_read_again_and_fetches_nothing_by_itself() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    jump(3).await;
    for uri in [format!("{ISSUER}/made-up"), "https://evil.example/1".to_owned(), server.url.clone()] {
        server.say(event_of(&uri, 1));
    }
    until("the names are read again", || server.hits(NAMES) == 2).await;
    assert_eq!(server.hits("/made-up"), 0);

    let second = "/status-lists/2";
    server.route(second, List::of(ISSUER, second, &[3]).revision(0).reply(&signer));
    let names = json!({"status_lists": [format!("{ISSUER}{PATH}"), format!("{ISSUER}{second}")]});
    server.route(NAMES, Reply::ok(names.to_string()));
    jump(3).await;
    server.say(event_of(&format!("{ISSUER}{second}"), 0));
    until("the list is there", || revocations(&verifier).lists == 2).await;
    let token = signer.token_of(&claims_at(&format!("{ISSUER}{second}"), 3));
    assert_eq!(verifier.verify_now(&token).unwrap_err(), Refusal::Revoked);
}

#[tokio::test]
async fn a_list_that_is_no_longer_named_goes_when_no_token_needs_it() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    server.route(NAMES, Reply::ok(json!({"status_lists": []}).to_string()));
    verifier.verify_now(&token_at(&signer, 7)).unwrap();
    reread(&server).await;
    assert_eq!(revocations(&verifier).lists, 1, "a token of this list may come again");

    let (server, verifier) = connected(&signer).await;
    for bad in [Reply::status("404 Not Found"), Reply::ok("[]"), Reply::ok("{}"), Reply::Close] {
        server.route(NAMES, bad);
        reread(&server).await;
        assert_eq!(revocations(&verifier).lists, 1);
    }
    server.route(NAMES, Reply::ok(json!({"status_lists": [7]}).to_string()));
    reread(&server).await;
    assert_eq!(revocations(&verifier).lists, 1);
    server.route(NAMES, Reply::ok(json!({"status_lists": []}).to_string()));
    for _ in 0..10 {
        reread(&server).await; // a list that is being fetched stays until the next read
        if revocations(&verifier).lists == 0 {
            return;
        }
    }
    panic!("the list is not gone");
}

#[tokio::test]
async fn lists_may_be_where_the_announced_names_of_all_are() {
    let (server, elsewhere, signer) = (Server::start().await, Server::start().await, Signer::es256("es"));
    server.publish(&server.url, &jwks(&[&signer]));
    let metadata = json!({
        "issuer": server.url,
        "jwks_uri": format!("{}{KEYS}", server.url),
        "status_list_aggregation_endpoint": format!("{}/all", elsewhere.url),
    });
    server.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
    let list = List::of(&elsewhere.url, PATH, &[7]).with("iss", json!(server.url));
    elsewhere.route(PATH, list.reply(&signer));
    let verifier = remote(&server.url, Remote::discover()).unwrap();
    verifier.start();
    let uri = format!("{}{PATH}", elsewhere.url);
    let token = signer.token_of(&with(claims_at(&uri, 7), "iss", json!(server.url)));
    assert_eq!(verifier.verify(&token).await.unwrap_err(), Refusal::Revoked);
}

/// Lets time pass until the aggregation has been read again.
async fn reread(server: &Server) {
    let before = server.hits(NAMES);
    for _ in 0..400 {
        if server.hits(NAMES) >= before + 2 {
            return; // so the first response has been processed
        }
        server.say(": alive\n\n");
        jump(20).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the names are not read again");
}
