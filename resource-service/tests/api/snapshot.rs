//! The snapshot of keys and status lists: where it is, and when it is trusted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::support::{World, until};

#[actix_web::test]
async fn in_a_data_folder_that_others_may_write_to_it_keeps_the_snapshot_in_a_private_folder() {
    let mut world = World::start().await;
    let alice = world.register_and_login("alice").await;
    until(|| async { world.snapshot().exists() }).await;
    fs::set_permissions(world.folder(), Permissions::from_mode(0o777)).unwrap();
    let user = fs::metadata(world.folder()).unwrap().uid();
    let private = world.folder().join(format!("verifier-{user}"));

    world.restart_without_snapshot().await;
    world.until_ready().await;
    until(|| async { private.join("verifier.json").exists() }).await;
    assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!world.snapshot().exists());
    assert_eq!(world.get("/protected", alice.token()).await.status, 200);

    world.stop_issuer().await;
    world.restart().await;
    assert_eq!(world.get("/readyz", None).await.status, 200, "it goes by what it kept there");
}

#[actix_web::test]
async fn a_snapshot_that_others_may_write_to_is_not_used() {
    let mut world = World::start().await;
    until(|| async { world.snapshot().exists() }).await;
    world.stop_issuer().await;
    world.restart().await;
    assert_eq!(world.get("/readyz", None).await.status, 200);
    fs::set_permissions(world.snapshot(), Permissions::from_mode(0o666)).unwrap();
    world.restart().await;
    world.get("/readyz", None).await.assert_problem(503, "keys_unavailable");
}
