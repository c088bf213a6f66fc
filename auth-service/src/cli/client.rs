//! `auth-service client …`: services with a secret of their own, beside a running server.

use std::convert::Infallible;

use anyhow::{anyhow, ensure};
use clap::Subcommand;
use secrecy::ExposeSecret as _;

use crate::app::Services;
use crate::cli::operator::as_operator;
use crate::domain::client_names::{client_id, is_client_name, name_of};
use crate::domain::clients::NewClient;
use crate::settings::Settings;

/// Commands about clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Create a client, and print its id and its secret as JSON. The secret is not shown again.
    Create {
        /// 1 to 64 of letters, digits, `.`, `_`, `-`.
        #[arg(long, value_parser = name)]
        name: String,
        /// A scope that its tokens may have; may be repeated.
        #[arg(long = "scope", value_parser = word)]
        scopes: Vec<String>,
        /// An audience that its tokens may have, and whose tokens it may ask about; may be repeated. The default audience
        /// when there is none.
        #[arg(long = "audience", value_parser = word)]
        audience: Vec<String>,
    },
    /// List clients.
    List,
    /// Disable a client and revoke its tokens.
    Disable {
        /// Its name, or its id.
        #[arg(value_parser = known)]
        name: String,
    },
    /// Enable a client again.
    Enable {
        /// Its name, or its id.
        #[arg(value_parser = known)]
        name: String,
    },
    /// Give a client a new secret and print it. The secret before it and the client's tokens are refused from then on.
    Secret {
        /// Its name, or its id.
        #[arg(value_parser = known)]
        name: String,
    },
}

fn name(text: &str) -> anyhow::Result<String> {
    ensure!(is_client_name(text), "1 to 64 letters, digits, `.`, `_`, `-`, and not `client`");
    Ok(text.to_owned())
}

/// Takes an id too, as `list` shows it.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn known(text: &str) -> Result<String, Infallible> {
    Ok(name_of(text).to_owned())
}

/// Scopes and audiences are separated by spaces in lists (RFC 6749 section 3.3).
fn word(text: &str) -> anyhow::Result<String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    let one = !text.is_empty() && text.bytes().all(allowed);
    ensure!(one, "one word without spaces and quotes");
    Ok(text.to_owned())
}

pub(super) async fn run(settings: &Settings, command: ClientCommand) -> anyhow::Result<()> {
    as_operator(settings, async |services| act(services, command).await).await
}

async fn act(services: &Services, command: ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::Create { name, scopes, audience } => {
            let new = NewClient { name, scopes, audience };
            let (client, secret) = services.clients.create(new).await?;
            if let Some(too_large) = services.tokens.client_size_warning(&client) {
                eprintln!(
                    "auth-service: {} gets no token with all its scopes and audiences: {too_large}. It has to request fewer.",
                    client_id(&client.name)
                );
            }
            print_credentials(&client.name, secret.expose_secret());
        }
        ClientCommand::List => {
            for client in services.clients.list().await? {
                let state = if client.disabled { " (disabled)" } else { "" };
                let scopes = if client.scopes.is_empty() { "none" } else { &client.scopes };
                let id = client_id(&client.name);
                println!("{id}{state} scopes: {scopes}; audience: {}", client.audience);
            }
        }
        ClientCommand::Disable { name } => {
            let changed = services.clients.set_disabled(&name, true).await?;
            println!("{} is disabled", changed.ok_or_else(|| unknown(&name))?.name);
        }
        ClientCommand::Enable { name } => {
            let changed = services.clients.set_disabled(&name, false).await?;
            println!("{} is enabled", changed.ok_or_else(|| unknown(&name))?.name);
        }
        ClientCommand::Secret { name } => {
            let secret = services.clients.renew_secret(&name).await?;
            print_credentials(&name, secret.ok_or_else(|| unknown(&name))?.expose_secret());
        }
    }
    Ok(())
}

/// Prints JSON, for scripts and people.
fn print_credentials(name: &str, secret: &str) {
    println!("{}", serde_json::json!({ "client_id": client_id(name), "client_secret": secret }));
}

fn unknown(name: &str) -> anyhow::Error {
    anyhow!("there is no client named {name:?}")
}
