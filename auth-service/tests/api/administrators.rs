//! Accounts that an operator creates, with roles, which a registration cannot set.

use auth_service::domain::accounts::register::Registration;
use serde_json::json;

use crate::api::support::{PASSWORD, Service, Tokens};

/// The audience of this service in administrators' tokens.
pub const ISSUER: &str = "http://127.0.0.1:8080";

/// Creates an account with a role.
pub async fn create(service: &Service, username: &str, role: &str) {
    let registration = Registration {
        username: username.to_owned(),
        password: PASSWORD.to_owned().into(),
        email: None,
        roles: vec![role.to_owned()],
    };
    service.operator().await.accounts.create_account(registration).await.unwrap();
}

/// Creates the administrator `root`, and returns tokens for this service.
pub async fn log_in(service: &Service) -> Tokens {
    create(service, "root", "admin").await;
    let body = json!({ "username": "root", "password": PASSWORD, "resource": ISSUER });
    service.post("/login", &body).await.tokens()
}
