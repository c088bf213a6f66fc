//! Starts services for the tests, and sends requests to them.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use auth_service::app::{self, Services};
use auth_service::domain::client_names::client_id;
use auth_service::domain::clients::NewClient;
use auth_service::settings::Settings;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};
use flate2::read::ZlibDecoder;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use service_kit::Handle;
use service_kit::settings::Variables;
use shared_claims::{
    Policy, Remote, Verifier,
    verifier::{Clock, ManualClock},
};
use tempfile::TempDir;

use crate::DATABASE;

/// A password that the policy accepts.
pub const PASSWORD: &str = "correct horse battery";
/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";
/// The time at which every test begins.
pub const START: u64 = 1_800_000_000;

/// A running auth-service with its own database and a clock that the test sets.
pub struct Service {
    pub address: SocketAddr,
    pub clock: ManualClock,
    time: Clock,
    pub client: Client,
    pub variables: Variables,
    handle: Handle,
    folder: TempDir,
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Service {
    /// Starts a service with the default settings, except a cheap hash.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a service with further settings.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let clock = ManualClock::at(START);
        Self::by(clock.clock(), clock, variables).await
    }

    /// Starts a service with another clock than the test's.
    pub async fn by_clock(clock: Clock, variables: &[(&str, &str)]) -> Self {
        Self::by(clock, ManualClock::at(START), variables).await
    }

    async fn by(clock: Clock, manual: ManualClock, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DATABASE.fresh_url(folder.path());
        let mut all = Variables::from([
            ("AUTH__DATA_DIR".to_owned(), folder.path().to_str().unwrap().to_owned()),
            ("AUTH__DATABASE_URL".to_owned(), url),
            ("AUTH__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("AUTH__PASSWORDS__BCRYPT_COST".to_owned(), "4".to_owned()),
            ("AUTH__HTTP__WORKERS".to_owned(), "1".to_owned()),
            // Or else logins would wait for whatever else the machine does, and time out.
            ("AUTH__HASHING__LOW_PRIORITY".to_owned(), "false".to_owned()),
        ]);
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::run(all, clock, manual, folder).await
    }

    async fn run(variables: Variables, time: Clock, clock: ManualClock, folder: TempDir) -> Self {
        let settings = Settings::load(&variables).unwrap();
        let app = app::build(&settings, time.clone()).await.unwrap();
        let handle = app.handle;
        actix_web::rt::spawn(app.run);
        let client = http_client().timeout(Duration::from_secs(60)).build().unwrap();
        Self { address: app.address, clock, time, client, variables, handle, folder }
    }

    /// Restarts the service on the same data, with other settings.
    pub async fn restart(self, variables: &[(&str, &str)]) -> Self {
        self.handle.stop(true).await;
        let mut all = self.variables;
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::run(all, self.time, self.clock, self.folder).await
    }

    /// Starts a second service on the same database, with the same master key.
    pub async fn replica(&self) -> Self {
        self.replica_with(&[]).await
    }

    /// Starts a second service on the same database, with the same master key and other settings.
    pub async fn replica_with(&self, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = self.variables.clone();
        all.insert("AUTH__DATA_DIR".to_owned(), folder.path().to_str().unwrap().to_owned());
        all.insert("AUTH__MASTER_KEY".to_owned(), self.master_key());
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::run(all, self.time.clone(), self.clock.clone(), folder).await
    }

    /// Starts a replica with another clock.
    pub async fn replica_by_clock(&self, clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = self.variables.clone();
        all.insert("AUTH__DATA_DIR".to_owned(), folder.path().to_str().unwrap().to_owned());
        all.insert("AUTH__MASTER_KEY".to_owned(), self.master_key());
        Self::run(all, clock, self.clock.clone(), folder).await
    }

    /// Returns the master key that the service created.
    pub fn master_key(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("master.key")).unwrap()
    }

    /// Stops the service.
    pub async fn stop(&self) {
        self.handle.stop(true).await;
    }

    /// Runs SQL beside the service, like an attacker with access to the database.
    pub fn run_sql(&self, sql: &str) {
        let url = &self.variables["AUTH__DATABASE_URL"];
        match url.strip_prefix("sqlite://") {
            Some(path) => open_sqlite(path).batch_execute(sql).unwrap(),
            None => PgConnection::establish(url).unwrap().batch_execute(sql).unwrap(),
        }
    }

    /// Returns the number of rows of a table.
    pub fn count(&self, table: &str) -> i64 {
        let url = &self.variables["AUTH__DATABASE_URL"];
        let count = diesel::sql_query(format!("SELECT count(*) AS count FROM {table}"));
        match url.strip_prefix("sqlite://") {
            Some(path) => count.get_result::<Count>(&mut open_sqlite(path)),
            None => count.get_result::<Count>(&mut PgConnection::establish(url).unwrap()),
        }
        .unwrap()
        .count
    }

    /// Returns the column `text` of the rows of a query.
    pub fn texts(&self, query: &str) -> Vec<String> {
        let url = &self.variables["AUTH__DATABASE_URL"];
        let query = diesel::sql_query(query);
        let found: Vec<Text> = match url.strip_prefix("sqlite://") {
            Some(path) => query.load(&mut open_sqlite(path)),
            None => query.load(&mut PgConnection::establish(url).unwrap()),
        }
        .unwrap();
        found.into_iter().map(|row| row.text).collect()
    }

    /// Polls until `condition` holds, for a bounded time: for what a service does in the background.
    pub async fn wait_until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let patience = Duration::from_secs(30);
        let polling = async {
            while !condition().await {
                actix_web::rt::time::sleep(Duration::from_millis(20)).await;
            }
        };
        actix_web::rt::time::timeout(patience, polling)
            .await
            .unwrap_or_else(|_| panic!("timed out waiting for: {what}"));
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn get_as(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(token)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn post_form(&self, path: &str, form: &str) -> Answer {
        send(self.request(Method::POST, path).header("content-type", FORM).body(form.to_owned())).await
    }

    pub async fn register(&self, username: &str) -> Value {
        let answer = self.post("/register", &json!({ "username": username, "password": PASSWORD })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()
    }

    pub async fn try_login(&self, username: &str, password: &str) -> Answer {
        self.post("/login", &json!({ "username": username, "password": password })).await
    }

    pub async fn login(&self, username: &str) -> Tokens {
        let answer = self.try_login(username, PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.tokens()
    }

    /// Logs in for this service alone, as `/me/sessions` and the administration require.
    pub async fn login_here(&self, username: &str) -> Tokens {
        self.login_for(username, &json!(self.issuer())).await
    }

    pub async fn login_for(&self, username: &str, resource: &Value) -> Tokens {
        let body = json!({ "username": username, "password": PASSWORD, "resource": resource });
        let answer = self.post("/login", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.tokens()
    }

    /// Returns the issuer of the service's tokens.
    pub fn issuer(&self) -> &str {
        self.variables.get("AUTH__ISSUER").map_or("http://127.0.0.1:8080", String::as_str)
    }

    pub async fn register_and_login(&self, username: &str) -> Tokens {
        self.register(username).await;
        self.login(username).await
    }

    pub async fn try_refresh(&self, refresh_token: &str) -> Answer {
        self.post_form("/token", &format!("grant_type=refresh_token&refresh_token={refresh_token}")).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Tokens {
        let answer = self.try_refresh(refresh_token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.tokens()
    }

    /// Refreshes, and requests a token for this service alone.
    pub async fn refresh_here(&self, refresh_token: &str) -> Tokens {
        let form = format!(
            "grant_type=refresh_token&refresh_token={refresh_token}&resource={}",
            url::form_urlencoded::byte_serialize(self.issuer().as_bytes()).collect::<String>()
        );
        let answer = self.post_form("/token", &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.tokens()
    }

    pub async fn logout(&self, access_token: &str) -> Answer {
        send(self.request(Method::POST, "/logout").bearer_auth(access_token)).await
    }

    /// Sends a request with a bearer token and a JSON body.
    pub async fn send_as(&self, method: Method, path: &str, token: &str, body: &Value) -> Answer {
        send(self.request(method, path).bearer_auth(token).json(body)).await
    }

    /// Logs in for this service with a given user agent.
    pub async fn login_with(&self, username: &str, user_agent: &str) -> Tokens {
        let body = json!({ "username": username, "password": PASSWORD, "resource": self.issuer() });
        send(self.request(Method::POST, "/login").header("user-agent", user_agent).json(&body)).await.tokens()
    }

    /// Sends a form with the credentials of a client in the header.
    pub async fn post_form_by(&self, client: &Credentials, path: &str, form: &str) -> Answer {
        let request = self.request(Method::POST, path).basic_auth(&client.id, Some(&client.secret));
        send(request.header("content-type", FORM).body(form.to_owned())).await
    }

    /// Creates a client as an operator does; without an audience it gets the default one.
    pub async fn create_client(&self, name: &str, scopes: &[&str], audience: &[&str]) -> Credentials {
        let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        let new = NewClient { name: name.to_owned(), scopes: owned(scopes), audience: owned(audience) };
        let (client, secret) = self.operator().await.clients.create(new).await.unwrap();
        Credentials { id: client_id(&client.name), secret: secret.expose_secret().to_owned() }
    }

    /// Introspects a token as this client.
    pub async fn introspect(&self, client: &Credentials, token: &str) -> Value {
        let answer = self.post_form_by(client, "/introspect", &format!("token={token}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
        let body = answer.json();
        assert!(body["active"] == true || answer.text == r#"{"active":false}"#, "{}", answer.text);
        body
    }

    pub async fn is_active(&self, client: &Credentials, token: &str) -> bool {
        self.introspect(client, token).await["active"] == true
    }

    /// Returns an operator, who works on the use cases beside the running service.
    pub async fn operator(&self) -> Services {
        let settings = Settings::load(&self.variables).unwrap();
        Box::pin(app::build_services(&settings, self.time.clone())).await.unwrap()
    }

    /// Returns an operator with a data folder without marks, who can also work on a database that a test has
    /// set back.
    pub async fn auditor(&self) -> Services {
        let folder = tempfile::tempdir().unwrap();
        let mut variables = self.variables.clone();
        variables.insert("AUTH__DATA_DIR".to_owned(), folder.path().to_str().unwrap().to_owned());
        variables.entry("AUTH__MASTER_KEY".to_owned()).or_insert_with(|| self.master_key());
        let settings = Settings::load(&variables).unwrap();
        app::build_services(&settings, self.time.clone()).await.unwrap()
    }

    /// Returns a verifier like that of another service, which listens to this replica.
    pub fn verifier(&self) -> Verifier {
        let policy = Policy::new("http://127.0.0.1:8080", ["resource-service"]).unwrap();
        let remote = Remote::discover().internal_url(format!("http://{}", self.address));
        let verifier = Verifier::remote(policy, remote).unwrap().with_clock(self.time.clone());
        verifier.start();
        verifier
    }

    /// Returns the payload of a status list.
    pub async fn status_list(&self, list: u64) -> Value {
        let answer = self.get(&format!("/status-lists/{list}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        part(&answer.text, 1)
    }

    /// Returns whether the status lists contain these access tokens as revoked.
    pub async fn revokes(&self, tokens: &Tokens) -> bool {
        let (list, idx) = tokens.status_index();
        let encoded = self.status_list(list).await["status_list"]["lst"].as_str().unwrap().to_owned();
        let mut bits = Vec::new();
        let compressed = URL_SAFE_NO_PAD.decode(encoded).unwrap();
        ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut bits).unwrap();
        bits[idx / 8] >> (idx % 8) & 1 == 1
    }
}

/// Opens a connection that waits for the service's writes, and for a WAL that is being deleted.
fn open_sqlite(path: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
    connection
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

/// The credentials of a client.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub id: String,
    pub secret: String,
}

/// The tokens of a login.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub scope: String,
    pub body: Value,
}

impl Tokens {
    pub fn claims(&self) -> Value {
        part(&self.access, 1)
    }

    pub fn header(&self) -> Value {
        part(&self.access, 0)
    }

    /// Returns the id of the status list, and the index in it.
    pub fn status_index(&self) -> (u64, usize) {
        let reference = &self.claims()["status"]["status_list"];
        let list = reference["uri"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
        (list, usize::try_from(reference["idx"].as_u64().unwrap()).unwrap())
    }
}

/// Returns a decoded part of a JWT.
pub fn part(token: &str, index: usize) -> Value {
    let encoded = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub fn tokens(&self) -> Tokens {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
            scope: text("scope"),
            body: body.clone(),
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is an RFC 9457 problem document with this status and code.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(
            body["title"].is_string() && body["detail"].is_string() && body["type"].is_string(),
            "{body}"
        );
        self.assert_envelope();
    }

    /// Checks that this is an error of RFC 6749 section 5.2.
    #[track_caller]
    pub fn assert_oauth_error(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"].as_str()),
            (status, Some(error)),
            "{}",
            self.text
        );
        assert!(self.json()["error_description"].is_string());
        assert_eq!(self.header("cache-control"), "no-store");
        self.assert_envelope();
    }

    /// Checks the headers that every response has.
    #[track_caller]
    pub fn assert_envelope(&self) {
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert!(!self.header("x-request-id").is_empty());
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Returns a client for plain HTTP. To read the system's root certificates, as each new client does otherwise, takes longer than
/// most tests.
pub fn http_client() -> ClientBuilder {
    Client::builder().tls_certs_only([])
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}
