//! Refusals that an attacker can cause by the thousand: which of them get a row each, and what is kept of the others.
//!
//! A refusal that cost the sender a hash or a session always gets a row. Of the rest, those that needed a credential count
//! against its holder, and those that needed none count against their source; each by event and reason, so that a flood of one
//! kind hides no other kind, and a flood from one source no other source. What is beyond a budget is counted: at the end of an
//! interval there is one row for each holder or source, with the count and a sample. The number of such rows is bounded; so
//! each account and client has a budget for its first refusals that no other can use up.

mod budgets;
mod group;
mod summary;
#[cfg(test)]
mod tests;

pub use budgets::RefusalRules;
pub(super) use budgets::Refusals;
