//! Tries the corpus on a route.

use std::{error::Error, fmt};

use super::{
    corpus::table,
    forgery::{Forgery, Genuine, Headers},
    genuine,
    issuer::TestIssuer,
    token::TestToken,
};

impl TestIssuer {
    /// Returns the forgeries of a token for `subject`: [`TestToken::forgeries`].
    pub fn forgeries(&self, subject: &str) -> impl Iterator<Item = Forgery> + use<> {
        self.token(subject).forgeries()
    }

    /// Returns the valid tokens for `subject` in all forms that must be accepted: [`TestToken::genuine`].
    pub fn genuine(&self, subject: &str) -> impl Iterator<Item = Genuine> + use<> {
        self.token(subject).genuine()
    }
}

impl TestToken<'_> {
    /// Returns the forgeries that are made from this token, about two thousand. Each one tries one thing, and their order
    /// is always the same. The token should be valid, with the rights that the route under test requires.
    ///
    /// ```
    /// # use shared_claims::testing::TestIssuer;
    /// let issuer = TestIssuer::new();
    /// let orders = issuer.verifier("orders");
    /// for forgery in issuer.token("alice").forgeries() {
    ///     let Some(token) = forgery.token() else { continue }; // others are about headers
    ///     assert!(orders.verify_now(token).is_err(), "{forgery}");
    /// }
    /// ```
    pub fn forgeries(&self) -> impl Iterator<Item = Forgery> + use<> {
        table::forgeries(self)
    }

    /// Returns this token in all forms that must be accepted, signed with each of the issuer's keys.
    pub fn genuine(&self) -> impl Iterator<Item = Genuine> + use<> {
        genuine::genuine(self)
    }

    /// Sends the valid tokens, all forgeries that HTTP can carry, and a valid token again to a route. `ask` sends a request
    /// with these headers and returns the status of the response. The route has seen and may have cached the token that the
    /// forgeries are made from.
    ///
    /// A valid token must be answered with less than 400, a forgery as its [`expect`](Forgery::expect) says. The valid
    /// tokens have the algorithm that the issuer [signs with](super::TestIssuer::sign_with).
    ///
    /// # Errors
    /// [`Breach`] lists the forgeries that were accepted and the valid tokens that were refused; `unwrap` displays it.
    /// Otherwise the result is the number of requests.
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

/// The wrong answers of a route.
#[derive(Clone)]
pub struct Breach {
    tried: usize,
    forgeries: Vec<(Forgery, u16)>,
    refused: Vec<(Genuine, u16)>,
}

impl Breach {
    /// Returns the forgeries that were not refused as expected, with the status of the response.
    #[must_use]
    pub fn forgeries(&self) -> &[(Forgery, u16)] {
        &self.forgeries
    }

    /// Returns the valid tokens that were refused, with the status of the response.
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
            "of {} requests, {through} forgeries were accepted and {refused} valid tokens were refused:",
            self.tried
        )?;
        for (genuine, status) in &self.refused {
            write!(f, "\n{status} for a valid token: {}", genuine.name)?;
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
