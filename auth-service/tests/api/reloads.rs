//! Reloading keys that other processes made: all of them or none, and never an older set.

use std::sync::Arc;

use auth_service::app;
use auth_service::settings::Settings;

use crate::DATABASE;
use crate::api::support::Service;
use crate::database::Database;

const SECOND: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Makes every attempt to reseal a key fail.
fn forbid_sealing(service: &Service) {
    service.run_sql(match DATABASE {
        Database::Sqlite => {
            "CREATE TRIGGER forbidden BEFORE UPDATE OF sealed ON keys BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
        }
        Database::Postgresql => {
            "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'forbidden'; END $$;
             CREATE TRIGGER forbidden BEFORE UPDATE OF sealed ON keys FOR EACH ROW EXECUTE FUNCTION forbid()"
        }
    });
}

fn allow_sealing(service: &Service) {
    service.run_sql(match DATABASE {
        Database::Sqlite => "DROP TRIGGER forbidden",
        Database::Postgresql => "DROP TRIGGER forbidden ON keys",
    });
}

#[actix_web::test]
async fn a_withdrawn_key_is_refused_while_resealing_fails_and_resealing_is_retried() {
    let service = Service::start().await;
    let old = service.register_and_login("alice").await;
    let first = service.master_key();
    forbid_sealing(&service);
    let swapped = [("AUTH__MASTER_KEY", SECOND), ("AUTH__MASTER_KEY_PREVIOUS", first.as_str())];
    let service = service.restart(&swapped).await;
    assert_eq!(service.get_as("/me", &old.access).await.status, 200);
    service.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    let published = service.get("/.well-known/jwks.json").await.json();
    assert_ne!(published["keys"][0]["kid"], old.header()["kid"]);
    service.get_as("/me", &old.access).await.assert_problem(401, "invalid_token");
    let new = service.refresh(&old.refresh).await;
    assert_eq!(service.get_as("/me", &new.access).await.status, 200);
    // The refresh key is still sealed with the first master key.
    let mut variables = service.variables.clone();
    variables.insert("AUTH__MASTER_KEY_PREVIOUS".to_owned(), String::new());
    let settings = Settings::load(&variables).unwrap();
    let clock = service.clock.clock();
    assert!(app::build_services(&settings, clock.clone()).await.is_err());
    allow_sealing(&service);
    service
        .wait_until("every key is resealed", async || {
            app::build_services(&settings, clock.clone()).await.is_ok()
        })
        .await;
}

/// Makes reading keys fail after the next key is stored.
fn forbid_reading_back(service: &Service) {
    service.run_sql(match DATABASE {
        Database::Sqlite => "CREATE TRIGGER gone AFTER INSERT ON keys BEGIN DELETE FROM issuance; END",
        Database::Postgresql => {
            "CREATE FUNCTION remove() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN DELETE FROM issuance; RETURN NULL; END $$;
             CREATE TRIGGER gone AFTER INSERT ON keys FOR EACH ROW EXECUTE FUNCTION remove()"
        }
    });
}

#[actix_web::test]
async fn a_command_that_has_stored_a_key_succeeds_also_when_it_cannot_read_it_back() {
    for (emergency, keys) in [(false, 2), (true, 1)] {
        let service = Service::start().await;
        let (operator, before) = (service.operator().await, service.get("/.well-known/jwks.json").await);
        forbid_reading_back(&service);
        if emergency {
            operator.maintenance.withdraw_signing_keys().await.unwrap();
        } else {
            operator.maintenance.rotate_signing_key().await.unwrap();
        }
        assert!(operator.maintenance.reload_keys().await.is_err());
        assert_eq!(service.count("keys WHERE purpose = 'access'"), keys);
        let old = before.json()["keys"][0]["kid"].as_str().unwrap().to_owned();
        assert_eq!(service.count(&format!("keys WHERE kid = '{old}'")), i64::from(!emergency));
    }
}

#[actix_web::test]
async fn concurrent_reloads_leave_no_older_key_set() {
    let service = Service::with(&[("AUTH__TOKENS__ALGORITHM", "EdDSA")]).await;
    let (one, other) = (Arc::new(service.operator().await), service.operator().await);
    let reload = || {
        let one = Arc::clone(&one);
        actix_web::rt::spawn(async move { one.maintenance.reload_keys().await })
    };
    for _ in 0..10 {
        let mut reloads: Vec<_> = (0..6).map(|_| reload()).collect();
        other.maintenance.withdraw_signing_keys().await.unwrap();
        reloads.extend((0..6).map(|_| reload()));
        for reload in reloads {
            reload.await.unwrap().unwrap();
        }
        assert_eq!(one.keyring.revision(), other.keyring.revision());
        assert_eq!(one.keyring.published().json, other.keyring.published().json);
    }
}
