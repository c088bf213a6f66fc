//! Pages of other origins.

use std::time::Duration;

use serde::Deserialize;
use service_kit::settings::{DAY, Seconds, comma_list};
use url::{Host, Url};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct CorsSettings {
    #[serde(deserialize_with = "comma_list")]
    pub allowed_origins: Vec<String>,
    #[serde(with = "Seconds::<0, DAY>")] // no browser remembers a preflight for longer
    pub preflight_max_age: Duration,
}

impl CorsSettings {
    /// Returns the allowed origins whose pages an attacker on the network can change: those without TLS that are not on this
    /// machine.
    pub fn plain_origins(&self) -> impl Iterator<Item = &str> {
        let plain = |origin: &&str| match Url::parse(origin).ok().as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name != "localhost",
            Some(Host::Ipv4(address)) => !address.is_loopback(),
            Some(Host::Ipv6(address)) => !address.is_loopback(),
            None => false,
        };
        let origins = self.allowed_origins.iter().map(String::as_str);
        origins.filter(|origin| origin.starts_with("http://")).filter(plain)
    }
}
