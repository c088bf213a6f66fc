//! One line in the log for each login, refused or not, for operators and for programs that block addresses.

use crate::domain::audit::Reason;
use crate::domain::sessions::device::Device;
use crate::store::users::User;

/// The client has gone before the answer.
const ABANDONED: &str = "abandoned";

/// What is known of one login. It is written when it is dropped, so that a client that closes the connection early, and has
/// had its password counted, is in the log as well.
pub(in crate::domain) struct LoginLine {
    /// Of an account that exists: other names may be passwords that were typed into the wrong field.
    username: Option<String>,
    address: Option<String>,
    /// `None` for a login that was accepted.
    refused: Option<&'static str>,
    reason: Option<Reason>,
}

impl LoginLine {
    pub(in crate::domain) fn new(device: &Device) -> Self {
        Self { username: None, address: device.ip.clone(), refused: Some(ABANDONED), reason: None }
    }

    /// The account that the login is for.
    pub(in crate::domain) fn found(&mut self, user: Option<&User>) {
        self.username = user.map(|user| user.username.clone());
    }

    /// Sets the reason as the audit trail has it, which is more exact than the answer.
    pub(in crate::domain) fn refused_because(&mut self, reason: Reason) {
        self.reason = Some(reason);
    }

    /// Ends the line: accepted, or refused with the answer's reason if no more exact one was set.
    pub(in crate::domain) fn end(mut self, refused: Option<&'static str>) {
        self.refused = refused.map(|answer| self.reason.map_or(answer, Reason::as_str));
    }
}

impl Drop for LoginLine {
    fn drop(&mut self) {
        let address = self.address.as_deref().unwrap_or("-");
        // Each of the three has a budget of its own in the log: a flood of one does not hide the others.
        match (self.refused, self.username.as_deref()) {
            (None, name) => log::info!("login accepted: name={} address={address}", name.unwrap_or("-")),
            (Some(reason), Some(name)) => {
                log::info!("login refused: name={name} address={address} reason={reason}");
            }
            (Some(reason), None) => log::info!("login refused: name=- address={address} reason={reason}"),
        }
    }
}

/// Writes the line of a login that is refused before anything in it is looked at, because of the page that it comes from.
pub fn refused_for_its_page(device: &Device) {
    let address = device.ip.as_deref().unwrap_or("-");
    log::info!("login refused: name=- address={address} reason=foreign_origin");
}
