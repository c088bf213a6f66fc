//! Checkpoints that the trail is compared with.

use std::str::FromStr;

/// A checkpoint: the row of a chain at this position has this MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub(super) chain: String,
    pub(super) position: i64,
    pub(super) mac: String,
    /// The number of the chain, if it is known.
    pub(super) number: Option<i64>,
}

/// A text that is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an anchor is CHAIN:POSITION:MAC, as it stands in the log")]
pub struct NotACheckpoint;

impl FromStr for Checkpoint {
    type Err = NotACheckpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (Some(chain), Some(position), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotACheckpoint);
        };
        let position = position.parse().map_err(|_| NotACheckpoint)?;
        Ok(Self { chain: chain.to_owned(), position, mac: mac.to_owned(), number: None })
    }
}
