//! Counts requests, checks and violations.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many violations are printed.
const SHOWN: usize = 20;

/// Counts of one stress test.
#[derive(Debug, Default)]
pub struct Ledger {
    answers: Mutex<BTreeMap<(String, u16), u64>>,
    /// Number of checks of each rule.
    rules: Mutex<BTreeMap<&'static str, u64>>,
    violations: Mutex<Vec<String>>,
}

impl Ledger {
    /// Counts an answer of `route`.
    pub fn answered(&self, route: &str, status: u16) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((route.to_owned(), status)).or_default() += 1;
    }

    /// Checks one case of `rule`; `seen` describes what was seen instead.
    pub fn check(&self, rule: &'static str, holds: bool, seen: impl FnOnce() -> String) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner).entry(rule).or_default() += 1;
        if !holds {
            self.violation(&format!("{rule}: {}", seen()));
        }
    }

    /// Records a violation.
    pub fn violation(&self, text: &str) {
        let mut violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        if violations.len() < SHOWN {
            println!("VIOLATED  {text}");
        }
        violations.push(text.to_owned());
    }

    /// Prints all counts; returns whether nothing was violated.
    pub fn report(&self) -> bool {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{} requests:", answers.values().sum::<u64>());
        for ((route, status), count) in answers.iter() {
            println!("  {count:>8}  {status}  {route}");
        }
        println!("checks:");
        for (rule, count) in self.rules.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            println!("  {count:>8}  {rule}");
        }
        let violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner).len();
        println!("{violations} violations");
        violations == 0
    }
}
