//! `auth-service migrate`: brings the tables up to date, or undoes migrations.

use shared_claims::verifier::Clock;

use crate::app;
use crate::domain::accounts::address_check::{AddressReport, settle_addresses};
use crate::settings::Settings;
use crate::store::engine::store::Store;

/// Applies the migrations that the database lacks.
pub(super) async fn forward(settings: &Settings) -> anyhow::Result<()> {
    app::make_data_dir(settings)?;
    let store = Store::open(&settings.database_url(), app::store_limits(settings))?;
    match app::behind_in(settings, &store, Clock::system()).await? {
        None => migrate_addresses(&store).await?,
        Some(lack) => eprintln!(
            "auth-service: the database is older than its marks ({lack}): it was set back, and the addresses of accounts are left \
             as they are. Run `auth-service recover`, then this command again"
        ),
    }
    store.close().await;
    println!("the database is up to date");
    Ok(())
}

/// Undoes the newest `count` migrations.
pub(super) fn revert(settings: &Settings, count: usize, confirmed: bool) -> anyhow::Result<()> {
    for version in app::revert(settings, count, confirmed, &Clock::system())? {
        println!("reverted migration {version}");
    }
    Ok(())
}

async fn migrate_addresses(store: &Store) -> anyhow::Result<()> {
    let found = settle_addresses(store).await?;
    if found != AddressReport::default() {
        let AddressReport { respelled, collisions, refused } = found;
        let (collisions, refused) = (collisions.len(), refused.len());
        println!(
            "addresses: {respelled} written in the canonical spelling, {collisions} that another account has too, {refused} that \
             are not valid; the log names the accounts"
        );
    }
    Ok(())
}
