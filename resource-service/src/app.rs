//! Builds the service from its settings: what `main` starts, and what tests start.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, PayloadConfig};
use actix_web::{App as Actix, HttpServer};
use service_kit::settings::SettingsError;
use service_kit::{BodyLimits, Envelope};
use shared_claims::{Clock, SetupError};

use crate::books::Books;
use crate::settings::{Settings, TokenSource};
use crate::store::{Store, StoreError};
use crate::{http, verifier};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingsError),
    #[error("cannot make the data folder {0}: {1}")]
    DataDir(String, io::Error),
    #[error("cannot read the books in {0}: {1}")]
    Books(String, io::Error),
    #[error("cannot open the database {0}: {1}")]
    Store(String, StoreError),
    #[error("cannot set up the verifier: {0}")]
    Verifier(SetupError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}

/// A service that listens, and runs when `server` is awaited.
pub struct App {
    /// Where it listens, with the port that it got.
    pub address: SocketAddr,
    /// Serves until `SIGTERM` or `SIGINT`, or until its handle stops it.
    pub server: Server,
}

/// Opens everything that `settings` name, and listens. The keys are fetched in the background: the issuer need not be
/// there yet.
///
/// # Errors
/// [`StartError`], as a sentence for the operator.
///
/// # Panics
/// Outside a tokio runtime.
pub fn build(settings: &Settings, clock: Clock) -> Result<App, StartError> {
    let verifier = verifier::from_settings(settings)?.with_clock(clock.clone());
    make_data_dir(settings)?;
    let books = Data::new(open_books(settings)?);
    let store = Data::new(open_store(settings)?);
    let clock = Data::new(clock);
    let listener =
        TcpListener::bind(settings.listen).map_err(|error| StartError::Listen(settings.listen, error))?;
    let address = listener.local_addr()?;
    warn_about(settings);
    verifier.start();
    let verifier = Data::new(verifier);
    let http = settings.http.clone();
    let envelope = Envelope::new(&http.trusted_proxies);
    let workers = match http.workers {
        0 => std::thread::available_parallelism()?.get(),
        workers => workers,
    };
    let server = HttpServer::new(move || {
        let envelope = envelope.clone();
        Actix::new()
            .app_data(verifier.clone()) // what makes `token: AccessToken` work as a parameter
            .app_data(books.clone())
            .app_data(store.clone())
            .app_data(clock.clone())
            .app_data(PayloadConfig::new(http.max_body_bytes))
            .app_data(BodyLimits { timeout: http.body_timeout })
            .configure(http::routes)
            .wrap(from_fn(move |req, next| envelope.clone().wrap(req, next)))
    })
    .workers(workers)
    .max_connections(settings.http.max_connections)
    .client_request_timeout(settings.http.head_timeout)
    .keep_alive(settings.http.keep_alive)
    .shutdown_timeout(settings.http.shutdown_timeout.as_secs())
    .listen(listener)?
    .run();
    log::info!("resource-service listens on http://{address} and trusts {}", settings.issuer);
    Ok(App { address, server })
}

fn make_data_dir(settings: &Settings) -> Result<(), StartError> {
    let folder = &settings.data_dir;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| StartError::DataDir(folder.display().to_string(), error))
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
    if settings.shared_secret.is_some() {
        log::warn!(
            "HS256: every service that knows the shared secret can sign tokens, no keys are fetched, and a logout \
             reaches this service only when the access token expires"
        );
    }
    if settings.token_sources != [TokenSource::Header] {
        log::warn!("token_sources: only the header is read so far");
    }
}
