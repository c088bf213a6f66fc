//! `POST /logout`.

use std::time::Duration;

use serde_json::json;

use crate::api::support::Service;

#[actix_web::test]
async fn a_logout_ends_the_session_and_no_other() {
    let service = Service::start().await;
    let ended = service.register_and_login("alice").await;
    let other = service.login("alice").await;
    let answer = service.logout(&ended.access).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    answer.assert_envelope();
    service.get_as("/me", &ended.access).await.assert_problem(401, "token_revoked");
    service.try_refresh(&ended.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.logout(&ended.access).await.assert_problem(401, "token_revoked");
    assert_eq!(service.get_as("/me", &other.access).await.status, 200);
    service.refresh(&other.refresh).await;
}

#[actix_web::test]
async fn an_expired_access_token_still_logs_out() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    service.clock.advance(Duration::from_secs(3600));
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_expired");
    assert_eq!(service.logout(&tokens.access).await.status, 204);
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_refresh_token_logs_out_and_an_unknown_one_is_no_error() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    for _ in 0..2 {
        let answer = service.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        assert_eq!(answer.status, 204);
    }
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
    assert_eq!(service.post("/logout", &json!({ "refresh_token": "rt_unknown" })).await.status, 204);
}

#[actix_web::test]
async fn a_logout_without_any_token_is_refused() {
    let service = Service::start().await;
    let answer = service.post_form("/logout", "").await;
    answer.assert_problem(401, "missing_token");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="auth-service""#);
    service.post("/logout", &json!({})).await.assert_problem(422, "invalid_fields");
    service.post("/logout", &json!({ "refresh_token": 1 })).await.assert_problem(422, "invalid_fields");
}
