//! `ResourceMetadata` as a service of an actix-web app: `App::new().service(metadata.clone())`.

use actix_web::{
    HttpResponse,
    dev::{AppService, HttpServiceFactory},
    guard,
    http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
    web,
};

use crate::http::{
    ResourceMetadata,
    bearer::problem,
    resource_metadata::{ALLOWED, CACHED, ONLY_READ},
};

impl HttpServiceFactory for ResourceMetadata {
    fn register(self, config: &mut AppService) {
        let resource = web::resource(self.path());
        let document = self.to_json();
        let show = move || {
            let document = document.clone();
            async move {
                HttpResponse::Ok()
                    .insert_header((CACHE_CONTROL, CACHED))
                    .insert_header((CONTENT_TYPE, "application/json"))
                    .body(document)
            }
        };
        let readers = guard::Any(guard::Get()).or(guard::Head());
        let others = web::to(|| async {
            HttpResponse::MethodNotAllowed()
                .insert_header((ALLOW, ALLOWED))
                .insert_header((CONTENT_TYPE, "application/problem+json"))
                .body(problem(405, ONLY_READ, "method_not_allowed"))
        });
        resource.route(web::route().guard(readers).to(show)).default_service(others).register(config);
    }
}
