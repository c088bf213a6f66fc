//! A protected handler in actix-web. It accepts tokens for `resource-service` from the issuer at `http://127.0.0.1:8080`, such as
//! auth-service with its defaults:
//!
//!     cargo run -p shared-claims --features actix --example actix
//!     curl -i http://127.0.0.1:8082/me -H "Authorization: Bearer $token"
#![expect(clippy::print_stdout, reason = "an example talks to a terminal")]

use std::{error::Error, time::Duration};

use actix_web::{App, HttpServer, delete, get, web};
use shared_claims::{
    AccessToken, Policy, Remote, Verifier,
    actix::RequireToken,
    error::AuthError,
    guard::{login_within, owner, role, scope},
};

#[get("/me")]
async fn me(token: AccessToken) -> String {
    format!("Welcome, {}!", token.name())
}

#[get("/records/{user_id}")]
async fn records(token: AccessToken, user_id: web::Path<String>) -> Result<String, AuthError> {
    token.require(owner(&user_id).or(role("admin")))?;
    Ok(format!("The records of {user_id}"))
}

#[delete("/records")]
async fn delete_all(token: AccessToken) -> Result<&'static str, AuthError> {
    token.require(role("admin").and(login_within(Duration::from_secs(300))))?;
    Ok("gone")
}

#[get("/report")]
async fn report() -> &'static str {
    "all is well"
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let policy = Policy::new("http://127.0.0.1:8080", ["resource-service"])?;
    let verifier = Verifier::remote(policy, Remote::discover())?;
    verifier.start(); // fetches in the background: the issuer need not be there yet
    let app = move || {
        let reports = web::scope("/admin").wrap(RequireToken::new(&verifier).rule(scope("reports:read")));
        App::new()
            .app_data(verifier.clone())
            .service(me)
            .service(records)
            .service(delete_all)
            .service(reports.service(report))
    };
    println!("listening on http://127.0.0.1:8082");
    Ok(HttpServer::new(app).bind("127.0.0.1:8082")?.run().await?)
}
