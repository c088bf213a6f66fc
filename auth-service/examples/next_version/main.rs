//! This program as its next version could be: with one more migration, which is additive. `tests/program/migrations.rs` runs it
//! beside the program of now, over one database.

use std::process::ExitCode;

use auth_service::cli;
use auth_service::settings::Settings;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use secrecy::ExposeSecret as _;
use service_kit::program;
use service_kit::settings::process_environment;

const NEXT: EmbeddedMigrations = embed_migrations!("examples/next_version/migrations");

fn main() -> ExitCode {
    program::run("auth-service", async {
        migrate().map_err(anyhow::Error::from_boxed)?;
        cli::run().await
    })
}

fn migrate() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let url = Settings::load(&process_environment("AUTH")?)?.database_url();
    match url.expose_secret().strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path)?.run_pending_migrations(NEXT).map(drop),
        None => PgConnection::establish(url.expose_secret())?.run_pending_migrations(NEXT).map(drop),
    }
}
