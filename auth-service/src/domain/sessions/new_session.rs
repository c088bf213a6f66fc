//! A session as it begins.

use crate::domain::clock::{Moment, seconds};
use crate::domain::policy::Policy;
use crate::domain::random;
use crate::domain::sessions::device::Device;
use crate::store::sessions::Session;
use crate::store::users::User;

impl Policy {
    /// A session as it is at its beginning, without a status list index yet.
    pub(in crate::domain) fn new_session(
        &self,
        user: &User,
        audience: &[String],
        device: Device,
        moment: Moment,
    ) -> Session {
        let Moment { now, latest, .. } = moment;
        Session {
            id: random::id(),
            user_id: user.id.clone(),
            audience: audience.join(" "),
            generation: 0,
            rotated_at: now,
            created_at: now,
            last_used_at: now,
            // A clock that was put back for a while must not end it before its time.
            expires_at: latest.saturating_add(seconds(self.idle_ttl.min(self.absolute_ttl))),
            absolute_expires_at: latest.saturating_add(seconds(self.absolute_ttl)),
            ended_at: None,
            ip: device.ip,
            user_agent: device.user_agent,
            status_index: None,
        }
    }
}
