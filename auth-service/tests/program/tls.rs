//! TLS in the service itself: handshakes, changes of the certificate files, and what is refused.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, PKCS_ECDSA_P256_SHA256};
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
    assert!(plain.is_empty() || plain.starts_with(&[0x15]), "expected an alert or nothing: {plain:?}");
    assert_eq!(service.get("/livez").await.0, 200);
}

#[actix_web::test]
async fn sighup_reads_the_certificate_immediately() {
    let files = Files::new();
    let service = files.start(&[("AUTH__TLS__POLL_INTERVAL", "1h")]);
    let new = files.renew(365);
    service.signal("-HUP");
    service.until_it_says("uses the new certificate");
    assert_eq!(service.certificate("/livez").await, new);
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
