//! An issuer that names its lists and has an event stream, as auth-service does, and a verifier that listens to it.

use serde_json::json;
use shared_claims::{Remote, Verifier};

use super::{
    ISSUER, Signer, jwks,
    lists::{KEYS, List, PATH, list_event, revocations, serve},
    server::{Reply, Server, remote, until},
};

/// Where the names of all lists are on the server.
pub(crate) const NAMES: &str = "/status-lists";
/// Where the event stream is.
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

/// The names of these lists with their revisions, as auth-service answers; they go by an `ETag`.
pub(crate) fn names(lists: &[(&str, u64)]) -> Reply {
    let uris: Vec<_> = lists.iter().map(|(path, _)| format!("{ISSUER}{path}")).collect();
    let revisions: serde_json::Map<_, _> =
        uris.iter().cloned().zip(lists.iter().map(|(_, revision)| json!(revision))).collect();
    let etag = format!("\"{lists:?}\"").replace(['(', ')', '[', ']', ' '], "").replace('"', "");
    Reply::tagged(&format!("\"{etag}\""), json!({"status_lists": uris, "revisions": revisions}).to_string())
}

/// Metadata names the public URLs.
pub(crate) fn reached_inside(server: &Server) {
    let metadata = json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}{KEYS}"),
        "status_list_aggregation_endpoint": format!("{ISSUER}{NAMES}"),
        "status_list_events_endpoint": format!("{ISSUER}{EVENTS}"),
    });
    server.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
}
