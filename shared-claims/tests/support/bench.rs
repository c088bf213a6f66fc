//! A verifier with one key of each kind, and rows of hostile tokens to run against it.

use shared_claims::Verifier;

use super::{Signer, check_table, verifier};

/// Rows: what is tried, the token, the code expected.
pub(crate) type Rows = Vec<(String, String, &'static str)>;

pub(crate) fn row(
    name: impl Into<String>,
    token: impl Into<String>,
    expected: &'static str,
) -> (String, String, &'static str) {
    (name.into(), token.into(), expected)
}

pub(crate) struct Bench {
    pub(crate) es: Signer,
    pub(crate) ed: Signer,
    pub(crate) rsa: Signer,
    pub(crate) verifier: Verifier,
}

pub(crate) fn bench() -> Bench {
    let (es, ed, rsa) = (Signer::es256("es"), Signer::eddsa("ed"), Signer::rs256("rsa"));
    let verifier = verifier(&[&es, &ed, &rsa]);
    Bench { es, ed, rsa, verifier }
}

/// Runs the rows, and then sees that the verifier is as good as before.
pub(crate) fn refuse_all(bench: &Bench, rows: Rows) {
    check_table(&bench.verifier, rows);
    for signer in [&bench.es, &bench.ed, &bench.rsa] {
        bench.verifier.verify_known(&signer.token()).unwrap();
    }
}

/// Header, payload, signature.
pub(crate) fn parts(token: &str) -> (&str, &str, &str) {
    let mut parts = token.split('.');
    (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
}
