//! Events, under names that do not change. An event contains no secret: ids, names of roles and counts, but no password, no
//! token, no hash, and no name that a client sent and no account has.

use serde_json::{Map, Value};

use crate::domain::audit::context::AuditContext;

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
        /// A user registered.
        AccountRegistered = "account_registered",
        /// An operator created an account; `details.roles`.
        AccountCreated = "account_created",
        /// Accounts of another system were imported; `details.created`, `present`, `refused`.
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
        /// A session was refreshed; `details.changed` names what has changed since its last use.
        TokenRefreshed = "token_refreshed",
        /// A refresh token was used that should not have been: its session was ended.
        RefreshReused = "refresh_reused",
        /// A session was ended by its own token.
        Logout = "logout",
        /// The owner ended one session, or a login in the same browser replaced it.
        SessionEnded = "session_ended",
        /// The owner ended all sessions but one.
        SessionsEnded = "sessions_ended",
        /// A token was revoked, and its session with it.
        TokenRevoked = "token_revoked",
        /// An operator created a client.
        ClientCreated = "client_created",
        /// A client was disabled.
        ClientDisabled = "client_disabled",
        /// A client was enabled.
        ClientEnabled = "client_enabled",
        /// A client has another secret.
        ClientSecretChanged = "client_secret_changed",
        /// A client failed to authenticate.
        ClientAuthenticated = "client_authenticated",
        /// A client got a token of its own.
        ClientTokenGranted = "client_token_granted",
        /// A key was made; `details.kid`, `purpose`, `why`.
        KeyRotated = "key_rotated",
        /// Keys that nothing needs any more were deleted; `details.kids`.
        KeyRetired = "key_retired",
        /// Keys were sealed with another master key; `details.count`.
        KeysResealed = "keys_resealed",
        /// A restored database was put into service; `details.ended`, `lost_keys`, `tampered_keys`.
        Recovered = "recovered",
        /// A caller without the right to it asked for an administrative route.
        AdminRefused = "admin_refused",
        /// An administrator read the list of users.
        UsersListed = "users_listed",
        /// An administrator read the audit trail.
        AuditRead = "audit_read",
        /// A chain begins; `details.previous` is a checkpoint of the chain before, `details.heads` are checkpoints of the others.
        ProcessStarted = "process_started",
        /// Other chains have grown; `details.heads` are checkpoints of them.
        HeadsSeen = "heads_seen",
        /// A chain ends.
        ProcessStopped = "process_stopped",
        /// A chain was deleted because all its rows were old; `details.chain`, `number`, `position`, `mac`.
        AuditPruned = "audit_pruned",
        /// Another program wrote to the chain of this process; `details.stood` is its last checkpoint.
        AuditDisturbed = "audit_disturbed",
        /// Events could not be stored; `details.count`.
        EventsLost = "events_lost",
        /// Refusals were beyond their budget; `details.count`, `event`, `reason`, `since`, `until`, a `sample`, and the `holder`,
        /// the `source` or the `network` that caused them.
        RefusalsOmitted = "refusals_omitted",
    }
}

names! {
    /// Why something failed.
    Reason {
        /// There is no such account. The name is not stored: users type passwords into that field.
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
        /// Too many passwords were waiting to be checked.
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
        /// The token was used a moment ago, from another address and by another user agent.
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

/// The cost of a refusal for its sender.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// A hash, or a session: no sender can have thousands of them in a second.
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

/// An event. Its actor and its address are in the [`AuditContext`].
#[derive(Debug, Clone)]
pub struct Event {
    pub(super) kind: EventKind,
    pub(super) reason: Option<Reason>,
    pub(super) subject: Option<String>,
    pub(super) session: Option<String>,
    pub(super) details: Map<String, Value>,
    /// Whose credential was presented, where that proves no actor.
    holder: Option<String>,
}

impl Event {
    /// An event that succeeded.
    #[must_use]
    pub fn of(kind: EventKind) -> Self {
        Self { kind, reason: None, subject: None, session: None, details: Map::new(), holder: None }
    }

    /// An account lost its address.
    #[must_use]
    pub fn email_freed(account: &str, why: &str) -> Self {
        Self::of(EventKind::EmailFreed).to(account).with("why", why)
    }

    /// An event that was refused.
    #[must_use]
    pub fn refused(kind: EventKind, reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::of(kind) }
    }

    /// The same event, refused.
    #[must_use]
    pub fn but(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Sets the user or client that it happened to.
    #[must_use]
    pub fn to(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// Sets the user or client that it happened to, if there is one.
    #[must_use]
    pub fn to_known(self, subject: Option<&str>) -> Self {
        Self { subject: subject.map(str::to_owned), ..self }
    }

    /// Sets the session that it is about.
    #[must_use]
    pub fn in_session(self, session: impl Into<String>) -> Self {
        Self { session: Some(session.into()), ..self }
    }

    /// Sets the user or client whose credential was presented, where that proves no actor.
    #[must_use]
    pub fn by_holder_of(self, holder: &str) -> Self {
        Self { holder: Some(holder.to_owned()), ..self }
    }

    /// Returns what a refusal for `reason` cost. Only a genuine token of a session names it.
    pub(super) fn cost(&self, reason: Reason, context: &AuditContext) -> Cost {
        match (&self.holder, reason.is_dear()) {
            (Some(holder), _) => Cost::Held(holder.clone()),
            (None, true) => Cost::Dear,
            (None, false) => match (context.actor(), &self.session) {
                (Some(actor), _) => Cost::Held(actor),
                (None, Some(session)) => Cost::Session(session.clone()),
                (None, None) => Cost::Free,
            },
        }
    }

    /// Adds a further fact, which must not be secret.
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
