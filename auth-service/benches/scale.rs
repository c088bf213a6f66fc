//! Compares a large database with a small one: a million users with two million sessions, and a thousand users with two
//! thousand, on SQLite and on PostgreSQL. Rounds of both alternate in one run.
//!
//!     cargo bench -p auth-service --bench scale
//!
//! Only ratios within one run are meaningful. The hash is bcrypt at cost 4, so that a login consists mostly of database work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and panics on failure"
)]

#[path = "../tests/database/mod.rs"]
mod database;

use std::time::{Duration, Instant};

use auth_service::app;
use auth_service::app::Services;
use auth_service::domain::accounts::list::UserQuery;
use auth_service::domain::keyring::RefreshToken;
use auth_service::domain::sessions::csrf::Carried;
use auth_service::domain::sessions::device::Device;
use auth_service::domain::sessions::login::LoginRequest;
use auth_service::domain::sessions::refresh::RefreshRequest;
use auth_service::domain::tokens::size::Transport;
use auth_service::settings::Settings;
use auth_service::store::users::Login;
use database::Database;
use database::postgresql::Server;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};
use service_kit::settings::Variables;
use shared_claims::verifier::Clock;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery";
const SIZES: [u64; 2] = [1_000, 1_000_000];
const ROUNDS: usize = 9;
const CALLS: u64 = 200;

/// The measured operations.
const CASES: [&str; 5] = ["login", "refresh", "list: first page", "list: middle page", "list: search"];

struct Filled {
    issuer: Services,
    users: u64,
    /// Times of the case that is being measured.
    calls: u64,
    _folder: TempDir,
}

#[actix_web::main]
async fn main() {
    let server = Server::start(5432, "-c max_wal_size=8GB", |_| ());
    for database in [Database::Sqlite, Database::Postgresql] {
        let mut filled = Vec::new();
        for users in SIZES {
            filled.push(fill(database, &server, users).await);
        }
        println!("\n{database:?}: microseconds per call, median of {ROUNDS} rounds of {CALLS}");
        println!("{:<18} {:>10} {:>12} {:>7}", "", "1,000", "1,000,000", "ratio");
        for case in CASES {
            for database in &mut filled {
                database.calls = 0;
            }
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (database, times) in filled.iter_mut().zip(&mut times) {
                    times.push(database.measure(case).await);
                }
            }
            let [small, large] = times.map(median);
            println!("{case:<18} {small:>10.0} {large:>12.0} {:>7.2}", large / small);
        }
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

impl Filled {
    /// Returns the time of one call, averaged over a round.
    async fn measure(&mut self, case: &str) -> Duration {
        let begin = Instant::now();
        for _ in 0..CALLS {
            // The same number of users in both databases, spread over all of it: this compares the depth of the tables and
            // their indexes, not how much of them the machine caches.
            let (round, place) = (self.calls / SIZES[0], self.calls % SIZES[0]);
            self.call(case, place * (self.users / SIZES[0]), round).await;
            self.calls += 1;
        }
        begin.elapsed() / u32::try_from(CALLS).unwrap()
    }

    /// `round` is the number of earlier calls for this user.
    async fn call(&self, case: &str, number: u64, round: u64) {
        let name = format!("user-{number:07}");
        let list = |search: &str, cursor: &str| UserQuery {
            search: search.to_owned(),
            cursor: cursor.to_owned(),
            limit: 50,
        };
        match case {
            "login" => {
                let login = Login::Username(name);
                let request = LoginRequest {
                    login,
                    password: PASSWORD.to_owned().into(),
                    resource: Vec::new(),
                    carried: Carried::default(),
                    transport: Transport::Body,
                };
                self.issuer.login.login(request, Device::default()).await.unwrap();
            }
            "refresh" => {
                let token =
                    RefreshToken { session_id: id(2 * number), generation: i64::try_from(round).unwrap() };
                let refresh_token = self.issuer.keyring.encode_refresh_token(&token, 0).unwrap().into();
                let request = RefreshRequest {
                    refresh_token,
                    csrf_token: None,
                    scope: None,
                    resource: Vec::new(),
                    transport: Transport::Body,
                };
                self.issuer.sessions.refresh(request, Device::default()).await.unwrap();
            }
            "list: first page" => drop(self.issuer.accounts.list_users(list("", "")).await.unwrap()),
            "list: middle page" => drop(self.issuer.accounts.list_users(list("", &name)).await.unwrap()),
            _ => {
                let found = self.issuer.accounts.list_users(list(&format!("{name}@ex"), "")).await.unwrap();
                assert_eq!(found.users.len(), 1);
            }
        }
    }
}

fn id(number: u64) -> String {
    format!("{number:08x}-0000-7000-8000-{number:012x}")
}

async fn fill(database: Database, server: &Server, users: u64) -> Filled {
    let folder = tempfile::tempdir().unwrap();
    let url = match database {
        Database::Sqlite => database.fresh_url(folder.path()),
        Database::Postgresql => server.fresh_database(),
    };
    let variables = Variables::from([
        ("AUTH__DATA_DIR".to_owned(), folder.path().to_str().unwrap().to_owned()),
        ("AUTH__DATABASE_URL".to_owned(), url.clone()),
        ("AUTH__PASSWORDS__BCRYPT_COST".to_owned(), "4".to_owned()),
    ]);
    let issuer = app::build_services(&Settings::load(&variables).unwrap(), Clock::system()).await.unwrap();
    let hash = bcrypt::non_truncating_hash(PASSWORD, 4).unwrap();
    let now = Clock::system().now();
    let begin = Instant::now();
    let (numbers, id) = match database {
        Database::Sqlite => (
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})",
            "printf('%08x-0000-7000-8000-%012x', {i}, {i})",
        ),
        Database::Postgresql => (
            "WITH n(i) AS (SELECT generate_series(0, {count} - 1))",
            "lpad(to_hex({i}), 8, '0') || '-0000-7000-8000-' || lpad(to_hex({i}), 12, '0')",
        ),
    };
    let numbers = |count: u64| numbers.replace("{count}", &count.to_string());
    let id = |expression: &str| id.replace("{i}", expression);
    let name = match database {
        Database::Sqlite => "printf('user-%07d', i)",
        Database::Postgresql => "'user-' || lpad(i::text, 7, '0')",
    };
    run_sql(&url, &format!(
        "INSERT INTO users (id, username, email, email_verified, password_hash, roles, disabled, auth_version, created_at)
         {} SELECT {}, {name}, {name} || '@example.com', false, '{hash}', '', false, 0, {now} FROM n",
        numbers(users), id("i"),
    ));
    run_sql(&url, &format!(
        "INSERT INTO sessions (id, user_id, audience, generation, rotated_at, created_at, last_used_at, expires_at, absolute_expires_at, number)
         {} SELECT {}, {}, 'resource-service', 0, {now}, {now}, {now}, {now} + 1000000, {now} + 1000000, i + 1000000 FROM n",
        numbers(2 * users), id("i"), id("(i / 2)"),
    ));
    if database == Database::Postgresql {
        run_sql(&url, "VACUUM ANALYZE"); // what autovacuum does a minute later
    }
    println!("filled {database:?} with {users} users in {:.0} s", begin.elapsed().as_secs_f64());
    if users == SIZES[1] {
        explain(&url);
    }
    Filled { issuer, users, calls: 0, _folder: folder }
}

fn run_sql(url: &str, sql: &str) {
    match url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(sql).unwrap(),
        None => PgConnection::establish(url).unwrap().batch_execute(sql).unwrap(),
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PlanLine {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    plan: String,
}

/// Prints the database's own query plans.
fn explain(url: &str) {
    let some = id(1_234);
    let queries = [
        "SELECT * FROM users WHERE username = 'user-0001234'".to_owned(),
        "SELECT * FROM users WHERE email = 'user-0001234@example.com'".to_owned(),
        "SELECT password_hash FROM users WHERE substr(id, 29) >= '80000000' ORDER BY substr(id, 29) LIMIT 1".to_owned(),
        format!("SELECT * FROM sessions INNER JOIN users ON users.id = sessions.user_id WHERE sessions.id = '{some}'"),
        format!("UPDATE sessions SET generation = 1 WHERE id = '{some}' AND generation = 0 AND ended_at IS NULL AND expires_at > 1"),
        "SELECT * FROM users WHERE username >= 'user-05' AND username < '\u{10ffff}' ORDER BY username LIMIT 51".to_owned(),
        "SELECT * FROM users WHERE email >= 'user-05@' AND email < 'user-05@\u{10ffff}' ORDER BY email LIMIT 51".to_owned(),
        format!("SELECT id, expires_at, rotated_at FROM sessions WHERE id > '{some}' ORDER BY id LIMIT 500"),
        format!("UPDATE sessions SET ended_at = 1 WHERE user_id = '{some}' AND ended_at IS NULL"),
        format!("SELECT * FROM sessions WHERE user_id = '{some}' AND ended_at IS NULL AND expires_at > 1 AND id < '~' ORDER BY id DESC LIMIT 51"),
        "SELECT id FROM sessions WHERE number >= 131072 AND number < 262144 LIMIT 1".to_owned(),
        "SELECT number FROM revocations WHERE number >= 131072 AND number < 262144 AND until > 1".to_owned(),
    ];
    for query in queries {
        println!("  {query}");
        let plan: Vec<String> = if let Some(path) = url.strip_prefix("sqlite://") {
            let mut connection = SqliteConnection::establish(path).unwrap();
            let lines = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}"))
                .load::<Line>(&mut connection)
                .unwrap();
            lines.into_iter().map(|line| line.detail).collect()
        } else {
            let mut connection = PgConnection::establish(url).unwrap();
            let lines = diesel::sql_query(format!("EXPLAIN (COSTS OFF) {query}"))
                .load::<PlanLine>(&mut connection)
                .unwrap();
            lines.into_iter().map(|line| line.plan).collect()
        };
        for line in plan {
            println!("      {line}");
        }
    }
}
