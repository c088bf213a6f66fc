//! An issuer with an aggregation and an event stream, like auth-service, and a verifier that is connected to it.

use serde_json::json;
use shared_claims::{Remote, Verifier};

use super::{
    ISSUER, Signer, jwks,
    lists::{KEYS, List, PATH, list_event, revocations, serve},
    server::{Reply, Server, remote, until},
};

/// The path of the aggregation.
pub(crate) const NAMES: &str = "/status-lists";
/// The path of the event stream.
pub(crate) const EVENTS: &str = "/status-lists/events";

/// An issuer that names one list, of revision 1 in which nothing is set, and has an event stream; and a verifier that
/// has all of it.
pub(crate) async fn connected(signer: &Signer) -> (Server, Verifier) {
    let server = Server::start().await;
    server.publish_with_lists(ISSUER, &jwks(&[signer]), &[&format!("{ISSUER}{PATH}")]);
    reached_inside(&server);
    serve(&server, &List::new(&[]).revision(1), signer);
    server.route(EVENTS, Reply::Events(format!(": hello\n\n{}", list_event(1))));
    let verifier = remote(ISSUER, Remote::discover().internal_url(&server.url)).unwrap();
    verifier.start();
    verifier.verify(&signer.token()).await.unwrap();
    until("it is connected", || revocations(&verifier).streaming).await;
    until("the list is there", || revocations(&verifier).lists == 1).await;
    (server, verifier)
}

/// Returns the aggregation of these lists with their revisions and an `ETag`, like auth-service.
pub(crate) fn names(lists: &[(&str, u64)]) -> Reply {
    let uris: Vec<_> = lists.iter().map(|(path, _)| format!("{ISSUER}{path}")).collect();
    let revisions: serde_json::Map<_, _> =
        uris.iter().cloned().zip(lists.iter().map(|(_, revision)| json!(revision))).collect();
    let etag = format!("\"{lists:?}\"").replace(['(', ')', '[', ']', ' '], "").replace('"', "");
    Reply::tagged(&format!("\"{etag}\""), json!({"status_lists": uris, "revisions": revisions}).to_string())
}

/// Publishes metadata with the public URLs.
pub(crate) fn reached_inside(server: &Server) {
    let metadata = json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}{KEYS}"),
        "status_list_aggregation_endpoint": format!("{ISSUER}{NAMES}"),
        "status_list_events_endpoint": format!("{ISSUER}{EVENTS}"),
    });
    server.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
}
