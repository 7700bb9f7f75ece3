//! What a rule found, gathered within bounds.

use verisim_core::{
    FINDINGS_KEPT_MAX, GateFinding, GateRuleName, Hasher, RelPath, RuleFindings, Severity, printable,
};

/// How much of a path, and of what is said of it, is kept, in characters.
const SHOWN_CHARS_MAX: usize = 240;

/// Gathers what one rule finds.
pub(super) struct Collected {
    rule: GateRuleName,
    /// No finding of the rule weighs more.
    severity: Severity,
    totals: [u64; 2],
    kept: [Vec<GateFinding>; 2],
    print: Hasher,
}

impl Collected {
    pub(super) fn new(rule: &GateRuleName, severity: Severity) -> Self {
        let (kept, print) = ([Vec::new(), Vec::new()], Hasher::new());
        Self { rule: rule.clone(), severity, totals: [0; 2], kept, print }
    }

    /// Takes a finding. What is said of the same thing must be the same at every look, or an override would not hold.
    pub(super) fn add(&mut self, severity: Severity, path: Option<&RelPath>, what: &str, mend: &str) {
        let severity = severity.min(self.severity);
        let at = usize::from(severity == Severity::Warning);
        self.totals[at] += 1;
        if severity == Severity::Hard {
            for bytes in [path.map_or(&b""[..], RelPath::as_bytes), what.as_bytes()] {
                self.print.update(&(bytes.len() as u64).to_le_bytes());
                self.print.update(bytes);
            }
        }
        if self.kept[at].len() < FINDINGS_KEPT_MAX {
            let path = path.map(|path| shown(&path.to_string()));
            self.kept[at].push(GateFinding { severity, path, what: shown(what), mend: mend.to_owned() });
        }
    }

    /// What was found; `None` for nothing.
    pub(super) fn finish(self) -> Option<RuleFindings> {
        let [hard_total, warnings_total] = self.totals;
        let mut findings: Vec<GateFinding> = self.kept.into_iter().flatten().collect();
        findings.truncate(FINDINGS_KEPT_MAX);
        (hard_total + warnings_total > 0).then(|| RuleFindings {
            rule: self.rule,
            hard_total,
            warnings_total,
            findings,
            print: self.print.finish(),
        })
    }
}

/// Printable, and not too long.
fn shown(text: &str) -> String {
    let text = printable(text);
    let mut cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(names: &[&str], severity: Severity) -> RuleFindings {
        let mut found = Collected::new(&"names".parse().unwrap(), severity);
        for name in names {
            found.add(Severity::Hard, Some(&RelPath::new(name).unwrap()), "is bad", "rename it");
        }
        found.add(Severity::Warning, None, "is odd", "look at it");
        found.finish().unwrap()
    }

    #[test]
    fn a_thousand_findings_are_counted_and_a_few_are_kept() {
        let names: Vec<String> = (0..1000).map(|n| format!("{n}{}", "\n".repeat(200))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = collect(&names, Severity::Hard);
        assert_eq!(
            (found.hard_total, found.warnings_total, found.findings.len()),
            (1000, 1, FINDINGS_KEPT_MAX)
        );
        assert!(serde_json::to_string(&found).unwrap().len() < 32 << 10);
        assert!(found.findings.iter().all(|finding| !finding.path.as_ref().unwrap().contains('\n')));
        // The last of them counts as much as the first.
        let mut other = names.clone();
        other[999] = "another";
        assert_ne!(collect(&other, Severity::Hard).print, found.print);
        assert_eq!(collect(&names, Severity::Hard).print, found.print);
        let told = collect(&names, Severity::Warning);
        assert_eq!((told.hard_total, told.warnings_total), (0, 1001));
    }
}
