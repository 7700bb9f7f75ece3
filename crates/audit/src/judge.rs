//! From findings to a score.
//!
//! Each finding has a weight: the logarithm of how much more often it is seen on a decoy than on a real host, in decibans
//! (ten times more often is 10 dB). That is how weights of evidence add up when they are independent (Good, 1950). Those of
//! one family are not: one way of filling a host shows in several of its checks. So in a family the heaviest counts whole,
//! the next half, the third a quarter, and so on.
//!
//! An intruder begins with the odds of [`PRIOR_DB`] for a real host; what remains of them after all weights is the score, as
//! a probability in percent. Nothing found is 99: nobody is ever certain.
//!
//! A check's largest weight is given to what no real host was seen to have; shares that real hosts have too weigh nothing.
//! Each check names where its bounds come from: the figures of people's activity that were measured (commits of 65 people,
//! the gaps of which lie between quantiles; published distributions of files), what the tools of a host do by themselves, and
//! roots that were looked at by hand: a base system as its installer leaves it, a build machine, the homes on it.
//!
//! The confidence says how much of the checks' power there was evidence for: a host without logs can be judged by its
//! files alone.

use crate::case::Case;
use crate::checks::CHECKS;
use crate::evidence::Evidence;
use crate::fleet;
use crate::report::{Finding, Report, Verdict};

/// The odds against a decoy before anything is looked at, in decibans: a hundred to one.
pub(crate) const PRIOR_DB: f64 = 20.0;
/// Weights below this are not worth telling.
const WEIGHT_MIN_DB: f64 = 0.1;
/// Below this confidence nothing is concluded.
const CONFIDENCE_MIN: f64 = 0.08;
/// The score from which on nothing gives it away, and the one below which it is taken for a decoy.
const LIVED_IN_MIN: u8 = 85;
const DOUBTFUL_MIN: u8 = 50;

/// What checks come from the same cause; a number for each.
const fn family(tell: u8) -> u8 {
    match tell {
        // What times say of how files came.
        1..=5 => 0,
        // What times say of when people work.
        13..=15 => 1,
        6 | 7 => 2,
        8 | 18 => 3,
        9 | 10 | 12 => 4,
        11 => 5,
        16 => 6,
        _ => 7,
    }
}

/// All weights together, in decibans.
pub(crate) fn combined(findings: &[Finding]) -> f64 {
    let mut total = 0.0;
    for one in 0..8 {
        let mut weights: Vec<f64> = findings
            .iter()
            .filter(|finding| family(finding.tell) == one)
            .map(|finding| finding.weight_db)
            .collect();
        weights.sort_by(|a, b| b.total_cmp(a));
        total += weights.iter().zip(0..).map(|(weight, place)| weight / 2_f64.powi(place)).sum::<f64>();
    }
    total
}

/// The score that is left after so many decibans.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
pub(crate) fn score(weight_db: f64) -> u8 {
    (100.0 / (1.0 + 10_f64.powf((weight_db - PRIOR_DB) / 10.0))).round() as u8
}

/// The heaviest first; what weighs nothing goes.
pub(crate) fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| finding.weight_db >= WEIGHT_MIN_DB);
    for finding in &mut findings {
        finding.weight_db = (finding.weight_db * 10.0).round() / 10.0;
    }
    findings.sort_by(|a, b| b.weight_db.total_cmp(&a.weight_db).then(a.code.cmp(b.code)));
    findings
}

/// Judges each of some decoys, and all of them together: the same file on several is a tell of each.
#[must_use]
pub fn judge_all(decoys: &[Evidence]) -> Vec<Report> {
    let cases: Vec<Case<'_>> = decoys.iter().map(Case::new).collect();
    let shared = fleet::compare(&cases);
    cases.iter().zip(shared).map(|(case, shared)| judge(case, shared)).collect()
}

fn judge(case: &Case<'_>, shared: Vec<Finding>) -> Report {
    let (mut power, mut reached) = (0.0, 0.0);
    let mut findings = shared;
    for check in CHECKS {
        let checked = (check.run)(case);
        power += check.power_db;
        reached += check.power_db * checked.reach.clamp(0.0, 1.0);
        findings.extend(checked.findings);
    }
    let findings = in_order(findings);
    let score = score(combined(&findings));
    let confidence = (reached / power * 100.0).round() / 100.0;
    let verdict = match score {
        _ if !case.has_life() && score >= DOUBTFUL_MIN => Verdict::Lifeless,
        ..DOUBTFUL_MIN => Verdict::Decoy,
        _ if confidence < CONFIDENCE_MIN => Verdict::Unclear,
        DOUBTFUL_MIN..LIVED_IN_MIN => Verdict::Doubtful,
        _ => Verdict::LivedIn,
    };
    let evidence = case.evidence;
    Report {
        name: evidence.name.clone(),
        score,
        confidence,
        verdict,
        entries: evidence.entries.len(),
        personal: case.personal.len(),
        unpacked: case.unpacked,
        findings,
        left_out: evidence.left_out.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(tell: u8, weight: f64) -> Finding {
        Finding::new(tell, "x", weight, String::new())
    }

    #[test]
    fn weights_of_one_cause_do_not_add_up_whole() {
        assert_eq!(combined(&[finding(1, 8.0), finding(2, 10.0), finding(4, 4.0)]), 10.0 + 4.0 + 1.0);
        assert_eq!(combined(&[finding(1, 8.0), finding(6, 10.0)]), 18.0);
    }

    #[test]
    fn the_score_is_what_is_left_of_the_odds() {
        assert_eq!((score(0.0), score(PRIOR_DB), score(100.0)), (99, 50, 0));
        assert!(score(10.0) >= 90 && score(24.0) < 30);
    }

    #[test]
    fn what_weighs_nothing_is_not_told() {
        let told = in_order(vec![finding(1, 0.01), finding(2, 3.0), finding(3, 5.0)]);
        assert_eq!(told.iter().map(|finding| finding.tell).collect::<Vec<_>>(), [3, 2]);
    }
}
