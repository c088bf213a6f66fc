//! Runs the programs of `programs.rs` as processes.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Returns a command that runs one of the programs in `programs.rs`, with these variables and no others.
pub fn program_of(name: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", &format!("programs::{name}")]).env_clear();
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The exit code and the lines on standard error.
pub fn outcome(mut command: Command) -> (Option<i32>, String) {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A service that runs as a process of its own; killed when the test is over.
pub struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    pub address: SocketAddr,
}

impl Running {
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::spawn(&mut program_of(name, variables))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Self { child, log, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let line = running.next("test listens on http");
        running.address = line.rsplit('/').next().unwrap().parse().unwrap();
        running
    }

    /// The next line that contains this.
    pub fn next(&mut self, about: &str) -> String {
        let mut lines = self.log.by_ref().map(Result::unwrap);
        lines.find(|line| line.contains(about)).unwrap_or_else(|| panic!("no line with {about:?}"))
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    pub fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect(self.address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits for the end. Returns the exit code and what else was logged.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
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

/// What a service logs until it listens.
pub fn log_of_a_start(name: &str) -> String {
    let mut child = program_of(name, &[]).stderr(Stdio::piped()).spawn().unwrap();
    let (mut log, mut text) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !text.contains("listens on") {
        assert_ne!(log.read_line(&mut text).unwrap(), 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    text
}
