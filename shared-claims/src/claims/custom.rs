//! Claims of the application's own, read from a verified token as a type.

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use crate::{error::refusal::Refusal, shown::Shown, token::AccessToken};

/// A verified access token together with claims of the application's own, as a parameter of a handler.
///
/// ```
/// # use {serde::Deserialize, shared_claims::claims::OwnClaims};
/// #[derive(Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// fn orders(caller: &OwnClaims<Tenant>) -> String {
///     format!("{} of {}", caller.token.name(), caller.own.tenant)
/// }
/// ```
#[derive(Debug)]
pub struct OwnClaims<C> {
    /// The token.
    pub token: AccessToken,
    /// What it says besides, or what the application reads in it.
    pub own: Arc<C>,
}

impl<C> Clone for OwnClaims<C> {
    fn clone(&self) -> Self {
        Self { token: self.token.clone(), own: Arc::clone(&self.own) }
    }
}

impl AccessToken {
    /// Reads the claims as a type of the application's own. A token that comes again is read once, as long as one type is
    /// used.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the token does not have what the type wants.
    pub fn read<C: DeserializeOwned + Send + Sync + 'static>(self) -> Result<OwnClaims<C>, Refusal> {
        let wanted = TypeId::of::<C>();
        let read = || {
            let own = read_own::<C>(&self.verified().payload);
            own.map(Arc::new).map_err(|error| {
                log::debug!("a token does not have the claims that this service needs: {}", Shown(error));
                Refusal::Malformed("a claim that this service needs")
            })
        };
        let own = match self.verified().own.get() {
            Some((id, known)) if *id == wanted => match Arc::clone(known).downcast::<C>() {
                Ok(own) => own,
                Err(_) => read()?, // it is of this type
            },
            Some(_) => read()?,
            None => {
                let own = read()?;
                let _ = self.verified().own.set((wanted, Arc::clone(&own) as Arc<dyn Any + Send + Sync>));
                own
            }
        };
        Ok(OwnClaims { token: self, own })
    }
}

/// When another crate has turned `arbitrary_precision` on, `serde_json` shows numbers as objects wherever serde keeps them
/// for later (`flatten`, `untagged`), and a good token would be refused. So what does not fit is tried once more with numbers
/// in their plain form.
fn read_own<C: DeserializeOwned>(payload: &[u8]) -> serde_json::Result<C> {
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
