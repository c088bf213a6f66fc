//! Untrusted text for the log: escaped, so that it cannot start a line of its own, and of bounded length.

use std::fmt::{self, Display, Formatter, Write as _};

/// The most characters that are shown.
const MAX_CHARS: usize = 256;

/// Displays `T` escaped and truncated.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut writer = Truncated { formatter, left: MAX_CHARS, is_cut: false };
        write!(writer, "{}", self.0)?;
        if writer.is_cut { formatter.write_str("…") } else { Ok(()) }
    }
}

struct Truncated<'f, 'a> {
    formatter: &'f mut Formatter<'a>,
    /// How many more characters are shown.
    left: usize,
    is_cut: bool,
}

impl fmt::Write for Truncated<'_, '_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for char in piece.chars() {
            if self.left == 0 {
                self.is_cut = true;
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
        assert_eq!(Shown("\n".repeat(10_000)).to_string().len(), 2 * MAX_CHARS + "…".len());
    }
}
