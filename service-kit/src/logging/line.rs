//! One line of the log: escaped, and cut to a bounded length.

use std::fmt;

/// Returns the message as it is written: it cannot start a line of its own, hide a part of one, or fill the disk.
pub(super) fn bounded(message: fmt::Arguments<'_>, most: usize) -> String {
    let mut line = Line { text: String::new(), most, left_out: 0 };
    // If a `Display` fails, what it wrote until then is logged.
    let _ = fmt::write(&mut line, message);
    if line.left_out > 0 {
        let _ = fmt::write(&mut line.text, format_args!("… ({} more bytes)", line.left_out));
    }
    line.text
}

/// A line that takes text in pieces, so that a long message is never in memory as a whole.
struct Line {
    text: String,
    most: usize,
    /// Bytes of the message beyond `most`.
    left_out: usize,
}

impl Line {
    fn push(&mut self, char: char) {
        let before = self.text.len();
        if char.is_control() {
            self.text.extend(char.escape_default());
        } else if char.is_ascii() {
            self.text.push(char);
        } else {
            // Invisible characters and those that change the direction of writing are escaped.
            self.text.extend(char.escape_debug());
        }
        if self.text.len() > self.most {
            self.text.truncate(before);
            self.left_out += char.len_utf8();
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for (at, char) in piece.char_indices() {
            if self.left_out > 0 {
                self.left_out += piece.len() - at;
                break;
            }
            self.push(char);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_cannot_start_a_line_of_its_own() {
        let sent = "bob\r\n2026 INFO all is well\x1b[0m";
        assert_eq!(bounded(format_args!("{sent}"), 100), "bob\\r\\n2026 INFO all is well\\u{1b}[0m");
    }

    #[test]
    fn marks_that_cannot_be_seen_are_shown() {
        let sent = "a\u{202e}b\u{2028}c\u{200b}d\u{85}e\u{e9}";
        assert_eq!(bounded(format_args!("{sent}"), 100), "a\\u{202e}b\\u{2028}c\\u{200b}d\\u{85}e\u{e9}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted() {
        for sent in ["x".repeat(16_000), "\u{e9}".repeat(8_000), "\n".repeat(16_000)] {
            let line = bounded(format_args!("the client {sent} and {sent}"), 100);
            assert!(line.len() <= 100 + "… (32000 more bytes)".len(), "{line}");
            assert!(line.starts_with("the client ") && line.ends_with(" more bytes)"), "{line}");
        }
        let line = bounded(format_args!("{}{}", "x".repeat(99), "\u{e9}y"), 100);
        assert_eq!(line, format!("{}… (3 more bytes)", "x".repeat(99)));
        assert_eq!(bounded(format_args!("{}", "x".repeat(100)), 100), "x".repeat(100));
    }
}
