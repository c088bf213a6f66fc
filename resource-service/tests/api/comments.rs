//! Comments can be read by any client, the newest first, in pages.

use serde_json::json;

use crate::support::World;

#[actix_web::test]
async fn a_comment_carries_its_authors_name() {
    let world = World::start().await;
    let alice = world.register_and_login("Alice").await;
    let made = world.post("/comments", alice.token(), &json!({ "text": "  hello\n\tthere  " })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let now = world.time.clock().now();
    assert_eq!(
        made,
        json!({ "id": made["id"], "author": "alice", "text": "hello\n\tthere", "created_at": now })
    );
    assert_eq!(world.get("/comments", None).await.json(), json!({ "items": [made], "next": null }));
}

#[actix_web::test]
async fn pages_follow_each_other_without_gaps_and_without_repeats() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    for number in 0..7 {
        world.post("/comments", alice.token(), &json!({ "text": number.to_string() })).await;
    }
    let mut seen = Vec::new();
    let mut path = "/comments?limit=3".to_owned();
    loop {
        let page = world.get(&path, None).await;
        seen.push(page.texts());
        world.post("/comments", alice.token(), &json!({ "text": "made while a client reads" })).await;
        match page.json()["next"].as_str() {
            Some(next) => path = format!("/comments?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [vec!["6", "5", "4"], vec!["3", "2", "1"], vec!["0"]]);
}

#[actix_web::test]
async fn a_last_page_that_is_full_has_no_next_one() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    for _ in 0..2 {
        world.post("/comments", alice.token(), &json!({ "text": "x" })).await;
    }
    assert!(world.get("/comments?limit=2", None).await.json()["next"].is_null());
    assert!(world.get("/comments?limit=1", None).await.json()["next"].is_string());
}
