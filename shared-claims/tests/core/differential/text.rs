//! Changes to bytes, base64url, signatures and whole tokens. Each returns a description.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use shared_claims::{testing::TestKey, verifier::Algorithm};

use crate::support::{b64, dice::Dice, subtracted_from_n};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes that cause trouble for JSON parsers.
const MARKS: &[&[u8]] = &[
    b" ",
    b"\n",
    b"\"",
    b"\\",
    b",",
    b":",
    b"{",
    b"}",
    b"[",
    b"]",
    b"0",
    b"9",
    b"-",
    b".",
    b"e",
    b"/",
    b"\0",
    b"\x1f",
    b"\x7f",
    b"\\u",
    b"\\u0000",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xf4\x90\x80\x80",
    b"\xc2\x85",
    b"null",
    b"//",
    b"\"exp\":1,",
];

/// Characters that are not part of a token, except for the first few.
const STRANGE: &[&str] = &[
    "A",
    "-",
    "_",
    "9",
    "=",
    "==",
    "+",
    "/",
    ".",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "%",
    "%3D",
    "%0A",
    "\"",
    "'",
    "{",
    "}",
    ",",
    ";",
    "~",
    "!",
    "\u{a0}",
    "\u{200b}",
    "\u{feff}",
    "\u{430}",
    "\u{ff21}",
    "\u{1f511}",
    "Bearer ",
];

/// One to three changes.
pub(crate) fn bytes(dice: &mut Dice, bytes: &mut Vec<u8>) -> String {
    let mut done = Vec::new();
    for _ in 0..=dice.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = dice.below(bytes.len());
        done.push(match dice.below(9) {
            0 => {
                bytes[at] ^= 1 << dice.below(8);
                format!("a bit of byte {at}")
            }
            1 => {
                bytes[at] = dice.byte();
                format!("byte {at}")
            }
            2 => {
                bytes.remove(at);
                format!("no byte {at}")
            }
            3 => {
                bytes.insert(at, dice.byte());
                format!("a byte more at {at}")
            }
            4 => {
                let next = (at + 1) % bytes.len();
                bytes.swap(at, next);
                format!("byte {at} and the next")
            }
            5 => {
                let other = dice.below(bytes.len());
                bytes.swap(at, other);
                format!("bytes {at} and {other}")
            }
            6 => {
                let end = (at + 1 + dice.below(12)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
                format!("bytes {at} to {end} twice")
            }
            7 if dice.once_in(3) => {
                bytes.truncate(at);
                format!("{at} bytes")
            }
            _ => {
                let mark = dice.pick(MARKS);
                let at = if dice.once_in(3) { [0, bytes.len()][dice.below(2)] } else { at };
                bytes.splice(at..at, mark.iter().copied());
                format!("{:?} at {at}", String::from_utf8_lossy(mark))
            }
        });
    }
    done.join(", ")
}

/// Encodes bytes in base64url, or almost.
pub(crate) fn encoded(dice: &mut Dice, bytes: &[u8]) -> (String, &'static str) {
    let mut text = b64(bytes);
    match dice.below(12) {
        0 => (padded(text), "padded"),
        1 => (text + dice.pick(&["=", "==", "===", "===="]), "with = after it"),
        2 => (STANDARD.encode(bytes), "in the standard alphabet, padded"),
        3 => (text.replace('-', "+").replace('_', "/"), "in the standard alphabet"),
        4 => (with_spare_bits(dice, &text), "with spare bits"),
        5 => (text + "A", "with a letter more"),
        6 => {
            text.pop();
            (text, "with a letter less")
        }
        7 => {
            let (at, strange) = (dice.below(text.len() + 1), dice.pick(STRANGE));
            text.insert_str(at, strange);
            (text, "with something strange in it")
        }
        8 => (text + dice.pick(STRANGE), "with something strange after it"),
        9 if dice.once_in(2) => (String::new(), "empty"),
        _ => (text, "as it should be"),
    }
}

fn padded(mut text: String) -> String {
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Replaces the last letter by one for the same bytes, if there is one.
fn with_spare_bits(dice: &mut Dice, text: &str) -> String {
    let spare = [1, 1, 16, 4][text.len() % 4];
    let mut letters = text.as_bytes().to_vec();
    if let Some(last) = letters.last_mut() {
        let place = ALPHABET.iter().position(|letter| letter == last).unwrap();
        *last = ALPHABET[place ^ dice.below(spare)];
    }
    String::from_utf8(letters).unwrap()
}

/// Changes a signed token; `other` is another valid one with the same key.
pub(crate) fn token(dice: &mut Dice, key: &TestKey, token: &str, other: &str) -> (String, String) {
    let parts: Vec<&str> = token.split('.').collect();
    let others: Vec<&str> = other.split('.').collect();
    let part = dice.below(3);
    let with = |text: &str| {
        let mut parts = parts.clone();
        parts[part] = text;
        parts.join(".")
    };
    let named = |done: &str| format!("{}: {done}", ["header", "payload", "signature"][part]);
    let mut letters = parts[part].to_owned();
    let at = dice.below(letters.len());
    match dice.below(16) {
        0 | 1 => {
            let letter = char::from(ALPHABET[dice.below(64)]);
            letters.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
            (with(&letters), named(&format!("letter {at} is {letter}")))
        }
        2 => {
            let strange = dice.pick(STRANGE);
            letters.insert_str(at, strange);
            (with(&letters), named(&format!("{strange:?} at {at}")))
        }
        3 => {
            letters.remove(at);
            (with(&letters), named(&format!("no letter {at}")))
        }
        4 => {
            let mut bytes = letters.into_bytes();
            let next = (at + 1) % bytes.len();
            bytes.swap(at, next);
            (with(&String::from_utf8(bytes).unwrap()), named(&format!("letters {at} and {next}")))
        }
        5 => (with(&padded(letters)), named("padded")),
        6 => (with(&with_spare_bits(dice, &letters)), named("spare bits")),
        7 => (with(others[part]), named("another token's")),
        8 => (with(parts[(part + 1) % 3]), named("another part")),
        9 => {
            let strange = dice.pick(STRANGE);
            match dice.below(4) {
                0 => (format!("{strange}{token}"), format!("{strange:?} before it")),
                1 => (with(&format!("{letters}{strange}")), named(&format!("{strange:?} after it"))),
                _ => (format!("{token}{strange}"), format!("{strange:?} after it all")),
            }
        }
        10 => {
            let end = dice.below(token.len());
            (token[..end].to_owned(), format!("its first {end} letters"))
        }
        11 => (token.to_uppercase(), "in capitals".to_owned()),
        _ => {
            let (signature, done) = signature(dice, key, token);
            (format!("{}.{}.{}", parts[0], parts[1], b64(signature)), format!("signature: {done}"))
        }
    }
}

/// The only change that leaves a token valid: `(r, n - s)` is an ECDSA signature just like `(r, s)`.
pub(crate) const TWIN: &str = "signature: n - s";

fn signature(dice: &mut Dice, key: &TestKey, token: &str) -> (Vec<u8>, String) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let half = signature.len() / 2;
    match dice.below(13) {
        0 if key.algorithm() == Algorithm::ES256 => {
            let s = subtracted_from_n(&signature[half..]);
            signature.splice(half.., s);
            (signature, "n - s".to_owned())
        }
        1 => {
            signature.insert(0, 0);
            (signature, "a zero before it".to_owned())
        }
        2 => {
            signature.push(0);
            (signature, "a zero after it".to_owned())
        }
        3 => {
            signature.reverse();
            (signature, "backwards".to_owned())
        }
        4 => {
            signature.rotate_left(half);
            (signature, "its halves the other way round".to_owned())
        }
        5 => {
            let half = if dice.once_in(2) { 0..half } else { half..signature.len() };
            let byte = [0, 0xff][dice.below(2)];
            signature[half].fill(byte);
            (signature, "a half of it zero or ones".to_owned())
        }
        6 => (der(&signature), "in DER".to_owned()),
        7 => {
            signature.pop();
            (signature, "a byte less".to_owned())
        }
        8 => (key.sign(signed.split('.').next().unwrap().as_bytes()), "of the header alone".to_owned()),
        9 => ([&signature[..], &signature[..]].concat(), "twice".to_owned()),
        10 => (b64(&signature).into_bytes(), "in base64url twice".to_owned()),
        _ => {
            let done = bytes(dice, &mut signature);
            (signature, done)
        }
    }
}

/// Encodes an ECDSA signature as in X.509: both numbers without leading zeros, unless they would be negative.
fn der(signature: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let bytes = &bytes[zeros..];
        let sign: &[u8] = if bytes.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
        let length = u8::try_from((sign.len() + bytes.len()) % 128).unwrap();
        [&[2, length], sign, bytes].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let numbers = [number(r), number(s)].concat();
    [&[0x30, u8::try_from(numbers.len() % 128).unwrap()], &numbers[..]].concat()
}
