//! The verifier: takes the text of a token and returns verified claims, or the reason for a refusal.

mod explain;
mod refused;
mod status;
#[expect(clippy::module_inception, reason = "the file of a type has its name")]
mod verifier;
mod verify;

pub use self::verifier::Verifier;
pub use crate::{
    algorithm::Algorithm,
    clock::{Clock, ManualClock},
    jws::{MAX_ACCESS_TOKEN_BYTES, MAX_STATUS_LIST_BYTES},
    keys::key_set::KeySet,
    observer::Observer,
    readiness::{Polling, Readiness, Revocations},
};
