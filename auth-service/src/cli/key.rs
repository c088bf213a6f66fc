//! `auth-service key …`: signing keys, beside a running server.

use clap::Subcommand;

use crate::app::Services;
use crate::cli::operator::as_operator_making;
use crate::domain::keyring::Makes;
use crate::domain::keyring::Rotated;
use crate::settings::Settings;

/// Commands about signing keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the signing keys that are published.
    List,
    /// Publish a new signing key. It signs after `keys.publish_ahead`, when every verifier knows it, and no user notices.
    Rotate {
        /// Withdraw all signing keys at once and sign with a new one: for a key that may have been stolen.
        #[arg(long)]
        emergency: bool,
    },
}

pub(super) async fn run(settings: &Settings, command: KeyCommand) -> anyhow::Result<()> {
    let makes = match command {
        KeyCommand::List => Makes::Proofs,
        KeyCommand::Rotate { .. } => Makes::Keys,
    };
    as_operator_making(settings, makes, async |services| act(services, command).await).await
}

async fn act(services: &Services, command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::List => {
            for key in services.keyring.list(services.clock.now()) {
                let state = if key.signs {
                    "signs".to_owned()
                } else if key.active_from > services.clock.now() {
                    format!("signs in {}s", key.active_from - services.clock.now())
                } else {
                    "is kept for what it signed".to_owned()
                };
                println!("{} {} {state}", key.kid, key.algorithm);
            }
        }
        KeyCommand::Rotate { emergency: false } => {
            let rotated = services.maintenance.rotate_signing_key().await?;
            match rotated {
                Rotated::From(at) => {
                    println!("a new key is published; it signs in {}s", at - services.clock.now());
                }
                Rotated::OnItsWay(at) => {
                    println!("a new key was published before; it signs in {}s", at - services.clock.now());
                }
            }
        }
        KeyCommand::Rotate { emergency: true } => {
            services.maintenance.withdraw_signing_keys().await?;
            println!(
                "every signing key was withdrawn, and a new one signs. Access tokens given so far are refused: here at \
                 once, by verifiers that listen to events within seconds, by others when they next fetch the keys. \
                 Sessions go on: clients get new access tokens by refreshing. Status lists are signed anew."
            );
        }
    }
    Ok(())
}
