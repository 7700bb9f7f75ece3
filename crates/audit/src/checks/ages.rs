//! Tell 14: everything is hours old.
//!
//! What people keep has a heavy tail: the median age of files on desktops is 80 to 160 days (Agrawal et al., 2007). A host that is
//! itself new has new files; then its programs came at the same time, and there is less to say, though a host that was
//! installed this morning and is full of work is not what one expects either.

use super::{Checked, paths};
use crate::case::Case;
use crate::report::Finding;
use crate::stats::{quantile, ramp, reach, seconds, share, sorted};

pub(super) const POWER_DB: f64 = 12.0;
const DAY: f64 = 86_400.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    if case.personal.len() < 5 {
        return Checked::blind();
    }
    let now = seconds(case.evidence.taken);
    let ages = sorted(case.personal.iter().map(|file| (now - seconds(file.stat.mtime)) / DAY));
    let (Some(median), Some(oldest)) = (quantile(&ages, 0.5), quantile(&ages, 0.95)) else {
        return Checked::blind();
    };
    let reach = reach(ages.len(), 10);
    Checked::new(
        reach,
        [young(case, median, oldest, reach), same_age(case, &ages, reach)].into_iter().flatten(),
    )
}

fn young(case: &Case<'_>, median: f64, oldest: f64, reach: f64) -> Option<Finding> {
    let weight =
        POWER_DB * ramp(oldest.max(0.01).ln(), 21_f64.ln(), 2_f64.ln()) * ramp(median, 10.0, 1.0) * reach;
    let what = format!(
        "nineteen in twenty files of people are younger than {}, half of them than {}",
        days(oldest),
        days(median)
    );
    let mut newest = case.personal.clone();
    newest.sort_by_key(|file| std::cmp::Reverse(file.stat.mtime));
    let finding = Finding::new(14, "everything_is_new", weight, what)
        .cases(case.personal.len(), case.personal.len())
        .examples(paths(&newest))
        .see(format!("find {} -type f -printf '%T+ %p\\n' | sort | head", case.place()))
        .mend("give the decoy a past before it is exposed: months of it, most of it old");
    let host = case.moved.map(|moved| (seconds(case.evidence.taken) - moved.from) / DAY);
    Some(match host.filter(|host| oldest > host * 0.5 && *host < 30.0) {
        Some(host) => finding.explained(0.4, format!("the host itself is {} old", days(host))),
        None => finding,
    })
}

/// All of one age, though not new: a past that was given to everything at once.
fn same_age(case: &Case<'_>, ages: &[f64], reach: f64) -> Option<Finding> {
    let (low, high) = (quantile(ages, 0.05)?, quantile(ages, 0.95)?);
    let middle = quantile(ages, 0.5)?;
    if middle < 3.0 || ages.len() < 10 {
        return None;
    }
    let around = ages.iter().filter(|age| (**age - middle).abs() < 1.0).count();
    let weight = 8.0 * ramp(share(around, ages.len()), 0.5, 0.9) * reach;
    let what = format!("{around} of {} files were written within two days, {} ago", ages.len(), days(middle));
    let finding = Finding::new(14, "everything_of_one_age", weight, what)
        .cases(around, ages.len())
        .see(format!("find {} -type f -printf '%TF\\n' | sort | uniq -c", case.place()))
        .mend("spread a past over months, with a heavy tail");
    let now = seconds(case.evidence.taken);
    let (from, to) = (now - high * DAY, now - low * DAY);
    Some(super::births::explained(case, finding, from, to))
}

fn days(days: f64) -> String {
    match days {
        d if d < 0.1 => format!("{:.0} minutes", (d * 1440.0).max(1.0)),
        d if d < 2.0 => format!("{:.0} hours", d * 24.0),
        d => format!("{d:.0} days"),
    }
}
