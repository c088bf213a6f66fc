//! Gives the audit events of a request its source and its id.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use service_kit::REQUEST_ID;

use crate::domain::audit::AuditContext;
use crate::http::request::device::Devices;

/// Middleware around every route.
pub(in crate::http) async fn with_audit_context<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let devices = req.app_data::<Data<Devices>>();
    let address = devices.and_then(|devices| devices.address(req.request()));
    let request_id = REQUEST_ID.try_with(|id| id.as_ref().to_owned()).ok();
    AuditContext::request(address.map(|address| address.to_string()), request_id).scope(next.call(req)).await
}
