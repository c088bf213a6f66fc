//! A client that has authenticated.

use crate::store::clients::Client;

/// A client that has authenticated with its secret. Only `authenticate_client` makes one.
#[derive(Debug, Clone)]
pub struct ProvenClient(pub(in crate::domain) Client);
