//! `auth-service user …`: accounts, beside a running server.

use std::io::Read as _;

use anyhow::{Context as _, anyhow, ensure};
use clap::{Args, Subcommand};
use secrecy::SecretString;

use crate::app::Services;
use crate::cli::account_notes::{advise, introduction, warn_about_refused_logins, warn_about_unknown_roles};
use crate::cli::operator::as_operator;
use crate::domain::accounts::operators::AccountRef;
use crate::domain::accounts::register::{ByOperator, RegisterError, Registration};
use crate::domain::accounts::roles::is_role_name;
use crate::settings::Settings;
use crate::store::users::User;

/// Commands about accounts.
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
        /// The address is verified. An account that has it unverified loses it.
        #[arg(long, requires = "email")]
        email_verified: bool,
        /// Take the name and the address even if they are resting. Other services may still mistake them for their former
        /// owner's.
        #[arg(long)]
        allow_resting: bool,
        /// A role; may be repeated.
        #[arg(long = "role", value_parser = role)]
        roles: Vec<String>,
        /// Read the password from standard input: in an argument, other users of the machine could see it.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Disable an account and end all its sessions.
    Disable {
        #[command(flatten)]
        account: Account,
    },
    /// Enable an account again.
    Enable {
        #[command(flatten)]
        account: Account,
    },
    /// Add and remove roles of an account, and show them. Tokens have the new rights from the next refresh on.
    Roles {
        #[command(flatten)]
        account: Account,
        /// A role to add; may be repeated.
        #[arg(long, value_parser = role)]
        add: Vec<String>,
        /// A role to remove; may be repeated.
        #[arg(long, value_parser = role)]
        remove: Vec<String>,
    },
    /// Take an address from the account that has it, verified or not, so that another one can have it.
    FreeEmail {
        #[command(flatten)]
        address: Address,
    },
}

/// An account by its name, by its id, or by both, which must belong to one account.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Account {
    /// The user name. A name that another account had recently needs the id too, or instead.
    username: Option<String>,
    /// The account's id, the `sub` of its tokens.
    #[arg(long)]
    id: Option<String>,
}

/// An address itself, by the id of its account, or by both, which must belong together.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Address {
    /// The e-mail address, in any spelling.
    address: Option<String>,
    /// The id of the account that has it.
    #[arg(long)]
    id: Option<String>,
}

impl Account {
    fn shown(&self) -> String {
        match (&self.username, &self.id) {
            (Some(username), None) => format!("named {username:?}"),
            (_, id) => format!("with the id {:?}", id.as_deref().unwrap_or_default()),
        }
    }

    fn unknown(&self) -> anyhow::Error {
        anyhow!("there is no account {}", self.shown())
    }
}

impl From<&Account> for AccountRef {
    fn from(account: &Account) -> Self {
        Self { username: account.username.clone(), id: account.id.clone() }
    }
}

fn role(name: &str) -> anyhow::Result<String> {
    ensure!(is_role_name(name), "1 to 64 letters, digits, `.`, `_`, `:`, `-`");
    Ok(name.to_owned())
}

pub(super) async fn run(settings: &Settings, command: UserCommand) -> anyhow::Result<()> {
    as_operator(settings, async |services| act(services, command).await).await
}

async fn act(services: &Services, command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Create { username, email, email_verified, allow_resting, roles, password_stdin: _ } => {
            warn_about_unknown_roles(services, &roles);
            let registration = Registration { username, password: read_password()?, email, roles };
            let by = ByOperator { email_verified, allow_resting };
            let made = services.accounts.create_account_with(registration, by).await;
            let user = made.map_err(explain)?;
            warn_about_size(services, &user);
            println!("created {} ({}), roles: {}", user.username, user.id, shown(&user));
        }
        UserCommand::Disable { account } => set_disabled(services, &account, true).await?,
        UserCommand::Enable { account } => set_disabled(services, &account, false).await?,
        UserCommand::Roles { account, add, remove } => {
            warn_about_unknown_roles(services, &add);
            let changed = services.accounts.change_roles(&account, add, remove).await;
            let named = changed.map_err(|error| advise(error, "--id"))?.ok_or_else(|| account.unknown())?;
            warn_about_size(services, &named.user);
            println!("{}", introduction(&named));
            println!("{} has roles: {}", named.user.username, shown(&named.user));
        }
        UserCommand::FreeEmail { address } => free_email(services, address).await?,
    }
    Ok(())
}

async fn set_disabled(services: &Services, account: &Account, disabled: bool) -> anyhow::Result<()> {
    let changed =
        services.accounts.set_disabled(account, disabled).await.map_err(|error| advise(error, "--id"))?;
    let named = changed.ok_or_else(|| account.unknown())?;
    println!("{}", introduction(&named));
    println!("{} is {}", named.user.username, if disabled { "disabled" } else { "enabled" });
    Ok(())
}

async fn free_email(services: &Services, Address { address, id }: Address) -> anyhow::Result<()> {
    let freed = services.accounts.free_email(address, id).await?;
    for user in &freed.holders {
        println!("{} ({}) has no address any more", user.username, user.id);
    }
    if freed.rested {
        println!("the address does not rest any more");
    }
    let is_found = freed.rested || !freed.holders.is_empty();
    ensure!(is_found, "no account has this address, and it does not rest");
    Ok(())
}

/// Reads the password from standard input, without the line break at its end.
fn read_password() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read the password")?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(text.into())
}

fn warn_about_size(services: &Services, user: &User) {
    if let Some(too_large) = services.tokens.size_warning(user) {
        warn_about_refused_logins(&user.username, &too_large);
    }
}

/// Joins all mistakes of a registration, and adds how a resting name can be taken.
fn explain(error: RegisterError) -> anyhow::Error {
    match error {
        RegisterError::Invalid(mistakes) => {
            let mistakes = mistakes.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.message));
            anyhow!(mistakes.collect::<Vec<_>>().join(" "))
        }
        RegisterError::Resting(_) => anyhow!("{error}; use --allow-resting to take it anyway"),
        other => other.into(),
    }
}

fn shown(user: &User) -> &str {
    if user.roles.is_empty() { "none" } else { &user.roles }
}
