//! Starts both services for a test.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use service_kit::Handle;
use service_kit::settings::Variables;
use shared_claims::verifier::ManualClock;
use tempfile::TempDir;

/// A password that every rule accepts.
const PASSWORD: &str = "correct horse battery";
/// The time at the start of every test.
const START: u64 = 1_800_000_000;
/// How long a test waits for an expected event.
const DEADLINE: Duration = Duration::from_secs(30);

/// Both services, each with its own data, and their common clock.
pub struct World {
    pub time: ManualClock,
    pub client: Client,
    pub address: SocketAddr,
    data: TempDir,
    resource: Option<Handle>,
    resource_variables: Variables,
    issuer: Option<Handle>,
    issuer_variables: Variables,
    issuer_url: String,
}

/// A user who is logged in.
pub struct User {
    pub id: String,
    pub access: String,
    pub refresh: String,
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl World {
    /// Starts both services with their defaults, and waits until they are ready.
    pub async fn start() -> Self {
        Self::with(&[], &[]).await
    }

    /// Starts both services with these settings, in which `{issuer}` is replaced by the URL of the issuer, and waits until they
    /// are ready.
    pub async fn with(issuer: &[(&str, &str)], resource: &[(&str, &str)]) -> Self {
        let mut world = Self::new(issuer, resource);
        world.start_issuer().await;
        world.start_resource();
        world.until_ready().await;
        world
    }

    /// Starts resource-service only.
    pub fn without_issuer(issuer: &[(&str, &str)], resource: &[(&str, &str)]) -> Self {
        let mut world = Self::new(issuer, resource);
        world.start_resource();
        world
    }

    /// Makes the settings; starts nothing.
    fn new(issuer: &[(&str, &str)], resource: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = |name: &str| data.path().join(name).to_str().unwrap().to_owned();
        let (address, issuer_address) = (free_address(), free_address());
        let issuer_url = format!("http://{issuer_address}");
        let issuer_variables = variables(
            &[
                ("AUTH__LISTEN", &issuer_address.to_string()),
                ("AUTH__ISSUER", &issuer_url),
                ("AUTH__DATA_DIR", &folder("auth")),
                ("AUTH__PASSWORDS__BCRYPT_COST", "4"),
                ("AUTH__HTTP__WORKERS", "1"),
            ],
            issuer,
            &issuer_url,
        );
        let resource_variables = variables(
            &[
                ("RESOURCE__LISTEN", &address.to_string()),
                ("RESOURCE__ISSUER", &issuer_url),
                ("RESOURCE__DATA_DIR", &folder("resource")),
                ("RESOURCE__HTTP__WORKERS", "1"),
            ],
            resource,
            &issuer_url,
        );
        // A connection for each request, so that a stop does not wait for idle ones.
        let client = Client::builder().timeout(DEADLINE).pool_max_idle_per_host(0).build().unwrap();
        let (time, issuer, resource) = (ManualClock::at(START), None, None);
        Self {
            time,
            client,
            address,
            data,
            resource,
            resource_variables,
            issuer,
            issuer_variables,
            issuer_url,
        }
    }

    fn start_resource(&mut self) {
        let settings = resource_service::settings::Settings::load(&self.resource_variables).unwrap();
        let app = resource_service::app::build(&settings, self.time.clock()).unwrap();
        self.resource = Some(app.handle);
        actix_web::rt::spawn(app.run);
    }

    pub async fn start_issuer(&mut self) {
        self.issuer = Some(serve_issuer(&self.issuer_variables, &self.time).await.1);
    }

    pub async fn stop_issuer(&mut self) {
        self.issuer.take().unwrap().stop(false).await;
    }

    /// Deletes the data of the issuer.
    pub fn forget_issuer(&self) {
        std::fs::remove_dir_all(self.data.path().join("auth")).unwrap();
    }

    /// Stops resource-service and starts it again on the same data.
    pub async fn restart(&mut self) {
        self.resource.take().unwrap().stop(true).await;
        self.start_resource();
    }

    /// Stops resource-service, deletes its snapshot, and starts it again.
    pub async fn restart_without_snapshot(&mut self) {
        self.resource.take().unwrap().stop(true).await;
        std::fs::remove_file(self.snapshot()).unwrap();
        self.start_resource();
    }

    /// Returns the path of the snapshot.
    pub fn snapshot(&self) -> PathBuf {
        self.folder().join("verifier.json")
    }

    /// Waits until the snapshot has the current status lists, and the event stream is open.
    pub async fn until_it_knows_all(&self) {
        until(|| async { self.get("/readyz", None).await.json()["status_lists"]["streaming"] == true }).await;
        let uris = send(self.client.get(format!("{}/status-lists", self.issuer_url))).await.json();
        for uri in uris["status_lists"].as_array().unwrap() {
            let list = send(self.client.get(uri.as_str().unwrap())).await.text;
            until(|| async {
                std::fs::read_to_string(self.snapshot()).is_ok_and(|saved| saved.contains(&list))
            })
            .await;
        }
    }

    pub async fn logout(&self, user: &User) {
        let request = self.client.post(format!("{}/logout", self.issuer_url));
        assert_eq!(send(request.bearer_auth(&user.access)).await.status, 204);
    }

    /// Waits until the token is refused.
    pub async fn until_refused(&self, user: &User) -> Answer {
        until(|| async { self.get("/protected", user.token()).await.status != 200 }).await;
        self.get("/protected", user.token()).await
    }

    pub async fn until_ready(&self) {
        until(|| async { self.get("/readyz", None).await.status == 200 }).await;
    }

    /// Returns the data folder of resource-service.
    pub fn folder(&self) -> PathBuf {
        self.data.path().join("resource")
    }

    pub async fn register_and_login(&self, username: &str) -> User {
        let url = format!("{}/register", self.issuer_url);
        let body = json!({ "username": username, "password": PASSWORD });
        let answer = send(self.client.post(url).json(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        self.login(username, None).await
    }

    /// Logs a user in. The token is for `audience`, or for the issuer's default.
    pub async fn login(&self, username: &str, audience: Option<&str>) -> User {
        let mut body = json!({ "username": username, "password": PASSWORD });
        if let Some(audience) = audience {
            body["resource"] = audience.into();
        }
        let answer = self.ask_issuer("/login", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        User::from(&answer.json())
    }

    /// Registers a user, gives them a role, and logs them in.
    pub async fn register_with_role(&self, username: &str, role: &str) -> User {
        self.register_and_login(username).await;
        self.give_role(username, role).await;
        self.login(username, None).await
    }

    /// Runs a command of an operator, beside the running server.
    pub async fn give_role(&self, username: &str, role: &str) {
        let settings = auth_service::settings::Settings::load(&self.issuer_variables).unwrap();
        let issuer = auth_service::app::build_services(&settings, self.time.clock()).await.unwrap();
        issuer.accounts.change_roles(username, vec![role.to_owned()], Vec::new()).await.unwrap().unwrap();
    }

    /// Returns a token for a user of the same name, from an issuer of the same name with other keys.
    pub async fn token_of_an_impostor(&self, username: &str) -> String {
        let folder = self.data.path().join("impostor");
        let mut settings = self.issuer_variables.clone();
        settings.insert("AUTH__DATA_DIR".to_owned(), folder.to_str().unwrap().to_owned());
        settings.insert("AUTH__LISTEN".to_owned(), "127.0.0.1:0".to_owned());
        let (address, server) = serve_issuer(&settings, &self.time).await;
        let body = json!({ "username": username, "password": PASSWORD });
        send(self.client.post(format!("http://{address}/register")).json(&body)).await;
        let answer = send(self.client.post(format!("http://{address}/login")).json(&body)).await;
        server.stop(false).await;
        User::from(&answer.json()).access
    }

    pub async fn ask_issuer(&self, path: &str, body: &Value) -> Answer {
        send(self.client.post(format!("{}{path}", self.issuer_url)).json(body)).await
    }

    pub fn issuer_url(&self) -> &str {
        &self.issuer_url
    }

    pub fn request(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        send(self.request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        send(self.request(Method::POST, path, token).json(body)).await
    }
}

impl User {
    fn from(token_response: &Value) -> Self {
        let text = |name: &str| token_response[name].as_str().unwrap().to_owned();
        let access = text("access_token");
        let id = decode(access.split('.').nth(1).unwrap())["sub"].as_str().unwrap().to_owned();
        Self { id, access, refresh: text("refresh_token") }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a caller without a token is `None`")]
    pub fn token(&self) -> Option<&str> {
        Some(&self.access)
    }

    /// Returns the three parts of the token.
    pub fn parts(&self) -> [&str; 3] {
        let parts: Vec<_> = self.access.split('.').collect();
        parts.try_into().unwrap()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the texts of the items of a list.
    pub fn texts(&self) -> Vec<String> {
        let list = self.json();
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Checks that this is an RFC 9457 problem with that status and code.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let body = self.json();
        assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{body}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert!(
            body["title"].is_string() && body["detail"].is_string() && body["type"].is_string(),
            "{body}"
        );
        assert_eq!(body.get("errors").is_some(), status == 422, "{body}");
        self.assert_envelope();
    }

    /// Checks the headers that every response has.
    #[track_caller]
    pub fn assert_envelope(&self) {
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert!(!self.header("x-request-id").is_empty());
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// Waits until `condition` holds.
pub async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < DEADLINE, "this did not happen in time");
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Decodes a part of a token.
pub fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Encodes a part of a token.
pub fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn variables(defaults: &[(&str, &str)], others: &[(&str, &str)], issuer_url: &str) -> Variables {
    let all = defaults.iter().chain(others);
    all.map(|(name, value)| ((*name).to_owned(), value.replace("{issuer}", issuer_url))).collect()
}

/// Returns a port below those that the system assigns, so that no other program takes it before the issuer.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let offset = std::process::id().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(offset).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

async fn serve_issuer(variables: &Variables, time: &ManualClock) -> (SocketAddr, Handle) {
    let settings = auth_service::settings::Settings::load(variables).unwrap();
    let app = auth_service::app::build(&settings, time.clock()).await.unwrap();
    actix_web::rt::spawn(app.run);
    (app.address, app.handle)
}
