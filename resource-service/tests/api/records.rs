//! Records are private to their owner and to admins.

use serde_json::json;

use crate::support::World;

#[actix_web::test]
async fn records_are_their_owners_and_an_admins_alone() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let bob = world.register_and_login("bob").await;
    let admin = world.register_with_role("ada", "admin").await;
    let path = format!("/records/{}", alice.id);

    let empty = world.get(&path, alice.token()).await;
    assert_eq!((empty.status, empty.json()), (200, json!({ "items": [], "next": null })));
    assert_eq!(empty.header("cache-control"), "no-store");

    let made = world.post(&path, alice.token(), &json!({ "text": "mine" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let now = world.time.clock().now();
    assert_eq!(made, json!({ "id": made["id"], "user_id": alice.id, "text": "mine", "created_at": now }));
    world.post(&path, admin.token(), &json!({ "text": "from the admin" })).await;

    for reader in [&alice, &admin] {
        assert_eq!(world.get(&path, reader.token()).await.texts(), ["from the admin", "mine"]);
    }
    world.get(&path, bob.token()).await.assert_problem(403, "insufficient_scope");
    assert!(world.get(&format!("/records/{}", bob.id), bob.token()).await.texts().is_empty());
}

#[actix_web::test]
async fn without_the_right_nothing_else_of_the_request_is_checked() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let refused = world.post("/records/some-user", alice.token(), &json!({ "nonsense": 1 })).await;
    refused.assert_problem(403, "insufficient_scope");
    let refused = world.get("/records/some-user?limit=x", alice.token()).await;
    refused.assert_problem(403, "insufficient_scope");
}

#[actix_web::test]
async fn an_id_that_no_user_can_have_is_not_found() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let admin = world.register_with_role("ada", "admin").await;
    let long = "a".repeat(65);
    for id in [long.as_str(), "%00", "%20", "a%0Ab", "%FF", "%C3%A9", "%F0%9F%98%80"] {
        let path = format!("/records/{id}");
        world.get(&path, alice.token()).await.assert_problem(403, "insufficient_scope");
        world.get(&path, admin.token()).await.assert_problem(404, "not_found");
        world.post(&path, admin.token(), &json!({ "text": "x" })).await.assert_problem(404, "not_found");
    }
    for id in ["client:reports", "..%2F..%2Fetc", "'%20OR%201=1--"] {
        let status = world.get(&format!("/records/{id}"), admin.token()).await.status;
        assert!(matches!(status, 200 | 404), "{id}: {status}");
    }
}
