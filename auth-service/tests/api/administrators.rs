//! Accounts that an operator makes: with roles, which nobody registers with.

use auth_service::domain::accounts::register::Registration;
use serde_json::json;

use crate::api::support::{PASSWORD, Service, Tokens};

/// Who this service is to administrators' tokens.
pub const ISSUER: &str = "http://127.0.0.1:8080";

/// An account with a role.
pub async fn create(service: &Service, username: &str, role: &str) {
    let registration = Registration {
        username: username.to_owned(),
        password: PASSWORD.to_owned().into(),
        email: None,
        roles: vec![role.to_owned()],
    };
    service.operator().await.create_account(registration).await.unwrap();
}

/// The tokens of `root`, an administrator, for this service.
pub async fn log_in(service: &Service) -> Tokens {
    create(service, "root", "admin").await;
    let body = json!({ "username": "root", "password": PASSWORD, "resource": ISSUER });
    service.post("/login", &body).await.tokens()
}
