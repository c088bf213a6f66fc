//! Introspection (RFC 7662): what a client may learn about a token, for services that cannot verify by themselves.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::{AccessToken, claims::Claims};

use crate::domain::authn::proven_client::ProvenClient;
use crate::domain::client_names::name_of;
use crate::domain::tokens::access_token::Tokens;
use crate::store::clients;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::sessions;
use crate::store::sessions::Session;
use crate::store::users::User;

/// Answers what a client may learn about a token.
pub struct Introspection {
    /// Where sessions and clients are looked up.
    pub store: Store,
    /// Verifies tokens.
    pub tokens: Arc<Tokens>,
}

impl Introspection {
    /// The claims of an access token, if it is active and meant for an audience of the client's; `None` says nothing about why.
    ///
    /// A refresh token is never active: it belongs to a first-party session, and no client that can authenticate owns one.
    /// A resource server that saw `active: true` would take it for an access token (RFC 7662 section 4).
    ///
    /// # Errors
    /// The store's.
    pub async fn introspect(
        &self,
        ProvenClient(client): &ProvenClient,
        token: &SecretString,
    ) -> Result<Option<Claims>, StoreError> {
        let Ok(token) = self.tokens.verify(token.expose_secret()) else { return Ok(None) };
        let own = |audience: &String| client.audience.split(' ').any(|own| own == audience);
        if !token.aud.iter().any(own) || !self.is_active(&token).await? {
            return Ok(None);
        }
        Ok(Some(Claims { status: None, ..Claims::clone(&token) }))
    }

    /// Whether what a good access token stands for is still alive.
    async fn is_active(&self, token: &AccessToken) -> Result<bool, StoreError> {
        let Some(session_id) = token.sid.clone() else {
            let name = name_of(&token.client_id).to_owned();
            let client = self.store.read(move |db| clients::find(db, &name)).await?;
            return Ok(client.is_some_and(|client| {
                !client.disabled && self.tokens.has_index(token, client.status_index)
            }));
        };
        let found = self.store.read(move |db| sessions::with_user(db, &session_id)).await?;
        Ok(found.is_some_and(|(session, user)| {
            self.goes_on(&session, &user)
                && user.id == token.sub
                && self.tokens.has_index(token, session.status_index)
        }))
    }

    fn goes_on(&self, session: &Session, user: &User) -> bool {
        session.is_alive(self.tokens.clock.now()) && !user.disabled
    }
}
