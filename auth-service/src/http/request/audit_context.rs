//! Remembers, for the audit trail, from where a request comes.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use service_kit::REQUEST_ID;

use crate::domain::audit::AuditContext;
use crate::http::request::device::Devices;

/// Wraps every route.
pub(in crate::http) async fn remember<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let devices = req.app_data::<Data<Devices>>();
    let address = devices.and_then(|devices| devices.address(req.request()));
    let request_id = REQUEST_ID.try_with(|id| id.as_ref().to_owned()).ok();
    AuditContext::request(address.map(|address| address.to_string()), request_id).scope(next.call(req)).await
}
