//! Access tokens (RFC 9068): what stands in one, and how this service knows its own again.

use std::sync::Arc;

use shared_claims::{AccessToken, claims::Claims, error::Refusal};

use crate::domain::client_names::client_id;
use crate::domain::clock::DatabaseClock;
use crate::domain::clock::seconds;
use crate::domain::keyring::Keyring;
use crate::domain::keyring::KeyringError;
use crate::domain::policy::Policy;
use crate::domain::random;
use crate::domain::status_lists::status_index::StatusIndex;
use crate::domain::tokens::size;
use crate::domain::tokens::size::{TokenTooLarge, Transport};
use crate::store::clients::Client;
use crate::store::sessions::Session;
use crate::store::users::User;

/// The client of those who log in with a password of their own.
pub const FIRST_PARTY: &str = "first-party";

impl Policy {
    /// What stands in a token for a session, with the rights that the user has now.
    pub(in crate::domain) fn claims_for(
        &self,
        session: &Session,
        user: &User,
        audience: Vec<String>,
        scope: String,
        now: i64,
    ) -> Claims {
        let shown = user.email_verified || self.names.unverified_email;
        let email = user.email.clone().filter(|_| shown);
        Claims {
            iss: self.issuer.clone(),
            sub: user.id.clone(),
            aud: audience,
            exp: numeric_date(now.saturating_add(self.access_ttl(session, now))),
            iat: numeric_date(now),
            nbf: Some(numeric_date(now)),
            jti: random::id(),
            sid: Some(session.id.clone()),
            client_id: FIRST_PARTY.to_owned(),
            scope,
            roles: user.roles().map(str::to_owned).collect(),
            username: Some(user.username.clone()),
            auth_time: Some(numeric_date(session.created_at)),
            email_verified: email.as_ref().map(|_| user.email_verified),
            email,
            status: session.status_index.map(|index| StatusIndex::from(index).claim(&self.issuer)),
        }
    }

    /// What stands in a token of a client's own (RFC 9068 section 2.2: `sub` is the client).
    pub(in crate::domain) fn client_claims(
        &self,
        client: &Client,
        audience: Vec<String>,
        scope: String,
        now: i64,
    ) -> Claims {
        let client_id = client_id(&client.name);
        Claims {
            iss: self.issuer.clone(),
            sub: client_id.clone(),
            aud: audience,
            exp: numeric_date(now.saturating_add(seconds(self.access_ttl))),
            iat: numeric_date(now),
            nbf: Some(numeric_date(now)),
            jti: random::id(),
            sid: None,
            client_id,
            scope,
            roles: Vec::new(),
            username: None,
            auth_time: None,
            email: None,
            email_verified: None,
            status: client.status_index.map(|index| StatusIndex::from(index).claim(&self.issuer)),
        }
    }

    /// For how many seconds an access token of this session lives: never for longer than the session.
    fn access_ttl(&self, session: &Session, now: i64) -> i64 {
        seconds(self.access_ttl).min(session.expires_at.saturating_sub(now))
    }
}

/// Why a client's own token was not signed.
#[derive(Debug, thiserror::Error)]
pub enum ClientTokenError {
    /// It would be too long.
    #[error(transparent)]
    TokenTooLarge(#[from] TokenTooLarge),
    /// The keys cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

/// Signs and verifies this service's access tokens.
pub struct Tokens {
    pub(super) keyring: Arc<Keyring>,
    pub(super) policy: Arc<Policy>,
    pub(super) clock: DatabaseClock,
}

impl Tokens {
    /// Creates the signer over the keys in force.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, policy: Arc<Policy>, clock: DatabaseClock) -> Self {
        Self { keyring, policy, clock }
    }

    /// Signs a token for a session. Its size has been [checked](size::check).
    pub(in crate::domain) fn mint(
        &self,
        session: &Session,
        user: &User,
        audience: Vec<String>,
        scope: String,
    ) -> Result<String, KeyringError> {
        let now = self.clock.now();
        self.keyring.sign(&self.policy.claims_for(session, user, audience, scope, now), now)
    }

    /// Signs a token of a client's own.
    ///
    /// # Errors
    /// [`ClientTokenError`].
    pub(in crate::domain) fn mint_for_client(
        &self,
        claims: &Claims,
        now: i64,
    ) -> Result<String, ClientTokenError> {
        size::check(claims, self.keyring.frame_bytes(), Transport::Body)?;
        Ok(self.keyring.sign(claims, now)?)
    }

    /// Refuses a session whose token would be too long.
    pub(in crate::domain) fn check_size(
        &self,
        session: &Session,
        user: &User,
        audience: &[String],
        transport: Transport,
    ) -> Result<(), TokenTooLarge> {
        let scope = self.policy.roles.scope(user.roles());
        let claims = self.policy.claims_for(session, user, audience.to_vec(), scope, self.clock.now());
        size::check(&claims, self.keyring.frame_bytes(), transport)
    }

    /// For how many seconds an access token of this session lives: never for longer than the session.
    pub(in crate::domain) fn access_ttl(&self, session: &Session, now: i64) -> i64 {
        self.policy.access_ttl(session, now)
    }

    /// As [`verify`](Self::verify), but the token need not be fresh: for ending what it belongs to.
    pub(in crate::domain) fn verify_expired(&self, token: &str) -> Result<AccessToken, Refusal> {
        self.keyring.verify_expired(token)
    }

    /// Checks everything about a token that can be seen from the token.
    pub(in crate::domain) fn verify(&self, token: &str) -> Result<AccessToken, Refusal> {
        self.keyring.verify(token)
    }

    /// Whether the token has this status list index; after rights shrank, the session has another one.
    pub(super) fn has_index(&self, token: &AccessToken, index: Option<i64>) -> bool {
        let Some(status) = &token.status else { return !self.policy.statuses };
        let claim = |index| StatusIndex::from(index).claim(&self.policy.issuer);
        index.is_some_and(|index| claim(index) == *status)
    }
}

/// Stored times are never before 1970.
fn numeric_date(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
