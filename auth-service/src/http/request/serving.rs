//! Refuses requests while the service is not able to answer them correctly, on all routes except `/livez` and `/readyz`.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::middleware::Next;
use actix_web::web::Data;
use service_kit::Problem;

use crate::domain::readiness::Readiness;
use crate::http::oauth::error::refusal;

/// Routes that report what is wrong.
const ALWAYS: [&str; 2] = ["/livez", "/readyz"];
/// Seconds after which a client may ask again. An operator has to act first.
const RETRY: u32 = 10;

/// Middleware around every route.
pub(in crate::http) async fn refuse_unless_able<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let readiness = req.app_data::<Data<Readiness>>();
    let refused = readiness.and_then(|readiness| readiness.refuses(req.method().is_safe()));
    match refused.filter(|_| !ALWAYS.contains(&req.path())) {
        None => next.call(req).await,
        Some(code) => {
            let problem = Problem::unavailable(code, "The service cannot do its work right now.", RETRY);
            Err(InternalError::from_response(code, refusal(req.path(), problem)).into())
        }
    }
}
