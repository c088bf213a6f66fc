//! Revocation (RFC 7009): the holder of a first-party token, or a client, takes a token back.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::audit::EventKind;
use crate::domain::authn::proven_client::ProvenClient;
use crate::domain::client_names::client_id;
use crate::domain::clients::Clients;
use crate::domain::sessions::session::Sessions;
use crate::domain::tokens::access_token::Tokens;
use crate::store::error::StoreError;

/// Revokes tokens by what they belong to.
pub struct Revocation {
    /// Verifies tokens.
    pub tokens: Arc<Tokens>,
    /// Ends sessions.
    pub sessions: Arc<Sessions>,
    /// Revokes the tokens of clients.
    pub clients: Arc<Clients>,
}

impl Revocation {
    /// Revokes a token: ends the session that it belongs to, or all tokens of a client when it is a client's
    /// own. A token that is unknown, over, or not the caller's is no error, and nothing happens.
    ///
    /// `client` is `None` for first parties, whose tokens name no client that could authenticate.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke(&self, client: Option<ProvenClient>, token: &SecretString) -> Result<(), StoreError> {
        if self.sessions.keyring.decode_refresh_token(token.expose_secret()).is_some() {
            return if client.is_none() {
                self.sessions.revoke_by_refresh_token(token).await
            } else {
                Ok(())
            };
        }
        let Ok(token) = self.tokens.verify_expired(token.expose_secret()) else { return Ok(()) };
        match (client, token.sid.clone()) {
            (None, Some(session)) => {
                self.sessions.end_session(session, EventKind::TokenRevoked).await.map(|_| ())
            }
            (Some(ProvenClient(client)), None)
                if token.client_id == client_id(&client.name)
                    && self.tokens.has_index(&token, client.status_index) =>
            {
                self.clients.revoke_tokens_of(client).await
            }
            _ => Ok(()),
        }
    }
}
