//! `auth-service user …`: accounts, beside a running server.

use std::io::Read as _;

use clap::Subcommand;
use secrecy::SecretString;

use crate::domain::Issuer;
use crate::domain::accounts::{RegisterError, Registration};
use crate::domain::rights::is_role_name;
use crate::settings::Settings;
use crate::store::users::User;

/// What can be done to accounts.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Create an account.
    Create {
        /// 3 to 32 of letters, digits, `.`, `_`, `-`.
        #[arg(long)]
        username: String,
        /// The e-mail address.
        #[arg(long)]
        email: Option<String>,
        /// A role; may be repeated.
        #[arg(long = "role", value_parser = role)]
        roles: Vec<String>,
        /// Read the password from standard input: in an argument, other users of the machine could see it.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Disable an account and end all its sessions.
    Disable {
        /// The user name.
        username: String,
    },
    /// Enable an account again.
    Enable {
        /// The user name.
        username: String,
    },
    /// Show an account's roles, after adding and removing some. Tokens have the new rights from the next refresh on.
    Roles {
        /// The user name.
        username: String,
        /// A role to give; may be repeated.
        #[arg(long, value_parser = role)]
        add: Vec<String>,
        /// A role to take away; may be repeated.
        #[arg(long, value_parser = role)]
        remove: Vec<String>,
    },
}

fn role(name: &str) -> Result<String, String> {
    is_role_name(name)
        .then(|| name.to_owned())
        .ok_or_else(|| "1 to 64 letters, digits, `.`, `_`, `:`, `-`".to_owned())
}

pub(super) async fn run(settings: &Settings, command: UserCommand) -> Result<(), String> {
    super::as_operator(settings, async |issuer| act(issuer, command).await).await
}

async fn act(issuer: &Issuer, command: UserCommand) -> Result<(), String> {
    match command {
        UserCommand::Create { username, email, roles, password_stdin: _ } => {
            warn_about_unknown_roles(issuer, &roles);
            let registration = Registration { username, password: read_password()?, email, roles };
            let user = issuer.create_account(registration).await.map_err(|error| explain(&error))?;
            println!("created {} ({}), roles: {}", user.username, user.id, shown(&user));
        }
        UserCommand::Disable { username } => set_disabled(issuer, &username, true).await?,
        UserCommand::Enable { username } => set_disabled(issuer, &username, false).await?,
        UserCommand::Roles { username, add, remove } => {
            warn_about_unknown_roles(issuer, &add);
            let changed =
                issuer.change_roles(&username, add, remove).await.map_err(|error| error.to_string())?;
            let user = changed.ok_or_else(|| nobody(&username))?;
            println!("{} has roles: {}", user.username, shown(&user));
        }
    }
    Ok(())
}

async fn set_disabled(issuer: &Issuer, username: &str, disabled: bool) -> Result<(), String> {
    let changed = issuer.set_disabled(username, disabled).await.map_err(|error| error.to_string())?;
    let user = changed.ok_or_else(|| nobody(username))?;
    println!("{} is {}", user.username, if disabled { "disabled" } else { "enabled" });
    Ok(())
}

/// One line; the line break at its end is not part of the password.
fn read_password() -> Result<SecretString, String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read the password: {error}"))?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(text.into())
}

pub(super) fn warn_about_unknown_roles<'a>(issuer: &Issuer, roles: impl IntoIterator<Item = &'a String>) {
    for role in roles.into_iter().filter(|role| !issuer.policy.roles.knows(role)) {
        eprintln!("auth-service: the settings give the role {role:?} no scopes; is it spelled right?");
    }
}

fn explain(error: &RegisterError) -> String {
    match error {
        RegisterError::Invalid(mistakes) => mistakes
            .iter()
            .map(|mistake| format!("{}: {}", mistake.field, mistake.message))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

fn nobody(username: &str) -> String {
    format!("there is no account named {username:?}")
}

fn shown(user: &User) -> &str {
    if user.roles.is_empty() { "none" } else { &user.roles }
}
