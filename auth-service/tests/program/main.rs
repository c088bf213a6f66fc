//! The program from the side of operators and of the system: each test starts one or several `auth-service` processes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod audit;
mod commands;
#[path = "../database/mod.rs"]
mod database;
mod database_faults;
mod descriptors;
mod faults;
mod file_modes;
mod import;
mod lifecycle;
mod log_bounds;
mod login_lines;
mod migrations;
mod operators;
mod process;
mod secrets;
mod set_back;
mod start;
mod tls;
