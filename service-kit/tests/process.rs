//! Whole processes: signals, log, exit codes, umask, limits. Each test runs this test program again with one of the `ignored`
//! functions at the end, which are programs and no tests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, ResponseError as _, rt};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use service_kit::program::{self, Failure};
use service_kit::routes::path;
use service_kit::server::outlive_hangups;
use service_kit::settings::{SettingsError, process_environment};
use service_kit::{App, Capacity, Descriptors, Endpoint, HttpSettings, LogSettings, SocketSettings, logging};

/// Runs one of the programs below, with these variables and no others.
fn program_of(name: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", name]).env_clear();
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The exit code and the lines on standard error.
fn outcome(mut command: Command) -> (Option<i32>, String) {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A service that runs as a process of its own; killed when the test is over.
struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
}

impl Running {
    fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = program_of(name, variables).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Self { child, log, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let line = running.next("test listens on http://");
        running.address = line.rsplit('/').next().unwrap().parse().unwrap();
        running
    }

    /// The next line that contains this.
    fn next(&mut self, about: &str) -> String {
        let mut lines = self.log.by_ref().map(Result::unwrap);
        lines.find(|line| line.contains(about)).unwrap_or_else(|| panic!("no line with {about:?}"))
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect(self.address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits for the end. Returns the exit code and what else was logged.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.log.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sigterm_ends_the_service_after_the_requests_in_flight_with_exit_code_0() {
    let service = Running::start("serve", &[]);
    let address = service.address;
    let in_flight = std::thread::spawn(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    });
    std::thread::sleep(Duration::from_millis(200));
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log:?}");
    assert!(log.iter().any(|line| line.contains("test stops")), "{log:?}");
    assert!(in_flight.join().unwrap().ends_with("slow"));
}

#[test]
fn sigint_ends_the_service_with_exit_code_0() {
    let service = Running::start("serve", &[]);
    service.signal("-INT");
    assert_eq!(service.end().0, Some(0));
}

#[test]
fn sighup_is_answered_in_the_log_and_ends_nothing() {
    let mut service = Running::start("serve", &[]);
    for _ in 0..2 {
        service.signal("-HUP");
        service.next("SIGHUP: there is nothing to reload");
    }
    assert!(service.get("/hello").starts_with("HTTP/1.1 200 "));
    service.signal("-TERM");
    assert_eq!(service.end().0, Some(0));
}

#[test]
fn a_line_of_a_request_carries_its_id_and_input_starts_no_line() {
    let mut service = Running::start("serve", &[]);
    let answer = service.get("/log/two%0Alines%1B%5B31m");
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
    let line = service.next("a handler says");
    assert!(line.contains(&format!("WARN  [{id}] a handler says two\\nlines\\u{{1b}}[31m")), "{line}");
}

#[test]
fn a_panic_is_one_line_of_the_log_with_its_place() {
    let mut service = Running::start("serve", &[]);
    assert!(service.get("/panic").starts_with("HTTP/1.1 500 "));
    let line = service.next("a panic at ");
    assert!(
        line.contains("ERROR [") && line.contains("process.rs:") && line.contains("first\\nsecond"),
        "{line}"
    );
    assert!(service.get("/hello").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_place_in_the_code_that_logs_too_much_is_cut_and_counted() {
    let mut service = Running::start("serve_with_few_lines", &[]);
    for number in 0..20 {
        service.get(&format!("/log/{number}"));
    }
    let said: Vec<_> = (0..3).map(|_| service.next("a handler says")).collect();
    assert!(said[2].ends_with("a handler says 2"), "{said:?}");
    let line = service.next("log lines were left out");
    assert!(line.contains("17 log lines were left out: 17 of process"), "{line}");
    service.signal("-TERM");
    let (_, rest) = service.end();
    assert!(rest.iter().any(|line| line.contains("test stops")), "another place has a budget of its own");
}

#[test]
fn a_long_line_is_cut_with_the_number_of_bytes_that_are_left_out() {
    let mut service = Running::start("serve_with_few_lines", &[]);
    service.get(&format!("/log/{}", "x".repeat(1000)));
    let line = service.next("a handler says");
    assert!(line.ends_with("more bytes)") && line.len() < 400, "{line}");
}

#[test]
fn rust_log_selects_the_lines() {
    let (_, log) = outcome(program_of("log_a_line_of_each_level", &[]));
    assert!(log.contains("an error") && log.contains("an info") && !log.contains("a debug"), "{log}");
    let (_, log) = outcome(program_of("log_a_line_of_each_level", &[("RUST_LOG", "error")]));
    assert!(log.contains("an error") && !log.contains("an info"), "{log}");
    let (_, log) = outcome(program_of("log_a_line_of_each_level", &[("RUST_LOG", "debug")]));
    assert!(log.contains("a debug"), "{log}");
    assert_eq!(log.matches("a debug").count(), 500, "lines that were asked for have no budget");
}

#[test]
fn a_program_says_in_one_line_why_it_fails_and_the_exit_code_tells_settings_apart() {
    assert_eq!(outcome(program_of("succeeds", &[])), (Some(0), String::new()));
    let (code, text) = outcome(program_of("fails_by_a_setting", &[]));
    assert_eq!((code, text.as_str()), (Some(2), "test: setting `listen`: is wrong\n"));
    let (code, text) = outcome(program_of("fails", &[]));
    assert_eq!((code, text.as_str()), (Some(1), "test: cannot open the database: no such file: 7\n"));
}

#[test]
fn files_of_a_program_are_private_from_the_first_byte_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program_of("writes_files", &[]);
    command.current_dir(folder.path());
    assert_eq!(outcome(command).0, Some(0));
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("file"), mode("folder")), (0o600, 0o700));
}

#[test]
fn only_variables_of_the_service_are_read_and_others_may_hold_any_bytes() {
    let not_utf8 = OsStr::from_bytes(b"secret \xff");
    let mut command =
        program_of("prints_its_environment", &[("TEST__A", "1"), ("TEST_CONFIG", "c"), ("OTHER__B", "2")]);
    command.env("PWD", not_utf8).env(OsStr::from_bytes(b"X\xff"), not_utf8).env("TESTING__C", not_utf8);
    assert_eq!(outcome(command), (Some(0), "TEST_CONFIG=c TEST__A=1\n".to_owned()));
    for name in ["TEST__A", "TEST_CONFIG", "RUST_LOG"] {
        let mut command = program_of("prints_its_environment", &[]);
        command.env(name, not_utf8);
        let (code, text) = outcome(command);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(name) && text.contains("UTF-8") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn the_soft_limit_of_open_files_is_raised_and_a_low_hard_limit_lowers_the_connections_and_is_reported() {
    let (code, text) = outcome(program_of("claims_with_a_low_soft_limit", &[]));
    assert_eq!(code, Some(0), "{text}");
    let service = Running::start("serve_with_a_low_hard_limit", &[]);
    assert!(service.get("/hello").starts_with("HTTP/1.1 200 "));
    let text = log_of_a_start("serve_with_a_low_hard_limit");
    assert!(text.contains("up to 128 files may be open"), "{text}");
    assert!(
        text.contains("WARN") && text.contains("http.max_connections is 1000, but the limit of 128"),
        "{text}"
    );
}

/// What a service logs until it listens.
fn log_of_a_start(name: &str) -> String {
    let mut child = program_of(name, &[]).stderr(Stdio::piped()).spawn().unwrap();
    let (mut log, mut text) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !text.contains("listens on") {
        assert_ne!(log.read_line(&mut text).unwrap(), 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    text
}

// The programs.

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
    let text = "first\nsecond";
    assert!(text.is_empty(), "{text}");
    HttpResponse::Ok().finish()
}

async fn logs(text: actix_web::web::Path<String>) -> &'static str {
    log::warn!("a handler says {text}");
    ""
}

async fn serves() -> Result<(), Failure> {
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
        tls: None,
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
    end_with(serves());
}

#[test]
#[ignore = "a program"]
fn serve_with_few_lines() {
    let report_every = Duration::from_secs(1);
    LogSettings { max_line_bytes: 256, burst: 3, per_minute: 1, report_every }.apply();
    end_with(serves());
}

#[test]
#[ignore = "a program"]
fn serve_with_a_low_hard_limit() {
    setrlimit(Resource::RLIMIT_NOFILE, 128, 128).unwrap();
    end_with(serves());
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
