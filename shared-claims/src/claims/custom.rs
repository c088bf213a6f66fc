//! Custom claims: an application's own claims, read from a verified token as a type.

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use crate::{error::refusal::Refusal, shown::Shown, token::AccessToken};

/// A verified access token with custom claims, as a parameter of a handler.
///
/// ```
/// # use {serde::Deserialize, shared_claims::claims::CustomClaims};
/// #[derive(Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// fn orders(caller: &CustomClaims<Tenant>) -> String {
///     format!("{} of {}", caller.token.name(), caller.claims.tenant)
/// }
/// ```
#[derive(Debug)]
pub struct CustomClaims<C> {
    /// The token.
    pub token: AccessToken,
    /// The custom claims.
    pub claims: Arc<C>,
}

impl<C> Clone for CustomClaims<C> {
    fn clone(&self) -> Self {
        Self { token: self.token.clone(), claims: Arc::clone(&self.claims) }
    }
}

impl AccessToken {
    /// Reads the claims as a type of the application. The result is kept with a cached token, for one type.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if the type cannot be read from the claims.
    pub fn read<C: DeserializeOwned + Send + Sync + 'static>(self) -> Result<CustomClaims<C>, Refusal> {
        let requested = TypeId::of::<C>();
        let read = || {
            let claims = read_custom::<C>(&self.verified().payload);
            claims.map(Arc::new).map_err(|error| {
                log::debug!("a token does not have the claims that this service needs: {}", Shown(error));
                Refusal::Malformed("a claim that this service needs")
            })
        };
        let claims = match self.verified().custom.get() {
            Some((id, known)) if *id == requested => match Arc::clone(known).downcast::<C>() {
                Ok(claims) => claims,
                Err(_) => read()?, // cannot happen: the ids are equal
            },
            Some(_) => read()?,
            None => {
                let claims = read()?;
                let kept = Arc::clone(&claims) as Arc<dyn Any + Send + Sync>;
                let _ = self.verified().custom.set((requested, kept)); // another thread may have been first
                claims
            }
        };
        Ok(CustomClaims { token: self, claims })
    }
}

/// Reads a type from the claims. If another crate has enabled `arbitrary_precision`, `serde_json` presents numbers as objects
/// wherever serde buffers them (`flatten`, `untagged`), and a valid token would be refused. So a failure is tried once more
/// with plain numbers.
fn read_custom<C: DeserializeOwned>(payload: &[u8]) -> serde_json::Result<C> {
    serde_json::from_slice(payload).or_else(|_| {
        let mut claims = serde_json::from_slice(payload)?;
        write_numbers_plainly(&mut claims);
        serde_json::from_value(claims)
    })
}

fn write_numbers_plainly(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_u64() && !number.is_i64() => {
            if let Some(plain) = number.as_f64().and_then(Number::from_f64) {
                *number = plain;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(write_numbers_plainly),
        Value::Object(members) => members.values_mut().for_each(write_numbers_plainly),
        _ => {}
    }
}
