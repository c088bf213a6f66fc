//! The store alone: transactions on both databases.

use std::time::Duration;

use auth_service::store::engine::store::{Store, StoreLimits};
use auth_service::store::error::{StoreError, Unique};
use auth_service::store::sessions;
use auth_service::store::sessions::{Rotation, Session};
use auth_service::store::users;
use auth_service::store::users::{Login, User};
use tempfile::TempDir;

use crate::DATABASE;

struct Fresh {
    store: Store,
    _folder: TempDir,
}

fn fresh() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let limits =
        StoreLimits { pool_size: 4, timeout: Duration::from_secs(10), write_queue: 64, write_group: 8 };
    let store = Store::open(&DATABASE.fresh_url(folder.path()).into(), limits).unwrap();
    Fresh { store, _folder: folder }
}

fn user(name: &str) -> User {
    User {
        id: format!("id-of-{name}"),
        username: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified: false,
        password_hash: "$2b$04$".to_owned(),
        roles: "admin subscriber".to_owned(),
        disabled: false,
        auth_version: 0,
        created_at: 1,
    }
}

fn session(id: &str, user: &User) -> Session {
    Session {
        id: id.to_owned(),
        user_id: user.id.clone(),
        audience: "a b".to_owned(),
        generation: 0,
        rotated_at: 1,
        created_at: 1,
        last_used_at: 1,
        expires_at: 100,
        absolute_expires_at: 200,
        ended_at: None,
        ip: None,
        user_agent: Some("curl".to_owned()),
        status_index: None,
    }
}

fn rotation() -> Rotation {
    Rotation { generation: 0, now: 50, expires_at: 150, absolute_expires_at: 200, ip: None, user_agent: None }
}

async fn exists(store: &Store, name: &str) -> bool {
    let login = Login::Username(name.to_owned());
    store.read(move |db| users::find(db, &login)).await.unwrap().is_some()
}

#[actix_web::test]
async fn a_failed_transaction_changes_nothing() {
    let Fresh { store, _folder } = fresh();
    let outcome: Result<(), StoreError> = store
        .write(|db| {
            users::insert(db, &user("alice"))?;
            users::insert(db, &user("alice"))
        })
        .await;
    assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}");
    assert!(!exists(&store, "alice").await);
}

#[actix_web::test]
async fn a_swallowed_error_never_passes_for_a_commit() {
    let Fresh { store, _folder } = fresh();
    let outcome: Result<(), StoreError> = store
        .write(|db| {
            users::insert(db, &user("alice"))?;
            let _ = users::insert(db, &user("alice")); // here PostgreSQL aborts the transaction without an error
            Ok(())
        })
        .await;
    assert_eq!(outcome.is_ok(), exists(&store, "alice").await, "the outcome must match what is stored");
}

#[actix_web::test]
async fn a_panic_in_a_transaction_affects_no_other() {
    let Fresh { store, _folder } = fresh();
    for _ in 0..10 {
        let outcome: Result<(), StoreError> = store
            .write(|db| {
                users::insert(db, &user("alice"))?;
                panic!("on purpose")
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::Query(_))), "{outcome:?}");
    }
    store.write(|db| users::insert(db, &user("bob"))).await.unwrap();
    assert!(exists(&store, "bob").await && !exists(&store, "alice").await);
}

#[actix_web::test]
async fn concurrent_writes_are_all_stored_and_failures_affect_no_other() {
    let Fresh { store, _folder } = fresh();
    let writes = (0..60).map(|index| {
        let store = store.clone();
        async move { store.write(move |db| users::insert(db, &user(&format!("user-{}", index / 2)))).await }
    });
    let outcomes = futures_util::future::join_all(writes).await;
    let conflicts = outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::Conflict(_)))).count();
    assert_eq!((outcomes.iter().filter(|outcome| outcome.is_ok()).count(), conflicts), (30, 30));
}

#[actix_web::test]
async fn a_conflict_says_what_is_taken() {
    let Fresh { store, _folder } = fresh();
    store.write(|db| users::insert(db, &user("alice"))).await.unwrap();
    let mut same_name = user("alice");
    same_name.id = "another".to_owned();
    same_name.email = None;
    let mut same_address = user("bob");
    same_address.email = Some("alice@example.com".to_owned());
    for (row, taken) in [(same_name, Unique::Username), (same_address, Unique::Email)] {
        let outcome = store.write(move |db| users::insert(db, &row)).await;
        assert!(matches!(outcome, Err(StoreError::Conflict(what)) if what == taken), "{outcome:?}");
    }
}

#[actix_web::test]
async fn exactly_one_of_many_rotations_wins() {
    let Fresh { store, _folder } = fresh();
    let alice = user("alice");
    let first = session("s", &alice);
    store
        .write(move |db| users::insert(db, &alice).and_then(|()| sessions::insert(db, &first)))
        .await
        .unwrap();
    let rotations = (0..40).map(|_| {
        let store = store.clone();
        async move { store.write(|db| sessions::rotate(db, "s", &rotation(), None, false)).await.unwrap() }
    });
    let won = futures_util::future::join_all(rotations).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    let (session, _) = store.read(|db| sessions::with_user(db, "s")).await.unwrap().unwrap();
    assert_eq!((session.generation, session.rotated_at, session.expires_at), (1, 50, 150));
    assert_eq!(session.status_index, None, "no index was leased");
}

#[actix_web::test]
async fn an_ended_session_does_not_rotate() {
    let Fresh { store, _folder } = fresh();
    let alice = user("alice");
    let sessions_of_alice = [session("expired", &alice), session("ended", &alice)];
    store.write(move |db| users::insert(db, &alice)).await.unwrap();
    for mut row in sessions_of_alice {
        match row.id.as_str() {
            "expired" => row.expires_at = 50,
            _ => row.ended_at = Some(10),
        }
        let id = row.id.clone();
        store.write(move |db| sessions::insert(db, &row)).await.unwrap();
        assert!(!store.write(move |db| sessions::rotate(db, &id, &rotation(), None, false)).await.unwrap());
    }
    assert!(store.write(|db| sessions::end(db, "expired", 60)).await.unwrap().is_some());
    assert!(store.write(|db| sessions::end(db, "expired", 60)).await.unwrap().is_none(), "once");
}

#[actix_web::test]
async fn sqlite_is_built_with_the_flags_that_let_readers_scale() {
    use diesel::prelude::*;
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    let options: Vec<String> = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(
        "compile_options FROM pragma_compile_options",
    ))
    .load(&mut connection)
    .unwrap();
    assert!(options.contains(&"DEFAULT_MEMSTATUS=0".to_owned()), "see .cargo/config.toml: {options:?}");
    assert!(!options.contains(&"ENABLE_MEMORY_MANAGEMENT".to_owned()), "see .cargo/config.toml");
}

#[actix_web::test]
async fn a_number_selects_one_account_and_all_accounts_equally_often() {
    let Fresh { store, _folder } = fresh();
    let chosen = async |number: u32| store.read(move |db| users::chosen_by(db, number)).await.unwrap();
    assert_eq!(chosen(7).await, None, "without accounts nothing is selected");
    for (name, end) in [("bob", "40000000"), ("dora", "7fffffff"), ("erik", "c0ffee00")] {
        let id = format!("0198a0c4-0000-7000-8000-0000{end}");
        let account = User { id, password_hash: format!("hash of {name}"), ..user(name) };
        store.write(move |db| users::insert(db, &account)).await.unwrap();
    }
    let rows = [
        (0, "bob"),
        (0x4000_0000, "bob"),
        (0x4000_0001, "dora"),
        (0x8000_0000, "erik"),
        (0xc0ff_ee00, "erik"),
        (0xc0ff_ee01, "bob"),
        (u32::MAX, "bob"),
    ];
    for (number, expected) in rows {
        let hash = chosen(number).await.map(|(_, hash)| hash);
        assert_eq!(hash, Some(format!("hash of {expected}")), "{number:x}");
    }
}
