//! Strict reading of JSON bodies: every unknown, missing, repeated or wrongly typed member is refused by name.
//!
//! This checks JSON types only. Whether a value is valid, for example as a user name, is checked by the use case.

use std::fmt;

use actix_web::{FromRequest, HttpRequest, dev};
use futures_util::future::LocalBoxFuture;
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::body::{BodyLimits, read_body, require_media_type};
use crate::problem::{FieldError, Problem};

const JSON: &str = "application/json";

/// Extractor of a JSON body of type `T`. Anything else is refused as the contract says.
#[derive(Debug)]
pub struct Strict<T>(pub T);

/// A type that is read from the members of a JSON object.
pub trait FromFields: Sized {
    /// Takes the members out of `fields`, which collects mistakes. The value is used only if there are none.
    fn from_fields(fields: &mut Fields) -> Self;
}

impl<T: FromFields + 'static> FromRequest for Strict<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let media_type = require_media_type(req, JSON);
        let body = read_body(req, payload, BodyLimits::of(req));
        Box::pin(async move {
            media_type?;
            let mut fields = Fields::parse(&body.await?)?;
            let value = T::from_fields(&mut fields);
            fields.finish().map(|()| Self(value))
        })
    }
}

/// A member that may be missing or `null`, which mean different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nullable<T> {
    /// There is no such member.
    Missing,
    /// The member is `null`.
    Null,
    /// The member has this value.
    Value(T),
}

/// The members of a JSON object that were not taken yet, and the mistakes in those that were.
#[derive(Debug)]
pub struct Fields {
    members: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Parses a JSON object (RFC 8259) without repeated names.
    ///
    /// # Errors
    /// `400` if the body is anything else.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let Members(members) = serde_json::from_slice(body).map_err(|error| {
            Problem::malformed(format!("The body is not a JSON object without repeated names: {error}."))
        })?;
        Ok(Self { members, errors: Vec::new() })
    }

    /// Takes a required string.
    pub fn string(&mut self, name: &'static str) -> String {
        let value = self.members.remove(name);
        if value.is_none() {
            self.errors.push(FieldError::new(name, "required", "This field is required."));
        }
        value.and_then(|value| self.as_string(name, value)).unwrap_or_default()
    }

    /// Takes a string that may be missing or `null`.
    pub fn optional_string(&mut self, name: &'static str) -> Option<String> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        self.as_string(name, value)
    }

    /// Takes a string for a change, where a missing member leaves a value as it is, and `null` removes it (RFC 7396).
    pub fn nullable_string(&mut self, name: &'static str) -> Nullable<String> {
        match self.members.remove(name) {
            None => Nullable::Missing,
            Some(Value::Null) => Nullable::Null,
            Some(value) => self.as_string(name, value).map_or(Nullable::Missing, Nullable::Value),
        }
    }

    /// Takes a required secret. It is wiped from memory when it is dropped.
    pub fn secret(&mut self, name: &'static str) -> SecretString {
        self.string(name).into()
    }

    /// Takes a secret that may be missing or `null`.
    pub fn optional_secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.optional_string(name).map(Into::into)
    }

    /// Takes a string or a list of strings, such as `resource` (RFC 8707); empty if it is missing.
    pub fn strings(&mut self, name: &'static str) -> Vec<String> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => {
                items.into_iter().filter_map(|item| self.as_string(name, item)).collect()
            }
            Some(value) => self.as_string(name, value).into_iter().collect(),
        }
    }

    /// Takes a flag; `false` if it is missing or `null`.
    pub fn flag(&mut self, name: &'static str) -> bool {
        match self.members.remove(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.errors.push(FieldError::new(name, "wrong_type", "This field must be true or false."));
                false
            }
        }
    }

    /// Takes a value of any type.
    pub fn any(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// Returns the mistakes so far.
    #[must_use]
    pub fn mistakes(&self) -> &[FieldError] {
        &self.errors
    }

    /// Adds a mistake.
    pub fn refuse(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// Checks that all members were taken without mistakes.
    ///
    /// # Errors
    /// `422` with every mistake, unknown members included.
    pub fn finish(mut self) -> Result<(), Problem> {
        let unknown = self.members.into_iter().map(|(name, _)| {
            let shown: String = name.chars().take(64).collect();
            FieldError::new(shown, "unknown_field", "This field does not exist here.")
        });
        self.errors.extend(unknown);
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }

    fn as_string(&mut self, name: &'static str, value: Value) -> Option<String> {
        if let Value::String(text) = value {
            return Some(text);
        }
        self.errors.push(FieldError::new(name, "wrong_type", "This field must be a string."));
        None
    }
}

/// A JSON object without repeated names. `serde_json::Map` alone would keep the last value.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name is repeated"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
