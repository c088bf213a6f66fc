//! Books require a scope that the role `subscriber` gives. No request reads a file outside their folder.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{World, send};

#[actix_web::test]
async fn a_subscriber_downloads_a_book() {
    let world = World::start().await;
    let list = world.get("/books", None).await.json();
    assert_eq!(list["next"], json!(null));
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|book| &book["id"]).collect();
    assert_eq!(ids, ["a-short-history-of-keys", "the-baker-and-the-seal", "the-lighthouse"]);
    let book = &list["items"][2];
    assert_eq!(book["title"], "The Lighthouse");

    let subscriber = world.register_with_role("sam", "subscriber").await;
    let file = world.get("/books/the-lighthouse/download", subscriber.token()).await;
    assert_eq!(file.status, 200);
    assert_eq!(file.text.len() as u64, book["bytes"].as_u64().unwrap());
    assert!(file.text.starts_with("The Lighthouse\n"));
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"the-lighthouse.txt\"");
    assert_eq!(file.header("cache-control"), "private, no-cache");
    file.assert_envelope();

    let request = world.request(reqwest::Method::GET, "/books/the-lighthouse/download", subscriber.token());
    let part = send(request.header("range", "bytes=4-13")).await;
    assert_eq!((part.status, part.text.as_str()), (206, "Lighthouse"));
}

#[actix_web::test]
async fn no_id_leads_out_of_the_folder_of_books() {
    let world = World::start().await;
    std::fs::write(world.folder().join("secret.txt"), "a secret").unwrap();
    std::fs::write(world.folder().join("books/Odd Name.txt"), "a secret").unwrap();
    let subscriber = world.register_with_role("sam", "subscriber").await;
    for id in [
        "..%2Fsecret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "%252e%252e%252fsecret",
        "..%5Csecret",
        "../secret",
        "./the-lighthouse",
        "..",
        "%2e%2e",
        "the-lighthouse.txt",
        "the-lighthouse%00",
        "%00",
        "%FF%FE",
        "Odd%20Name",
        "THE-LIGHTHOUSE",
        "%2Fetc%2Fpasswd",
    ] {
        let answer = raw_get(&world, &format!("/books/{id}/download"), &subscriber.access);
        assert!(answer.starts_with("HTTP/1.1 404 "), "{id}: {answer}");
        assert!(!answer.contains("a secret"), "{id}");
    }
}

#[actix_web::test]
async fn a_book_that_was_taken_away_is_not_found() {
    let world = World::start().await;
    std::fs::remove_file(world.folder().join("books/the-lighthouse.txt")).unwrap();
    let subscriber = world.register_with_role("sam", "subscriber").await;
    world.get("/books/the-lighthouse/download", subscriber.token()).await.assert_problem(404, "not_found");
}

/// Sends the path as it is: an HTTP client would normalise it.
fn raw_get(world: &World, path: &str, token: &str) -> String {
    let mut connection = TcpStream::connect(world.address).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
