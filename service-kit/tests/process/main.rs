//! Whole processes: signals, log, exit codes, umask, limits. Each test runs this test program again with one of the `ignored`
//! functions in `programs.rs`, which are programs and no tests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "a test program has no public items")]

mod programs;
mod running;

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::running::{Running, log_of_a_start, outcome, program_of};

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

/// Writes a certificate and its key into a folder.
fn write_pair(folder: &Path) {
    let pair = rcgen::generate_simple_self_signed(["test.example".to_owned()]).unwrap();
    fs::write(folder.join("certificate.pem"), pair.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
}

#[test]
fn sighup_reads_the_certificate_immediately_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path());
    let mut command = program_of("serve_in_tls", &[]);
    let mut service = Running::spawn(command.current_dir(folder.path()));
    for _ in 0..2 {
        write_pair(folder.path());
        service.signal("-HUP");
        service.next("SIGHUP: reads the certificate");
        service.next("uses the new certificate in certificate.pem");
    }
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0));
    assert!(!log.iter().any(|line| line.contains("nothing to reload")), "{log:?}");
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
        line.contains("ERROR [") && line.contains("programs.rs:") && line.contains("first\\nsecond"),
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
