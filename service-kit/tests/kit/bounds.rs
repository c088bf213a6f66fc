//! The bounds of the settings that both services have, read from the defaults that they document.

use serde::Deserialize;
use service_kit::settings::{Number, SettingsError, Variables, load};
use service_kit::{
    Capacity, CapacityError, Descriptors, HttpSettings, Listen, LogSettings, SocketSettings, StorageSettings,
    TlsSettings,
};

use crate::server::bounds;

/// The sections of the kit; a service has others beside them.
#[derive(Debug, Deserialize)]
struct Sections {
    http: HttpSettings,
    tls: TlsSettings,
    log: LogSettings,
    storage: StorageSettings,
    socket: SocketSettings,
}

const DEFAULTS: &str = include_str!("../../../resource-service/config.default.toml");

fn with(name: &str, value: &str) -> Result<Sections, SettingsError> {
    load("X", DEFAULTS, &[], &Variables::from([(name.to_owned(), value.to_owned())]))
}

#[test]
fn the_defaults_are_within_their_bounds() {
    let sections: Sections = load("X", DEFAULTS, &[], &Variables::new()).unwrap();
    sections.http.check().unwrap();
    sections.tls.check().unwrap();
    assert_eq!((sections.log.burst, sections.storage.min_free, sections.socket.mode), (100, 16 << 20, 0o600));
}

#[test]
fn every_number_and_every_duration_has_bounds_and_an_error_names_them_with_what_was_given() {
    let rows = [
        ("X__HTTP__WORKERS", "0", "1024", "-1", "1025"),
        ("X__HTTP__MAX_CONNECTIONS", "1", "1000000", "0", "1000001"),
        ("X__HTTP__MAX_CONNECTIONS_PER_ADDRESS", "1", "1000000", "0", "1000001"),
        ("X__HTTP__MAX_BODY_BYTES", "1024", "16777216", "1023", "16777217"),
        ("X__HTTP__MAX_TARGET_BYTES", "1024", "65536", "1023", "65537"),
        ("X__HTTP__MAX_HEADER_BYTES", "1024", "122880", "1023", "122881"),
        ("X__HTTP__MAX_HEADERS", "16", "96", "15", "97"),
        ("X__HTTP__BODY_TIMEOUT", "1s", "1h", "999ms", "2h"),
        ("X__HTTP__HEAD_TIMEOUT", "1s", "1h", "0s", "61m"),
        ("X__HTTP__KEEP_ALIVE", "1s", "1h", "0s", "61m"),
        ("X__HTTP__WRITE_TIMEOUT", "1s", "1h", "0s", "61m"),
        ("X__HTTP__CLOSE_TIMEOUT", "1s", "1h", "0s", "61m"),
        ("X__HTTP__SHUTDOWN_TIMEOUT", "1s", "1h", "0s", "2h"),
        ("X__TLS__POLL_INTERVAL", "10ms", "1h", "9ms", "2h"),
        ("X__TLS__HANDSHAKE_TIMEOUT", "10ms", "1m", "0s", "2m"),
        ("X__LOG__MAX_LINE_BYTES", "256", "65536", "255", "65537"),
        ("X__LOG__BURST", "1", "1000000", "0", "1000001"),
        ("X__LOG__PER_MINUTE", "1", "1000000", "0", "1000001"),
        ("X__LOG__REPORT_EVERY", "1s", "1h", "0s", "2h"),
        ("X__STORAGE__MIN_FREE", "0", "1099511627776", "-1", "1099511627777"),
    ];
    for (name, least, most, too_little, too_much) in rows {
        for allowed in [least, most] {
            with(name, allowed).unwrap_or_else(|error| panic!("{name}={allowed}: {error}"));
        }
        for refused in [too_little, too_much] {
            let error = with(name, refused).unwrap_err().to_string();
            assert!(error.contains(&format!("({name})")), "{error}");
            assert!(error.contains(&format!("{refused} is not between {least} and {most}")), "{error}");
            assert!(error.contains("the default is "), "{error}");
        }
    }
}

#[test]
fn durations_that_only_have_an_end_may_be_0() {
    for name in ["X__TLS__EXPIRY_WARNING", "X__TLS__HSTS_MAX_AGE"] {
        with(name, "0s").unwrap();
        let error = with(name, "3651d").unwrap_err().to_string();
        assert!(error.contains("3651d is not between 0s and 3650d"), "{error}");
    }
}

#[test]
fn a_value_of_another_type_is_answered_with_the_right_form() {
    for (name, value, form) in [
        ("X__HTTP__WORKERS", "many", "the default is 0"),
        ("X__HTTP__WORKERS", "1.5", "X__HTTP__WORKERS"),
        ("X__HTTP__KEEP_ALIVE", "soon", "such as 10s, 5m, 12h or 14d"),
        ("X__HTTP__KEEP_ALIVE", "15", "such as 10s, 5m, 12h or 14d"),
        ("X__HTTP__SHUTDOWN_TIMEOUT", "1500ms", "1500ms is not a number of whole seconds"),
        ("X__HTTP__TRUSTED_PROXIES", "10.0.0.0/99", "such as 10.0.0.0/8"),
        ("X__SOCKET__MODE", "660", ""),
        ("X__SOCKET__MODE", "rw", "such as \"0660\""),
        ("X__SOCKET__MODE", "0400", "from \"0600\" to \"0777\""),
        ("X__SOCKET__OWNER", ":", "such as auth, auth:www-data or :www-data"),
        ("X__TLS__KEY", "-----BEGIN PRIVATE KEY-----", "this is the path of a file"),
    ] {
        match with(name, value) {
            Ok(sections) => assert_eq!((value, sections.socket.mode), ("660", 0o660), "{name}"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(form) && error.contains(name), "{error}");
                assert!(!error.contains("BEGIN"), "{error}");
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Small {
    #[serde(with = "Number::<-5, 1000>")]
    byte: i8,
}

#[test]
fn a_number_that_does_not_fit_its_type_is_out_of_bounds() {
    let read = |value: &str| {
        load::<Small>("X", "byte = 0", &[], &Variables::from([("X__BYTE".to_owned(), value.to_owned())]))
    };
    assert_eq!((read("-5").unwrap().byte, read("127").unwrap().byte), (-5, 127));
    for value in ["-6", "128", "1001"] {
        let error = read(value).unwrap_err().to_string();
        assert!(error.contains(&format!("{value} is not between -5 and 1000")), "{error}");
    }
}

#[test]
fn a_head_may_not_be_larger_than_what_actix_reads() {
    let http = HttpSettings { max_target_bytes: 4 << 10, max_header_bytes: 120 << 10, ..bounds() };
    http.check().unwrap();
    let error = HttpSettings { max_target_bytes: (4 << 10) + 1, ..http }.check().unwrap_err().to_string();
    assert!(error.contains("`http.max_header_bytes`") && error.contains("http.max_target_bytes"), "{error}");
}

#[test]
fn plain_text_stays_on_the_loopback_unless_it_is_allowed_by_name() {
    let sections: Sections = load("X", DEFAULTS, &[], &Variables::new()).unwrap();
    let (http, plain) = (&sections.http, &sections.tls);
    let listen = |text: &str| text.parse::<Listen>().unwrap();
    for local in ["127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/run/a.sock", "127.9.9.9:1"] {
        http.check_listen(&listen(local), plain).unwrap();
    }
    let tls = TlsSettings { certificate: Some("a".into()), key: Some("b".into()), ..plain.clone() };
    let allowed = HttpSettings { allow_plain_text: true, ..http.clone() };
    for reachable in ["0.0.0.0:1", "[::]:1", ":1", "192.0.2.1:1"] {
        let error = http.check_listen(&listen(reachable), plain).unwrap_err().to_string();
        assert!(error.contains("`listen`") && error.contains("http.allow_plain_text"), "{error}");
        http.check_listen(&listen(reachable), &tls).unwrap();
        allowed.check_listen(&listen(reachable), plain).unwrap();
    }
}

#[test]
fn answers_without_end_have_at_most_half_of_all_connections() {
    let http = HttpSettings { workers: 2, max_connections: 10, ..bounds() };
    let capacity = Capacity::claim(&http, Descriptors { reserve: 0, per_connection: 1 }).unwrap();
    assert_eq!(capacity.connections(), 20);
    for (configured, streams) in [(0, 0), (10, 10), (11, 10), (1_000_000, 10)] {
        assert_eq!(capacity.streams(configured), streams);
    }
}

#[test]
fn a_service_that_needs_more_descriptors_than_there_can_be_is_told_what_to_raise() {
    let needs = Descriptors { reserve: usize::MAX / 2, per_connection: 1 };
    let error = Capacity::claim(&bounds(), needs).unwrap_err();
    let CapacityError::TooFewDescriptors { limit, needed, workers } = &error else { panic!("{error:?}") };
    assert!(needed > limit && *workers == 1, "{error:?}");
    assert!(error.to_string().contains("LimitNOFILE="), "{error}");
}
