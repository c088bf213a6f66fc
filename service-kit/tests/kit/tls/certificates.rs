//! The files of a certificate: their changes, warnings about them, and errors in them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use actix_web::rt;
use rcgen::KeyPair;
use service_kit::{Tls, TlsSettings};
use tokio::time::timeout;

use super::support::{DAY, Files, NEVER, NOW, OFTEN, certificate_of, connect, serve, start};
use crate::client::{PATIENCE, request, talk};
use crate::logged;
use crate::server::bounds;

#[actix_web::test]
async fn a_new_certificate_is_used_for_new_handshakes_and_open_connections_continue() {
    logged::start();
    let files = Files::new();
    let address = start(&files, OFTEN);
    let open = connect(&files, address).await;
    let new = files.renew(365);
    let line = logged::next(&format!("uses the new certificate in {}", files.about())).await;
    assert!(line.starts_with("INFO "), "{line}");
    assert_eq!(certificate_of(&connect(&files, address).await), new);
    assert_ne!(certificate_of(&open), new);
    assert_eq!(talk(open, &request("GET /hello", &[], "")).await.body, "hello");
}

#[actix_web::test]
async fn files_that_do_not_change_are_not_taken_over_again() {
    logged::start();
    let files = Files::new();
    let address = start(&files, Duration::from_millis(10));
    let first = certificate_of(&connect(&files, address).await);
    rt::time::sleep(OFTEN * 4).await;
    fs::write(files.certificate(), fs::read(files.certificate()).unwrap()).unwrap();
    rt::time::sleep(OFTEN * 4).await;
    assert_eq!(logged::lines(&files.about()), [""; 0]);
    assert_eq!(certificate_of(&connect(&files, address).await), first);
}

#[actix_web::test]
async fn an_unusable_certificate_or_key_never_replaces_a_usable_one_and_is_reported_once() {
    logged::start();
    let files = Files::new();
    let address = start(&files, Duration::from_millis(10));
    let good = certificate_of(&connect(&files, address).await);
    let key = fs::read_to_string(files.key()).unwrap();
    let broken: [(&str, &dyn Fn()); 4] = [
        ("is not the key of the certificate", &|| {
            files.write_key(&KeyPair::generate().unwrap().serialize_pem());
        }),
        ("has no private key", &|| files.write_key("nothing")),
        ("cannot read the key", &|| fs::remove_file(files.key()).unwrap()),
        ("has no X.509 certificate", &|| {
            fs::write(files.certificate(), "").unwrap();
            files.write_key(&key);
        }),
    ];
    for (reason, breaks) in broken {
        breaks();
        let wanted = |line: &String| line.contains(reason);
        let waiting = async {
            while !logged::lines(&files.about()).iter().any(wanted) {
                rt::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("{reason}: {:?}", logged::lines(&files.about())));
        rt::time::sleep(OFTEN * 2).await; // it is looked at some more times
        let lines: Vec<_> = logged::lines(&files.about()).into_iter().filter(wanted).collect();
        let [line] = &lines[..] else { panic!("{reason}: {lines:?}") };
        assert!(line.starts_with("ERROR ") && !line.contains("PRIVATE"), "{line}");
        assert_eq!(certificate_of(&connect(&files, address).await), good, "{reason}");
    }
    let new = files.renew(365);
    logged::next(&format!("uses the new certificate in {}", files.about())).await;
    assert_eq!(certificate_of(&connect(&files, address).await), new);
}

#[actix_web::test]
async fn the_log_warns_once_a_day_of_a_certificate_that_expires_soon() {
    logged::start();
    let files = Files::new();
    files.renew(10);
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    serve(&files.settings(Duration::from_millis(10)), &bounds(), move || clock.load(Ordering::Relaxed));
    let about = format!("the certificate in {}", files.certificate().display());
    assert_eq!(logged::next(&about).await, format!("WARN {about} expires in 10 days"));
    rt::time::sleep(OFTEN * 4).await;
    assert_eq!(logged::lines(&about), [""; 0], "it was said today");
    now.fetch_add(DAY, Ordering::Relaxed);
    assert_eq!(logged::next(&about).await, format!("WARN {about} expires in 9 days"));
    now.fetch_add(10 * DAY, Ordering::Relaxed);
    assert_eq!(logged::next(&about).await, format!("ERROR {about} has expired"));
    files.renew(100);
    logged::next("uses the new certificate in ").await;
    rt::time::sleep(OFTEN * 2).await;
    assert_eq!(logged::lines(&format!("{about} ")), [""; 0], "the new one lasts");
}

#[actix_web::test]
async fn a_certificate_that_lasts_is_not_warned_of_and_a_key_that_others_may_read_is() {
    logged::start();
    let files = Files::new();
    files.renew(15);
    fs::set_permissions(files.key(), fs::Permissions::from_mode(0o644)).unwrap();
    start(&files, Duration::from_millis(10));
    rt::time::sleep(OFTEN * 2).await;
    let lines = logged::lines(&files.about());
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.contains("others may read the key") && line.contains("its mode is 644"), "{line}");
}

#[actix_web::test]
async fn files_that_cannot_be_used_are_an_error_of_their_setting_that_shows_nothing_of_a_key() {
    let files = Files::new();
    let other = files.folder.path().join("other.pem");
    fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let (certificate, key, nowhere) =
        (files.certificate(), files.key(), PathBuf::from("/does/not/exist.pem"));
    let pem = fs::read_to_string(&key).unwrap();
    let rows: [(&Path, &Path, &str); 5] = [
        (&nowhere, &key, "`tls.certificate`: cannot read the certificate /does/not/exist.pem"),
        (&certificate, &nowhere, "`tls.key`: cannot read the key /does/not/exist.pem"),
        (&key, &key, "`tls.certificate`: "),
        (&certificate, &certificate, "`tls.key`: "),
        (&certificate, &other, "is not the key of the certificate"),
    ];
    for (certificate, key, reason) in rows {
        let pair = (Some(certificate.to_owned()), Some(key.to_owned()));
        let settings = TlsSettings { certificate: pair.0, key: pair.1, ..files.settings(NEVER) };
        let error = Tls::open(&settings, Box::new(|| NOW)).err().unwrap().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
        assert!(!error.contains("PRIVATE") && !error.contains(pem.lines().nth(1).unwrap()), "{error}");
    }
}

#[actix_web::test]
async fn a_certificate_and_its_key_are_given_together_or_neither_is() {
    let files = Files::new();
    let both = files.settings(NEVER);
    both.check().unwrap();
    let neither = TlsSettings { certificate: None, key: None, ..both.clone() };
    neither.check().unwrap();
    assert!(Tls::open(&neither, Box::new(|| NOW)).unwrap().is_none(), "plain text");
    let key = TlsSettings { certificate: None, ..both.clone() };
    assert!(key.check().unwrap_err().to_string().contains("`tls.certificate`"));
    let certificate = TlsSettings { key: None, ..both };
    assert!(certificate.check().unwrap_err().to_string().contains("`tls.key`"));
}

#[test]
fn hsts_is_sent_if_clients_use_https() {
    let files = Files::new();
    let own = files.settings(NEVER);
    let plain = TlsSettings { certificate: None, key: None, ..own.clone() };
    let year = Some(HeaderValue::from_static("max-age=31536000"));
    for (settings, public_url, expected) in [
        (&own, None, &year),
        (&own, Some("http://a.example"), &year),
        (&plain, None, &None),
        (&plain, Some("http://a.example"), &None),
        (&plain, Some("https://a.example"), &year),
        (&plain, Some("HTTPS://a.example"), &year),
        (&plain, Some("ftp"), &None),
    ] {
        assert_eq!(&settings.hsts(public_url), expected, "{public_url:?}");
    }
    let never = TlsSettings { hsts_max_age: Duration::ZERO, ..own.clone() };
    assert_eq!(never.hsts(Some("https://a.example")), None);
    let all = TlsSettings { hsts_include_subdomains: true, ..own };
    assert_eq!(all.hsts(None).unwrap(), "max-age=31536000; includeSubDomains");
}
