//! `auth-service recover`: puts a restored database into service.

use shared_claims::verifier::Clock;

use crate::app;
use crate::cli::operator::operator;
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings, new_master_key: bool) -> anyhow::Result<()> {
    if new_master_key {
        let path = app::new_master_key(settings)?;
        println!("made a master key in {}: keep a copy", path.display());
    }
    let ended = operator().scope(Box::pin(app::recover(settings, Clock::system()))).await?;
    println!("ended {ended} sessions, and made new keys: every user has to log in again");
    Ok(())
}
