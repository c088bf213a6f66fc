//! Request bodies, read strictly: every unknown, missing, repeated or wrongly typed member is refused by name.
//!
//! This looks at JSON types only. What a value means (is it a user name?) is the use case's to judge.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::problem::{FieldError, Problem};

/// How long a body may take to arrive; its size is bounded by actix's `PayloadConfig` beside this in the app data.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// From the request's head to the last byte of its body.
    pub timeout: Duration,
}

/// A JSON body of type `T`, refused as the contract says when it is anything else.
#[derive(Debug)]
pub struct Strict<T>(pub T);

/// A type that is read from the members of a JSON object.
pub trait FromFields: Sized {
    /// Takes its members out of `fields`. Mistakes are collected there: what is returned is used only without any.
    fn from_fields(fields: &mut Fields) -> Self;
}

impl<T: FromFields + 'static> FromRequest for Strict<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = require_json(req);
        let body = read_body(req, payload);
        Box::pin(async move {
            media_type?;
            let mut fields = Fields::parse(&body.await?)?;
            let value = T::from_fields(&mut fields);
            fields.finish().map(|()| Self(value))
        })
    }
}

/// The members of a JSON object that were not taken yet, and what was wrong with those that were.
#[derive(Debug)]
pub struct Fields {
    members: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Reads one JSON object (RFC 8259) without repeated names.
    ///
    /// # Errors
    /// `400` for anything else.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let Members(members) = serde_json::from_slice(body).map_err(|error| {
            Problem::malformed(format!("The body is not a JSON object without repeated names: {error}."))
        })?;
        Ok(Self { members, errors: Vec::new() })
    }

    /// A string that must be there.
    pub fn string(&mut self, name: &'static str) -> String {
        let value = self.members.remove(name);
        if value.is_none() {
            self.errors.push(FieldError::new(name, "required", "This field is required."));
        }
        value.and_then(|value| self.as_string(name, value)).unwrap_or_default()
    }

    /// A string that may be missing or `null`.
    pub fn optional_string(&mut self, name: &'static str) -> Option<String> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        self.as_string(name, value)
    }

    /// A string that may be missing, which is `None`, or `null`, which is `Some(None)`: for changes, where the first leaves
    /// a value as it is and the second takes it away (RFC 7396).
    pub fn nullable_string(&mut self, name: &'static str) -> Option<Option<String>> {
        match self.members.remove(name)? {
            Value::Null => Some(None),
            value => self.as_string(name, value).map(Some),
        }
    }

    /// A secret that must be there. It is wiped from memory when it is dropped.
    pub fn secret(&mut self, name: &'static str) -> SecretString {
        self.string(name).into()
    }

    /// A secret that may be missing or `null`.
    pub fn optional_secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.optional_string(name).map(Into::into)
    }

    /// A string or a list of strings (as `resource`, RFC 8707); empty when missing.
    pub fn strings(&mut self, name: &'static str) -> Vec<String> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => {
                items.into_iter().filter_map(|item| self.as_string(name, item)).collect()
            }
            Some(value) => self.as_string(name, value).into_iter().collect(),
        }
    }

    /// Whether a flag is set; it may be missing or `null`.
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

    /// Whatever stands there, for a member that does not count everywhere.
    pub fn any(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// What was wrong so far.
    #[must_use]
    pub fn mistakes(&self) -> &[FieldError] {
        &self.errors
    }

    /// Adds a mistake that concerns several fields together.
    pub fn refuse(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `422` with every mistake, members that nobody asked for included.
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

/// A JSON object whose names must differ: `serde_json::Map` alone would let the last one win.
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

/// Refuses a body that is not said to be plain JSON in UTF-8 (RFC 8259 section 8.1).
///
/// # Errors
/// `415`.
pub fn require_json(req: &HttpRequest) -> Result<(), Problem> {
    let unsupported = |detail: &'static str| {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    };
    if req.headers().contains_key(CONTENT_ENCODING) {
        return Err(unsupported("A compressed body is not accepted."));
    }
    let media_type = req.mime_type().ok().flatten();
    let json = media_type.is_some_and(|mime| {
        mime.essence_str() == "application/json"
            && mime.get_param("charset").is_none_or(|charset| charset == "utf-8")
    });
    if json { Ok(()) } else { Err(unsupported("The body must be application/json, in UTF-8.")) }
}

/// The whole body, bounded in size and in time.
///
/// # Errors
/// `413` when it is too large, `408` when it does not arrive in time, `400` when the connection breaks off.
pub fn read_body(
    req: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let limits =
        req.app_data::<BodyLimits>().copied().unwrap_or(BodyLimits { timeout: Duration::from_secs(10) });
    let body = Bytes::from_request(req, payload);
    async move {
        let arrived = tokio::time::timeout(limits.timeout, body).await.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body did not arrive in time.")
        })?;
        arrived.map_err(|error| match error.as_response_error().status_code() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large.")
            }
            _ => Problem::malformed("The body could not be read."),
        })
    }
}
