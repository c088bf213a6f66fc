//! Clients: services with a secret of their own (RFC 6749 section 2). Operators make them; they get tokens for themselves
//! (section 4.4), ask about others' tokens, and take back their own.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::audit::{AuditContext, Event, EventKind, Reason};
use crate::domain::authn::proven_client::ProvenClient;
use crate::domain::change::{Change, Changes};
use crate::domain::client_names::{client_id, is_client_name, name_of};
use crate::domain::clock::DatabaseClock;
use crate::domain::clock::seconds;
use crate::domain::keyring::KeyringError;
use crate::domain::policy::Policy;
use crate::domain::random;
use crate::domain::rate::GrantLimits;
use crate::domain::rate::TooMany;
use crate::domain::sessions::refresh::narrowed;
use crate::domain::sessions::session::Grant;
use crate::domain::tokens::access_token::{ClientTokenError, Tokens};
use crate::domain::tokens::size::TokenTooLarge;
use crate::store::clients;
use crate::store::clients::Client;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// Secrets that look like secrets are found by scanners when they leak.
const SECRET_PREFIX: &str = "cs_";

/// What an operator says of a new client.
#[derive(Debug)]
pub struct NewClient {
    /// See [`is_client_name`].
    pub name: String,
    /// What its tokens may allow.
    pub scopes: Vec<String>,
    /// For whom its tokens may be meant, and whose tokens it may ask about; none for the default audience.
    pub audience: Vec<String>,
}

/// Why there is no new client.
#[derive(Debug, thiserror::Error)]
pub enum CreateClientError {
    /// There is one of that name.
    #[error("there is a client of that name already")]
    Taken,
    /// An audience that no token of this issuer can have.
    #[error("{0:?} is neither in `audience` nor in `resources` of the settings, nor the issuer")]
    Audience(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a client gets no token.
#[derive(Debug, thiserror::Error)]
pub enum ClientGrantError {
    /// It has been disabled, or is gone.
    #[error("the client is not known")]
    InvalidClient,
    /// It asks too often.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// More than it may have.
    #[error("the scope is more than the client may have")]
    InvalidScope,
    /// The token would be too long.
    #[error(transparent)]
    TokenTooLarge(#[from] TokenTooLarge),
    /// An audience that it may not address.
    #[error("the resource is not one that the client may address")]
    InvalidTarget,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl From<ClientTokenError> for ClientGrantError {
    fn from(error: ClientTokenError) -> Self {
        match error {
            ClientTokenError::TokenTooLarge(error) => Self::TokenTooLarge(error),
            ClientTokenError::Keyring(error) => Self::Keyring(error),
        }
    }
}

/// Clients and the tokens that they get for themselves.
pub struct Clients {
    /// Where clients are looked up.
    pub store: Store,
    /// Changes them.
    pub changes: Changes,
    /// Signs their tokens.
    pub tokens: Arc<Tokens>,
    /// Which audiences there are.
    pub policy: Arc<Policy>,
    /// The database's time.
    pub clock: DatabaseClock,
    /// How often a client gets a token.
    pub limits: Arc<GrantLimits>,
}

impl Clients {
    /// Makes a client; gives it with its secret, which is shown this once.
    ///
    /// # Errors
    /// [`CreateClientError`].
    pub async fn create(&self, new: NewClient) -> Result<(Client, SecretString), CreateClientError> {
        let audience =
            if new.audience.is_empty() { self.policy.default_audience.clone() } else { new.audience };
        if let Some(unknown) = audience.iter().find(|item| !self.policy.allowed_audiences.contains(item)) {
            return Err(CreateClientError::Audience(unknown.clone()));
        }
        let secret = new_secret();
        let client = Client {
            name: new.name,
            secret_digest: digest_of(&secret),
            scopes: each_once(&new.scopes),
            audience: each_once(&audience),
            disabled: false,
            status_index: None,
            created_at: self.clock.now(),
        };
        let row = client.clone();
        let event = Event::of(EventKind::ClientCreated).to(client_id(&client.name));
        let event = event.with("scopes", client.scopes.as_str()).with("audience", client.audience.as_str());
        let insert = move |change: &mut Change<'_>| {
            clients::insert(change.db(), &row)?;
            change.record(event);
            Ok(())
        };
        match self.changes.run(insert).await {
            Ok(()) => Ok((client, secret)),
            Err(StoreError::Conflict(_)) => Err(CreateClientError::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Every client, the oldest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<Client>, StoreError> {
        self.store.read(clients::all).await
    }

    /// Disables or enables a client; disabling revokes its tokens. `None` when there is none of that name.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_disabled(&self, name: &str, disabled: bool) -> Result<Option<Client>, StoreError> {
        let name = name.to_owned();
        let kind = if disabled { EventKind::ClientDisabled } else { EventKind::ClientEnabled };
        let set = move |change: &mut Change<'_>| {
            let Some(client) = clients::set_disabled(change.db(), &name, disabled)? else { return Ok(None) };
            if disabled {
                revoke_tokens(change, &client)?;
            }
            change.record(Event::of(kind).to(client_id(&client.name)));
            Ok(Some(client))
        };
        self.changes.run(set).await
    }

    /// Gives a client another secret; the one before is worth nothing any more, and neither are the client's tokens. `None`
    /// when there is none of that name.
    ///
    /// # Errors
    /// The store's.
    pub async fn renew_secret(&self, name: &str) -> Result<Option<SecretString>, StoreError> {
        let secret = new_secret();
        let (name, digest) = (name.to_owned(), digest_of(&secret));
        let set = move |change: &mut Change<'_>| {
            let Some(client) = clients::set_secret(change.db(), &name, &digest)? else { return Ok(None) };
            revoke_tokens(change, &client)?;
            change.record(Event::of(EventKind::ClientSecretChanged).to(client_id(&client.name)));
            Ok(Some(secret))
        };
        self.changes.run(set).await
    }

    /// Revokes every token of a client. The audit trail says so if there was anything to revoke: tokens without a place in a
    /// status list (HS256) go on, and what is revoked already is not revoked again.
    pub(super) async fn revoke_tokens_of(&self, client: Client) -> Result<(), StoreError> {
        let revoke = move |change: &mut Change<'_>| {
            if revoke_tokens(change, &client)? {
                change.record(Event::of(EventKind::TokenRevoked).to(client_id(&client.name)));
            }
            Ok(())
        };
        self.changes.run(revoke).await
    }

    /// The client with this id and secret (RFC 6749 section 2.3); `None` when there is none, or it is disabled.
    ///
    /// # Errors
    /// The store's.
    pub async fn authenticate(
        &self,
        client_id: &str,
        secret: &SecretString,
    ) -> Result<Option<ProvenClient>, StoreError> {
        let name = name_of(client_id).to_owned();
        let found = if is_client_name(&name) {
            self.store.read(move |db| clients::find(db, &name)).await?
        } else {
            None
        };
        let shown = digest_of(secret);
        let right = |client: &Client| {
            verify_slices_are_equal(client.secret_digest.as_bytes(), shown.as_bytes()).is_ok()
        };
        let reason = match &found {
            None => Reason::UnknownClient,
            Some(client) if !right(client) => Reason::WrongSecret,
            Some(client) if client.disabled => Reason::Disabled,
            Some(client) => {
                AuditContext::proven(&crate::domain::client_names::client_id(&client.name));
                return Ok(found.map(ProvenClient));
            }
        };
        let known = found.map(|client| crate::domain::client_names::client_id(&client.name));
        // What else was typed is not kept: it is anything, of any length, and may be a secret in the wrong field.
        log::warn!(
            "no proof to be the client {}: {}",
            known.as_deref().unwrap_or("(unknown)"),
            reason.as_str()
        );
        let refused = Event::refused(EventKind::ClientAuthenticated, reason).to_known(known.as_deref());
        self.changes
            .record(match (reason, &known) {
                (Reason::Disabled, Some(id)) => refused.by_holder_of(id),
                _ => refused,
            })
            .await;
        Ok(None)
    }

    /// A token of a client's own (RFC 6749 section 4.4).
    ///
    /// # Errors
    /// [`ClientGrantError`].
    pub async fn grant(
        &self,
        ProvenClient(client): ProvenClient,
        scope: Option<&str>,
        resource: &[String],
    ) -> Result<Grant, ClientGrantError> {
        if let Err(too_many) = self.limits.grant(&client.name) {
            let refused = Event::refused(EventKind::ClientTokenGranted, Reason::TooManyRequests);
            self.changes.record(refused.to(client_id(&client.name))).await;
            return Err(too_many.into());
        }
        let asked: Vec<String> =
            scope.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        let scope = narrowed(&client.scopes, &asked).ok_or(ClientGrantError::InvalidScope)?.join(" ");
        let audience = narrowed(&client.audience, resource).ok_or(ClientGrantError::InvalidTarget)?;
        let client = self.indexed_client(client).await?;
        let now = self.clock.now();
        let claims = self.policy.client_claims(&client, audience, scope.clone(), now);
        let access_token = self.tokens.mint_for_client(&claims, now)?;
        self.changes.record(Event::of(EventKind::ClientTokenGranted).to(client_id(&client.name))).await;
        Ok(Grant { access_token, expires_in: seconds(self.policy.access_ttl), refresh: None, scope })
    }

    async fn indexed_client(&self, client: Client) -> Result<Client, ClientGrantError> {
        if client.status_index.is_some() {
            return Ok(client);
        }
        let reserved = self.changes.reserve_index().await?;
        let Some(index) = reserved.get() else { return Ok(client) };
        let Client { name, secret_digest: proven, .. } = client;
        let give = move |change: &mut Change<'_>| {
            let found = clients::with_status_index(change.db(), &name, index)?;
            if found.as_ref().is_some_and(|client| client.status_index == Some(index)) {
                change.keep(reserved);
            }
            Ok::<_, StoreError>(found)
        };
        let found = self.changes.run(give).await?;
        // It had no number when it proved itself, so a new secret has revoked nothing since.
        let same = found.filter(|client| client.secret_digest == proven);
        same.ok_or(ClientGrantError::InvalidClient)
    }
}

/// Revokes the client's tokens, and returns whether there were any. Its next token gets another index.
fn revoke_tokens(change: &mut Change<'_>, client: &Client) -> Result<bool, StoreError> {
    match client.status_index {
        Some(index) if clients::drop_status_index(change.db(), &client.name, index)? => {
            change.revoke([index]);
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// A list separated by spaces, in the order that was given.
fn each_once(items: &[String]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for item in items {
        if !once.contains(&item.as_str()) {
            once.push(item);
        }
    }
    once.join(" ")
}

fn new_secret() -> SecretString {
    format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(random::bytes::<32>().as_slice())).into()
}

/// A secret of 256 random bits cannot be guessed, so a plain digest keeps it as well as a slow one.
fn digest_of(secret: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.expose_secret().as_bytes()))
}
