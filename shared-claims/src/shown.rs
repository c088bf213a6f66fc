//! Text from outside as it may stand in a log: of a bounded length, and without anything that begins a line of its own.

use std::fmt::{self, Display, Formatter, Write as _};

/// Longer than any text that means anything.
const MOST: usize = 256;

/// Shows what `T` displays: escaped, and cut.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut cut = Cut { formatter, left: MOST, shortened: false };
        write!(cut, "{}", self.0)?;
        if cut.shortened { formatter.write_str("…") } else { Ok(()) }
    }
}

struct Cut<'f, 'a> {
    formatter: &'f mut Formatter<'a>,
    /// Characters that there is room for.
    left: usize,
    shortened: bool,
}

impl fmt::Write for Cut<'_, '_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for char in piece.chars() {
            if self.left == 0 {
                self.shortened = true;
                break;
            }
            self.left -= 1;
            match char {
                ' '..='~' => self.formatter.write_char(char)?,
                _ => write!(self.formatter, "{}", char.escape_debug())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_cut_and_begins_no_line() {
        let sent = format!("https://a/\r\n2026 INFO all is well\u{202e}{}", "x".repeat(10_000));
        let shown = Shown(&sent).to_string();
        assert!(shown.starts_with(r"https://a/\r\n2026 INFO all is well\u{202e}xxx"), "{shown}");
        assert!(shown.ends_with("x…") && shown.len() < 300, "{shown}");
        assert_eq!(Shown("a \"word\" or two").to_string(), "a \"word\" or two");
        assert_eq!(Shown("\n".repeat(10_000)).to_string().len(), 2 * MOST + "…".len());
    }
}
