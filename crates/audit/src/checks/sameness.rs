//! Tell 8, on one host: one content under many names, one list of names in several homes, a handful of names.
//!
//! People's files differ. What is the same in several places came from a package, an archive or a colleague: a few copies
//! of one file, and not a large part of all. (The same on several hosts is looked at in `fleet`.)

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Checked, paths};
use crate::case::{Case, shown};
use crate::evidence::Entry;
use crate::report::Finding;
use crate::stats::{ramp, reach, share};

pub(super) const POWER_DB: f64 = 14.0;
/// Shorter contents may well be equal by chance.
pub(crate) const BYTES_MIN: u64 = 16;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let hashed: Vec<&Entry> = case
        .personal
        .iter()
        .filter(|file| file.stat.sha256.is_some() && file.stat.size >= BYTES_MIN)
        .copied()
        .collect();
    if case.personal.len() < 5 {
        return Checked::blind();
    }
    let reach = reach(hashed.len().max(case.personal.len() / 2), 8);
    let findings =
        [one_content(case, &hashed, reach), one_list(case), few_names(case, reach), one_size(case, reach)];
    Checked::new(reach, findings.into_iter().flatten())
}

fn one_content(case: &Case<'_>, hashed: &[&Entry], reach: f64) -> Option<Finding> {
    let mut by_content: HashMap<_, Vec<&Entry>> = HashMap::new();
    for file in hashed {
        by_content.entry(file.stat.sha256?).or_default().push(file);
    }
    let same: Vec<&Entry> = by_content.values().filter(|files| files.len() > 2).flatten().copied().collect();
    let kinds = by_content.values().filter(|files| files.len() > 2).count();
    let mut shown = same.clone();
    shown.sort_by(|a, b| {
        a.stat.sha256.map(|hash| *hash.as_bytes()).cmp(&b.stat.sha256.map(|hash| *hash.as_bytes()))
    });
    let what = format!("{} of {} files share {kinds} contents", same.len(), hashed.len());
    let weight = POWER_DB * ramp(share(same.len(), hashed.len()), 0.15, 0.6) * reach;
    Some(
        Finding::new(8, "same_content", weight, what)
            .cases(same.len(), hashed.len())
            .examples(paths(&shown))
            .see(format!("find {} -type f -exec sha256sum {{}} + | sort | uniq -D -w 64", case.place()))
            .mend("give every file a body of its own"),
    )
}

/// Two homes whose people chose the same names.
fn one_list(case: &Case<'_>) -> Option<Finding> {
    let mut lists: Vec<(String, BTreeSet<&[u8]>)> = Vec::new();
    for home in &case.homes {
        let inside = case.personal.iter().filter(|file| file.path.starts_with(&home.path));
        let names: BTreeSet<&[u8]> = inside
            .map(|file| file.name())
            .filter(|name| !name.starts_with(b".") && *name != b"authorized_keys")
            .collect();
        if names.len() >= 4 && lists.len() < 100 {
            lists.push((shown(&home.path), names));
        }
    }
    let mut alike = BTreeSet::new();
    let mut most: f64 = 0.0;
    for (at, one) in lists.iter().enumerate() {
        for other in &lists[at + 1..] {
            let both = one.1.intersection(&other.1).count();
            let part = share(both, one.1.union(&other.1).count());
            if part > 0.4 {
                alike.extend([one.0.clone(), other.0.clone()]);
            }
            most = most.max(part);
        }
    }
    (!alike.is_empty()).then(|| {
        let what = format!(
            "{} of {} homes have the same names of files ({:.0} % alike)",
            alike.len(),
            lists.len(),
            most * 100.0
        );
        Finding::new(8, "same_names_in_homes", 10.0 * ramp(most, 0.4, 0.8), what)
            .cases(alike.len(), lists.len())
            .examples(alike)
            .see("for h in /home/*; do (cd $h; find . -type f | sort | sha256sum); done")
            .mend("let each person have work, words and habits of their own")
    })
}

/// A name without its digits and what separates them: `report-2026-11-22.txt` and `report_3.txt` are one.
pub(crate) fn stem(name: &[u8]) -> Vec<u8> {
    name.iter()
        .filter(|c| !c.is_ascii_digit() && !b"-_. ()".contains(c))
        .map(u8::to_ascii_lowercase)
        .collect()
}

fn few_names(case: &Case<'_>, reach: f64) -> Option<Finding> {
    let files: Vec<&&Entry> = case.personal.iter().filter(|file| !file.name().starts_with(b".")).collect();
    if files.len() < 12 {
        return None;
    }
    // Within one folder a series of names is a camera, or a log. Across folders nobody repeats a few names for ever.
    let mut stems: BTreeMap<Vec<u8>, BTreeSet<_>> = BTreeMap::new();
    for file in &files {
        stems.entry(stem(file.name())).or_default().insert(file.path.parent());
    }
    let uses: usize = stems.values().map(BTreeSet::len).sum();
    let part = share(stems.len(), uses.max(1));
    let few = share(stems.len(), files.len());
    let what = format!("{} files have only {} different names", files.len(), stems.len());
    // A name in several folders is a tell; a series within one weighs far less.
    let weight = 8.0 * ramp(few, 0.4, 0.1) * (0.3 + 0.7 * ramp(part, 0.8, 0.4)) * reach;
    Some(
        Finding::new(8, "few_names", weight, what)
            .cases(files.len() - stems.len(), files.len())
            .examples(stems.keys().map(|stem| verisim_core::printable(&String::from_utf8_lossy(stem))))
            .see(format!(
                "find {} -type f -printf '%f\\n' | tr -d 0-9 | sort | uniq -c | sort -rn",
                case.place()
            ))
            .mend("name files as people do: after what is in them"),
    )
}

/// Sizes of people's files spread over decades: half of all lie within a factor of seven, with a natural logarithm's
/// standard deviation near 2 (Irlam, 1993; Agrawal et al., 2007). A template gives one size.
fn one_size(case: &Case<'_>, reach: f64) -> Option<Finding> {
    #[expect(clippy::cast_precision_loss, reason = "sizes are compared roughly")]
    let logs: Vec<f64> = case
        .personal
        .iter()
        .filter(|file| file.stat.size > 0)
        .map(|file| (file.stat.size as f64).ln())
        .collect();
    let (_, spread) = crate::stats::mean_and_deviation(&logs).filter(|_| logs.len() >= 12)?;
    let what = format!(
        "sizes of files hardly differ: the logarithm's deviation is {spread:.2}, where people's is near 2"
    );
    Some(
        Finding::new(8, "one_size", 6.0 * ramp(spread, 0.6, 0.15) * reach, what)
            .cases(logs.len(), logs.len())
            .see(format!("find {} -type f -printf '%s\\n' | sort -n | uniq -c", case.place()))
            .mend("let documents grow and differ in length"),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_and_its_versions_are_one() {
        assert_eq!(super::stem(b"report-2026-11-22.txt"), super::stem(b"Report_3.txt"));
        assert_ne!(super::stem(b"minutes.txt"), super::stem(b"report.txt"));
    }
}
