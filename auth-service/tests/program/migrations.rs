//! Migrations: applied, reverted and applied again; by several programs concurrently; older programs and newer databases.

use std::path::{Path, PathBuf};
use std::time::Duration;

use auth_service::store::engine::store::{Store, StoreLimits};
use auth_service::store::error::StoreError;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};
use tempfile::TempDir;

use crate::database::Database;
use crate::process::{Running, program};

const BOTH: [Database; 2] = [Database::Sqlite, Database::Postgresql];
const LIMITS: StoreLimits =
    StoreLimits { pool_size: 2, timeout: Duration::from_secs(10), write_queue: 64, write_group: 8 };

fn fresh(database: Database) -> (String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (database.fresh_url(folder.path()), folder)
}

/// Runs SQL beside the program, like an operator.
fn run_sql(url: &str, sql: &str) {
    match url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(sql).unwrap(),
        None => PgConnection::establish(url).unwrap().batch_execute(sql).unwrap(),
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// Returns the definitions of all tables and indexes, sorted.
fn schema(url: &str) -> Vec<String> {
    let sqlite = "SELECT coalesce(sql, name) AS line FROM sqlite_master ORDER BY 1";
    let postgresql = "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, collation_name) AS line \
                      FROM information_schema.columns WHERE table_schema = 'public' \
                      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";
    let lines: Vec<Line> = match url.strip_prefix("sqlite://") {
        Some(path) => {
            diesel::sql_query(sqlite).load(&mut SqliteConnection::establish(path).unwrap()).unwrap()
        }
        None => diesel::sql_query(postgresql).load(&mut PgConnection::establish(url).unwrap()).unwrap(),
    };
    lines
        .into_iter()
        .map(|line| line.line)
        .filter(|line| !line.contains("__diesel_schema_migrations"))
        .collect()
}

fn revert(url: &str, count: usize) -> Vec<String> {
    Store::revert(&url.to_owned().into(), count, LIMITS, |_, _| Ok::<_, StoreError>(())).unwrap()
}

#[test]
fn each_migration_can_be_applied_reverted_and_applied_again() {
    for database in BOTH {
        let (url, _folder) = fresh(database);
        Store::open(&url.clone().into(), LIMITS).unwrap();
        let made = schema(&url);
        assert!(!made.is_empty());
        // One at a time: after each, applying it again gives the same tables.
        for count in 1.. {
            let reverted = revert(&url, count);
            let all = reverted.len() < count || schema(&url).is_empty();
            Store::open(&url.clone().into(), LIMITS).unwrap();
            assert_eq!(schema(&url), made, "{database:?}: {reverted:?} and applied again");
            if all {
                break;
            }
        }
        revert(&url, usize::MAX);
        assert_eq!(schema(&url), Vec::<String>::new(), "nothing is left behind");
    }
}

#[test]
fn programs_that_start_concurrently_on_an_empty_database_all_succeed() {
    for database in BOTH {
        let (url, folder) = fresh(database);
        let start = || program(folder.path()).env("AUTH__DATABASE_URL", &url).arg("migrate").spawn().unwrap();
        let programs: Vec<_> = (0..6).map(|_| start()).collect();
        for mut program in programs {
            assert!(program.wait().unwrap().success(), "{database:?}");
        }
    }
}

#[actix_web::test]
async fn services_that_start_concurrently_agree_on_their_keys() {
    for database in BOTH {
        let (url, folder) = fresh(database);
        let start = || {
            let mut command = program(folder.path());
            command.env("AUTH__DATABASE_URL", &url);
            std::thread::spawn(move || Running::start(&mut command))
        };
        let starting: Vec<_> = (0..4).map(|_| start()).collect();
        let mut sets = Vec::new();
        for service in starting {
            let service = service.join().unwrap();
            let keys = reqwest::get(format!("{}/.well-known/jwks.json", service.address)).await.unwrap();
            sets.push(keys.text().await.unwrap());
        }
        sets.dedup();
        assert_eq!(sets.len(), 1, "{database:?}");
    }
}

#[test]
fn a_newer_database_is_refused_unless_all_that_is_new_is_additive() {
    for database in BOTH {
        let (url, folder) = fresh(database);
        let open = || Store::open(&url.clone().into(), LIMITS);
        open().unwrap();
        let newer = |version: &str| {
            run_sql(&url, &format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"));
        };
        newer("9998additive");
        open().unwrap();
        newer("9999");
        let error = open().unwrap_err();
        assert!(matches!(&error, StoreError::Schema(text) if text.contains("9999")), "{error}");
        for command in ["serve", "migrate"] {
            let output =
                program(folder.path()).env("AUTH__DATABASE_URL", &url).arg(command).output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(text.contains("newer than this program") && text.contains("9999"), "{text}");
        }
    }
}

/// Returns `examples/next_version.rs`: this program with one further, additive migration, like a next version.
fn next_version(data: &Path) -> std::process::Command {
    let this = PathBuf::from(env!("CARGO_BIN_EXE_auth-service"));
    let next = this.parent().unwrap().join("examples").join("next_version");
    let mut command = std::process::Command::new(&next);
    assert!(next.exists(), "cargo builds examples with the tests: {}", next.display());
    let this = program(data);
    command.env_clear().envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[actix_web::test]
async fn replicas_are_upgraded_and_rolled_back_one_by_one() {
    for database in BOTH {
        let (url, folder) = fresh(database);
        let old = || Running::start(program(folder.path()).env("AUTH__DATABASE_URL", &url));
        let new = || Running::start(next_version(folder.path()).env("AUTH__DATABASE_URL", &url));
        let check = async |one: &Running, other: &Running, name: &str| {
            assert_eq!(one.register(name).await, Some(201), "{database:?}");
            let (status, tokens) = other.login(name).await;
            assert_eq!(status, 200);
            assert_eq!(one.refresh(tokens["refresh_token"].as_str().unwrap()).await.unwrap().0, 200);
        };
        let (first, second) = (old(), old());
        check(&first, &second, "before").await;
        drop(second);
        let second = new();
        assert!(schema(&url).join("\n").contains("display_name"), "the new version has migrated");
        check(&first, &second, "old-to-new").await;
        check(&second, &first, "new-to-old").await;
        drop(first);
        let first = new();
        check(&first, &second, "after").await;
        // Rolled back: an older program starts on the newer tables.
        drop(first);
        let first = old();
        check(&first, &second, "rolled-back").await;
    }
}

#[actix_web::test]
async fn addresses_from_older_versions_are_rewritten_or_reported_and_none_is_lost() {
    for database in BOTH {
        let (url, folder) = fresh(database);
        let open = || Store::open(&url.clone().into(), LIMITS);
        open().unwrap();
        let addresses =
            ["alone@bücher.example", "ceo@bank.example", "ceo@ｂank.example", "ﬁnance@bank.example"];
        for (index, address) in addresses.iter().enumerate() {
            run_sql(
                &url,
                &format!(
                    "INSERT INTO users (id, username, email, email_verified, password_hash, roles, disabled, \
                     auth_version, created_at) VALUES ('id-{index}', 'user-{index}', '{address}', TRUE, '', '', FALSE, 0, 0)"
                ),
            );
        }
        let migrate = |log: &str| {
            let mut command = program(folder.path());
            let output = command.env("AUTH__DATABASE_URL", &url).env("RUST_LOG", log).arg("migrate").output();
            let output = output.unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (text(output.stdout), text(output.stderr))
        };
        let (out, log) = migrate("info");
        assert!(
            out.contains(
                "addresses: 1 written in the canonical spelling, 1 that another account has too, 1 that are not valid"
            ),
            "{out}"
        );
        for said in [
            "1 addresses are stored in the ASCII form",
            "account user-2 (id-2): the address is another spelling",
            "account user-3 (id-3): the address is not one by the rules of today",
        ] {
            assert!(log.contains(said), "{said:?} is not in {log}");
        }
        assert!(!log.contains("@bank.example"), "addresses stay out of the log: {log}");
        let (out, _) = migrate("off");
        assert!(
            out.contains("addresses: 0 written in the canonical spelling, 1 that"),
            "it is reported until it is resolved: {out}"
        );
        let stored = |email: &str| {
            let query = diesel::sql_query(format!("SELECT id AS line FROM users WHERE email = '{email}'"));
            let found: Vec<Line> = match url.strip_prefix("sqlite://") {
                Some(path) => query.load(&mut SqliteConnection::establish(path).unwrap()),
                None => query.load(&mut PgConnection::establish(&url).unwrap()),
            }
            .unwrap();
            found.len()
        };
        for email in [&["alone@xn--bcher-kva.example"], &addresses[1..]].concat() {
            assert_eq!(stored(email), 1, "{email}");
        }
        // A service reports it as well, before it listens.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().map(|address| (address.to_string(), taken)).unwrap();
        let mut service = program(folder.path());
        let output = service.env("AUTH__DATABASE_URL", &url).env("AUTH__LISTEN", &taken.0).output();
        let log = String::from_utf8(output.unwrap().stderr).unwrap();
        assert!(log.contains("account user-2 (id-2): the address is another spelling"), "{log}");
    }
}
