//! E-mail addresses: one mailbox has one spelling here, in which it is stored, compared and looked up.
//!
//! The domain is in its ASCII form (UTS 46, non-transitional), so that `bücher.example`, `BÜCHER.example` and
//! `xn--bcher-kva.example` are one. The part before the `@` is folded to lower case; it belongs to the receiving server, so
//! other spellings of it are refused instead of rewritten.

use email_address::EmailAddress;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::is_nfkc;

use crate::domain::invalid::Invalid;

/// RFC 5321 section 4.5.3.1.3, less the angle brackets.
const MAX_EMAIL_BYTES: usize = 254;
/// No address of [`MAX_EMAIL_BYTES`] is longer in any spelling that people use.
const MAX_SPELLED_BYTES: usize = 4 * MAX_EMAIL_BYTES;

/// An address (RFC 5321) in its one spelling.
pub(in crate::domain) fn parse_email(text: &str) -> Result<String, Invalid> {
    let refused = |code, message: &str| Invalid { field: "email", code, message: message.to_owned() };
    let no_address = || refused("not_allowed", "This is not an e-mail address.");
    let parts = text.rsplit_once('@').filter(|_| text.len() <= MAX_SPELLED_BYTES);
    let (mailbox, domain) = parts.ok_or_else(no_address)?;
    let domain = ascii_domain(domain).ok_or_else(no_address)?;
    let folded = mailbox.to_lowercase();
    if !is_nfkc(mailbox) || !is_nfkc(&folded) {
        let message = "The part before the @ has characters that stand for others (Unicode NFKC changes them): write it \
                       with those.";
        return Err(refused("not_normalized", message));
    }
    if !is_address(&format!("{mailbox}@{domain}")) {
        return Err(no_address());
    }
    if mailbox.starts_with('"') {
        // Quotes make a second spelling of most mailboxes, and no provider gives out one that needs them.
        return Err(refused("not_allowed", "The part before the @ must not be quoted."));
    }
    Ok(format!("{folded}@{domain}"))
}

/// Under what an address that somebody types may be stored, the likeliest first: its one spelling, and what versions before
/// that rule stored, which only folded it to lower case.
pub(in crate::domain) fn spellings(text: &str) -> Vec<String> {
    let mut all: Vec<String> = parse_email(text).into_iter().collect();
    if is_address(text) {
        let folded = text.to_lowercase();
        if !all.contains(&folded) {
            all.push(folded);
        }
    }
    all
}

/// A domain in lower case and in ASCII.
fn ascii_domain(domain: &str) -> Option<String> {
    let lower = domain.to_ascii_lowercase();
    // In plain ASCII there is nothing to be mapped, and `_` may stand in it.
    if lower.is_ascii() && !lower.split('.').any(|label| label.starts_with("xn--")) {
        return Some(lower);
    }
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    ascii.ok().map(std::borrow::Cow::into_owned)
}

/// Whether this is an address at all. Letters of other alphabets that are folded into ASCII, such as the Kelvin sign, are
/// refused: another mailbox would have the same account.
fn is_address(text: &str) -> bool {
    let options = email_address::Options::default().without_display_text().without_domain_literal();
    let folds_into_ascii =
        |char: char| !char.is_ascii() && char.to_lowercase().any(|folded| folded.is_ascii());
    let odd = |char: char| char.is_control() || folds_into_ascii(char);
    text.len() <= MAX_EMAIL_BYTES
        && !text.contains(odd)
        && EmailAddress::parse_with_options(text, options).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, &'static str> {
        parse_email(text).map_err(|invalid| invalid.code)
    }

    #[test]
    fn every_spelling_of_a_domain_is_one_address() {
        let rows = [
            ("ceo@bank.example", "ceo@bank.example"),
            ("CEO@ｂank.example", "ceo@bank.example"),
            ("ceo@bank。example", "ceo@bank.example"),
            ("ceo@ban\u{ad}k.example", "ceo@bank.example"),
            ("idn@bücher.example", "idn@xn--bcher-kva.example"),
            ("idn@BÜCHER.example", "idn@xn--bcher-kva.example"),
            ("idn@bu\u{308}cher.example", "idn@xn--bcher-kva.example"),
            ("idn@XN--bcher-KVA.example", "idn@xn--bcher-kva.example"),
            ("a@stra\u{df}e.example", "a@xn--strae-oqa.example"),
            ("a@r3---sn.example", "a@r3---sn.example"),
            ("a@mail_in.example", "a@mail_in.example"),
            ("Jörg+x@Example.com", "jörg+x@example.com"),
        ];
        for (text, address) in rows {
            assert_eq!(parsed(text).as_deref(), Ok(address), "{text}");
            assert_eq!(parsed(address).as_deref(), Ok(address), "stable");
        }
    }

    #[test]
    fn a_mailbox_is_refused_when_it_is_another_ones_spelling() {
        let rows = [
            ("ﬁnance@bank.example", "not_normalized"),
            ("ｃeo@bank.example", "not_normalized"),
            ("jo\u{308}rg@bank.example", "not_normalized"),
            ("mi\u{212a}e@bank.example", "not_normalized"),
            ("m\u{130}ke@bank.example", "not_allowed"),
            ("\"ceo\"@bank.example", "not_allowed"),
            ("ceo@xn--a.example", "not_allowed"),
            ("ceo@xn--bank-.example", "not_allowed"),
            ("ceo＠bank.example", "not_allowed"),
            ("ceo@", "not_allowed"),
            ("ceo@bücher..example", "not_allowed"),
            ("ceo@bücher.example.", "not_allowed"),
            ("nobody", "not_allowed"),
        ];
        for (text, code) in rows {
            assert_eq!(parsed(text), Err(code), "{text}");
        }
        assert_eq!(parsed(&format!("a@{}.example", "ü".repeat(2000))), Err("not_allowed"));
    }

    #[test]
    fn an_address_is_also_looked_up_as_it_was_stored_before() {
        assert_eq!(spellings("A@example.com"), ["a@example.com"]);
        assert_eq!(spellings("CEO@ｂank.example"), ["ceo@bank.example", "ceo@ｂank.example"]);
        assert_eq!(spellings("ﬁnance@bank.example"), ["ﬁnance@bank.example"]);
        assert!(spellings("nowhere").is_empty());
    }
}
