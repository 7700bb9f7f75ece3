//! Tell 4: old files in folders that were just born or touched, or files that came after their folder's last change.
//!
//! A folder's time is that of its last entry's coming or going. So folders change at many different times, as their files
//! do; a fill that back-dates files alone leaves folders that all changed in one moment. One that back-dates the folders
//! too leaves files that were made after their folder changed last, which only setting its time can bring about.

use std::collections::HashMap;
use std::time::Duration;

use verisim_core::DecoyPath;

use super::{Checked, births, paths};
use crate::case::Case;
use crate::evidence::Entry;
use crate::report::Finding;
use crate::stats::{densest, quantile, ramp, reach, seconds, share, sorted};

pub(super) const POWER_DB: f64 = 10.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    if case.folders.len() < 3 || case.personal.len() < 5 {
        return Checked::blind();
    }
    let reach = reach(case.folders.len(), 5);
    Checked::new(reach, [touched_at_once(case, reach), set_back(case, reach)].into_iter().flatten())
}

fn see(case: &Case<'_>) -> String {
    format!("find {} -printf '%y %B+ %T+ %p\\n'", case.place())
}

fn touched_at_once(case: &Case<'_>, reach: f64) -> Option<Finding> {
    let changed = sorted(case.folders.iter().map(|folder| seconds(folder.stat.mtime)));
    let (count, from, to) = densest(&changed, Duration::from_secs(1800))?;
    let written = sorted(case.personal.iter().map(|file| seconds(file.stat.mtime)));
    // Files of the same moment are simply new.
    let old = written.iter().filter(|at| **at < from - 86_400.0).count();
    let spread = quantile(&written, 0.9)? - quantile(&written, 0.1)?;
    let weight = POWER_DB
        * ramp(share(count, case.folders.len()), 0.5, 0.9)
        * ramp(share(old, written.len()), 0.4, 0.9)
        * ramp(spread, 86_400.0, 7.0 * 86_400.0)
        * reach;
    let what = format!(
        "{count} of {} folders changed within {}, {old} of {} files in them are older by days",
        case.folders.len(),
        crate::stats::minutes(to - from),
        written.len()
    );
    let finding = Finding::new(4, "folders_touched_at_once", weight, what)
        .cases(count, case.folders.len())
        .examples(paths(&case.folders))
        .see(see(case))
        .mend("give each folder the time of the last entry that came or went, deepest first");
    Some(births::explained(case, finding, from, to))
}

fn set_back(case: &Case<'_>, reach: f64) -> Option<Finding> {
    let mut last: HashMap<DecoyPath, f64> = HashMap::new();
    for file in &case.personal {
        if let (Some(parent), Some(born)) = (file.path.parent(), file.stat.btime) {
            let latest = last.entry(parent).or_insert(f64::MIN);
            *latest = latest.max(seconds(born));
        }
    }
    let older: Vec<&Entry> = case
        .folders
        .iter()
        .filter(|folder| last.get(&folder.path).is_some_and(|born| seconds(folder.stat.mtime) < born - 60.0))
        .copied()
        .collect();
    let arrived = sorted(older.iter().filter_map(|folder| last.get(&folder.path).copied()));
    let (from, to) = (*arrived.first()?, *arrived.last()?);
    let weight = POWER_DB * ramp(share(older.len(), case.folders.len()), 0.2, 0.8) * reach;
    let what = format!(
        "{} of {} folders claim to have changed last before files came into them",
        older.len(),
        case.folders.len()
    );
    let finding = Finding::new(4, "folders_set_back", weight, what)
        .cases(older.len(), case.folders.len())
        .examples(paths(&older))
        .see(see(case))
        .mend(
            "let live folders have the time that the kernel gives; a past needs a restore that explains it",
        );
    Some(births::explained(case, finding, from, to))
}
