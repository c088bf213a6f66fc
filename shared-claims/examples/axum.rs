//! A protected handler in axum. It accepts tokens for `resource-service` from the issuer at `http://127.0.0.1:8080`, such as
//! auth-service with its defaults:
//!
//!     cargo run -p shared-claims --features axum --example axum
//!     curl -i http://127.0.0.1:8083/me -H "Authorization: Bearer $token"
#![expect(clippy::print_stdout, reason = "an example talks to a terminal")]

use std::{error::Error, time::Duration};

use axum::{
    Router,
    extract::Path,
    routing::{delete, get},
};
use shared_claims::{
    AccessToken, Policy, Remote, Verifier,
    axum::RequireToken,
    error::AuthError,
    guard::{login_within, owner, role, scope},
};
use tokio::net::TcpListener;

async fn me(token: AccessToken) -> String {
    format!("Welcome, {}!", token.name())
}

async fn records(token: AccessToken, Path(user_id): Path<String>) -> Result<String, AuthError> {
    token.require(owner(&user_id).or(role("admin")))?;
    Ok(format!("The records of {user_id}"))
}

async fn delete_all(token: AccessToken) -> Result<&'static str, AuthError> {
    token.require(role("admin").and(login_within(Duration::from_secs(300))))?;
    Ok("gone")
}

async fn report() -> &'static str {
    "all is well"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let policy = Policy::new("http://127.0.0.1:8080", ["resource-service"])?;
    let verifier = Verifier::remote(policy, Remote::discover())?;
    verifier.start(); // fetches in the background: the issuer need not be there yet
    let reports = Router::new()
        .route("/report", get(report))
        .route_layer(RequireToken::new(&verifier).rule(scope("reports:read")));
    let app = Router::new()
        .route("/me", get(me))
        .route("/records/{user_id}", get(records))
        .route("/records", delete(delete_all))
        .nest("/admin", reports)
        .with_state(verifier);
    println!("listening on http://127.0.0.1:8083");
    Ok(axum::serve(TcpListener::bind("127.0.0.1:8083").await?, app).await?)
}
