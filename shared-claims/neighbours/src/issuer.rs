//! A test issuer behind HTTPS, on the loopback.

use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, middleware::Compress, web};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::json;
use shared_claims::{testing::TestIssuer, verifier::ManualClock};

pub(crate) struct HttpsIssuer {
    pub(crate) issuer: TestIssuer,
    pub(crate) name: String,
    /// The certificate authority, as PEM.
    pub(crate) authority: String,
}

impl HttpsIssuer {
    /// Starts a server that ends with the test's process.
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();

        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("https://localhost:{}", socket.local_addr().unwrap().port());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let issuer = TestIssuer::with_clock(&name, &ManualClock::at(now));
        let app = {
            let (issuer, name) = (issuer.clone(), name.clone());
            move || {
                let metadata = json!({"issuer": name, "jwks_uri": format!("{name}/keys")});
                let (keys, list) = (issuer.clone(), issuer.clone());
                App::new()
                    .wrap(Compress::default())
                    .route(
                        "/.well-known/oauth-authorization-server",
                        web::get().to(move || std::future::ready(HttpResponse::Ok().json(&metadata))),
                    )
                    .route("/keys", web::get().to(move || std::future::ready(keys.key_set())))
                    .route(
                        "/status-lists/1",
                        web::get().to(move || {
                            let answer = HttpResponse::Ok()
                                .content_type("application/statuslist+jwt")
                                .body(list.status_list().1);
                            std::future::ready(answer)
                        }),
                    )
            }
        };
        let server =
            HttpServer::new(app).workers(1).disable_signals().listen_rustls_0_23(socket, tls).unwrap().run();
        actix_web::rt::spawn(server);
        Self { issuer, name, authority: authority.pem() }
    }
}
