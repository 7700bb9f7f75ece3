//! The gate before a capture is pushed: what the operator's rules found, and who let it through in spite of that.

use serde::{Deserialize, Serialize};

use crate::{Digest, GateRuleName, Timestamp};

/// How many findings of one rule are kept by name; all are counted.
pub const FINDINGS_KEPT_MAX: usize = 20;
/// How many overrides, revoked ones included, one job keeps.
pub const OVERRIDES_MAX: usize = 100;
/// The longest reason, and the longest name of whoever gives it, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is told, and holds nothing.
    Warning,
    /// It holds the capture until it is mended, or overridden by name and reason.
    Hard,
}

/// One thing that a rule found. Bounded and printable, whatever the capture holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateFinding {
    /// How much it weighs.
    pub severity: Severity,
    /// The path inside the capture, for people; `None` where it is about the whole capture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// What one rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFindings {
    /// The rule.
    pub rule: GateRuleName,
    /// How many hard findings there are.
    pub hard_total: u64,
    /// How many warnings.
    pub warnings_total: u64,
    /// The first of them, hard ones first.
    pub findings: Vec<GateFinding>,
    /// Tells these hard findings, all of them, from others.
    pub print: Digest,
}

/// What a gate said when it was asked last. Rules that found nothing are not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// Tells the rules that were asked from others.
    pub rules: Digest,
    /// Since when it says so.
    pub since: Timestamp,
    /// What was found.
    pub found: Vec<RuleFindings>,
}

/// A person let a capture through in spite of what one rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateOverride {
    /// The rule.
    pub rule: GateRuleName,
    /// The hard findings that the person saw: others are not overridden by it.
    pub print: Digest,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether it was taken back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked: Option<Revocation>,
}

/// An override was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl GateOverride {
    /// Whether it lets through what `found` says, all of it and nothing else.
    #[must_use]
    pub fn covers(&self, found: &RuleFindings) -> bool {
        self.revoked.is_none() && self.rule == found.rule && self.print == found.print
    }
}

impl GateReport {
    /// The rules whose hard findings nobody has overridden.
    pub fn held_by<'a>(&'a self, overrides: &'a [GateOverride]) -> impl Iterator<Item = &'a RuleFindings> {
        let is_covered = |found: &RuleFindings| overrides.iter().any(|given| given.covers(found));
        self.found.iter().filter(move |found| found.hard_total > 0 && !is_covered(found))
    }

    /// Whether nothing holds the capture.
    #[must_use]
    pub fn is_clear(&self, overrides: &[GateOverride]) -> bool {
        self.held_by(overrides).next().is_none()
    }

    /// Warnings, of all rules.
    #[must_use]
    pub fn warnings_total(&self) -> u64 {
        self.found.iter().map(|found| found.warnings_total).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: &str, print: &[u8]) -> RuleFindings {
        RuleFindings {
            rule: rule.parse().unwrap(),
            hard_total: 1,
            warnings_total: 0,
            findings: Vec::new(),
            print: Digest::of(print),
        }
    }

    #[test]
    fn an_override_is_of_one_rule_and_of_what_was_seen_until_it_is_revoked() {
        let at = Timestamp::UNIX_EPOCH;
        let report = |print: &[u8]| GateReport {
            rules: Digest::of(b""),
            since: at,
            found: vec![found("names", print), RuleFindings { hard_total: 0, ..found("told", b"") }],
        };
        let given = GateOverride {
            rule: "names".parse().unwrap(),
            print: Digest::of(b"seen"),
            reason: "known".into(),
            by: "ann".into(),
            at,
            revoked: None,
        };
        assert!(!report(b"seen").is_clear(&[]));
        assert!(report(b"seen").is_clear(std::slice::from_ref(&given)));
        assert!(!report(b"more").is_clear(std::slice::from_ref(&given)), "other findings were never seen");
        let other = GateOverride { rule: "other".parse().unwrap(), ..given.clone() };
        assert!(!report(b"seen").is_clear(&[other]));
        let revoked = Revocation { reason: "no".into(), by: "bob".into(), at };
        let revoked = GateOverride { revoked: Some(revoked), ..given.clone() };
        assert!(!report(b"seen").is_clear(std::slice::from_ref(&revoked)));
        assert!(report(b"seen").is_clear(&[revoked, given]), "given once more");
    }
}
