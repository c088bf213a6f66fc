//! `{text}`: the body of a new comment or record.

use service_kit::{FieldError, Fields, FromFields};

/// The longest text, in characters.
const MAX_CHARS: usize = 2000;

/// A text of 1 to 2000 characters, trimmed, without control characters other than line breaks and tabs.
pub(super) struct Text(pub(super) String);

impl FromFields for Text {
    fn from_fields(fields: &mut Fields) -> Self {
        let text = fields.string("text");
        if !fields.mistakes().is_empty() {
            return Self(text); // missing, or no string
        }
        let text = text.trim();
        let forbidden = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
        if text.is_empty() {
            fields.refuse(FieldError::new("text", "required", "The text must not be empty."));
        } else if text.chars().count() > MAX_CHARS {
            let message = format!("The text must not be longer than {MAX_CHARS} characters.");
            fields.refuse(FieldError::new("text", "too_long", message));
        } else if text.contains(forbidden) {
            let message = "The text must not hold control characters other than line breaks and tabs.";
            fields.refuse(FieldError::new("text", "control_character", message));
        }
        Self(text.to_owned())
    }
}
