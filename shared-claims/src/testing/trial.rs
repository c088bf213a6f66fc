//! The corpus against a route of one's own.

use std::{error::Error, fmt};

use super::{
    corpus::table,
    forgery::{Forgery, Genuine, Headers},
    genuine,
    issuer::TestIssuer,
    token::TestToken,
};

impl TestIssuer {
    /// The forgeries of a token about `subject`: [`TestToken::forgeries`].
    pub fn forgeries(&self, subject: &str) -> impl Iterator<Item = Forgery> + use<> {
        self.token(subject).forgeries()
    }

    /// The good tokens about `subject`, in all the spellings that must pass: [`TestToken::genuine`].
    pub fn genuine(&self, subject: &str) -> impl Iterator<Item = Genuine> + use<> {
        self.token(subject).genuine()
    }
}

impl TestToken<'_> {
    /// The forgeries that are made of this token, hundreds of them: each tries one thing, and their order is always the
    /// same. The token should be a good one, with the rights that the route under test asks for.
    ///
    /// ```
    /// # use shared_claims::testing::TestIssuer;
    /// let issuer = TestIssuer::new();
    /// let orders = issuer.verifier("orders");
    /// for forgery in issuer.token("alice").forgeries() {
    ///     let Some(token) = forgery.token() else { continue }; // others are about headers
    ///     assert!(orders.verify_known(token).is_err(), "{forgery}");
    /// }
    /// ```
    pub fn forgeries(&self) -> impl Iterator<Item = Forgery> + use<> {
        table::forgeries(self)
    }

    /// This token in all the spellings that must pass, signed by each of the issuer's keys.
    pub fn genuine(&self) -> impl Iterator<Item = Genuine> + use<> {
        genuine::genuine(self)
    }

    /// Sends the good tokens, all forgeries that HTTP can carry, and a good token again to a route, which `ask` does: from the
    /// headers of a request to the status of the answer. The forgeries are made of a token that the route has seen by then,
    /// and may remember.
    ///
    /// A good token is to be answered by less than 400, a forgery as its [`expect`](Forgery::expect) says. Good tokens are of
    /// the algorithm that the issuer [signs with](super::TestIssuer::sign_with).
    ///
    /// # Errors
    /// [`Breach`] says by name which forgeries got through, and which good tokens did not; `unwrap` shows it. Else the result
    /// is the number of requests.
    pub async fn try_on(&self, ask: impl AsyncFn(Headers) -> u16) -> Result<usize, Breach> {
        let mut breach = Breach { tried: 0, forgeries: Vec::new(), refused: Vec::new() };
        let (algorithm, forgeries) = (self.key().algorithm(), table::forgeries(self));
        let originals =
            forgeries.as_slice().first().map_or_else(Vec::new, |first| first.originals().to_vec());
        let is_usual = |genuine: &Genuine| genuine.algorithm == algorithm;
        for genuine in originals.iter().cloned().chain(self.genuine()).filter(is_usual) {
            breach.expect_good(&genuine, &ask).await;
        }
        for forgery in forgeries {
            let Some(headers) = forgery.headers() else { continue };
            breach.tried += 1;
            let status = ask(headers).await;
            if !forgery.expect.allows(status) {
                breach.forgeries.push((forgery, status));
            }
        }
        for genuine in originals.iter().filter(|genuine| is_usual(genuine)) {
            breach.expect_good(genuine, &ask).await;
        }
        if breach.forgeries.is_empty() && breach.refused.is_empty() { Ok(breach.tried) } else { Err(breach) }
    }
}

/// What a route has answered wrongly.
#[derive(Clone)]
pub struct Breach {
    tried: usize,
    forgeries: Vec<(Forgery, u16)>,
    refused: Vec<(Genuine, u16)>,
}

impl Breach {
    /// The forgeries that were not refused as they should be, with the status that was answered.
    #[must_use]
    pub fn forgeries(&self) -> &[(Forgery, u16)] {
        &self.forgeries
    }

    /// The good tokens that did not pass, with the status that was answered.
    #[must_use]
    pub fn refused(&self) -> &[(Genuine, u16)] {
        &self.refused
    }

    async fn expect_good(&mut self, genuine: &Genuine, ask: &impl AsyncFn(Headers) -> u16) {
        self.tried += 1;
        let status = ask(genuine.headers()).await;
        if status >= 400 {
            self.refused.push((genuine.clone(), status));
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (through, refused) = (self.forgeries.len(), self.refused.len());
        write!(
            f,
            "of {} requests, {through} forgeries were not refused, {refused} good tokens were:",
            self.tried
        )?;
        for (genuine, status) in &self.refused {
            write!(f, "\n{status} for a good token: {}", genuine.name)?;
        }
        for (forgery, status) in &self.forgeries {
            write!(f, "\n{status} for {forgery}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Breach {}
