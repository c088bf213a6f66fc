//! The programs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, ResponseError as _, rt};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use service_kit::program::{self, Failure};
use service_kit::routes::path;
use service_kit::server::outlive_hangups;
use service_kit::settings::{SettingsError, process_environment};
use service_kit::{
    App, Capacity, Descriptors, Endpoint, HttpSettings, LogSettings, SocketSettings, Tls, TlsSettings,
    logging,
};

fn bounds() -> HttpSettings {
    let second = Duration::from_secs(1);
    HttpSettings {
        workers: 1,
        max_connections: 1000,
        max_connections_per_address: 1000,
        max_body_bytes: 1024,
        body_timeout: second,
        head_timeout: second,
        keep_alive: second,
        write_timeout: second,
        close_timeout: second,
        shutdown_timeout: 10 * second,
        max_target_bytes: 8192,
        max_header_bytes: 16384,
        max_headers: 64,
        allow_plain_text: false,
        trusted_proxies: Vec::new(),
    }
}

async fn slow() -> &'static str {
    rt::time::sleep(Duration::from_millis(600)).await;
    "slow"
}

async fn panics() -> HttpResponse {
    panic!("first\nsecond")
}

async fn logs(text: actix_web::web::Path<String>) -> &'static str {
    log::warn!("a handler says {text}");
    ""
}

async fn serves(tls: Option<TlsSettings>) -> Result<(), Failure> {
    logging::init();
    outlive_hangups()?;
    let http = bounds();
    let capacity = Capacity::claim(&http, Descriptors { reserve: 0, per_connection: 1 });
    let endpoint = Endpoint {
        name: "test",
        address: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        socket: SocketSettings::default(),
        http: &http,
        capacity: capacity.map_err(|error| Failure::Other(error.into()))?,
        tls: tls.and_then(|tls| Tls::open(&tls, Box::new(|| 1_800_000_000)).transpose()).transpose()?,
        hsts: None,
        refusal: |_, problem| problem.error_response(),
    };
    let routes = |config: &mut ServiceConfig| {
        config
            .service(path("/hello").get(async || "hello"))
            .service(path("/slow").get(slow))
            .service(path("/panic").get(panics))
            .service(path("/log/{text}").get(logs));
    };
    Ok(App::listen(endpoint, routes)?.run.await?)
}

/// Ends this process as a program ends, whatever the test harness makes of it.
fn end_with(program: impl Future<Output = Result<(), Failure>>) -> ! {
    let code = program::run("test", program);
    let number = (0..=u8::MAX).find(|number| ExitCode::from(*number) == code);
    std::process::exit(number.unwrap().into())
}

#[test]
#[ignore = "a program"]
fn serve() {
    end_with(serves(None));
}

/// With the pair in the working directory.
#[test]
#[ignore = "a program"]
fn serve_in_tls() {
    let settings = TlsSettings {
        certificate: Some(PathBuf::from("certificate.pem")),
        key: Some(PathBuf::from("key.pem")),
        poll_interval: Duration::from_secs(3600),
        handshake_timeout: Duration::from_secs(5),
        expiry_warning: Duration::ZERO,
        hsts_max_age: Duration::ZERO,
        hsts_include_subdomains: false,
    };
    end_with(serves(Some(settings)));
}

#[test]
#[ignore = "a program"]
fn serve_with_few_lines() {
    let report_every = Duration::from_secs(1);
    LogSettings { max_line_bytes: 256, burst: 3, per_minute: 1, report_every }.apply();
    end_with(serves(None));
}

#[test]
#[ignore = "a program"]
fn serve_with_a_low_hard_limit() {
    setrlimit(Resource::RLIMIT_NOFILE, 128, 128).unwrap();
    end_with(serves(None));
}

#[test]
#[ignore = "a program"]
fn claims_with_a_low_soft_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    Capacity::claim(&bounds(), Descriptors { reserve: 0, per_connection: 1 }).unwrap();
    assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
}

#[test]
#[ignore = "a program"]
fn log_a_line_of_each_level() {
    logging::init();
    log::error!("an error");
    log::info!("an info");
    for _ in 0..500 {
        log::debug!("a debug");
    }
}

#[test]
#[ignore = "a program"]
fn succeeds() {
    end_with(async { Ok(()) });
}

#[test]
#[ignore = "a program"]
fn fails_by_a_setting() {
    end_with(async { Err(SettingsError::invalid("listen", "is wrong").into()) });
}

#[test]
#[ignore = "a program"]
fn fails() {
    let error = anyhow::anyhow!("7").context("no such file").context("cannot open the database");
    end_with(async { Err(error.into()) });
}

#[test]
#[ignore = "a program"]
fn writes_files() {
    end_with(async {
        fs::write(Path::new("file"), "x")?;
        Ok(fs::create_dir(Path::new("folder"))?)
    });
}

#[test]
#[ignore = "a program"]
fn prints_its_environment() {
    end_with(async {
        let mut variables: Vec<_> = process_environment("TEST")?.into_iter().collect();
        variables.sort();
        let shown: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        eprintln!("{}", shown.join(" "));
        Ok(())
    });
}
