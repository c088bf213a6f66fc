//! Rules with a parameter that the route does not have.

use crate::support::{Signer, logs, verifier};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};
use axum::{Router, body::Body, http::Request, routing::get};
use shared_claims::{axum::RequireToken, guard::owner};
use tower::ServiceExt;

async fn show() -> &'static str {
    "records"
}

#[actix_web::test]
async fn a_rule_for_a_parameter_that_the_route_does_not_have_is_an_error_in_the_log_once_a_minute() {
    logs::collect();
    let signer = Signer::es256("es");
    let authorization = format!("Bearer {}", signer.token());
    let guard = |name: &'static str| {
        RequireToken::new(&verifier(&[&signer])).rule_for(move |path| owner(path.get(name)))
    };
    let app =
        init_service(App::new().service(web::resource("/records/{user_id}").wrap(guard("userid")).get(show)))
            .await;
    let router = Router::new().route("/records/{user_id}", get(show)).route_layer(guard("uid"));
    for _ in 0..3 {
        let request =
            TestRequest::get().uri("/records/user-1").insert_header(("authorization", authorization.clone()));
        assert_eq!(call_service(&app, request.to_request()).await.status().as_u16(), 403);
        let request = Request::get("/records/user-1").header("authorization", &authorization);
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), 403);
    }
    for name in ["`userid`", "`uid`"] {
        let lines = logs::warnings(name);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("the route has user_id"), "{lines:?}");
    }
}
