//! Command line, settings, run.

use std::process::ExitCode;

use auth_service::cli;

fn main() -> ExitCode {
    service_kit::access::keep_new_files_private();
    run()
}

#[actix_web::main]
async fn run() -> ExitCode {
    Box::pin(cli::run()).await
}
