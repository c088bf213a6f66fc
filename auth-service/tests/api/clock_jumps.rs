//! The clock jumps and returns: nothing is lost permanently. While it is in doubt, a session that seems expired is `503`, and
//! revoked, forged and reused tokens are refused as usual.

use std::time::Duration;

use auth_service::app;
use auth_service::app::Services;
use auth_service::domain::maintenance::MaintenanceRules;
use auth_service::settings::Settings;
use reqwest::Method;
use serde_json::json;
use shared_claims::error::Refusal;
use shared_claims::verifier::Clock;

use crate::DATABASE;
use crate::api::administrators;
use crate::api::support::{Answer, FORM, PASSWORD, START, Service, Tokens, send};
use crate::database::Database;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const ISSUER: &str = "http://127.0.0.1:8080";
const WRONG: &str = "not the right one";
/// bcrypt with cost 4 of [`PASSWORD`].
const HASH: &str = "$2b$04$oFKlZ3ENzEvFmT5CMwekBuVBDm2BElvtSpHmYpUTT7hjnI.L6EzTS";

/// Sets the wall clock while no time passes, and waits until the service has noticed.
async fn jump(service: &Service, seconds: i64) {
    set_forward(service, seconds);
    assert!(is_in_doubt(service).await);
}

fn set_forward(service: &Service, seconds: i64) {
    service.clock.set(service.clock.clock().now().checked_add_signed(seconds).unwrap());
}

/// Lets time pass on all clocks.
fn pass(service: &Service, seconds: i64) {
    service.clock.advance(Duration::from_secs(seconds.unsigned_abs()));
}

/// Returns a service and a second process for cleanup, both with a settled clock.
async fn settled(variables: &[(&str, &str)]) -> (Service, Services) {
    let service = Service::with(variables).await;
    let operator = service.operator().await;
    pass(&service, HOUR);
    (service, operator)
}

async fn clean_up(operator: &Services) -> usize {
    let rules = MaintenanceRules {
        poll_interval: Duration::from_secs(1),
        clean_up: Duration::from_secs(1),
        keep_ended: Duration::from_secs(1),
        batch_size: 100,
        keep_audit: Duration::from_secs(400 * DAY.unsigned_abs()),
    };
    // Retired keys are found among the keys in memory.
    operator.maintenance.reload_keys().await.unwrap();
    operator.maintenance.clean_up(rules).await.unwrap()
}

fn assert_in_doubt(answer: &Answer) {
    answer.assert_oauth_error(503, "temporarily_unavailable");
    assert!(answer.json()["error_description"].as_str().unwrap().contains("in doubt"), "{}", answer.text);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
}

async fn is_in_doubt(service: &Service) -> bool {
    let ready = service.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    let notes = ready.json()["notes"].as_array().cloned().unwrap_or_default();
    notes.iter().any(|note| note["name"] == "clock_in_doubt")
}

async fn key_ids(service: &Service) -> Vec<String> {
    let keys = service.get("/.well-known/jwks.json").await.json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn after_a_jump_of_twenty_minutes_and_a_cleanup_logged_out_tokens_are_still_refused() {
    let (service, operator) = settled(&[]).await;
    let verifier = service.verifier();
    let (alice, bob) = (service.register_and_login("alice").await, service.register_and_login("bob").await);
    let revoked =
        async |tokens: &Tokens| matches!(verifier.verify(&tokens.access).await, Err(Refusal::Revoked));
    service.logout(&alice.access).await;
    service.wait_until("the verifier knows of it", async || revoked(&alice).await).await;
    jump(&service, 20 * MINUTE).await;
    clean_up(&operator).await;
    // Now the list changes and is signed again, and verifiers fetch it.
    service.logout(&bob.access).await;
    assert!(service.revokes(&alice).await && service.revokes(&bob).await);
    jump(&service, -20 * MINUTE).await;
    service.wait_until("the verifier knows of bob's logout", async || revoked(&bob).await).await;
    clean_up(&operator).await;
    assert_eq!(service.count("revocations"), 2);
    assert!(service.revokes(&alice).await && revoked(&alice).await);
    service.get_as("/me", &alice.access).await.assert_problem(401, "token_revoked");
    service.try_refresh(&alice.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn tokens_revoked_while_the_clock_is_behind_stay_revoked_when_it_returns() {
    let (service, operator) = settled(&[("AUTH__TOKENS__ACCESS_TTL", "3h")]).await;
    let (alice, bob) = (service.register_and_login("alice").await, service.register_and_login("bob").await);
    jump(&service, -3 * HOUR).await;
    let by_refresh_token = json!({ "refresh_token": alice.refresh });
    assert_eq!(service.post("/logout", &by_refresh_token).await.status, 204);
    jump(&service, 3 * HOUR).await;
    pass(&service, HOUR + 1);
    assert!(!is_in_doubt(&service).await);
    clean_up(&operator).await;
    service.logout(&bob.access).await; // the list is signed again, with a settled clock
    assert!(service.revokes(&bob).await && service.revokes(&alice).await);
}

#[actix_web::test]
async fn a_clock_that_is_ahead_by_any_amount_deletes_nothing() {
    let (service, operator) = settled(&[]).await;
    let alice = service.register_and_login("alice").await;
    let bob = service.register_and_login("bob").await;
    service.logout(&bob.access).await;
    service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
    operator.maintenance.rotate_signing_key().await.unwrap();
    pass(&service, 2 * HOUR);
    let alice = service.refresh(&alice.refresh).await;
    service.run_sql(&format!("INSERT INTO status_lists (id, revision, left_at) VALUES (77, 1, {START})"));
    let keys = key_ids(&service).await;
    assert_eq!(keys.len(), 2);
    let tables = ["sessions", "revocations", "status_lists", "keys", "guesses"];
    let first_event = format!("audit_events WHERE occurred_at = {START}");
    let rows = || tables.map(|table| service.count(table));
    let (before, first_events) = (rows(), service.count(&first_event));
    assert!(first_events > 0);
    for ahead in [17 * DAY, 500 * DAY] {
        jump(&service, ahead).await;
        assert_eq!(clean_up(&operator).await, 0);
        assert_eq!(key_ids(&service).await, keys, "no key is withdrawn either");
        jump(&service, -ahead).await;
        assert_eq!(clean_up(&operator).await, 0);
    }
    assert_eq!((rows(), service.count(&first_event)), (before, first_events));
    assert_eq!(key_ids(&service).await, keys);
    assert_eq!(service.get_as("/me", &alice.access).await.status, 200);
    service.refresh(&alice.refresh).await;
    // Once the clock is settled for long enough, bob's ended session and the empty list are deleted.
    pass(&service, 2 * DAY);
    assert_eq!(clean_up(&operator).await, 1);
    assert_eq!(service.count("status_lists WHERE id = 77"), 0);
    assert_eq!((service.count("sessions"), service.count("revocations")), (1, 0));
}

#[actix_web::test]
async fn a_retired_signing_key_leaves_the_key_set_and_its_row_is_deleted_a_day_later() {
    let (service, operator) = settled(&[]).await;
    let first = key_ids(&service).await;
    operator.maintenance.rotate_signing_key().await.unwrap();
    // The last status list that it signed is valid for a day, and verifiers' clocks may be five minutes behind.
    pass(&service, 2 * HOUR + DAY + 300);
    service.wait_until("the first key is withdrawn", async || key_ids(&service).await.len() == 1).await;
    assert_ne!(key_ids(&service).await, first);
    pass(&service, DAY - 1);
    clean_up(&operator).await;
    assert_eq!(service.count("keys WHERE purpose = 'access'"), 2);
    pass(&service, 1);
    clean_up(&operator).await;
    assert_eq!(service.count("keys WHERE purpose = 'access'"), 1);
}

#[actix_web::test]
async fn in_its_first_hour_a_process_deletes_nothing() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    service.logout(&tokens.access).await;
    pass(&service, 3 * DAY);
    let operator = service.operator().await;
    assert_eq!(clean_up(&operator).await, 0);
    pass(&service, HOUR - 1);
    assert_eq!(clean_up(&operator).await, 0);
    pass(&service, 1);
    assert_eq!(clean_up(&operator).await, 1);
}

#[actix_web::test]
async fn while_the_clock_is_in_doubt_an_expired_session_is_503_and_after_an_hour_400() {
    let (service, _) = settled(&[("AUTH__SESSIONS__IDLE_TTL", "1h")]).await;
    let (idle, other) = (service.register_and_login("alice").await, service.login("alice").await);
    assert!(!is_in_doubt(&service).await);
    jump(&service, 2 * HOUR).await;
    assert_in_doubt(&service.try_refresh(&idle.refresh).await);
    assert!(is_in_doubt(&service).await);
    jump(&service, -2 * HOUR).await;
    service.refresh(&other.refresh).await;
    assert!(is_in_doubt(&service).await, "the clock is in doubt for an hour");
    jump(&service, 2 * HOUR).await;
    pass(&service, HOUR - 1);
    assert_in_doubt(&service.try_refresh(&idle.refresh).await);
    pass(&service, 1);
    service.try_refresh(&idle.refresh).await.assert_oauth_error(400, "invalid_grant");
    assert!(!is_in_doubt(&service).await);
}

#[actix_web::test]
async fn a_browser_keeps_its_cookies_while_the_clock_is_in_doubt() {
    let (service, _) = settled(&[("AUTH__SESSIONS__IDLE_TTL", "1h")]).await;
    service.register("alice").await;
    let login = json!({ "username": "alice", "password": PASSWORD, "cookies": true });
    let request = service.request(Method::POST, "/login").header("origin", ISSUER).json(&login);
    let answer = send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let set = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let pairs: Vec<&str> = set.map(|cookie| cookie.split(';').next().unwrap()).collect();
    let csrf = pairs.iter().find_map(|pair| pair.strip_prefix("__Host-csrf=")).unwrap();
    jump(&service, 2 * HOUR).await;
    let request = service.request(Method::POST, "/token").header("origin", ISSUER);
    let request = request.header("cookie", pairs.join("; ")).header("x-csrf-token", csrf);
    let answer = send(request.json(&json!({ "grant_type": "refresh_token" }))).await;
    assert_in_doubt(&answer);
    assert!(answer.headers.get("set-cookie").is_none());
}

#[actix_web::test]
async fn theft_revocation_and_forgery_are_400_while_the_clock_is_in_doubt() {
    let (service, operator) = settled(&[("AUTH__SESSIONS__IDLE_TTL", "1h")]).await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    let third = service.refresh(&second.refresh).await;
    let ended = service.login("alice").await;
    service.logout(&ended.access).await;
    let disabled = service.register_and_login("bob").await;
    operator.accounts.set_disabled("bob", true).await.unwrap();
    let mut forged = third.refresh.clone();
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.replace_range(forged.len() - 2..forged.len() - 1, &last.to_string());
    jump(&service, 2 * HOUR).await;
    assert_in_doubt(&service.try_refresh(&third.refresh).await);
    for refused in [&forged, &ended.refresh, &disabled.refresh, &first.refresh] {
        service.try_refresh(refused).await.assert_oauth_error(400, "invalid_grant");
    }
    service.try_refresh(&third.refresh).await.assert_oauth_error(400, "invalid_grant");
    jump(&service, -2 * HOUR).await;
    assert!(service.revokes(&third).await, "the reuse of the first one ended the session");
    service.try_refresh(&third.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_repeat_that_is_theft_only_by_its_time_ends_no_session_while_the_clock_is_in_doubt() {
    let proxied = ("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.0/8");
    let (service, _) = settled(&[proxied]).await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    jump(&service, 20 * MINUTE).await;
    assert_in_doubt(&service.try_refresh(&first.refresh).await);
    jump(&service, -20 * MINUTE).await;
    assert_eq!(service.refresh(&first.refresh).await.refresh, second.refresh, "the same answer again");
    // With a clock that is behind, the time since the first use is unknown as well.
    jump(&service, -2 * HOUR).await;
    assert_in_doubt(&service.try_refresh(&first.refresh).await);
    // Where a repeat comes from does not depend on the time.
    let elsewhere = service.request(Method::POST, "/token").header("x-forwarded-for", "192.0.2.9");
    let elsewhere = elsewhere.header("user-agent", "another one").header("content-type", FORM);
    let form = format!("grant_type=refresh_token&refresh_token={}", first.refresh);
    send(elsewhere.body(form)).await.assert_oauth_error(400, "invalid_grant");
    service.try_refresh(&second.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_clock_that_was_set_back_does_not_lengthen_the_grace_period() {
    let (service, _) = settled(&[]).await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    jump(&service, -2 * HOUR).await;
    pass(&service, HOUR);
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.try_refresh(&second.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_session_that_is_used_while_the_clock_is_behind_ends_no_sooner() {
    let (service, _) = settled(&[("AUTH__SESSIONS__IDLE_TTL", "3h")]).await;
    let old = service.register_and_login("alice").await;
    jump(&service, -3 * HOUR).await;
    let (old, new) = (service.refresh(&old.refresh).await, service.login("alice").await);
    jump(&service, 3 * HOUR).await;
    pass(&service, 2 * HOUR);
    assert!(!is_in_doubt(&service).await);
    for tokens in [old, new] {
        service.refresh(&tokens.refresh).await;
    }
}

#[actix_web::test]
async fn a_session_that_began_while_the_clock_was_ahead_still_ends() {
    let variables = [("AUTH__SESSIONS__IDLE_TTL", "2h"), ("AUTH__SESSIONS__ABSOLUTE_TTL", "3h")];
    let (service, _) = settled(&variables).await;
    service.register("alice").await;
    jump(&service, 1000 * DAY).await;
    let mut tokens = service.login("alice").await;
    jump(&service, -1000 * DAY).await;
    pass(&service, HOUR);
    for left in [2 * HOUR, 2 * HOUR, HOUR] {
        tokens = service.refresh(&tokens.refresh).await;
        assert_eq!(tokens.body["refresh_expires_in"], left);
        pass(&service, HOUR);
    }
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn while_the_clock_is_in_doubt_a_user_can_end_a_session_that_seems_expired() {
    let (service, _) = settled(&[("AUTH__SESSIONS__IDLE_TTL", "1h")]).await;
    let lost = service.register_and_login("alice").await;
    jump(&service, 2 * HOUR).await;
    let login = json!({ "username": "alice", "password": PASSWORD, "resource": ISSUER });
    let own = service.post("/login", &login).await.tokens();
    let path = format!("/me/sessions/{}", lost.claims()["sid"].as_str().unwrap());
    let ended = send(service.request(Method::DELETE, &path).bearer_auth(&own.access)).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    jump(&service, -2 * HOUR).await;
    assert!(service.revokes(&lost).await);
    service.try_refresh(&lost.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_login_counts_as_recent_only_if_it_is_recent_by_every_possible_time() {
    let (service, _) = settled(&[]).await;
    let admin = administrators::log_in(&service).await;
    let import = async |tokens: &Tokens, username: &str| {
        let line = json!({ "username": username, "password_hash": HASH, "roles": ["subscriber"] });
        let request = service.request(Method::POST, "/admin/users/import?dry_run=true");
        let request = request.bearer_auth(&tokens.access).header("content-type", "application/x-ndjson");
        send(request.body(line.to_string())).await
    };
    assert_eq!(import(&admin, "anna").await.status, 200);
    pass(&service, 9 * MINUTE);
    import(&admin, "anna").await.assert_problem(401, "insufficient_user_authentication");
    // Set back, the clock shows the login as recent.
    jump(&service, -9 * MINUTE).await;
    let doubted = import(&admin, "anna").await;
    doubted.assert_problem(503, "clock_in_doubt");
    assert_eq!(doubted.header("retry-after"), "60");
    // Set back further, it shows the login in the future.
    jump(&service, -2 * MINUTE).await;
    let early = service.refresh_here(&admin.refresh).await;
    import(&early, "anna").await.assert_problem(401, "insufficient_user_authentication");
    // When the clock is right again, a new login counts as recent although the clock is still in doubt.
    jump(&service, 11 * MINUTE).await;
    let again = service.login_here("root").await;
    assert_eq!(import(&again, "anna").await.status, 200);
}

#[actix_web::test]
async fn a_clock_jump_allows_one_further_attempt_and_resets_no_counter() {
    for away in [2 * DAY, -2 * DAY] {
        let (service, operator) = settled(&[]).await;
        service.register("alice").await;
        for _ in 0..10 {
            service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
        }
        for seconds in [away, -away] {
            service.try_login("alice", WRONG).await.assert_problem(429, "too_many_attempts");
            jump(&service, seconds).await;
            clean_up(&operator).await;
            service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
        }
        service.try_login("alice", WRONG).await.assert_problem(429, "too_many_attempts");
        // When the clock is settled again, twelve failures have leaked for one hour: not enough for another attempt.
        pass(&service, HOUR);
        clean_up(&operator).await;
        service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
        service.try_login("alice", WRONG).await.assert_problem(429, "too_many_attempts");
        pass(&service, HOUR);
        service.login("alice").await;
    }
}

#[actix_web::test]
async fn a_key_made_by_a_wrong_clock_delays_no_rotation() {
    let service = Service::start().await;
    service.stop().await;
    set_forward(&service, 400 * DAY);
    // A process that starts with a wrong clock cannot detect it.
    let service = service.restart(&[]).await;
    let keys = "keys WHERE purpose = 'access'";
    service.wait_until("a rotation is due by that clock", async || service.count(keys) == 2).await;
    jump(&service, -400 * DAY).await;
    let operator = service.operator().await;
    let at = i64::try_from(START).unwrap() + 2 * HOUR;
    assert_eq!(
        operator.maintenance.rotate_signing_key().await.unwrap(),
        auth_service::domain::keyring::Rotated::From(at),
        "rotation does not wait for the other key"
    );
    pass(&service, 31 * DAY);
    service.wait_until("the next rotation is due as scheduled", async || service.count(keys) == 4).await;
}

#[actix_web::test]
async fn no_key_of_another_algorithm_is_made_while_the_clock_is_in_doubt() {
    let service = Service::start().await;
    service.run_sql("INSERT INTO keys VALUES ('forged', 'access', 'ES256', 'AAAA', 1, 1700000000)");
    let settings = [("AUTH__TOKENS__ALGORITHM", "EdDSA"), ("AUTH__TOKENS__ACCESS_TTL", "11m")];
    let service = service.restart(&settings).await;
    service.wait_until("it is not ready", async || service.get("/readyz").await.status == 503).await;
    set_forward(&service, 20 * DAY);
    assert!(service.get("/readyz").await.text.contains("clock_in_doubt"));
    // Now it stores the lifetimes of its settings for the first time; only the key has to wait.
    service.run_sql("DELETE FROM keys WHERE kid = 'forged'");
    service
        .wait_until("it settles", async || service.count("issuance WHERE longest_access_ttl = 660") == 1)
        .await;
    service.wait_until("it is ready", async || service.get("/readyz").await.status == 200).await;
    jump(&service, -20 * DAY).await;
    pass(&service, HOUR);
    let made = "keys WHERE purpose = 'access' AND algorithm = 'EdDSA'";
    service.wait_until("the key is made", async || service.count(made) == 1).await;
    let latest = i64::try_from(START).unwrap() + 2 * HOUR;
    assert_eq!(service.count(&format!("{made} AND created_at < {latest}")), 1);
}

#[actix_web::test]
async fn a_recovery_by_a_clock_that_is_ahead_ends_every_session_for_good() {
    let service = Service::start().await;
    service.register_and_login("alice").await;
    set_forward(&service, 400 * DAY);
    let settings = Settings::load(&service.variables).unwrap();
    assert_eq!(app::recover(&settings, service.clock.clock()).await.unwrap(), 1);
    set_forward(&service, -400 * DAY);
    assert_eq!(service.count("sessions WHERE ended_at IS NULL"), 0);
}

/// Replaces the clock of PostgreSQL with one that the test sets.
fn replace_the_databases_clock(service: &Service) {
    service.run_sql(
        "CREATE TABLE public.clock_offset (seconds BIGINT NOT NULL);
         INSERT INTO public.clock_offset VALUES (0);
         CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
             'SELECT pg_catalog.clock_timestamp() + (SELECT seconds FROM public.clock_offset) * interval ''1 second''';
         DO $$ BEGIN
             EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
         END $$",
    );
}

#[actix_web::test]
async fn a_jump_of_the_databases_clock_puts_the_clock_in_doubt_as_well() {
    if DATABASE == Database::Sqlite {
        return; // SQLite has no clock of its own
    }
    let variables = [("AUTH__SESSIONS__IDLE_TTL", "10m"), ("AUTH__CLEANUP__INTERVAL", "1s")];
    let service = Service::by_clock(Clock::system(), &variables).await;
    replace_the_databases_clock(&service);
    let service = service.restart(&[]).await;
    let living = service.register_and_login("alice").await;
    let first = service.login("alice").await;
    let second = service.refresh(&first.refresh).await;
    let third = service.refresh(&second.refresh).await;
    let ended = service.login("alice").await;
    service.logout(&ended.access).await;
    service.run_sql("UPDATE public.clock_offset SET seconds = 17 * 24 * 3600");
    service.wait_until("the clock is in doubt", async || is_in_doubt(&service).await).await;
    assert_in_doubt(&service.try_refresh(&living.refresh).await);
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.try_refresh(&ended.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.run_sql("UPDATE public.clock_offset SET seconds = 0");
    let returned = async || service.get("/readyz").await.json().get("clock_skew_seconds").is_none();
    service.wait_until("the clock is right again", returned).await;
    service.refresh(&living.refresh).await;
    assert!(service.revokes(&third).await && service.revokes(&ended).await);
    assert_eq!((service.count("sessions"), service.count("revocations")), (3, 2));
}

async fn rename(service: &Service, tokens: &Tokens, to: &str) {
    let body = json!({ "username": to, "current_password": PASSWORD });
    let answer = service.send_as(Method::PATCH, "/me", &tokens.access, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn assert_rests(service: &Service, username: &str) {
    let body = json!({ "username": username, "password": PASSWORD });
    service.post("/register", &body).await.assert_problem(409, "username_taken");
}

#[actix_web::test]
async fn a_clock_that_is_ahead_for_a_moment_frees_no_resting_name() {
    let (service, operator) = settled(&[]).await;
    let alice = service.register_and_login("alice").await;
    rename(&service, &alice, "alicia").await;
    for ahead in [91 * DAY, 500 * DAY] {
        jump(&service, ahead).await;
        assert_rests(&service, "alice").await;
        assert_eq!(clean_up(&operator).await, 0);
        jump(&service, -ahead).await;
        assert_rests(&service, "alice").await;
    }
    // When the clock is settled, the rest ends as usual.
    pass(&service, 91 * DAY);
    service.register("alice").await;
}

#[actix_web::test]
async fn a_name_that_is_given_up_while_the_clock_is_behind_rests_for_its_full_time() {
    let (service, _) = settled(&[]).await;
    service.register("alice").await;
    jump(&service, -91 * DAY).await;
    let alice = service.login("alice").await;
    rename(&service, &alice, "alicia").await;
    jump(&service, 91 * DAY).await;
    pass(&service, HOUR + 1);
    assert!(!is_in_doubt(&service).await);
    assert_rests(&service, "alice").await;
    pass(&service, 89 * DAY);
    assert_rests(&service, "alice").await;
    pass(&service, DAY);
    service.register("alice").await;
}

#[actix_web::test]
async fn while_the_clock_is_in_doubt_operators_need_the_id_of_an_account_whose_name_changed_hands() {
    let (service, operator) = settled(&[]).await;
    let alice = service.register_and_login("alice").await;
    rename(&service, &alice, "alicia").await;
    pass(&service, 91 * DAY);
    service.register("alice").await;
    assert!(operator.accounts.set_disabled("alice", true).await.is_err());
    set_forward(&service, 91 * DAY);
    assert!(operator.accounts.set_disabled("alice", true).await.is_err());
    set_forward(&service, -91 * DAY);
    assert!(operator.accounts.set_disabled("alice", true).await.is_err());
    pass(&service, 91 * DAY);
    operator.accounts.set_disabled("alice", true).await.unwrap().unwrap();
}
