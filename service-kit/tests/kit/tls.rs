//! TLS in a service: handshakes, changes of the certificate files, and what is refused.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use actix_web::web::ServiceConfig;
use actix_web::{ResponseError as _, rt};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use service_kit::healthcheck::{self, Unhealthy};
use service_kit::routes::path;
use service_kit::{
    App, Capacity, Descriptors, Endpoint, HttpSettings, Listen, SocketSettings, Tls, TlsSettings,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::client::{PATIENCE, request, talk};
use crate::logged;
use crate::server::bounds;

/// The time of the tests, in unix seconds.
const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;
const OFTEN: Duration = Duration::from_millis(50);
const NEVER: Duration = Duration::from_secs(3600);

/// An authority, and the folder with the files that a service reads.
struct Files {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { folder: tempfile::tempdir().unwrap(), authority };
        files.renew(365);
        files
    }

    /// Writes another pair that expires so many days and an hour after [`NOW`]. Returns the certificate.
    fn renew(&self, days: u64) -> Vec<u8> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(NOW + days * DAY + 3600);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write_key(&key.serialize_pem());
        fs::write(self.certificate(), certificate.pem()).unwrap();
        certificate.der().to_vec()
    }

    fn write_key(&self, pem: &str) {
        fs::write(self.key(), pem).unwrap();
        fs::set_permissions(self.key(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Returns a text that is in every log line about these files.
    fn about(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn settings(&self, poll_interval: Duration) -> TlsSettings {
        TlsSettings {
            certificate: Some(self.certificate()),
            key: Some(self.key()),
            poll_interval,
            handshake_timeout: Duration::from_secs(5),
            expiry_warning: Duration::from_secs(14 * DAY),
            hsts_max_age: Duration::from_secs(365 * DAY),
            hsts_include_subdomains: false,
        }
    }
}

/// Serves `/hello` over TLS.
fn serve(
    settings: &TlsSettings,
    http: &HttpSettings,
    now: impl Fn() -> u64 + Send + Sync + 'static,
) -> SocketAddr {
    let endpoint = Endpoint {
        name: "test",
        address: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        socket: SocketSettings::default(),
        http,
        capacity: Capacity::claim(http, Descriptors { reserve: 0, per_connection: 1 }).unwrap(),
        tls: Tls::open(settings, Box::new(now)).unwrap(),
        hsts: settings.hsts(None),
        refusal: |_, problem| problem.error_response(),
    };
    let routes = |config: &mut ServiceConfig| {
        config.service(path("/hello").get(async || "hello")).service(path("/readyz").get(async || "ready"));
    };
    let app = App::listen(endpoint, routes).unwrap();
    rt::spawn(app.run);
    app.address
}

fn start(files: &Files, poll_interval: Duration) -> SocketAddr {
    serve(&files.settings(poll_interval), &HttpSettings { keep_alive: NEVER, ..bounds() }, || NOW)
}

/// Makes a handshake with these versions and with these protocols on offer.
async fn handshake(
    files: &Files,
    address: SocketAddr,
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(files.authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let connection = TcpStream::connect(address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("127.0.0.1").unwrap(), connection).await
}

async fn connect(files: &Files, address: SocketAddr) -> TlsStream<TcpStream> {
    handshake(files, address, rustls::ALL_VERSIONS, &[]).await.unwrap()
}

fn certificate_of(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Sends these bytes; returns the answer until the service closes the connection.
async fn said_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    until_its_end(connection).await
}

async fn until_its_end(mut connection: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, connection.read_to_end(&mut said)).await.expect("it ends"); // a reset is an end as well
    said
}

#[actix_web::test]
async fn a_service_with_a_certificate_answers_in_tls_and_says_nothing_in_plain_text() {
    let files = Files::new();
    let address = start(&files, NEVER);
    let answer = talk(connect(&files, address).await, &request("GET /hello", &[], "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    let plain = said_to(address, b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(plain.is_empty() || plain.starts_with(&[0x15]), "an alert, or nothing: {plain:?}");
}

/// Returns the unencrypted `ClientHello` of a client that supports at most TLS 1.1.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xc0, 0x09, 0x00, 0x2f, 1, 0]); // no session, two suites, no compression
    let length = u8::try_from(body.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length], &body[..]].concat()
}

#[actix_web::test]
async fn tls_1_0_and_1_1_are_refused() {
    let files = Files::new();
    let address = start(&files, NEVER);
    for minor in [1, 2] {
        let said = said_to(address, &old_hello(minor)).await;
        let [0x15, 3, _, 0, 2, 2, 40 | 70] = said[..] else {
            panic!("{said:?} is neither of the alerts handshake_failure and protocol_version");
        };
    }
}

#[actix_web::test]
async fn tls_1_2_and_1_3_carry_http_1_1() {
    let files = Files::new();
    let address = start(&files, NEVER);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let agreed = async |protocols: &[&[u8]]| {
            let stream = handshake(&files, address, &[version], protocols).await?;
            io::Result::Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
        };
        assert_eq!(agreed(&[b"h2", b"http/1.1"]).await.unwrap(), Some(b"http/1.1".to_vec()));
        assert_eq!(agreed(&[]).await.unwrap(), None);
        agreed(&[b"h2"]).await.unwrap_err();
    }
}

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
            files.write_key(&KeyPair::generate().unwrap().serialize_pem())
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
async fn a_stalled_handshake_is_closed_and_delays_no_other_client() {
    let files = Files::new();
    let settings = TlsSettings { handshake_timeout: Duration::from_secs(1), ..files.settings(NEVER) };
    let address = serve(&settings, &bounds(), || NOW);
    let mut stalled = Vec::new();
    for _ in 0..300 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(&old_hello(3)[..20]).await.unwrap();
        stalled.push(connection);
    }
    let answer = talk(connect(&files, address).await, &request("GET /hello", &[], "")).await;
    assert_eq!(answer.status, 200);
    for connection in stalled {
        assert_eq!(until_its_end(connection).await, b"");
    }
}

#[actix_web::test]
async fn a_stalled_handshake_makes_room_for_another_connection_of_its_address() {
    let files = Files::new();
    let settings = TlsSettings { handshake_timeout: PATIENCE * 4, ..files.settings(NEVER) };
    let address = serve(&settings, &HttpSettings { max_connections_per_address: 1, ..bounds() }, || NOW);
    let stalled = TcpStream::connect(address).await.unwrap();
    assert_eq!(talk(connect(&files, address).await, &request("GET /hello", &[], "")).await.status, 200);
    assert_eq!(until_its_end(stalled).await, b"");
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

#[actix_web::test]
async fn a_healthcheck_follows_the_settings_into_tls_whatever_name_the_certificate_has() {
    let files = Files::new();
    let settings = files.settings(NEVER);
    let address = serve(&settings, &bounds(), || NOW);
    healthcheck::check(&Listen::from(address), &settings).await.unwrap();
    let plain = TlsSettings { certificate: None, key: None, ..settings };
    let error = healthcheck::check(&Listen::from(address), &plain).await.unwrap_err();
    assert!(matches!(error, Unhealthy::Unreachable(..) | Unhealthy::NotReady(..)), "{error:?}");
}
