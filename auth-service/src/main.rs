//! Command line, settings, run.

use std::process::ExitCode;

use auth_service::cli;

#[actix_web::main]
async fn main() -> ExitCode {
    Box::pin(cli::run()).await
}
