//! The `RateLimit` header does not show which names and addresses belong to one account.

use serde_json::{Value, json};

use super::support::{Answer, PASSWORD, Service};

const WRONG: &str = "not the right one";

async fn with_alice_and_bob(variables: &[(&str, &str)]) -> Service {
    let service = Service::start().await;
    for name in ["alice", "bob"] {
        let body = json!({ "username": name, "password": PASSWORD, "email": format!("{name}@example.com") });
        assert_eq!(service.post("/register", &body).await.status, 201);
    }
    service.restart(variables).await
}

fn by_name(name: &str) -> Value {
    json!({ "username": name, "password": WRONG })
}

fn by_address(address: &str) -> Value {
    json!({ "email": address, "password": WRONG })
}

async fn try_login(service: &Service, body: &Value) -> Answer {
    let answer = service.post("/login", body).await;
    answer.assert_problem(401, "invalid_credentials");
    answer
}

fn remaining(answer: &Answer) -> &str {
    answer.header("ratelimit").split(';').nth(1).unwrap()
}

#[actix_web::test]
async fn two_requests_do_not_show_whether_a_name_and_an_address_belong_to_one_account() {
    for open in ["true", "false"] {
        let service = with_alice_and_bob(&[("AUTH__REGISTRATION__OPEN", open)]).await;
        let pairs = [
            ("alice", "alice@example.com"),     // one account
            ("bob", "unknown@example.com"),     // the name of an account, and an unknown address
            ("unknown", "bob@example.com"),     // an unknown name, and the address of an account
            ("nothing", "nothing@example.com"), // both unknown
        ];
        for (name, address) in pairs {
            let first = try_login(&service, &by_name(name)).await;
            let second = try_login(&service, &by_address(address)).await;
            let headers = ["ratelimit", "ratelimit-policy"];
            let answered =
                [&first, &second].map(|answer| headers.map(|header| answer.header(header).to_owned()));
            assert_eq!(answered[0], answered[1], "{name}, {address}, registration open: {open}");
            assert_eq!(remaining(&first), "r=9");
        }
    }
}

#[actix_web::test]
async fn each_identifier_has_its_own_counter_that_a_right_password_resets() {
    let service = with_alice_and_bob(&[]).await;
    for expected in ["r=9", "r=8", "r=7"] {
        assert_eq!(remaining(&try_login(&service, &by_name("ALICE")).await), expected);
    }
    for expected in ["r=9", "r=8"] {
        assert_eq!(remaining(&try_login(&service, &by_address("Alice@Example.com")).await), expected);
    }
    service.login("alice").await;
    assert_eq!(remaining(&try_login(&service, &by_name("alice")).await), "r=9");
    assert_eq!(remaining(&try_login(&service, &by_address("alice@example.com")).await), "r=7");
}

#[actix_web::test]
async fn the_header_does_not_change_the_limit_of_the_account() {
    let service = with_alice_and_bob(&[]).await;
    for _ in 0..5 {
        try_login(&service, &by_name("alice")).await;
        try_login(&service, &by_address("alice@example.com")).await;
    }
    for body in [by_name("alice"), by_address("alice@example.com")] {
        let refused = service.post("/login", &body).await;
        refused.assert_problem(429, "too_many_attempts");
        assert_eq!(remaining(&refused), "r=0");
    }
}
