//! A failed write has no effect: no token is given whose state is not in the database, and no token is used up.

use serde_json::json;

use crate::DATABASE;
use crate::api::support::{PASSWORD, Service};
use crate::database::Database;

/// Makes every write of this kind fail from now on, like a read-only database.
fn refuse(service: &Service, what: &str) {
    service.run_sql(&match DATABASE {
        Database::Sqlite => format!(
            "CREATE TRIGGER refuse BEFORE {what} ON sessions BEGIN SELECT RAISE(ABORT, 'on purpose'); END"
        ),
        Database::Postgresql => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'on purpose'; END $$;
             CREATE TRIGGER refuse BEFORE {what} ON sessions FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    });
}

fn allow(service: &Service) {
    service.run_sql(match DATABASE {
        Database::Sqlite => "DROP TRIGGER refuse",
        Database::Postgresql => "DROP TRIGGER refuse ON sessions; DROP FUNCTION refuse()",
    });
}

#[actix_web::test]
async fn a_refresh_that_cannot_be_stored_gives_no_token_and_uses_none_up() {
    let service = Service::with(&[("AUTH__TOKENS__REFRESH_GRACE", "0s")]).await;
    let tokens = service.register_and_login("alice").await;
    refuse(&service, "UPDATE");
    for _ in 0..3 {
        let answer = service.try_refresh(&tokens.refresh).await;
        answer.assert_oauth_error(503, "temporarily_unavailable");
        assert!(!answer.header("retry-after").is_empty() && answer.json().get("access_token").is_none());
    }
    service.logout(&tokens.access).await.assert_problem(503, "store_unavailable");
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 200, "the session has not ended either");
    allow(&service);
    // Without a grace period, this would be theft if one of those uses had counted.
    service.refresh(&tokens.refresh).await;
}

#[actix_web::test]
async fn a_login_that_cannot_be_stored_gives_no_token() {
    let service = Service::start().await;
    service.register("alice").await;
    refuse(&service, "INSERT");
    let answer = service.try_login("alice", PASSWORD).await;
    answer.assert_problem(503, "store_unavailable");
    assert!(!answer.header("retry-after").is_empty());
    let body = json!({ "username": "alice", "password": PASSWORD });
    service.post("/token", &body).await.assert_oauth_error(503, "temporarily_unavailable");
    allow(&service);
    service.login("alice").await;
}
