//! What revokes access tokens, and how verifiers see it in the status lists.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_service::domain::maintenance::MaintenanceRules;
use reqwest::Method;
use serde_json::json;
use shared_claims::error::Refusal;

use crate::api::support::{PASSWORD, Service, Tokens, send};

const NEW_PASSWORD: &str = "another horse battery";

/// Ends the session of `tokens`, or changes its account, in the way that `how` names.
async fn end(service: &Service, how: &str, tokens: &Tokens) {
    let as_owner = |method, path: &str| service.request(method, path).bearer_auth(&tokens.access);
    let operator = service.operator().await;
    let status = match how {
        "logout" => service.logout(&tokens.access).await.status,
        "logout by refresh token" => {
            service.post("/logout", &json!({ "refresh_token": tokens.refresh })).await.status
        }
        "revoke" => service.post_form("/revoke", &format!("token={}", tokens.access)).await.status,
        "end this session" => {
            let path = format!("/me/sessions/{}", tokens.claims()["sid"].as_str().unwrap());
            let other = service.login_here("alice").await;
            send(service.request(Method::DELETE, &path).bearer_auth(&other.access)).await.status
        }
        "end other sessions" => {
            let other = service.login_here("alice").await;
            send(service.request(Method::DELETE, "/me/sessions").bearer_auth(&other.access)).await.status
        }
        "change the password" => {
            let body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
            send(as_owner(Method::PUT, "/me/password").json(&body)).await.status
        }
        "change the name" => {
            let body = json!({ "current_password": PASSWORD, "username": "alicia" });
            send(as_owner(Method::PATCH, "/me").json(&body)).await.status
        }
        "delete the account" => {
            send(as_owner(Method::DELETE, "/me").json(&json!({ "current_password": PASSWORD }))).await.status
        }
        "disable the account" => {
            operator.accounts.set_disabled("alice", true).await.unwrap().unwrap();
            return;
        }
        "remove a role" => {
            operator
                .accounts
                .change_roles("alice", vec![], vec!["subscriber".to_owned()])
                .await
                .unwrap()
                .unwrap();
            return;
        }
        "theft" => {
            let next = service.refresh(&tokens.refresh).await;
            service.refresh(&next.refresh).await;
            let stolen = service.try_refresh(&tokens.refresh).await;
            stolen.assert_oauth_error(400, "invalid_grant");
            return;
        }
        other => unreachable!("{other}"),
    };
    assert!(status.is_success(), "{how}: {status}");
}

#[actix_web::test]
async fn everything_that_ends_a_session_or_reduces_its_rights_revokes_its_access_tokens_and_no_others() {
    let ways = [
        "logout",
        "logout by refresh token",
        "revoke",
        "end this session",
        "end other sessions",
        "change the password",
        "change the name",
        "delete the account",
        "disable the account",
        "remove a role",
        "theft",
    ];
    for how in ways {
        let service = Service::start().await;
        service.register("alice").await;
        let subscriber = vec!["subscriber".to_owned()];
        service.operator().await.accounts.change_roles("alice", subscriber, vec![]).await.unwrap();
        let tokens = service.login("alice").await;
        let bystander = service.register_and_login("bob").await;
        assert!(!service.revokes(&tokens).await);
        end(&service, how, &tokens).await;
        assert!(service.revokes(&tokens).await, "{how}");
        assert!(!service.revokes(&bystander).await, "{how}");
        assert_eq!(service.get_as("/me", &bystander.access).await.status, 200, "{how}");
    }
}

#[actix_web::test]
async fn a_logout_at_one_replica_reaches_a_verifier_that_listens_to_the_other() {
    let one = Service::start().await;
    let other = one.replica().await;
    let (ended, living) = (one.register_and_login("alice").await, one.register_and_login("bob").await);
    let verifier = other.verifier();
    for tokens in [&ended, &living] {
        verifier.verify(&tokens.access).await.unwrap();
    }
    assert_eq!(one.logout(&ended.access).await.status, 204);
    one.wait_until("the verifier knows of the logout", async || {
        verifier.verify_now(&ended.access).is_err_and(|why| why == Refusal::Revoked)
    })
    .await;
    verifier.verify_now(&living.access).unwrap();
}

#[actix_web::test]
async fn a_session_with_reduced_rights_continues_with_another_status_list_index() {
    let service = Service::start().await;
    service.register("alice").await;
    let (operator, subscriber) = (service.operator().await, || vec!["subscriber".to_owned()]);
    operator.accounts.change_roles("alice", subscriber(), vec![]).await.unwrap();
    let first = service.login("alice").await;
    assert_eq!(first.scope, "books:download");
    operator.accounts.change_roles("alice", vec![], subscriber()).await.unwrap();
    let second = service.refresh(&first.refresh).await;
    assert_eq!((second.scope.as_str(), &second.claims()["sid"]), ("", &first.claims()["sid"]));
    assert_ne!(second.status_index(), first.status_index());
    assert!(service.revokes(&first).await && !service.revokes(&second).await);
    // The index stays the same from then on, also for a repeat of that refresh.
    assert_eq!(service.refresh(&first.refresh).await.status_index(), second.status_index());
    assert_eq!(service.refresh(&second.refresh).await.status_index(), second.status_index());
    service.logout(&second.access).await;
    assert!(service.revokes(&second).await);
}

#[actix_web::test]
async fn an_added_role_revokes_no_token() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let operator = service.operator().await;
    operator
        .accounts
        .change_roles("alice", vec!["subscriber".to_owned()], vec!["no-role-of-hers".to_owned()])
        .await
        .unwrap();
    assert!(!service.revokes(&first).await);
    let second = service.refresh(&first.refresh).await;
    assert_eq!((second.scope.as_str(), second.status_index()), ("books:download", first.status_index()));
}

#[actix_web::test]
async fn a_role_that_is_removed_during_a_login_is_in_no_token() {
    let service = Service::with(&[("AUTH__PASSWORDS__BCRYPT_COST", "11")]).await;
    service.register("alice").await;
    let (operator, subscriber) = (service.operator().await, || vec!["subscriber".to_owned()]);
    operator.accounts.change_roles("alice", subscriber(), vec![]).await.unwrap();
    // Both concurrently, several times: in either order, no valid token has a role that the account does not have.
    for _ in 0..3 {
        let (login, changed) = tokio::join!(
            service.try_login("alice", PASSWORD),
            operator.accounts.change_roles("alice", vec![], subscriber())
        );
        changed.unwrap().unwrap();
        if login.status == 200 {
            let tokens = login.tokens();
            assert!(tokens.scope.is_empty() || service.revokes(&tokens).await, "{}", tokens.scope);
        } else {
            login.assert_problem(401, "invalid_credentials");
        }
        operator.accounts.change_roles("alice", subscriber(), vec![]).await.unwrap();
    }
}

#[actix_web::test]
async fn no_two_sessions_share_a_status_list_index_and_indexes_are_not_sequential() {
    let one = Service::with(&[("AUTH__LIMITS__WAITING_PER_ACCOUNT", "60")]).await;
    let other = one.replica().await;
    one.register("alice").await;
    let logins = (0..60).map(|index| if index % 2 == 0 { &one } else { &other }.login("alice"));
    let tokens = futures_util::future::join_all(logins).await;
    let indexes: Vec<_> = tokens.iter().map(Tokens::status_index).collect();
    assert_eq!(indexes.iter().collect::<BTreeSet<_>>().len(), 60);
    let mine: Vec<usize> = indexes.iter().step_by(2).map(|(_, idx)| *idx).collect();
    assert!(!mine.is_sorted() && mine.iter().max().unwrap() - mine.iter().min().unwrap() > 100, "{mine:?}");
    // Also after a restart: leased indexes that were not given are lost, and not given again.
    let one = one.restart(&[]).await;
    let next = one.login("alice").await.status_index();
    assert!(!indexes.contains(&next));
}

#[actix_web::test]
async fn a_revocation_outlives_session_and_account_until_the_last_token_has_expired() {
    let service = Service::with(&[("AUTH__TOKENS__ACCESS_TTL", "1h")]).await;
    let (gone, living) = (service.register_and_login("alice").await, service.register_and_login("bob").await);
    end(&service, "delete the account", &gone).await;
    // New tokens are valid for a minute only, but that one was valid for an hour.
    let service = service.restart(&[("AUTH__TOKENS__ACCESS_TTL", "1m")]).await;
    let operator = service.operator().await;
    let second = Duration::from_secs(1);
    let rules = MaintenanceRules {
        poll_interval: second,
        clean_up: second,
        keep_ended: Duration::ZERO,
        batch_size: 10,
        keep_audit: Duration::from_secs(400 * 24 * 3600),
    };
    service.clock.advance(Duration::from_secs(3600 + 299));
    operator.maintenance.clean_up(rules).await.unwrap();
    assert!(service.revokes(&gone).await);
    service.clock.advance(second);
    operator.maintenance.clean_up(rules).await.unwrap();
    // The list is signed again when it changes.
    let living = service.refresh(&living.refresh).await;
    service.logout(&living.access).await;
    assert!(service.revokes(&living).await && !service.revokes(&gone).await);
    // The row has no effect any more, and is kept for another day.
    service.clock.advance(Duration::from_secs(24 * 3600 - 1));
    operator.maintenance.clean_up(rules).await.unwrap();
    assert_eq!(service.count("revocations"), 2);
    service.clock.advance(second);
    operator.maintenance.clean_up(rules).await.unwrap();
    assert_eq!(service.count("revocations"), 1);
}

#[actix_web::test]
async fn with_a_shared_secret_tokens_have_no_status_and_metadata_name_no_lists() {
    let secret = "a shared secret of forty-two bytes, no less";
    let variables = [("AUTH__TOKENS__ALGORITHM", "HS256"), ("AUTH__TOKENS__SHARED_SECRET", secret)];
    let service = Service::with(&variables).await;
    let tokens = service.register_and_login("alice").await;
    assert!(tokens.claims().get("status").is_none());
    let metadata = service.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata.get("status_list_aggregation_endpoint").is_none());
    assert!(metadata.get("status_list_events_endpoint").is_none());
    let index = json!({ "status_lists": [], "revisions": {} });
    assert_eq!(service.get("/status-lists").await.json(), index);
    assert_eq!(service.logout(&service.refresh(&tokens.refresh).await.access).await.status, 204);
}
