//! Transactions lock the same rows in one order, so that no deadlock is possible. SQLite has a single writer; there these tests
//! check that the same requests succeed.

use std::time::Duration;

use auth_service::app::Services;
use auth_service::domain::accounts::import::{Import, Outcome};
use auth_service::domain::maintenance::MaintenanceRules;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::DATABASE;
use crate::api::administrators;
use crate::api::support::{Answer, PASSWORD, Service, Tokens, send};
use crate::database::{Database, postgresql};

/// bcrypt with cost 4 of [`PASSWORD`].
const HASH: &str = "$2b$04$oFKlZ3ENzEvFmT5CMwekBuVBDm2BElvtSpHmYpUTT7hjnI.L6EzTS";

/// Returns how often PostgreSQL detected a deadlock among the transactions of this service.
fn deadlocks(service: &Service) -> usize {
    if DATABASE == Database::Sqlite {
        return 0;
    }
    let url = &service.variables["AUTH__DATABASE_URL"];
    let name = url.trim_start_matches("postgres:///").split('?').next().unwrap();
    let log = postgresql::shared().log();
    let own = log.lines().filter(|line| line.starts_with(&format!("{name}:")));
    own.filter(|line| line.contains("deadlock detected")).count()
}

/// A transaction beside the service, like one of another replica.
struct Beside(PgConnection);

impl Beside {
    fn begin(service: &Service, statement: &str) -> Self {
        let mut connection = PgConnection::establish(&service.variables["AUTH__DATABASE_URL"]).unwrap();
        connection.batch_execute(&format!("BEGIN; SET LOCAL lock_timeout = '2s'; {statement}")).unwrap();
        Self(connection)
    }

    /// Returns whether it gets the locks of the statement without waiting.
    fn also(&mut self, statement: &str) -> bool {
        self.0.batch_execute(statement).is_ok()
    }

    fn end(mut self) {
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}

fn sid(tokens: &Tokens) -> String {
    tokens.claims()["sid"].as_str().unwrap().to_owned()
}

fn role() -> Vec<String> {
    vec!["subscriber".to_owned()]
}

#[actix_web::test]
async fn a_refresh_does_not_wait_for_a_rename_of_the_account() {
    let service = Service::start().await;
    let operator = service.operator().await;
    service.register("alice").await;
    let first = service.login("alice").await;
    // A session with reduced rights gets a status list index with its next refresh, or with a repeat of the last one.
    for _ in 0..2 {
        operator.accounts.change_roles("alice", role(), vec![]).await.unwrap();
        operator.accounts.change_roles("alice", vec![], role()).await.unwrap();
        let rename = "UPDATE users SET username = 'alicia' WHERE username = 'alice'";
        let renaming = (DATABASE == Database::Postgresql).then(|| Beside::begin(&service, rename));
        let next = service.refresh(&first.refresh).await;
        assert!(next.claims()["status"].is_object());
        if let Some(renaming) = renaming {
            renaming.end();
        }
    }
}

/// Operations that lock several sessions of an account.
const OPERATIONS: [&str; 6] =
    ["end other sessions", "rename", "new password", "delete", "fewer roles", "clean up"];

async fn perform(service: &Service, operator: &Services, how: &str, by: &Tokens) {
    let request = |method, path| service.request(method, path).bearer_auth(&by.access);
    let current = json!({ "current_password": PASSWORD });
    let status = match how {
        "end other sessions" => send(request(Method::DELETE, "/me/sessions")).await.status,
        "rename" => {
            let body = json!({ "current_password": PASSWORD, "username": "alicia" });
            send(request(Method::PATCH, "/me").json(&body)).await.status
        }
        "new password" => {
            let body = json!({ "current_password": PASSWORD, "new_password": "another long enough" });
            send(request(Method::PUT, "/me/password").json(&body)).await.status
        }
        "delete" => send(request(Method::DELETE, "/me").json(&current)).await.status,
        "fewer roles" => {
            operator.accounts.change_roles("alice", vec![], role()).await.unwrap();
            return;
        }
        "clean up" => {
            let second = Duration::from_secs(1);
            let rules = MaintenanceRules {
                poll_interval: second,
                clean_up: second,
                keep_ended: second,
                batch_size: 10,
                keep_audit: second,
            };
            operator.maintenance.clean_up(rules).await.unwrap();
            return;
        }
        other => unreachable!("{other}"),
    };
    assert!(status.is_success(), "{how}: {status}");
}

#[actix_web::test]
async fn transactions_lock_several_sessions_in_the_order_of_their_ids() {
    for how in OPERATIONS {
        let service = Service::start().await;
        service.register("alice").await;
        let operator = service.operator().await;
        operator.accounts.change_roles("alice", role(), vec![]).await.unwrap();
        let sessions = [service.login("alice").await, service.login("alice").await];
        let kept = service.login_here("alice").await;
        let [first, second] = sessions.map(|tokens| sid(&tokens));
        if how == "delete" {
            service.run_sql("UPDATE sessions SET ended_at = 1");
            service.run_sql(&format!("UPDATE sessions SET ended_at = NULL WHERE id = '{}'", sid(&kept)));
        }
        if how == "clean up" {
            service.run_sql("UPDATE sessions SET expires_at = 1");
            service.clock.advance(Duration::from_secs(3600)); // a process deletes nothing before that
        }
        if DATABASE == Database::Sqlite {
            perform(&service, &operator, how, &kept).await;
            continue;
        }
        // Now its row is stored after the other one, so that a scan reads it last.
        service.run_sql(&format!("UPDATE sessions SET number = number + 1000000 WHERE id = '{first}'"));
        let lock = |id: &str| format!("UPDATE sessions SET number = number WHERE id = '{id}'");
        let mut beside = Beside::begin(&service, &lock(&first));
        let check = async {
            let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            service
                .wait_until("the operation waits for the first session", async || service.count(waiting) > 0)
                .await;
            let free = beside.also(&lock(&second));
            beside.end();
            assert!(free, "{how}: it locked the second session while it waited for the first");
        };
        join(perform(&service, &operator, how, &kept), check).await;
        assert_eq!(deadlocks(&service), 0, "{how}");
    }
}

/// Makes a refresh lock its session for a while before its transaction continues, like a slow connection to the database. The
/// trigger's name sorts before those of foreign keys.
const SLOW_REFRESH: &str = r#"
    CREATE FUNCTION slow_refresh() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_sleep(0.03); RETURN NULL; END $$;
    CREATE TRIGGER "A_slow_refresh" AFTER UPDATE ON sessions FOR EACH ROW
        WHEN (OLD.generation <> NEW.generation) EXECUTE FUNCTION slow_refresh();"#;

/// The two alternating names of the account.
const NAMES: [&str; 2] = ["alice", "alicia"];

/// Refreshes a session repeatedly, and logs in again when it was ended.
async fn keep_refreshing(service: &Service, times: usize) -> Vec<Answer> {
    let (mut token, mut answers) = (String::new(), Vec::new());
    for turn in 0..times {
        let answer = if token.is_empty() {
            service.try_login(NAMES[turn % 2], PASSWORD).await
        } else {
            service.try_refresh(&token).await
        };
        let next = (answer.status == 200).then(|| answer.tokens().refresh);
        token = next.unwrap_or_default();
        answers.push(answer);
    }
    answers
}

/// Renames the account repeatedly in one session; beside each third rename, changes roles or ends all other sessions.
async fn keep_renaming(service: &Service, operator: &Services, access: &str, times: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for turn in 0..times {
        let rename = json!({ "username": NAMES[(turn + 1) % 2], "current_password": PASSWORD });
        let rename = service.send_as(Method::PATCH, "/me", access, &rename);
        match turn % 6 {
            1 | 4 => {
                let (add, remove) = if turn % 6 == 1 { (role(), vec![]) } else { (vec![], role()) };
                let change = join_all(
                    NAMES.map(|name| operator.accounts.change_roles(name, add.clone(), remove.clone())),
                );
                let (renamed, changed) = join(rename, change).await;
                assert!(changed.iter().all(Result::is_ok), "{changed:?}");
                answers.push(renamed);
            }
            5 => {
                let end = send(service.request(Method::DELETE, "/me/sessions").bearer_auth(access));
                answers.extend(<[Answer; 2]>::from(join(rename, end).await));
            }
            _ => answers.push(rename.await),
        }
    }
    answers
}

#[actix_web::test]
async fn concurrent_renames_refreshes_role_changes_and_logouts_cause_no_deadlock() {
    let service = Service::with(&[("AUTH__LIMITS__ENABLED", "false")]).await;
    let replica = service.replica().await;
    let operator = replica.operator().await;
    if DATABASE == Database::Postgresql {
        service.run_sql(SLOW_REFRESH);
    }
    service.register(NAMES[0]).await;
    let witness = service.login_here(NAMES[0]).await;
    let refreshing =
        (0..8).map(|index| keep_refreshing(if index % 2 == 0 { &service } else { &replica }, 30));
    let renaming = keep_renaming(&service, &operator, &witness.access, 24);
    let (answers, renamed) = join(join_all(refreshing), renaming).await;
    for answers in answers.iter().chain([&renamed]) {
        assert_no_server_error(answers);
    }
    let done = |answers: &[Answer]| answers.iter().filter(|answer| answer.status.is_success()).count();
    assert!(
        done(&renamed) > 8 && answers.iter().all(|answers| done(answers) > 8),
        "too few operations succeeded"
    );
    assert_eq!(deadlocks(&service), 0);
}

#[track_caller]
fn assert_no_server_error(answers: &[Answer]) {
    for answer in answers {
        assert!(answer.status.as_u16() < 500, "{}: {}", answer.status, answer.text);
    }
}

#[actix_web::test]
async fn concurrent_claims_of_the_same_names_cause_no_deadlock() {
    let service = Service::with(&[("AUTH__LIMITS__ENABLED", "false")]).await;
    let replica = service.replica().await;
    let admin = administrators::log_in(&service).await;
    for name in ["alice", "mallory"] {
        service.register(name).await;
    }
    let (alice, mallory) = (service.login("alice").await, service.login("mallory").await);
    for round in 0..4 {
        // The same accounts with their addresses reversed, imported from both ends.
        let line = |index: usize, mailbox: usize| {
            let (username, email) =
                (format!("u-{round}-{index}"), format!("m-{round}-{mailbox}@example.com"));
            json!({ "username": username, "password_hash": HASH, "email": email })
        };
        let forwards: Vec<Value> = (0..60).map(|index| line(index, index)).collect();
        let backwards: Vec<Value> = (0..60).rev().map(|index| line(index, 59 - index)).collect();
        let import = |by: &Service, lines: &[Value]| {
            let body = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
            let request = by.request(Method::POST, "/admin/users/import").bearer_auth(&admin.access);
            request.header("content-type", "application/x-ndjson").body(body)
        };
        let register = |index: usize| {
            let (username, email) =
                (format!("u-{round}-{index}"), format!("m-{round}-{}@example.com", index + 1));
            let body = json!({ "username": username, "password": PASSWORD, "email": email });
            replica.request(Method::POST, "/register").json(&body)
        };
        let rename = |by: &Service, tokens: &Tokens, to: &str| {
            let body = json!({ "username": to, "current_password": PASSWORD });
            by.request(Method::PATCH, "/me").bearer_auth(&tokens.access).json(&body)
        };
        let mut requests = vec![
            import(&service, &forwards),
            import(&replica, &backwards),
            rename(&service, &alice, "mallory"),
            rename(&replica, &mallory, "alice"),
        ];
        requests.extend((0..20).step_by(4).map(register));
        let answers = join_all(requests.into_iter().map(send)).await;
        assert_no_server_error(&answers);
        assert_eq!((answers[2].status.as_u16(), answers[3].status.as_u16()), (409, 409));
    }
    assert_eq!(deadlocks(&service), 0);
}

/// What a transaction beside an import locks, and which further locks it must then get without waiting.
const HELD: [(&str, &[&str]); 2] = [
    (
        "UPDATE users SET roles = roles WHERE username = 'first'",
        &["UPDATE users SET roles = roles WHERE username = 'second'", RAISE],
    ),
    (
        "UPDATE sessions SET number = number \
         WHERE user_id = (SELECT id FROM users WHERE username = 'first')",
        &[RAISE],
    ),
];
const RAISE: &str = "UPDATE status_lists SET revision = revision";

#[actix_web::test]
async fn an_import_that_frees_two_addresses_locks_no_list_while_it_waits_for_an_account() {
    for (held, free) in HELD {
        let service = Service::start().await;
        let mut losers = Vec::new();
        for username in ["first", "second"] {
            let email = format!("{username}@example.com");
            let body = json!({ "username": username, "password": PASSWORD, "email": email });
            assert_eq!(service.post("/register", &body).await.status, 201);
            losers.push(service.login(username).await);
        }
        // In the reverse order of their ids.
        let owner = |loser: &str| Import {
            username: format!("owner-of-{loser}"),
            password_hash: HASH.to_owned(),
            email: Some(format!("{loser}@example.com")),
            email_verified: true,
            ..Import::default()
        };
        let batch = ["second", "first"].map(|loser| Ok(owner(loser))).into();
        let operator = service.operator().await;
        let mut beside = (DATABASE == Database::Postgresql).then(|| Beside::begin(&service, held));
        let check = async {
            let Some(mut beside) = beside.take() else { return };
            let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            service.wait_until("the import waits", async || service.count(waiting) > 0).await;
            let got: Vec<bool> = free.iter().map(|statement| beside.also(statement)).collect();
            beside.end();
            assert!(got.iter().all(|got| *got), "{held}: {free:?}: {got:?}");
        };
        let (outcomes, ()) = join(operator.accounts.import(batch, None), check).await;
        let outcomes = outcomes.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Created(_))), "{outcomes:?}");
        assert_eq!(service.count("users WHERE email IS NOT NULL AND email_verified"), 2);
        assert_eq!((service.count("revocations"), deadlocks(&service)), (2, 0));
        for loser in losers {
            assert!(service.revokes(&loser).await, "its tokens had the address");
        }
    }
}

#[actix_web::test]
async fn an_operator_who_frees_an_address_takes_the_lock_of_names_first() {
    let service = Service::start().await;
    let body = json!({ "username": "alice", "password": PASSWORD, "email": "a@example.com" });
    assert_eq!(service.post("/register", &body).await.status, 201);
    let operator = service.operator().await;
    let names = "SELECT pg_advisory_xact_lock(1851878757)"; // "name"
    let mut beside = (DATABASE == Database::Postgresql).then(|| Beside::begin(&service, names));
    let check = async {
        let Some(mut beside) = beside.take() else { return };
        let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        service.wait_until("it waits for the lock of names", async || service.count(waiting) > 0).await;
        let got = beside.also("UPDATE users SET roles = roles");
        beside.end();
        assert!(got, "it locked the account");
    };
    let (freed, ()) = join(operator.accounts.free_email(Some("a@example.com".to_owned()), None), check).await;
    assert_eq!(freed.unwrap().holders.len(), 1);
    assert_eq!(deadlocks(&service), 0);
}
