//! Warnings for operators about access tokens that would be too long.

use crate::domain::accounts::roles;
use crate::domain::random;
use crate::domain::sessions::device::Device;
use crate::domain::status_lists::status_index::LIST_SIZE;
use crate::domain::tokens::access_token::Tokens;
use crate::domain::tokens::size::{TokenTooLarge, Transport, check};
use crate::store::clients::Client;
use crate::store::users::User;

/// An index in a list with a long URI, for sizes that are estimated.
const LATE_INDEX: i64 = 1_000_000 * LIST_SIZE;

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
