//! Caches between the service and its verifiers, and the caching headers of public answers.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::api::support::{Answer, START, Service, send};

const KEYS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const LISTS: &str = "/status-lists";

/// A cache in front of the service (RFC 9111), whose clock does not advance.
struct Cache<'a> {
    service: &'a Service,
    /// Whether it is a shared cache, such as a CDN, or a private one.
    shared: bool,
    stored: HashMap<&'static str, (HeaderMap, String)>,
    /// How many requests it sent to the service.
    requests: usize,
}

impl<'a> Cache<'a> {
    fn new(service: &'a Service, shared: bool) -> Self {
        Self { service, shared, stored: HashMap::new(), requests: 0 }
    }

    async fn get(&mut self, path: &'static str) -> (HeaderMap, String) {
        let Some((headers, text)) = self.stored.get(path).cloned() else {
            return self.fetch(path, None).await;
        };
        if self.is_fresh(&headers) { (headers, text) } else { self.fetch(path, headers.get("etag")).await }
    }

    /// Section 4.2.1: for a shared cache, `s-maxage` overrides `max-age`.
    fn is_fresh(&self, headers: &HeaderMap) -> bool {
        let said = headers["cache-control"].to_str().unwrap();
        let seconds = |name: &str| {
            let values =
                said.split(", ").filter_map(|directive| directive.strip_prefix(name)?.strip_prefix('='));
            values.map(|value| value.parse::<u64>().unwrap()).next()
        };
        let for_shared = seconds("s-maxage").filter(|_| self.shared);
        !said.contains("no-cache") && for_shared.or(seconds("max-age")).unwrap_or(0) > 0
    }

    /// Fetches, with the validator if there is one (section 4.3). A `304` updates the stored headers.
    async fn fetch(&mut self, path: &'static str, etag: Option<&HeaderValue>) -> (HeaderMap, String) {
        self.requests += 1;
        let request = self.service.request(Method::GET, path);
        let request = match etag {
            Some(etag) => request.header("if-none-match", etag),
            None => request,
        };
        let answer = send(request).await;
        let (mut headers, mut text) = (answer.headers, answer.text);
        if answer.status == 304 {
            let (kept, body) = self.stored.remove(path).unwrap();
            let renewed = std::mem::replace(&mut headers, kept);
            headers.extend(
                renewed
                    .into_iter()
                    .filter(|(name, _)| name.as_ref().is_some_and(|name| name != "content-length")),
            );
            text = body;
        } else {
            assert_eq!(answer.status, 200);
        }
        self.stored.insert(path, (headers.clone(), text.clone()));
        (headers, text)
    }
}

fn key_ids(set: &str) -> Vec<Value> {
    let set: Value = serde_json::from_str(set).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

/// Returns the revision of the keys at the beginning of a stream of events.
async fn revision_in_stream(service: &Service) -> String {
    let mut stream = service.request(Method::GET, "/status-lists/events").send().await.unwrap();
    let begin = stream.chunk().await.unwrap().unwrap();
    let (_, data) = str::from_utf8(&begin).unwrap().split_once("event: keys\ndata: ").unwrap();
    let data: Value = serde_json::from_str(data.lines().next().unwrap()).unwrap();
    data["revision"].to_string()
}

#[actix_web::test]
async fn behind_a_shared_cache_a_withdrawn_key_is_gone_immediately() {
    let service = Service::start().await;
    let (mut shared, mut own) = (Cache::new(&service, true), Cache::new(&service, false));
    let (_, before) = shared.get(KEYS).await;
    assert_eq!(own.get(KEYS).await.1, before);
    service.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    let (headers, now) = shared.get(KEYS).await;
    assert_ne!(key_ids(&now), key_ids(&before));
    assert_eq!(headers["x-keys-revision"].to_str().unwrap(), published_revision(&service, &now).await);
    // A private cache keeps the set, as it may: verifiers that listen to events bypass it.
    assert_eq!(own.get(KEYS).await.1, before);
}

/// Waits until listeners get the revision of this key set, and returns it. It uses a single stream: an address may have few
/// streams, and a closed one counts until the service notices.
async fn published_revision(service: &Service, set: &str) -> String {
    let set: Value = serde_json::from_str(set).unwrap();
    let revision = set["revision"].to_string();
    let mut stream = service.request(Method::GET, "/status-lists/events").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let event = format!("event: keys\ndata: {{\"revision\":{revision}}}\n");
    let mut received = String::new();
    let published = async {
        while !received.contains(&event) {
            received.push_str(str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    };
    actix_web::rt::time::timeout(Duration::from_secs(30), published).await.unwrap();
    revision
}

#[actix_web::test]
async fn a_shared_cache_revalidates_each_time_in_few_bytes() {
    let service = Service::start().await;
    for path in [KEYS, METADATA, LISTS] {
        let mut shared = Cache::new(&service, true);
        let first = shared.get(path).await;
        for times in 2..4 {
            assert_eq!(shared.get(path).await.1, first.1, "{path}");
            assert_eq!(shared.requests, times, "{path}");
        }
        let fetch = service.request(Method::GET, path).header("if-none-match", &first.0["etag"]);
        let answer = send(fetch).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{path}");
        assert_eq!(answer.header("cache-control"), first.0["cache-control"].to_str().unwrap());
    }
}

#[actix_web::test]
async fn the_key_set_names_its_revision_also_when_it_has_not_changed() {
    let service = Service::start().await;
    let in_stream = revision_in_stream(&service).await;
    let full = service.get(KEYS).await;
    let unchanged = service.request(Method::GET, KEYS).header("if-none-match", full.header("etag"));
    for answer in [&full, &send(unchanged).await] {
        assert_eq!(answer.header("x-keys-revision"), in_stream);
        assert_eq!(answer.header("cache-control"), "public, max-age=300, s-maxage=0");
    }
    service.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    let answer = service.get(KEYS).await;
    assert_eq!(answer.header("x-keys-revision"), answer.json()["revision"].to_string());
    assert_ne!(answer.header("x-keys-revision"), in_stream);
}

#[actix_web::test]
async fn one_small_request_shows_which_lists_changed_on_any_replica() {
    let one = Service::start().await;
    let other = one.replica().await;
    let tokens = one.register_and_login("alice").await;
    let uri = |list: u64| format!("http://127.0.0.1:8080/status-lists/{list}");
    let before = one.get(LISTS).await;
    assert_eq!(before.header("cache-control"), "no-cache");
    assert_eq!(before.header("content-type"), "application/json");
    let revisions = json!({ uri(0): START, uri(1): START });
    assert_eq!(before.json(), json!({ "status_lists": [uri(0), uri(1)], "revisions": revisions }));
    let fetch = async |service: &Service, etag: &str| -> Answer {
        send(service.request(Method::GET, LISTS).header("if-none-match", etag)).await
    };
    for service in [&one, &other] {
        let unchanged = fetch(service, before.header("etag")).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
        assert_eq!(unchanged.header("etag"), before.header("etag"));
    }
    assert_eq!(one.logout(&tokens.access).await.status, 204);
    // The answer is never older than the database.
    let (list, _) = tokens.status_index();
    for service in [&other, &one] {
        let changed = fetch(service, before.header("etag")).await;
        assert_eq!(
            (changed.status.as_u16(), &changed.json()["revisions"][uri(list)]),
            (200, &json!(START + 1))
        );
        assert_eq!(service.status_list(list).await["revision"], START + 1);
    }
}

#[actix_web::test]
async fn the_aggregation_names_the_revision_of_the_keys_also_when_no_list_has_changed() {
    let one = Service::start().await;
    let other = one.replica().await;
    let before = one.get(LISTS).await;
    assert_eq!(before.header("x-keys-revision"), revision_in_stream(&one).await);
    let fetch = async |service: &Service| -> Answer {
        send(service.request(Method::GET, LISTS).header("if-none-match", before.header("etag"))).await
    };
    assert_eq!(fetch(&one).await.header("x-keys-revision"), before.header("x-keys-revision"));
    one.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    let revision = one.get(KEYS).await.header("x-keys-revision").to_owned();
    assert_ne!(revision, before.header("x-keys-revision"));
    for service in [&other, &one] {
        let unchanged = fetch(service).await;
        assert_eq!(
            (unchanged.status.as_u16(), unchanged.header("x-keys-revision")),
            (304, revision.as_str())
        );
        assert_eq!(service.get(LISTS).await.header("x-keys-revision"), revision);
    }
}

#[actix_web::test]
async fn without_lists_the_aggregation_is_empty_and_still_served() {
    let secret = ("AUTH__TOKENS__SHARED_SECRET", "a shared secret of forty-two bytes, no less");
    let service = Service::with(&[("AUTH__TOKENS__ALGORITHM", "HS256"), secret]).await;
    let index = service.get(LISTS).await;
    assert_eq!(index.json(), json!({ "status_lists": [], "revisions": {} }));
    let again = service.request(Method::GET, LISTS).header("if-none-match", index.header("etag"));
    assert_eq!(send(again.timeout(Duration::from_secs(30))).await.status, 304);
}
