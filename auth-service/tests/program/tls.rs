//! TLS in the service itself: handshakes, changes of the certificate files, and what is refused.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use shared_claims::verifier::Clock;
use tempfile::TempDir;

use crate::process::{Running, program};

/// How long a test waits for an expected event.
const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate authority, and the folder with the files that a service reads.
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

    /// Writes a new certificate, valid for `days` days, and its key.
    fn renew(&self, days: u64) -> Vec<u8> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let end = Duration::from_secs(Clock::system().now() + days * 24 * 3600 + 3600);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
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

    fn program(&self) -> Command {
        let mut command = program(&self.folder.path().join("data"));
        command.env("AUTH__TLS__CERTIFICATE", self.certificate()).env("AUTH__TLS__KEY", self.key());
        command
    }

    fn start(&self, variables: &[(&str, &str)]) -> Running {
        let mut service = Running::start(self.program().envs(variables.iter().copied()));
        service.trust(&self.authority.pem());
        service
    }
}

fn socket(service: &Running) -> TcpStream {
    let connection = TcpStream::connect(service.address.strip_prefix("https://").unwrap()).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Sends these bytes; returns the answer until the service closes the connection.
fn answer_to(service: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut connection = socket(service);
    connection.write_all(bytes).unwrap();
    until_its_end(connection)
}

fn until_its_end(mut connection: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let end = connection.read_to_end(&mut said); // a reset ends it as well
    assert!(!end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "the connection is still open");
    said
}

#[actix_web::test]
async fn a_service_with_a_certificate_serves_https_and_nothing_else() {
    let service = Files::new().start(&[]);
    assert!(service.address.starts_with("https://"), "{}", service.address);
    assert_eq!(service.register("alice").await, Some(201));
    assert_eq!(service.login("alice").await.0, 200);
    let plain = answer_to(&service, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(plain.is_empty() || plain.starts_with(&[0x15]), "an alert, or nothing: {plain:?}");
    assert_eq!(service.get("/livez").await.0, 200);
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
    let service = Files::new().start(&[]);
    for minor in [1, 2] {
        let said = answer_to(&service, &old_hello(minor));
        let [0x15, 3, _, 0, 2, 2, 40 | 70] = said[..] else {
            panic!("{said:?} is neither of the alerts handshake_failure and protocol_version");
        };
    }
}

/// Makes a handshake that offers these versions and these protocols.
async fn handshake(
    files: &Files,
    service: &Running,
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> std::io::Result<Option<Vec<u8>>> {
    let mut roots = rustls::RootCertStore::empty();
    let authority = rustls::pki_types::CertificateDer::from_pem_slice(files.authority.pem().as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let address = service.address.strip_prefix("https://").unwrap();
    let connection = tokio::net::TcpStream::connect(address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), connection).await?;
    Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
}

#[actix_web::test]
async fn tls_1_2_and_1_3_carry_http_1_1() {
    let files = Files::new();
    let service = files.start(&[]);
    let http_1_1 = Some(b"http/1.1".to_vec());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let agreed = async |protocols: &[&[u8]]| handshake(&files, &service, &[version], protocols).await;
        assert_eq!(agreed(&[b"h2", b"http/1.1"]).await.unwrap(), http_1_1);
        assert_eq!(agreed(&[]).await.unwrap(), None);
        agreed(&[b"h2"]).await.unwrap_err();
    }
}

#[actix_web::test]
async fn a_new_certificate_is_used_for_new_handshakes_and_open_connections_continue() {
    let files = Files::new();
    let mut service = files.start(&[("AUTH__TLS__POLL_INTERVAL", "50ms"), ("AUTH__HTTP__KEEP_ALIVE", "1h")]);
    let old = service.certificate("/livez").await;
    let new = files.renew(365);
    service.until_it_says("took over the certificate");
    assert_eq!(service.certificate("/livez").await, old, "the open connection keeps the old certificate");
    service.trust(&files.authority.pem()); // with new connections
    assert_eq!(service.certificate("/livez").await, new);
}

#[actix_web::test]
async fn sighup_reads_the_certificate_immediately() {
    let files = Files::new();
    let service = files.start(&[("AUTH__TLS__POLL_INTERVAL", "1h")]);
    let new = files.renew(365);
    service.signal("-HUP");
    service.until_it_says("took over the certificate");
    assert_eq!(service.certificate("/livez").await, new);
}

#[actix_web::test]
async fn an_unusable_certificate_or_key_never_replaces_a_usable_one() {
    let files = Files::new();
    let mut service = files.start(&[("AUTH__TLS__POLL_INTERVAL", "50ms")]);
    let good = service.certificate("/livez").await;
    let certificate = fs::read_to_string(files.certificate()).unwrap();
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
        let log = service.until_it_says(reason);
        assert!(log.contains("ERROR") && log.contains("goes on with the certificate it has"), "{log}");
        service.trust(&files.authority.pem());
        assert_eq!(service.certificate("/livez").await, good);
    }
    fs::write(files.certificate(), certificate).unwrap();
    service.until_it_says("took over the certificate");
}

#[actix_web::test]
async fn a_stalled_handshake_is_closed_and_delays_no_other_client() {
    let service = Files::new().start(&[("AUTH__TLS__HANDSHAKE_TIMEOUT", "1s"), ("AUTH__HTTP__WORKERS", "1")]);
    let hello = &old_hello(3)[..20];
    let stalled: Vec<_> = (0..300).map(|_| socket(&service)).collect();
    for mut connection in &stalled {
        connection.write_all(hello).unwrap();
    }
    assert_eq!(service.get("/livez").await.0, 200);
    for connection in stalled {
        until_its_end(connection);
    }
}

#[test]
fn an_unusable_certificate_is_one_error_message_and_exit_code_2() {
    let files = Files::new();
    let other = files.folder.path().join("other.pem");
    fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let (certificate, key) = (files.certificate(), files.key());
    let pem = fs::read_to_string(&key).unwrap();
    let nowhere = Path::new("/does/not/exist.pem");
    let rows: [(&Path, &Path, &str); 6] = [
        (nowhere, &key, "`tls.certificate`: cannot read the certificate /does/not/exist.pem"),
        (&certificate, nowhere, "`tls.key`: cannot read the key /does/not/exist.pem"),
        (&key, &key, "`tls.certificate`: "),
        (&certificate, &certificate, "`tls.key`: "),
        (&certificate, &other, "is not the key of the certificate"),
        (&certificate, Path::new(&pem), "`tls.key` (AUTH__TLS__KEY): this is the path of a file"),
    ];
    for (certificate, key, reason) in rows {
        let mut command = files.program();
        command.env("AUTH__TLS__CERTIFICATE", certificate).env("AUTH__TLS__KEY", key);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{reason}: {text}");
        assert!(text.contains(reason) && text.lines().count() == 1, "{reason}: {text}");
        assert!(!text.contains("PRIVATE") && !text.contains(pem.lines().nth(1).unwrap()), "{text}");
    }
}

#[test]
fn the_log_warns_of_a_certificate_that_expires_soon_and_of_a_key_that_others_may_read() {
    let files = Files::new();
    files.renew(5);
    fs::set_permissions(files.key(), fs::Permissions::from_mode(0o644)).unwrap();
    let log = log_of_a_start(&files);
    assert!(log.contains("others may read the key") && log.contains("its mode is 644"), "{log}");
    assert!(log.contains("WARN") && log.contains("expires in 5 days"), "{log}");
    files.renew(15);
    let log = log_of_a_start(&files);
    assert!(!log.contains("expires") && !log.contains("may read the key"), "{log}");
}

/// Returns the log from the start until the files were checked once more.
fn log_of_a_start(files: &Files) -> String {
    let mut command = files.program();
    command.env("AUTH__TLS__POLL_INTERVAL", "1h").stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    for awaited in ["listens on", "looks at the certificate", "auth-service stops"] {
        while !said.contains(awaited) {
            assert_ne!(std::io::BufRead::read_line(&mut log, &mut said).unwrap(), 0, "{said}");
        }
        let signal = if awaited == "listens on" { "-HUP" } else { "-TERM" };
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    }
    log.read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    said
}

#[actix_web::test]
async fn a_stalled_handshake_makes_room_for_another_connection_of_its_address() {
    let files = Files::new();
    let bounds = [
        ("AUTH__HTTP__MAX_CONNECTIONS_PER_ADDRESS", "1"),
        ("AUTH__TLS__HANDSHAKE_TIMEOUT", "60s"),
        ("AUTH__HTTP__WORKERS", "1"), // which accepts them in order of arrival
    ];
    let service = files.start(&bounds);
    let stalled = socket(&service);
    assert_eq!(service.get("/livez").await.0, 200);
    assert!(until_its_end(stalled).is_empty());
}
