//! `auth-service client …`: services with a secret of their own, beside a running server.

use clap::Subcommand;
use secrecy::ExposeSecret as _;

use crate::domain::clients::{NewClient, client_id, is_client_name, name_of};
use crate::domain::issuer::Issuer;
use crate::settings::Settings;

/// What can be done about clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Create a client, and print its id and its secret as JSON. The secret is shown this once.
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
    /// Give a client a new secret and print it; the one before, and its tokens, are worth nothing any more.
    Secret {
        /// Its name, or its id.
        #[arg(value_parser = known)]
        name: String,
    },
}

fn name(text: &str) -> Result<String, String> {
    is_client_name(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "1 to 64 letters, digits, `.`, `_`, `-`, and not `client`".to_owned())
}

/// An id as `list` shows it is understood as well.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn known(text: &str) -> Result<String, String> {
    Ok(name_of(text).to_owned())
}

/// Scopes and audiences stand in lists separated by spaces (RFC 6749 section 3.3).
fn word(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    let one = !text.is_empty() && text.bytes().all(allowed);
    one.then(|| text.to_owned()).ok_or_else(|| "one word without spaces and quotes".to_owned())
}

pub(super) async fn run(settings: &Settings, command: ClientCommand) -> Result<(), String> {
    crate::cli::as_operator(settings, async |issuer| act(issuer, command).await).await
}

async fn act(issuer: &Issuer, command: ClientCommand) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    match command {
        ClientCommand::Create { name, scopes, audience } => {
            let new = NewClient { name, scopes, audience };
            let (client, secret) = issuer.clients.create(new).await.map_err(|error| failed(&error))?;
            if let Some(too_large) = issuer.tokens.client_size_warning(&client) {
                eprintln!(
                    "auth-service: {} gets no token for all its scopes and audiences: {too_large}. It has to ask for less.",
                    client_id(&client.name)
                );
            }
            print_credentials(&client.name, secret.expose_secret());
        }
        ClientCommand::List => {
            for client in issuer.clients.list().await.map_err(|error| failed(&error))? {
                let state = if client.disabled { " (disabled)" } else { "" };
                let scopes = if client.scopes.is_empty() { "none" } else { &client.scopes };
                let id = client_id(&client.name);
                println!("{id}{state} scopes: {scopes}; audience: {}", client.audience);
            }
        }
        ClientCommand::Disable { name } => {
            let changed = issuer.clients.set_disabled(&name, true).await.map_err(|error| failed(&error))?;
            println!("{} is disabled", changed.ok_or_else(|| nobody(&name))?.name);
        }
        ClientCommand::Enable { name } => {
            let changed = issuer.clients.set_disabled(&name, false).await.map_err(|error| failed(&error))?;
            println!("{} is enabled", changed.ok_or_else(|| nobody(&name))?.name);
        }
        ClientCommand::Secret { name } => {
            let secret = issuer.clients.renew_secret(&name).await.map_err(|error| failed(&error))?;
            print_credentials(&name, secret.ok_or_else(|| nobody(&name))?.expose_secret());
        }
    }
    Ok(())
}

/// For scripts as well as for people.
fn print_credentials(name: &str, secret: &str) {
    println!("{}", serde_json::json!({ "client_id": client_id(name), "client_secret": secret }));
}

fn nobody(name: &str) -> String {
    format!("there is no client named {name:?}")
}
