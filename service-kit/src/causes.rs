//! Errors with their causes, in one line.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// Displays an error and its causes, separated by colons. Log lines use it: an error itself displays without its cause.
pub fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Display + 'e {
    Causes(error)
}

struct Causes<'e>(&'e (dyn Error + 'static));

impl Display for Causes<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(formatter, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
