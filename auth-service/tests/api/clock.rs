//! The wall clock is corrected by an hour: users can still log in, no token becomes valid again, and nothing panics.

use std::time::Duration;

use crate::api::support::{START, Service};

const HOUR: u64 = 3600;

#[actix_web::test]
async fn after_the_clock_was_set_back_sessions_continue_and_tokens_of_the_future_are_refused() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    service.clock.set(START - HOUR);
    service.get_as("/me", &first.access).await.assert_problem(401, "invalid_token");
    let second = service.refresh(&first.refresh).await;
    assert_eq!(service.get_as("/me", &second.access).await.status, 200);
    // The grace period has not grown by an hour: an older generation still counts as theft.
    let third = service.refresh(&second.refresh).await;
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.get_as("/me", &third.access).await.assert_problem(401, "token_revoked");
    assert!(service.revokes(&third).await);
    let new = service.login("alice").await;
    service.clock.set(START);
    service.get_as("/me", &new.access).await.assert_problem(401, "token_expired");
    service.refresh(&new.refresh).await;
}

#[actix_web::test]
async fn after_the_clock_was_set_back_waits_after_wrong_passwords_neither_grow_nor_end() {
    let service = Service::start().await;
    service.register("alice").await;
    for _ in 0..10 {
        service.try_login("alice", "not the right one").await.assert_problem(401, "invalid_credentials");
    }
    service.try_login("alice", "not the right one").await.assert_problem(429, "too_many_attempts");
    service.clock.set(START - HOUR);
    // That allows one further attempt, and not ten.
    service.try_login("alice", "not the right one").await.assert_problem(401, "invalid_credentials");
    let refused = service.try_login("alice", "not the right one").await;
    refused.assert_problem(429, "too_many_attempts");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!(wait <= 15 * 60, "{wait}");
    service.clock.advance(Duration::from_secs(wait));
    service.try_login("alice", "not the right one").await.assert_problem(401, "invalid_credentials");
    service.try_login("alice", "not the right one").await.assert_problem(429, "too_many_attempts");
    // One failure leaks in a tenth of a day, and twelve in 28.8 hours: not in the hour in which the clock is in doubt, and not
    // by a clock that is an hour ahead.
    service.clock.advance(Duration::from_secs(30 * HOUR));
    for _ in 0..10 {
        service.try_login("alice", "not the right one").await.assert_problem(401, "invalid_credentials");
    }
}
