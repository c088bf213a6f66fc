//! Strict JSON: the checks that a signed text must pass before it is read (RFC 8725, RFC 7515 section 4).
//!
//! If two parsers read one text differently, an attacker can forge rights. So everything that parsers disagree about is
//! refused: member names that occur twice at any depth, even if one is escaped; a byte order mark; text after the end;
//! numbers that do not fit into a double; deep nesting; and names that `serde_json` uses internally. The result does not
//! depend on features of `serde_json` that other crates enable: `shared-claims/neighbours` enables all of them.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};

/// The deepest accepted nesting of objects and arrays, the outermost included.
const MAX_DEPTH: u8 = 32;

/// The prefix of names with which `serde_json`, depending on its features, marks values that are not objects. It would read an
/// object with such a member as a number or as raw JSON.
const RESERVED: &str = "$serde_json::private::";
/// With the feature `arbitrary_precision`, it presents numbers as objects whose only member has this name.
const NUMBER: &str = "$serde_json::private::Number";

/// The initial capacity for member names.
const USUAL_MEMBERS: usize = 20;

/// A text that is one unambiguous JSON object.
pub(crate) struct Object<'a> {
    text: &'a str,
    /// Sorted.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Object<'a> {
    /// Checks all of `bytes`. The error does not repeat any of the text.
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
        let mut json = serde_json::Deserializer::from_str(text);
        let names =
            json.deserialize_map(Members { depth_left: MAX_DEPTH - 1 }).map_err(|_| "not strict JSON")?;
        json.end().map_err(|_| "text after the JSON object")?;
        Ok(Self { text, names })
    }

    /// Returns whether the object itself has a member of this name, whatever its value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|own| (**own).cmp(name)).is_ok()
    }

    /// Reads the object into a type.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text)
    }
}

/// Visits an object and returns the names of its members.
struct Members {
    depth_left: u8,
}

impl Members {
    /// Visits the members, given the name of the first.
    fn walk<'de, A: MapAccess<'de>>(
        self,
        first: Option<Cow<'de, str>>,
        mut map: A,
    ) -> Result<Vec<Cow<'de, str>>, A::Error> {
        let (mut names, mut next) = (Vec::with_capacity(USUAL_MEMBERS), first);
        while let Some(name) = next {
            if name.starts_with(RESERVED) {
                return Err(A::Error::custom("a reserved member name"));
            }
            names.push(name);
            map.next_value_seed(Anything { depth_left: self.depth_left })?;
            next = map.next_key_seed(Name)?;
        }
        names.sort_unstable();
        if names.is_sorted_by(|one, next| one != next) {
            Ok(names)
        } else {
            Err(A::Error::custom("a member name occurs twice"))
        }
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let first = map.next_key_seed(Name)?;
        self.walk(first, map)
    }
}

/// Reads a member's name, borrowed if it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Visits any value without keeping it.
#[derive(Clone, Copy)]
struct Anything {
    depth_left: u8,
}

impl Anything {
    fn deeper<E: Error>(self) -> Result<u8, E> {
        self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Anything {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Anything {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let first = map.next_key_seed(Name)?;
        if first.as_deref() == Some(NUMBER) {
            return map.next_value_seed(ExactNumber);
        }
        Members { depth_left: self.deeper()? }.walk(first, map).map(drop)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let item = Self { depth_left: self.deeper()? };
        while seq.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Checks a number that is presented as text. An object in the JSON cannot imitate it: the strings of the JSON arrive borrowed
/// or by reference, and this one arrives owned.
struct ExactNumber;

impl<'de> DeserializeSeed<'de> for ExactNumber {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ExactNumber {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("a reserved member name"))
    }

    fn visit_string<E: Error>(self, number: String) -> Result<(), E> {
        match number.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => Err(E::custom("a number out of range")),
        }
    }
}
