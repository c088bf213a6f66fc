//! How long an access token may be. One that is longer is refused unread by every verifier, or dropped by browsers, so none is
//! made.

use crate::domain::keyring::encoded_length;
use crate::domain::tokens::access_token::Tokens;
use serde_json::Value;
use shared_claims::{claims::Claims, verifier::MAX_ACCESS_TOKEN_BYTES};

use crate::domain::accounts::import::Read;
use crate::domain::accounts::roles;
use crate::domain::random;
use crate::domain::sessions::session::Device;
use crate::domain::status_lists::status_index::LIST_SIZE;
use crate::store::clients::Client;
use crate::store::users::User;

/// The name of the cookie that an access token is kept in.
pub const ACCESS_COOKIE: &str = "__Host-access";

/// Browsers drop a cookie whose name and value are longer together (RFC 6265bis section 5.7).
const MAX_COOKIE_BYTES: usize = 4096;

/// An index in a list with a long URI, for sizes that are estimated.
const LATE_INDEX: i64 = 1_000_000 * LIST_SIZE;

/// How an access token is handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// In the body of the answer.
    #[default]
    Body,
    /// In a browser's cookie.
    Cookie,
}

impl Transport {
    fn most(self) -> usize {
        match self {
            Self::Body => MAX_ACCESS_TOKEN_BYTES,
            Self::Cookie => MAX_COOKIE_BYTES - ACCESS_COOKIE.len(),
        }
    }

    fn takers(self) -> &'static str {
        match self {
            Self::Body => "verifiers accept",
            Self::Cookie => "fit into a browser's cookie",
        }
    }
}

/// An access token that is not made, because it would be too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the access token would have {bytes} bytes, and at most {} {}; the longest claim is {claim}",
    .transport.most(), .transport.takers()
)]
pub struct TokenTooLarge {
    /// The claim that takes most of it.
    pub claim: String,
    /// How long the token would be.
    pub bytes: usize,
    /// Whose bound it exceeds: the verifiers', or else only that of cookies.
    pub transport: Transport,
}

/// Refuses claims whose token would be too long. `frame` is what header and signature take at the most.
pub(in crate::domain) fn check(
    claims: &Claims,
    frame: usize,
    transport: Transport,
) -> Result<(), TokenTooLarge> {
    let length = |value: &Value| serde_json::to_vec(value).map_or(0, |json| json.len());
    let payload = serde_json::to_vec(claims).map_or(0, |json| json.len());
    let bytes = frame + encoded_length(payload);
    let exceeded = [Transport::Body, transport].into_iter().find(|transport| bytes > transport.most());
    let Some(transport) = exceeded else { return Ok(()) };
    // Claims are strings and numbers: they become JSON.
    let members = serde_json::to_value(claims).ok();
    let members = members.as_ref().and_then(Value::as_object).into_iter().flatten();
    let longest = members.max_by_key(|(_, value)| length(value));
    let claim = longest.map(|(name, _)| name.clone()).unwrap_or_default();
    Err(TokenTooLarge { claim, bytes, transport })
}

impl Tokens {
    /// What keeps an account from logging in: its token would be too long, for all or for cookies alone. `None` when nothing
    /// does. An estimate for the default audience, for warnings.
    #[must_use]
    pub fn size_warning(&self, user: &User) -> Option<TokenTooLarge> {
        let mut session = self.policy.new_session(
            user,
            &self.policy.default_audience,
            Device::default(),
            self.clock.moment(),
        );
        session.status_index = self.policy.statuses.then_some(LATE_INDEX);
        let scope = self.policy.roles.scope(user.roles());
        let claims = self.policy.claims_for(
            &session,
            user,
            self.policy.default_audience.clone(),
            scope,
            self.clock.now(),
        );
        check(&claims, self.keyring.frame_bytes(), Transport::Cookie).err()
    }

    /// The same for an account that has only these names and roles.
    #[must_use]
    pub fn size_warning_for(
        &self,
        username: &str,
        email: Option<&str>,
        roles: &[String],
    ) -> Option<TokenTooLarge> {
        self.size_warning(&User {
            id: random::id(),
            username: username.to_owned(),
            email: email.map(str::to_owned),
            email_verified: true,
            password_hash: String::new(),
            roles: roles::changed("", roles, &[]),
            disabled: false,
            auth_version: 0,
            created_at: self.clock.now(),
        })
    }

    /// What would keep an account that is imported with roles from logging in.
    #[must_use]
    pub fn import_warning(&self, account: &Read) -> Option<TokenTooLarge> {
        let account = account.as_ref().ok().filter(|account| !account.roles.is_empty())?;
        self.size_warning_for(&account.username, account.email.as_deref(), &account.roles)
    }

    /// What keeps a client from getting a token for all that it may have.
    #[must_use]
    pub fn client_size_warning(&self, client: &Client) -> Option<TokenTooLarge> {
        let mut client = client.clone();
        client.status_index = self.policy.statuses.then_some(LATE_INDEX);
        let audience = client.audience.split(' ').map(str::to_owned).collect();
        let claims = self.policy.client_claims(&client, audience, client.scopes.clone(), self.clock.now());
        check(&claims, self.keyring.frame_bytes(), Transport::Body).err()
    }

    /// Says at start which roles of the settings, each alone, lead to tokens that are not made; and whether any account can
    /// log in at all.
    pub fn warn_about_sizes(&self) {
        if let Some(too_large) = self.size_warning_for("a", None, &[]) {
            log::warn!("no account can log in as the issuer and the audience are set: {too_large}");
            return;
        }
        for role in self.policy.roles.0.keys() {
            if let Some(too_large) = self.size_warning_for("a", None, std::slice::from_ref(role)) {
                log::warn!(
                    "accounts with the role {role} cannot log in{}: {too_large}",
                    too_large.scope_of_refusal()
                );
            }
        }
    }
}

impl TokenTooLarge {
    /// Where logins are refused, for sentences that say so.
    #[must_use]
    pub fn scope_of_refusal(&self) -> &'static str {
        match self.transport {
            Transport::Body => "",
            Transport::Cookie => " with cookies",
        }
    }
}
