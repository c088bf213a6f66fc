//! The result of a verification.

use std::fmt;

/// What was checked, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of chains.
    pub chains: u64,
    /// The number of their rows.
    pub rows: u64,
    /// Signs of tampering.
    pub findings: Vec<Finding>,
    /// What is no sign of tampering, and still worth knowing.
    pub remarks: Vec<String>,
}

/// A part of the trail that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The chain, if it is known.
    pub chain: String,
    /// The first and the last position, if they are known.
    pub positions: Option<(i64, i64)>,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, positions, what } = self;
        match positions {
            Some((first, last)) if first == last => write!(out, "chain {chain}, position {first}: {what}"),
            Some((first, last)) => write!(out, "chain {chain}, positions {first} to {last}: {what}"),
            None => write!(out, "chain {chain}: {what}"),
        }
    }
}
