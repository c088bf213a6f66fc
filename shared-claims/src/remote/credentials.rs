//! The client credentials for the issuer's event stream.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// The id and secret of a client. The secret is wiped from memory when this is dropped, and is not shown by `Debug`.
#[derive(Clone)]
pub(super) struct Credentials {
    id: String,
    secret: Zeroizing<String>,
}

impl Credentials {
    pub(super) fn new(id: String, secret: String) -> Self {
        Self { id, secret: Zeroizing::new(secret) }
    }

    /// Returns the value of `Authorization` (RFC 6749 section 2.3.1): both parts are form-encoded, then joined and encoded as
    /// RFC 7617 says. The HTTP client does not show it either, but it does not wipe its buffers.
    pub(super) fn basic(&self) -> HeaderValue {
        let mut pair = Zeroizing::new(String::with_capacity(3 * (self.id.len() + self.secret.len()) + 1));
        pair.extend(form_urlencoded::byte_serialize(self.id.as_bytes()));
        pair.push(':');
        pair.extend(form_urlencoded::byte_serialize(self.secret.as_bytes()));
        let mut text = Zeroizing::new(String::with_capacity(8 + 2 * pair.len()));
        text.push_str("Basic ");
        STANDARD.encode_string(pair.as_bytes(), &mut text);
        #[expect(clippy::expect_used, reason = "base64 is visible ASCII, which a header may contain")]
        let mut value = HeaderValue::from_str(&text).expect("a header value");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_form_encoded_before_they_are_joined() {
        let basic = |id: &str, secret: &str| {
            let value = Credentials::new(id.to_owned(), secret.to_owned()).basic();
            let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
            String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
        };
        assert_eq!(basic("orders", "s3cret"), "orders:s3cret");
        assert_eq!(basic("client:orders", "a b:c%&ü"), "client%3Aorders:a+b%3Ac%25%26%C3%BC");
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let credentials = Credentials::new("orders".to_owned(), "s3cret".to_owned());
        let shown = format!("{credentials:?} {:?}", credentials.basic());
        assert!(shown.contains("orders") && !shown.contains("s3cret"), "{shown}");
        assert!(!shown.contains(&STANDARD.encode("orders:s3cret")), "{shown}");
    }
}
