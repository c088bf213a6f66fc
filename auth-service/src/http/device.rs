//! From where and with what a request comes, as it is remembered with a session.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::domain::sessions::Device;

/// How much of a user agent is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaxUserAgentChars(pub(crate) usize);

/// The peer's address and user agent.
pub(super) struct DeviceOf(pub(super) Device);

impl FromRequest for DeviceOf {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let most = req.app_data::<Data<MaxUserAgentChars>>().map_or(0, |limit| limit.0);
        let user_agent = req.headers().get(USER_AGENT).map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .chars()
                .filter(|char| !char.is_control())
                .take(most)
                .collect()
        });
        ready(Ok(Self(Device { ip: req.peer_addr().map(|peer| peer.ip().to_string()), user_agent })))
    }
}
