//! What can happen, under names that do not change. What stands in an event is never a secret: ids, names of roles and
//! counts, but no password, no token, no hash, and no name that somebody typed and nobody has.

use serde_json::{Map, Value};

use crate::domain::audit::Origin;

macro_rules! names {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$doc])* $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name: stable.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

names! {
    /// What happened.
    EventKind {
        /// Somebody registered.
        AccountRegistered = "account_registered",
        /// An operator made an account; `details.roles`.
        AccountCreated = "account_created",
        /// Accounts of another system were taken over; `details.created`, `present`, `refused`.
        UsersImported = "users_imported",
        /// The owner changed the name or the address; `details.changed`.
        AccountChanged = "account_changed",
        /// The owner deleted the account.
        AccountDeleted = "account_deleted",
        /// An account was disabled.
        AccountDisabled = "account_disabled",
        /// An account was enabled.
        AccountEnabled = "account_enabled",
        /// An account has other roles, or was imported with some; `details.roles` is what they are now, `details.before` what
        /// they were.
        RoleChanged = "role_changed",
        /// An account lost its address, to an operator or to the account for which it is verified; `details.why` is
        /// `operator` or `verified_elsewhere`.
        EmailFreed = "email_freed",
        /// The owner changed the password; every earlier session ended.
        PasswordChanged = "password_changed",
        /// A session began.
        Login = "login",
        /// A session went on; `details.changed` is what is another than at its last use.
        TokenRefreshed = "token_refreshed",
        /// A refresh token was used that should not have been: its session was ended.
        RefreshReused = "refresh_reused",
        /// A session was ended by its own token.
        Logout = "logout",
        /// The owner ended one session, or a login in the same browser took its place.
        SessionEnded = "session_ended",
        /// The owner ended all sessions but one.
        SessionsEnded = "sessions_ended",
        /// A token was taken back, and what belongs to it.
        TokenRevoked = "token_revoked",
        /// An operator made a client.
        ClientCreated = "client_created",
        /// A client was disabled.
        ClientDisabled = "client_disabled",
        /// A client was enabled.
        ClientEnabled = "client_enabled",
        /// A client has another secret.
        ClientSecretChanged = "client_secret_changed",
        /// Somebody failed to prove to be a client.
        ClientAuthenticated = "client_authenticated",
        /// A client got a token of its own.
        ClientTokenGranted = "client_token_granted",
        /// A key was made; `details.kid`, `purpose`, `why`.
        KeyRotated = "key_rotated",
        /// Keys whose time is over were deleted; `details.kids`.
        KeyRetired = "key_retired",
        /// Keys were sealed with another master key; `details.count`.
        KeysResealed = "keys_resealed",
        /// A restored database was put into service; `details.ended`, `lost_keys`, `tampered_keys`.
        Recovered = "recovered",
        /// Somebody without the right to it asked for the administration.
        AdminRefused = "admin_refused",
        /// An administrator read the list of users.
        UsersListed = "users_listed",
        /// An administrator read the audit trail.
        AuditRead = "audit_read",
        /// A chain begins; `details.previous` is where the one before it stood, `details.heads` where the others stand.
        ProcessStarted = "process_started",
        /// Other chains have moved; `details.heads` is where they stand.
        HeadsSeen = "heads_seen",
        /// A chain ends.
        ProcessStopped = "process_stopped",
        /// A chain whose time is over was deleted; `details.chain`, `number`, `position`, `mac`.
        AuditPruned = "audit_pruned",
        /// Somebody else wrote to the chain of this process; `details.stood` is where it had stood.
        AuditDisturbed = "audit_disturbed",
        /// Events could not be stored; `details.count`.
        EventsLost = "events_lost",
        /// Refusals were too many to store each; `details.count`, `event`, `reason`, `since`, `until`, a `sample`, and the `holder`,
        /// the `source` or the `network` that caused them.
        RefusalsOmitted = "refusals_omitted",
    }
}

names! {
    /// Why something failed.
    Reason {
        /// There is no such account. Which name it was is not kept: people type passwords into that field.
        UnknownUser = "unknown_user",
        /// The password is another one.
        WrongPassword = "wrong_password",
        /// No password can be like that; no account was looked up.
        ImpossiblePassword = "impossible_password",
        /// The account or the client is disabled.
        Disabled = "disabled",
        /// Too many passwords were wrong before.
        TooManyAttempts = "too_many_attempts",
        /// It was asked for too often within a short time.
        TooManyRequests = "too_many_requests",
        /// Too many passwords were waiting to be judged.
        Overloaded = "overloaded",
        /// The account changed at the same moment.
        Overtaken = "overtaken",
        /// Registration is closed.
        Closed = "registration_closed",
        /// The name has an account.
        UsernameTaken = "username_taken",
        /// The address has an account.
        EmailTaken = "email_taken",
        /// The session had ended, or never was.
        SessionEnded = "session_ended",
        /// The token was used before, too long ago for a lost answer.
        Replayed = "replayed",
        /// The token was used a moment ago, by somebody else.
        Elsewhere = "elsewhere",
        /// The token is newer than the database: this is an older copy of it.
        FromTheFuture = "from_the_future",
        /// There is no such client.
        UnknownClient = "unknown_client",
        /// The secret is another one.
        WrongSecret = "wrong_secret",
        /// The caller has not the right.
        InsufficientRights = "insufficient_rights",
        /// The token is not for this service alone.
        AudienceMissing = "audience_missing",
        /// The user logged in too long ago for what gives rights.
        LoginTooOld = "login_too_old",
        /// The password was right, and the account may not have such tokens.
        InvalidTarget = "invalid_target",
        /// The password was right, and the token would be longer than verifiers or browsers take.
        TokenTooLarge = "token_too_large",
    }
}

impl EventKind {
    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// What a refusal cost its sender.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// A hash, or a session: nobody can have a thousand of it in a second.
    Dear,
    /// A credential of the user or client of this id.
    Held(String),
    /// A refresh token of the session of this id.
    Session(String),
    /// Nothing.
    Free,
}

impl Reason {
    /// Whether a password was hashed or a session ended for it.
    fn is_dear(self) -> bool {
        match self {
            Self::UnknownUser
            | Self::WrongPassword
            | Self::Disabled
            | Self::Replayed
            | Self::Elsewhere
            | Self::FromTheFuture
            | Self::InvalidTarget
            | Self::TokenTooLarge => true,
            Self::ImpossiblePassword
            | Self::TooManyAttempts
            | Self::TooManyRequests
            | Self::Overloaded
            | Self::Overtaken
            | Self::Closed
            | Self::UsernameTaken
            | Self::EmailTaken
            | Self::SessionEnded
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::InsufficientRights
            | Self::AudienceMissing
            | Self::LoginTooOld => false,
        }
    }
}

/// Something that happened. Who did it and from where is known from the [`Origin`](crate::domain::audit::Origin).
#[derive(Debug, Clone)]
pub struct Event {
    pub(super) kind: EventKind,
    pub(super) reason: Option<Reason>,
    pub(super) subject: Option<String>,
    pub(super) session: Option<String>,
    pub(super) details: Map<String, Value>,
    /// Whose credential was shown, when that proves no actor.
    holder: Option<String>,
}

impl Event {
    /// It was done.
    #[must_use]
    pub fn of(kind: EventKind) -> Self {
        Self { kind, reason: None, subject: None, session: None, details: Map::new(), holder: None }
    }

    /// An account lost its address.
    #[must_use]
    pub fn email_freed(account: &str, why: &str) -> Self {
        Self::of(EventKind::EmailFreed).to(account).with("why", why)
    }

    /// It was tried and refused.
    #[must_use]
    pub fn refused(kind: EventKind, reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::of(kind) }
    }

    /// The same, tried and refused.
    #[must_use]
    pub fn but(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// To this user or client.
    #[must_use]
    pub fn to(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// To this user or client, if there is one.
    #[must_use]
    pub fn to_known(self, subject: Option<&str>) -> Self {
        Self { subject: subject.map(str::to_owned), ..self }
    }

    /// About this session.
    #[must_use]
    pub fn in_session(self, session: impl Into<String>) -> Self {
        Self { session: Some(session.into()), ..self }
    }

    /// By somebody with a credential of this user or client, which was refused all the same.
    #[must_use]
    pub fn by_holder_of(self, holder: &str) -> Self {
        Self { holder: Some(holder.to_owned()), ..self }
    }

    /// What it cost to be refused for `reason`. A session is named by a genuine token of it alone.
    pub(super) fn cost(&self, reason: Reason, origin: &Origin) -> Cost {
        match (&self.holder, reason.is_dear()) {
            (Some(holder), _) => Cost::Held(holder.clone()),
            (None, true) => Cost::Dear,
            (None, false) => match (origin.actor(), &self.session) {
                (Some(actor), _) => Cost::Held(actor),
                (None, Some(session)) => Cost::Session(session.clone()),
                (None, None) => Cost::Free,
            },
        }
    }

    /// With a further fact, which must not be secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_in_snake_case_and_each_is_given_once() {
        let kinds = EventKind::ALL.iter().map(|kind| kind.as_str());
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
        for names in [kinds.collect::<Vec<_>>(), reasons.collect()] {
            let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(names.iter().all(plain), "{names:?}");
            let once: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(once.len(), names.len());
        }
        assert_eq!(EventKind::named("refresh_reused"), Some(EventKind::RefreshReused));
        assert_eq!(EventKind::named("nothing"), None);
    }
}
