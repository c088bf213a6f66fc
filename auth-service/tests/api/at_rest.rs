//! What an attacker gets from a copy of the database: no token, no secret and no password. A new database has no accounts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _};

use crate::api::support::{PASSWORD, Service};

const TABLES: [&str; 9] = [
    "users",
    "sessions",
    "keys",
    "issuance",
    "status_lists",
    "revocations",
    "clients",
    "guesses",
    "resting_names",
];

#[derive(QueryableByName)]
struct Dump {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

/// Returns all bytes of the database.
fn dump(service: &Service) -> Vec<u8> {
    let url = &service.variables["AUTH__DATABASE_URL"];
    if let Some(path) = url.strip_prefix("sqlite://") {
        let files = ["", "-wal"].map(|end| std::fs::read(format!("{path}{end}")).unwrap_or_default());
        return files.concat();
    }
    let mut connection = PgConnection::establish(url).unwrap();
    let mut rows = |table: &str| {
        let query = format!("SELECT coalesce(string_agg(t::text, '\n'), '') AS text FROM {table} t");
        diesel::sql_query(query).get_result::<Dump>(&mut connection).unwrap().text
    };
    TABLES.map(&mut rows).join("\n").into_bytes()
}

fn contains(dump: &[u8], part: impl AsRef<[u8]>) -> bool {
    dump.windows(part.as_ref().len()).any(|window| window == part.as_ref())
}

#[actix_web::test]
async fn a_copy_of_the_database_contains_no_usable_credential() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    let client = service.create_client("billing", &[], &[]).await;
    let wrong = "a wrong password of a user";
    service.try_login("alice", wrong).await.assert_problem(401, "invalid_credentials");
    let dump = dump(&service);
    for kept in ["alice", "$2b$04$", first.claims()["sid"].as_str().unwrap(), "billing"] {
        assert!(contains(&dump, kept), "the dump must contain {kept}");
    }
    let mut secrets = vec![PASSWORD.to_owned(), wrong.to_owned(), client.secret, service.master_key()];
    for tokens in [first, second] {
        let tag = URL_SAFE_NO_PAD.decode(&tokens.refresh["rt_".len()..]).unwrap();
        assert!(!contains(&dump, &tag[tag.len() - 32..]), "the MAC of a refresh token is not stored");
        secrets.push(tokens.refresh[tokens.refresh.len() - 40..].to_owned());
        secrets.push(tokens.access.rsplit_once('.').unwrap().1.to_owned());
    }
    for secret in secrets {
        assert!(!contains(&dump, secret.trim()), "{secret}");
    }
}

#[actix_web::test]
async fn a_new_database_has_no_accounts() {
    let service = Service::start().await;
    assert_eq!((service.count("users"), service.count("clients")), (0, 0));
    for name in ["admin", "root", "administrator", "test"] {
        for password in [name, "admin", "password", "changeme", PASSWORD] {
            service.try_login(name, password).await.assert_problem(401, "invalid_credentials");
        }
    }
}
