//! Every private key of the service, and all that is done with them: sign access tokens and status lists, make refresh
//! tokens, publish the public halves. No private key leaves this folder.

mod audit_key;
mod csrf_token;
mod error;
mod key_changes;
mod keys;
mod loaded;
mod name_key;
mod opening;
mod plan;
mod published_keys;
mod refresh_key;
mod ring;
mod rotation;
pub mod sealing;
mod signing_key;
mod stored;
mod times;

pub use audit_key::{AuditKey, AuditKeys};
pub use error::KeyringError;
pub use key_changes::KeyChange;
pub use keys::{KeyInfo, Keyring};
pub use loaded::VerifierSettings;
pub use name_key::NameKey;
pub use opening::{Makes, first_keys};
pub use plan::{Lifetimes, Plan};
pub use published_keys::PublishedKeys;
pub use refresh_key::RefreshToken;
pub(super) use ring::MOST_LEEWAY;
pub use rotation::{Rotated, RotationError};
pub use sealing::Sealer;
pub(super) use signing_key::encoded_length;
pub use stored::{UnopenedAuditKeys, unopened_audit_keys, unopened_name_keys};
