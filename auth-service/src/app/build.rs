//! Builds the service: what `main` starts and what tests start.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use service_kit::settings::SettingsError;
use service_kit::{App, Capacity, Cors, Endpoint, Tls};
use shared_claims::verifier::Clock;
use url::Url;

use crate::app::assembly::assemble;
use crate::app::start_error::StartError;
use crate::app::warnings::{warn_about_address, warn_about_files, warn_about_settings};
use crate::app::{rules, waiting};
use crate::domain::accounts::address_check::settle_addresses;
use crate::domain::keyring::Makes;
use crate::domain::status_lists::Places;
use crate::http::admin::import::ImportLimits;
use crate::http::browser::cookies::CookieMode;
use crate::http::oauth::error::refusal;
use crate::http::oauth::metadata::Metadata;
use crate::http::request::device::Devices;
use crate::http::routes;
use crate::http::status_lists::Listeners;
use crate::settings::Settings;

/// Opens everything that `settings` name, and listens.
///
/// # Errors
/// Why the service cannot start, as a sentence for the operator.
pub async fn build(settings: &Settings, clock: Clock) -> Result<App, StartError> {
    settings.log.apply();
    let tls = open_tls(settings, clock.clone())?;
    let capacity = Capacity::claim(&settings.http, rules::descriptors(settings))?;
    let limits = rules::place_limits(settings, capacity);
    let places = Places::new(limits);
    log::info!("works on {}", settings.database_shown());
    waiting::for_database(settings).await?;
    let services = Arc::new(Box::pin(assemble(settings, clock, Makes::Everything)).await?);
    let behind = services.marks.is_behind();
    if !behind {
        services.lists.publish_first().await?;
        if let Err(error) = settle_addresses(&services.store).await {
            log::warn!("the addresses of accounts were not checked: {error}");
        }
    }
    let metadata = Data::new(Metadata::new(&services.policy));
    let devices = Data::new(Devices::new(
        settings.sessions.max_user_agent_chars,
        &settings.http.trusted_proxies,
        rules::forwarded_header(settings),
    ));
    let rate_limits = Data::new(rules::rate_limits(settings));
    let listeners = Data::new(Listeners::new(places.clone(), settings.status_lists.heartbeat));
    let import = Data::new(ImportLimits {
        max_body_bytes: settings.import.max_body_bytes,
        max_lines: settings.import.max_lines,
    });
    let cookies = Data::new(CookieMode::new(&rules::pages(settings)?, &settings.issuer));
    let cors = Cors::new(&settings.cors.allowed_origins, settings.cors.preflight_max_age);
    let issuer_path =
        Url::parse(&settings.issuer).map_or_else(|_| String::new(), |url| url.path().to_owned());
    let maintenance = rules::maintenance(settings);
    let (background, ending) = (Arc::clone(&services.maintenance), Arc::clone(&services));
    let (store, check_interval) = (services.store.clone(), rules::client_check_interval(settings));
    let routes = move |config: &mut ServiceConfig| {
        services.provide(config);
        config
            .app_data(metadata.clone())
            .app_data(devices.clone())
            .app_data(rate_limits.clone())
            .app_data(listeners.clone())
            .app_data(import.clone())
            .app_data(cookies.clone())
            .app_data(cors.clone());
        routes::routes(config, &issuer_path);
    };
    let endpoint = Endpoint {
        name: "auth-service",
        address: settings.listen.clone(),
        socket: settings.socket.clone(),
        http: &settings.http,
        capacity,
        tls,
        hsts: settings.tls.hsts(Some(&settings.issuer)),
        refusal,
    };
    rules::report_places(settings, limits);
    let app =
        App::listen(endpoint, routes).map_err(|error| StartError::Listen(settings.listen.clone(), error))?;
    warn_about_settings(settings);
    warn_about_address(settings, app.address.port());
    ending.tokens.warn_about_sizes();
    warn_about_files(settings);
    log::info!("issues tokens as {}", settings.issuer);
    if !behind {
        ending.audit.begin().await;
    }
    Ok(app
        .beside(async move { background.run(maintenance).await })
        .beside(async move { places.follow_withdrawals(&store, check_interval).await })
        .afterwards(async move {
            ending.audit.close().await;
            ending.maintenance.save_marks().await;
            ending.processes.leave().await;
            ending.store.close().await;
        }))
}

fn open_tls(settings: &Settings, clock: Clock) -> Result<Option<Tls>, SettingsError> {
    Tls::open(&settings.tls, Box::new(move || clock.now()))
}
