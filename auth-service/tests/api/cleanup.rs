//! Ended sessions are deleted in the background, a day after their end.

use std::time::Duration;

use auth_service::domain::maintenance::MaintenanceRules;

use crate::api::support::Service;

#[actix_web::test]
async fn ended_sessions_are_deleted_after_a_while_and_live_ones_are_not() {
    let service = Service::with(&[("AUTH__SESSIONS__IDLE_TTL", "30h")]).await;
    let living = service.register_and_login("alice").await;
    for _ in 0..5 {
        let ended = service.login("alice").await;
        assert_eq!(service.logout(&ended.access).await.status, 204);
    }
    service.login("alice").await; // is never used again
    let operator = service.operator().await;
    let hour = Duration::from_secs(3600);
    let rules = MaintenanceRules {
        poll_interval: hour,
        clean_up: hour,
        keep_ended: hour,
        batch_size: 2,
        keep_audit: 24 * hour,
    };
    service.clock.advance(25 * hour);
    assert_eq!(operator.maintenance.clean_up(rules).await.unwrap(), 0, "kept for an hour and a day");
    service.clock.advance(Duration::from_secs(1));
    let living = service.refresh(&living.refresh).await;
    assert_eq!(operator.maintenance.clean_up(rules).await.unwrap(), 5, "in batches of two");
    service.clock.advance(29 * hour);
    let living = service.refresh(&living.refresh).await;
    service.clock.advance(hour);
    assert_eq!(operator.maintenance.clean_up(rules).await.unwrap(), 1, "the session that was never used");
    service.get_as("/me", &living.access).await.assert_problem(401, "token_expired");
    service.refresh(&service.login("alice").await.refresh).await;
}
