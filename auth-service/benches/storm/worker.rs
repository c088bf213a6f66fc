//! A worker with one account at a time, which knows for each of its tokens whether it must be accepted.

use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::replicas::{Answer, ISSUER, Replicas, withdrawals};

pub const PASSWORD: &str = "correct horse battery";
const OTHER_PASSWORD: &str = "staple battery horse";
/// Sessions of one account at a time.
const SESSIONS: usize = 4;
/// Concurrent uses of one refresh token.
const USES: usize = 6;

/// The worker's record of a session.
#[derive(Debug, Clone)]
struct Session {
    access: String,
    refresh: String,
    /// The value of `withdrawals` when the access token was made.
    made_at: u64,
}

/// An account, its sessions, and a random number generator.
pub struct Worker {
    replicas: Arc<Replicas>,
    index: usize,
    chance: u64,
    accounts: usize,
    name: String,
    password: &'static str,
    sessions: Vec<Session>,
}

impl Worker {
    pub fn new(index: usize, replicas: Arc<Replicas>) -> Self {
        let chance = 0x9E37_79B9_7F4A_7C15 ^ (index as u64 + 1);
        let (name, password, sessions) = (String::new(), PASSWORD, Vec::new());
        Self { replicas, index, chance, accounts: 0, name, password, sessions }
    }

    pub async fn run(mut self, end: Instant) {
        self.register().await;
        while Instant::now() < end {
            if self.sessions.is_empty() {
                self.login().await;
                continue;
            }
            match self.dice(16) {
                0..=4 => self.refresh_concurrently().await,
                5..=6 if self.sessions.len() < SESSIONS => self.login().await,
                7 => self.logout_beside_refreshes().await,
                8 => self.theft().await,
                9 => self.rename_beside_refreshes().await,
                10 => self.change_password().await,
                11 => self.end_other_sessions().await,
                12 => self.change_roles().await,
                13 => self.disable().await,
                14 => self.revoke().await,
                15 if self.dice(4) == 0 => self.delete().await,
                _ => self.read().await,
            }
        }
    }

    /// Returns a random number below `sides`, by xorshift.
    fn dice(&mut self, sides: u64) -> usize {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        usize::try_from(self.chance % sides).unwrap()
    }

    fn any_session(&mut self) -> usize {
        self.dice(self.sessions.len() as u64)
    }

    fn check(&self, rule: &'static str, holds: bool, seen: &Answer) {
        self.replicas.ledger.check(rule, holds, || format!("{}: {}", self.name, seen.summary()));
    }

    /// Registers a new name six times concurrently.
    async fn register(&mut self) {
        self.accounts += 1;
        self.name = format!("storm-{}-{}", self.index, self.accounts);
        self.password = PASSWORD;
        self.sessions.clear();
        let body = json!({ "username": self.name, "password": PASSWORD });
        let answers =
            join_all((0..USES).map(|replica| self.replicas.post(replica, "/register", &body))).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let taken = answers.iter().filter(|answer| answer.status == 409).count();
        self.check(
            "of concurrent registrations of one name, one succeeds",
            (made, taken) == (1, USES - 1),
            &answers[0],
        );
    }

    fn credentials(&self) -> Value {
        json!({ "username": self.name, "password": self.password })
    }

    async fn login(&mut self) {
        let (replica, made_at) = (self.dice(2), withdrawals(&self.replicas));
        let answer = self.replicas.post(replica, "/login", &self.credentials()).await;
        self.check("a right password logs in", answer.status == 200, &answer);
        if answer.status == 200 {
            self.sessions.push(session(&answer, made_at));
        }
    }

    /// Uses one refresh token six times concurrently: all uses get the same next one.
    async fn refresh_concurrently(&mut self) {
        let (index, first) = (self.any_session(), self.dice(2));
        let made_at = withdrawals(&self.replicas);
        let old = self.sessions[index].refresh.clone();
        let uses = (0..USES).map(|use_| self.replicas.refresh(first + use_, &old));
        let answers = join_all(uses).await;
        for answer in &answers {
            self.check("concurrent uses of one refresh token all succeed", answer.status == 200, answer);
            let same = answer.text("refresh_token") == answers[0].text("refresh_token");
            self.check("and all get the same next one", same, answer);
        }
        self.sessions[index] = session(&answers[0], made_at);
        self.works(index).await;
    }

    /// Logs out while the session is refreshed: afterwards all its tokens are refused.
    async fn logout_beside_refreshes(&mut self) {
        let index = self.any_session();
        let ended = self.sessions.swap_remove(index);
        let first = self.dice(2);
        let made_at = withdrawals(&self.replicas);
        let body = json!({ "refresh_token": ended.refresh });
        let (logout, refreshed) = tokio::join!(
            self.replicas.post(first, "/logout", &body),
            join_all((0..3).map(|use_| self.replicas.refresh(first + use_, &ended.refresh)))
        );
        // A logout with a refresh token that was used in the meantime may count as reuse, which ends the session as well.
        self.check("a logout gets an expected answer", matches!(logout.status, 204 | 400 | 401), &logout);
        let mut tokens = vec![ended];
        tokens.extend(
            refreshed.iter().filter(|answer| answer.status == 200).map(|answer| session(answer, made_at)),
        );
        if logout.status == 204 {
            self.must_be_refused(&tokens).await;
        } else if let Some(last) = tokens.pop() {
            self.replicas.post(first, "/logout", &json!({ "refresh_token": last.refresh })).await;
        }
    }

    /// Uses a refresh token two generations old.
    async fn theft(&mut self) {
        let index = self.any_session();
        let stolen = self.sessions[index].clone();
        let mut tokens = vec![stolen.clone()];
        for replica in 0..2 {
            let made_at = withdrawals(&self.replicas);
            let answer = self.replicas.refresh(replica, &tokens[replica].refresh).await;
            self.check("a refresh token works once", answer.status == 200, &answer);
            tokens.push(session(&answer, made_at));
        }
        let replica = self.dice(2);
        let answer = self.replicas.refresh(replica, &stolen.refresh).await;
        self.check("an old refresh token is refused", answer.status == 400, &answer);
        self.sessions.swap_remove(index);
        self.must_be_refused(&tokens).await;
    }

    /// Renames the account while its sessions are refreshed: old access tokens are revoked, and the sessions continue.
    async fn rename_beside_refreshes(&mut self) {
        let name = self.name.strip_suffix("-b").map_or_else(|| format!("{}-b", self.name), str::to_owned);
        let body = json!({ "username": name, "current_password": self.password });
        let before = self.sessions.clone();
        let Some((token, made_at)) = self.fresh_access().await else { return };
        let (renamed, _) = tokio::join!(
            self.replicas.send(self.index, (Method::PATCH, "/me"), Some(&token), Some(&body)),
            join_all(before.iter().map(|session| self.replicas.refresh(self.index + 1, &session.refresh)))
        );
        self.accepted("a rename succeeds", &renamed, made_at);
        if renamed.status == 200 {
            self.name = name;
            self.must_be_refused_elsewhere(&before);
        }
        self.resume().await;
    }

    async fn change_password(&mut self) {
        let new = if self.password == PASSWORD { OTHER_PASSWORD } else { PASSWORD };
        let body = json!({ "current_password": self.password, "new_password": new });
        let Some((token, made_at)) = self.fresh_access().await else { return };
        let before = self.sessions.clone();
        let changed =
            self.replicas.send(self.index, (Method::PUT, "/me/password"), Some(&token), Some(&body)).await;
        self.accepted("a change of the password succeeds", &changed, made_at);
        if changed.status == 200 {
            self.password = new;
            self.sessions = vec![session(&changed, made_at)];
            self.must_be_refused(&before).await;
            self.works(0).await;
        }
    }

    /// `DELETE /me/sessions` with a token for the issuer: all but the current session end.
    async fn end_other_sessions(&mut self) {
        let index = self.any_session();
        let body = json!({
            "grant_type": "refresh_token", "refresh_token": self.sessions[index].refresh, "resource": ISSUER,
        });
        let made_at = withdrawals(&self.replicas);
        let answer = self.replicas.post(self.index, "/token", &body).await;
        self.check("a refresh gives a token for the issuer", answer.status == 200, &answer);
        let current = session(&answer, made_at);
        let route = (Method::DELETE, "/me/sessions");
        let ended = self.replicas.send(self.index, route, Some(&current.access), None).await;
        self.accepted("the other sessions end", &ended, made_at);
        let mut others = std::mem::take(&mut self.sessions);
        others.swap_remove(index);
        self.sessions.push(current);
        if ended.status == 204 {
            self.must_be_refused(&others).await;
        } else {
            self.sessions.extend(others);
        }
        self.resume().await;
    }

    /// As an operator, adds and removes a role while the sessions are refreshed.
    async fn change_roles(&mut self) {
        let name = self.name.clone();
        self.command(&["user", "roles", &name, "--add", "subscriber"]).await;
        self.resume().await;
        let before = self.sessions.clone();
        let arguments = ["user", "roles", &name, "--remove", "subscriber"];
        tokio::join!(
            self.command(&arguments),
            join_all(before.iter().map(|session| self.replicas.refresh(self.index, &session.refresh)))
        );
        self.must_be_refused_elsewhere(&before);
        self.resume().await;
        for session in &self.sessions {
            let roles = claims(&session.access)["roles"].clone();
            self.replicas.ledger.check("a removed role is in no new token", roles == json!([]), || {
                format!("{}: {roles}", self.name)
            });
        }
    }

    /// As an operator, disables the account during logins and refreshes.
    async fn disable(&mut self) {
        let mut tokens = std::mem::take(&mut self.sessions);
        let (name, credentials, made_at) =
            (self.name.clone(), self.credentials(), withdrawals(&self.replicas));
        let arguments = ["user", "disable", &name];
        let ((), logins, refreshed) = tokio::join!(
            self.command(&arguments),
            join_all((0..3).map(|replica| self.replicas.post(replica, "/login", &credentials))),
            join_all(tokens.iter().map(|session| self.replicas.refresh(self.index, &session.refresh)))
        );
        let given = logins.iter().chain(&refreshed).filter(|answer| answer.status == 200);
        tokens.extend(given.map(|answer| session(answer, made_at)));
        self.must_be_refused(&tokens).await;
        let answer = self.replicas.post(self.index, "/login", &credentials).await;
        self.check("a disabled account cannot log in", answer.status == 401, &answer);
        self.command(&["user", "enable", &name]).await;
    }

    async fn revoke(&mut self) {
        let index = self.any_session();
        let ended = self.sessions.swap_remove(index);
        let answer = self.replicas.post(self.index, "/revoke", &json!({ "token": ended.refresh })).await;
        self.check("a revocation succeeds", answer.status == 200, &answer);
        self.must_be_refused(&[ended]).await;
    }

    /// Deletes the account during a login, and continues with another one.
    async fn delete(&mut self) {
        let Some((token, made_at)) = self.fresh_access().await else { return };
        let mut tokens = std::mem::take(&mut self.sessions);
        let credentials = self.credentials();
        let body = json!({ "current_password": self.password });
        let (deleted, logins) = tokio::join!(
            self.replicas.send(self.index, (Method::DELETE, "/me"), Some(&token), Some(&body)),
            join_all((0..3).map(|replica| self.replicas.post(replica, "/login", &credentials)))
        );
        self.accepted("an account can be deleted", &deleted, made_at);
        tokens.extend(
            logins.iter().filter(|answer| answer.status == 200).map(|answer| session(answer, made_at)),
        );
        if deleted.status == 204 {
            self.must_be_refused(&tokens).await;
            self.register().await;
        } else {
            self.sessions = tokens;
        }
    }

    async fn read(&mut self) {
        let index = self.any_session();
        self.works(index).await;
    }

    async fn command(&self, arguments: &[&str]) {
        let done = self.replicas.command(arguments).await;
        self.replicas.ledger.check("commands succeed", done, || arguments.join(" "));
    }

    /// Returns a new access token, and the value of `withdrawals` from before it was made.
    async fn fresh_access(&mut self) -> Option<(String, u64)> {
        let (index, made_at) = (self.any_session(), withdrawals(&self.replicas));
        let answer = self.replicas.refresh(self.index, &self.sessions[index].refresh).await;
        self.check("a live session can be refreshed", answer.status == 200, &answer);
        self.sessions[index] = session(&answer, made_at);
        (answer.status == 200).then(|| (self.sessions[index].access.clone(), made_at))
    }

    /// Refreshes every session, like a client that lost the last answers.
    async fn resume(&mut self) {
        for index in 0..self.sessions.len() {
            let made_at = withdrawals(&self.replicas);
            let answer = self.replicas.refresh(self.index + index, &self.sessions[index].refresh).await;
            self.check("a session continues after a change of its account", answer.status == 200, &answer);
            self.sessions[index] = session(&answer, made_at);
        }
    }

    /// Checks that both replicas accept the session's access token, unless keys were withdrawn.
    async fn works(&self, index: usize) {
        let session = &self.sessions[index];
        for replica in 0..2 {
            let answer = self.replicas.send(replica, (Method::GET, "/me"), Some(&session.access), None).await;
            self.accepted("a live token is accepted at each replica", &answer, session.made_at);
        }
    }

    /// Checks that `answer` is a success, unless keys were withdrawn since the access token was made.
    fn accepted(&self, rule: &'static str, answer: &Answer, made_at: u64) {
        let undisturbed = made_at.is_multiple_of(2) && made_at == withdrawals(&self.replicas);
        self.check(rule, answer.status < 300 || (answer.status == 401 && !undisturbed), answer);
    }

    /// Records access tokens that other services must refuse; verifiers check them at the end. auth-service itself decides by
    /// the session, which may continue.
    fn must_be_refused_elsewhere(&self, tokens: &[Session]) {
        for session in tokens {
            self.replicas.keep_ended(&session.access);
        }
    }

    /// Checks that both replicas refuse every token of these sessions.
    async fn must_be_refused(&self, tokens: &[Session]) {
        self.must_be_refused_elsewhere(tokens);
        for session in tokens {
            let answer = self.replicas.refresh(self.index, &session.refresh).await;
            self.check("a session that has ended cannot be refreshed", answer.status == 400, &answer);
            for replica in 0..2 {
                let answer =
                    self.replicas.send(replica, (Method::GET, "/me"), Some(&session.access), None).await;
                self.check(
                    "a revoked access token is refused at each replica",
                    answer.status == 401,
                    &answer,
                );
            }
        }
    }
}

fn session(answer: &Answer, made_at: u64) -> Session {
    Session { access: answer.text("access_token"), refresh: answer.text("refresh_token"), made_at }
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
