//! Builds the service from its settings, for `main` and for tests.

use actix_web::ResponseError as _;
use actix_web::web::{Data, ServiceConfig};
use service_kit::access::{warn_if_open, warn_if_shared};
use service_kit::cors::warn_of_other_sites;
use service_kit::folder::make_private;
use service_kit::settings::SettingsError;
use service_kit::{App, Capacity, Cors, Descriptors, Endpoint, Tls};
use shared_claims::verifier::Clock;

use crate::books::Books;
use crate::error::StartError;
use crate::http::{self, MinFree};
use crate::settings::Settings;
use crate::store::{Probe, Store};
use crate::{metadata, verifier};

/// Opens the database and the books, starts the verifier, and listens. The keys are fetched in the background, so the issuer may
/// start later.
///
/// # Errors
/// The service cannot start.
///
/// # Panics
/// Outside a tokio runtime.
pub fn build(settings: &Settings, clock: Clock) -> Result<App, StartError> {
    settings.log.apply();
    let tls = open_tls(settings, clock.clone())?;
    let capacity = Capacity::claim(&settings.http, descriptors(settings))?;
    let verifier = verifier::from_settings(settings)?.with_clock(clock.clone());
    let metadata = metadata::from_settings(settings, &verifier)?;
    make_data_dir(settings)?;
    let books = Data::new(open_books(settings)?);
    let store = open_store(settings)?;
    let ending = store.clone();
    let probe = Data::new(Probe::new(store.clone(), &settings.data_dir));
    let store = Data::new(store);
    let min_free = Data::new(MinFree(settings.storage.min_free));
    let clock = Data::new(clock);
    let cors =
        Cors::new(&settings.allowed_origins, settings.preflight_max_age).from_setting("allowed_origins");
    warn_about(settings);
    verifier.start();
    let verifier = Data::new(verifier);
    let routes = move |config: &mut ServiceConfig| {
        config
            .app_data(verifier.clone()) // for the parameter `token: AccessToken` of handlers
            .app_data(books.clone())
            .app_data(store.clone())
            .app_data(probe.clone())
            .app_data(min_free.clone())
            .app_data(clock.clone())
            .app_data(cors.clone());
        http::routes(config, &verifier, metadata.clone());
    };
    let endpoint = Endpoint {
        name: "resource-service",
        address: settings.listen.clone(),
        socket: settings.socket.clone(),
        http: &settings.http,
        capacity,
        tls,
        hsts: settings.tls.hsts(settings.public_url.as_deref()),
        refusal: |_, problem| problem.error_response(),
    };
    let app =
        App::listen(endpoint, routes).map_err(|error| StartError::Listen(settings.listen.clone(), error))?;
    log::info!("trusts {}", settings.issuer);
    Ok(app.afterwards(async move { ending.close().await }))
}

/// Returns the descriptors that the service needs beside its connections: for each connection to SQLite the database, its log and
/// sometimes a temporary file; books that are read at start; certificates; requests to the issuer and its event stream. A
/// download has a book open beside its connection.
fn descriptors(settings: &Settings) -> Descriptors {
    Descriptors { reserve: 3 * (settings.database.pool_size as usize + 1) + 32, per_connection: 2 }
}

fn open_tls(settings: &Settings, clock: Clock) -> Result<Option<Tls>, SettingsError> {
    Tls::open(&settings.tls, Box::new(move || clock.now()))
}

fn make_data_dir(settings: &Settings) -> Result<(), StartError> {
    let folder = &settings.data_dir;
    make_private(folder).map_err(|error| StartError::DataDir(folder.display().to_string(), error))
}

fn open_books(settings: &Settings) -> Result<Books, StartError> {
    let folder = settings.data_dir.join("books");
    Books::open(&folder).map_err(|error| StartError::Books(folder.display().to_string(), error))
}

fn open_store(settings: &Settings) -> Result<Store, StartError> {
    let path = settings.data_dir.join("resource.db").display().to_string();
    let opened = Store::open(&path, settings.database.pool_size, settings.database.timeout);
    opened.map_err(|error| StartError::Store(path, error))
}

fn warn_about(settings: &Settings) {
    if let Some(url) = settings.public_url.as_deref().filter(|_| verifier::takes_cookies(settings)) {
        warn_of_other_sites("allowed_origins", &settings.allowed_origins, url);
    }
    warn_if_open("the data folder", &settings.data_dir);
    for name in ["resource.db", "resource.db-wal", "resource.db-shm"] {
        warn_if_shared("the database", &settings.data_dir.join(name));
    }
    if settings.shared_secret.is_some() {
        log::warn!(
            "HS256: every service that knows the shared secret can sign tokens, no keys are fetched, and access tokens stay \
             valid after a logout until they expire"
        );
    }
    if settings.client_id.is_some() && (settings.shared_secret.is_some() || settings.jwks_uri.is_some()) {
        log::warn!(
            "client_id is not used: it is for the issuer's event stream, whose URL is in the issuer's metadata, and with \
             shared_secret or jwks_uri no metadata is read"
        );
    }
}
