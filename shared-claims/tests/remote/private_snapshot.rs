//! Which snapshots are trusted, and where they are kept: in a folder that others may write to, any user could add keys.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use crate::support::{
    AUDIENCE, ISSUER, NOW, Signer, jwks, logs,
    server::{Server, is_ready, until},
};
use shared_claims::{Policy, Remote, Verifier, error::Refusal, verifier::ManualClock};
use tempfile::TempDir;

/// Not a user of this machine.
const STRANGER: u32 = 54_321;

/// A data folder, and an issuer.
struct World {
    folder: TempDir,
    server: Server,
    signer: Signer,
}

impl World {
    async fn new(mode: u32) -> Self {
        let (folder, server, signer) =
            (tempfile::tempdir().unwrap(), Server::start().await, Signer::es256("es"));
        server.publish(ISSUER, &jwks(&[&signer]));
        server.route(
            "/.well-known/oauth-authorization-server",
            crate::support::server::Reply::ok(
                serde_json::json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks.json")}).to_string(),
            ),
        );
        set_mode(folder.path(), mode);
        Self { folder, server, signer }
    }

    /// The same, with a snapshot at the configured path.
    async fn with_snapshot() -> Self {
        let world = Self::new(0o700).await;
        world.fill(&world.path()).await;
        world
    }

    /// Runs a verifier until it has written its snapshot.
    async fn fill(&self, place: &Path) {
        let verifier = self.start(&self.server.url);
        until("the keys are there", || is_ready(&verifier)).await;
        until("they are in the file", || fs::read(place).is_ok_and(|text| !text.is_empty())).await;
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("verifier.json")
    }

    /// The subfolder for the snapshot in a shared folder.
    fn own_folder(&self) -> PathBuf {
        let user = fs::metadata(self.folder.path()).unwrap().uid();
        self.folder.path().join(format!("verifier-{user}"))
    }

    fn start(&self, url: &str) -> Verifier {
        let remote = Remote::discover().internal_url(url).snapshot(self.path());
        let verifier = Verifier::remote(Policy::new(ISSUER, [AUDIENCE]).unwrap(), remote).unwrap();
        let verifier = verifier.with_clock(ManualClock::at(NOW).clock());
        verifier.start();
        verifier
    }

    /// Whether a verifier that starts without an issuer has keys.
    fn is_believed(&self) -> bool {
        is_ready(&self.start("http://127.0.0.1:1"))
    }

    /// The warnings about this folder.
    fn warnings(&self) -> Vec<String> {
        logs::warnings(self.folder.path().to_str().unwrap())
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_snapshot_that_others_may_write_to_is_refused_with_one_warning_that_says_what_to_do() {
    logs::collect();
    for mode in [0o620, 0o602, 0o666] {
        let world = World::with_snapshot().await;
        assert!(world.is_believed());
        set_mode(&world.path(), mode);
        assert!(!world.is_believed(), "{mode:o}");
        let warnings = world.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains("others may write to") && warnings[0].contains("delete it"),
            "{warnings:?}"
        );
        set_mode(&world.path(), 0o644);
        assert!(world.is_believed(), "it holds nothing secret");
        // A new one replaces it.
        set_mode(&world.path(), mode);
        let verifier = world.start(&world.server.url);
        until("it is written anew", || self::mode(&world.path()) == 0o600).await;
        drop(verifier);
        assert!(world.is_believed(), "{mode:o}");
    }
}

#[tokio::test]
async fn a_symbolic_link_is_not_followed_and_nothing_but_a_file_is_read() {
    logs::collect();
    let world = World::with_snapshot().await;
    let elsewhere = world.folder.path().join("elsewhere.json");
    fs::rename(world.path(), &elsewhere).unwrap();
    symlink(&elsewhere, world.path()).unwrap();
    assert!(!world.is_believed());
    let warnings = world.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("symbolic link"), "{warnings:?}");
    let before = fs::read(&elsewhere).unwrap();
    let verifier = world.start(&world.server.url);
    until("a file takes its place", || world.path().symlink_metadata().is_ok_and(|is| is.is_file())).await;
    drop(verifier);
    assert_eq!(fs::read(&elsewhere).unwrap(), before, "nothing is written through the link");

    fs::remove_file(world.path()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(world.path()).status().unwrap();
    assert!(made.success());
    set_mode(&world.path(), 0o600);
    assert!(!world.is_believed(), "and it waits for no writer");
}

#[tokio::test]
async fn a_snapshot_of_another_user_is_refused() {
    logs::collect();
    let world = World::with_snapshot().await;
    if chown(world.path(), Some(STRANGER), None).is_err() {
        return; // only root may change the owner
    }
    assert!(!world.is_believed());
    let warnings = world.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("another user"), "{warnings:?}");
}

#[tokio::test]
async fn in_a_folder_that_others_may_write_to_the_snapshot_has_a_private_folder_of_its_own() {
    for shared in [0o777, 0o1777, 0o2770, 0o720] {
        let world = World::new(shared).await;
        let place = world.own_folder().join("verifier.json");
        world.fill(&place).await;
        assert_eq!((mode(&world.own_folder()), mode(&place)), (0o700, 0o600), "{shared:o}");
        assert!(!world.path().exists(), "{shared:o}");
        assert!(world.is_believed(), "{shared:o}: after a restart");
        world.fill(&place).await;
    }
}

#[tokio::test]
async fn a_folder_of_another_user_is_shared() {
    let world = World::new(0o755).await;
    let place = world.own_folder().join("verifier.json");
    if chown(world.folder.path(), Some(STRANGER), None).is_err() {
        return; // only root may give folders away
    }
    world.fill(&place).await;
    assert!(!world.path().exists());
    assert!(world.is_believed());
}

#[tokio::test]
async fn a_snapshot_in_a_shared_folder_is_ignored() {
    logs::collect();
    let (world, attacker) = (World::new(0o777).await, World::with_snapshot().await);
    fs::copy(attacker.path(), world.path()).unwrap();
    assert!(!world.is_believed());
    let warnings = world.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("is ignored") && warnings[0].contains("0700"), "{warnings:?}");
    world.fill(&world.own_folder().join("verifier.json")).await;
    let verifier = world.start("http://127.0.0.1:1");
    verifier.verify_now(&world.signer.token()).unwrap();
    let planted = verifier.verify_now(&attacker.signer.token()).unwrap_err();
    assert_eq!(planted, Refusal::Signature, "the same kid, and another key");
}

#[tokio::test]
async fn a_private_folder_that_another_user_has_made_is_not_used() {
    logs::collect();
    for case in ["a file", "a link", "another user's"] {
        let world = World::new(0o777).await;
        let own = world.own_folder();
        let elsewhere = tempfile::tempdir().unwrap();
        match case {
            "a file" => fs::write(&own, "").unwrap(),
            "a link" => symlink(elsewhere.path(), &own).unwrap(),
            _ => {
                fs::create_dir(&own).unwrap();
                if chown(&own, Some(STRANGER), None).is_err() {
                    continue; // only root may give folders away
                }
            }
        }
        let verifier = world.start(&world.server.url);
        until("the keys are there", || is_ready(&verifier)).await;
        until("it says so", || !world.warnings().is_empty()).await;
        crate::support::server::jump(61).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let warnings = world.warnings();
        assert!(
            warnings.len() == 1 && warnings[0].contains("cannot be made private"),
            "{case}: {warnings:?}"
        );
        assert!(!world.path().exists() && !own.join("verifier.json").exists(), "{case}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "{case}");
        assert!(!world.is_believed(), "{case}");
    }
}

#[tokio::test]
async fn the_content_of_a_private_folder_that_was_opened_to_others_is_ignored() {
    logs::collect();
    let world = World::new(0o2770).await;
    let place = world.own_folder().join("verifier.json");
    world.fill(&place).await;
    set_mode(&world.own_folder(), 0o2770); // as Kubernetes does with an fsGroup, whenever it mounts the volume
    assert!(!world.is_believed());
    assert_eq!(mode(&world.own_folder()), 0o700);
    let warnings = world.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("was deleted"), "{warnings:?}");
    world.fill(&place).await;
    assert!(world.is_believed());
}
