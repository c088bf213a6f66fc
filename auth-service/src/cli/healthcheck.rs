//! `auth-service healthcheck`: whether the service of these settings is ready.

use service_kit::healthcheck;

use crate::settings::Settings;

pub(super) async fn run(settings: &Settings) -> Result<(), String> {
    healthcheck::check(&settings.listen, &settings.tls).await.map_err(|error| error.to_string())
}
