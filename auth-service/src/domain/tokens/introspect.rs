//! What a client may learn about a token (RFC 7662), and how it takes one back (RFC 7009): for services that cannot verify
//! by themselves.

use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::{AccessToken, claims::Claims};

use crate::domain::audit::EventKind;
use crate::domain::authn::proven_client::ProvenClient;
use crate::domain::clients::{client_id, name_of};
use crate::domain::issuer::Issuer;
use crate::domain::status_lists::status_index::StatusIndex;
use crate::store::clients;
use crate::store::error::StoreError;
use crate::store::sessions;
use crate::store::sessions::Session;
use crate::store::users::User;

impl Issuer {
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
        let Ok(token) = self.verify(token.expose_secret()) else { return Ok(None) };
        let own = |audience: &String| client.audience.split(' ').any(|own| own == audience);
        if !token.aud.iter().any(own) || !self.is_active(&token).await? {
            return Ok(None);
        }
        Ok(Some(Claims { status: None, ..Claims::clone(&token) }))
    }

    /// Takes back a token (RFC 7009): ends the session that it belongs to, or all tokens of a client when it is a client's
    /// own. A token that is unknown, over, or not the caller's is no error, and nothing happens.
    ///
    /// `client` is `None` for first parties, whose tokens name no client that could authenticate.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_token(
        &self,
        client: Option<ProvenClient>,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        if self.keyring.decode_refresh_token(token.expose_secret()).is_some() {
            return if client.is_none() { self.revoke_by_refresh_token(token).await } else { Ok(()) };
        }
        let Ok(token) = self.verify_expired(token.expose_secret()) else { return Ok(()) };
        match (client, token.sid.clone()) {
            (None, Some(session)) => self.end_session(session, EventKind::TokenRevoked).await.map(|_| ()),
            (Some(ProvenClient(client)), None)
                if token.client_id == client_id(&client.name)
                    && self.has_index(&token, client.status_index) =>
            {
                self.revoke_client_tokens(client).await
            }
            _ => Ok(()),
        }
    }

    /// Whether what a good access token stands for is still alive.
    async fn is_active(&self, token: &AccessToken) -> Result<bool, StoreError> {
        let Some(session_id) = token.sid.clone() else {
            let name = name_of(&token.client_id).to_owned();
            let client = self.store.read(move |db| clients::find(db, &name)).await?;
            return Ok(
                client.is_some_and(|client| !client.disabled && self.has_index(token, client.status_index))
            );
        };
        let found = self.store.read(move |db| sessions::with_user(db, &session_id)).await?;
        Ok(found.is_some_and(|(session, user)| {
            self.goes_on(&session, &user)
                && user.id == token.sub
                && self.has_index(token, session.status_index)
        }))
    }

    /// Whether the token has this status list index; after rights shrank, the session has another one.
    fn has_index(&self, token: &AccessToken, index: Option<i64>) -> bool {
        let Some(status) = &token.status else { return !self.policy.statuses };
        let claim = |index| StatusIndex::from(index).claim(&self.policy.issuer);
        index.is_some_and(|index| claim(index) == *status)
    }

    fn goes_on(&self, session: &Session, user: &User) -> bool {
        session.is_alive(self.now()) && !user.disabled
    }
}
