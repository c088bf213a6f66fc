//! The program as operators and the system see it: each test starts `auth-service` as a process of its own, or several.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

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
