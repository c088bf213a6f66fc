//! Several services over one database behave as one.

use rstest::rstest;

use crate::support::{Database, Postgresql, Service, Sqlite};

#[rstest]
#[actix_web::test]
async fn replicas_accept_each_others_tokens(#[values(Sqlite, Postgresql)] database: Database) {
    let one = Service::on(database).await;
    let other = one.replica().await;
    let tokens = one.register_and_login("alice").await;
    assert_eq!(other.get_as("/me", &tokens.access).await.status, 200);
    let next = other.refresh(&tokens.refresh).await;
    assert_eq!(one.get_as("/me", &next.access).await.status, 200);
    assert_eq!(other.logout(&next.access).await.status, 204);
    one.get_as("/me", &next.access).await.assert_problem(401, "token_revoked");
    let sets = [one.get("/.well-known/jwks.json").await.text, other.get("/.well-known/jwks.json").await.text];
    assert_eq!(sets[0], sets[1]);
}

#[rstest]
#[actix_web::test]
async fn forty_refreshes_of_one_token_over_two_replicas_get_the_one_same_next_token(
    #[values(Sqlite, Postgresql)] database: Database,
) {
    let one = Service::on(database).await;
    let other = one.replica().await;
    let tokens = one.register_and_login("alice").await;
    let uses = (0..40).map(|index| if index % 2 == 0 { &one } else { &other }.refresh(&tokens.refresh));
    let mut next: Vec<_> =
        futures_util::future::join_all(uses).await.into_iter().map(|tokens| tokens.refresh).collect();
    next.dedup();
    assert_eq!(next.len(), 1);
}
