//! Tell 1: many files were made, or changed, in one moment, while their contents claim to be of weeks.
//!
//! A file that is written live is made before its content changes for the last time. One whose content is older than the
//! file itself was copied, unpacked, or given its time. On hosts of people that is true of downloads and of what was moved
//! there (up to three in ten files on the machines that were looked at), or of everything at once when a home was restored or the
//! whole host came as an image: then a log line, or the host's own programs, say so.

use std::time::Duration;

use super::{Checked, paths};
use crate::case::Case;
use crate::evidence::Entry;
use crate::explain::restore_near;
use crate::report::Finding;
use crate::stats::{densest, quantile, ramp, reach, seconds, share, sorted};

pub(super) const POWER_DB: f64 = 16.0;
/// How long a fill takes that is taken for one moment.
const MOMENT: Duration = Duration::from_secs(1800);
/// A content that is so much older than its file was not written there.
const OLDER_SECONDS: f64 = 60.0;

/// When an entry came to be here: made, or where that is not known, changed.
fn arrived(entry: &Entry) -> Option<f64> {
    entry.stat.btime.or(entry.stat.ctime).map(seconds)
}

pub(super) fn check(case: &Case<'_>) -> Checked {
    let known: Vec<(&Entry, f64)> =
        case.personal.iter().filter_map(|entry| Some((*entry, arrived(entry)?))).collect();
    if known.len() < 5 {
        return Checked::blind();
    }
    let older: Vec<&Entry> = known
        .iter()
        .filter(|(entry, arrived)| seconds(entry.stat.mtime) < arrived - OLDER_SECONDS)
        .map(|(entry, _)| *entry)
        .collect();
    let arrivals = sorted(older.iter().filter_map(|entry| arrived(entry)));
    let reach = reach(known.len(), 10);
    let Some((count, from, to)) = densest(&arrivals, MOMENT) else { return Checked::new(reach, []) };
    let written = sorted(older.iter().map(|entry| seconds(entry.stat.mtime)));
    let spread = quantile(&written, 0.9).unwrap_or(0.0) - quantile(&written, 0.1).unwrap_or(0.0);
    let back_dated = share(older.len(), known.len());
    let at_once = share(count, known.len());
    // All at once is the fill of a decoy; here and there, over months, is what back-dating each file leaves.
    let weight = POWER_DB * (0.75 * ramp(at_once, 0.3, 0.8) * ramp(spread, 86_400.0, 7.0 * 86_400.0))
        + POWER_DB * 0.25 * ramp(back_dated, 0.4, 0.9);
    let days = spread / 86_400.0;
    let what = format!(
        "{count} of {} files came to be here within {}, though their contents are spread over {days:.0} days",
        known.len(),
        crate::stats::minutes(to - from),
    );
    let finding = Finding::new(1, "born_at_once", weight * reach, what)
        .cases(older.len(), known.len())
        .examples(paths(&older))
        .see(format!("find {} -type f -printf '%B+ %T+ %p\\n' | sort", case.place()))
        .mend(
            "let files be written when they claim to be; for a past, plant it before exposure together with what explains it: \
             a restore or a migration that is in the logs",
        );
    Checked::new(reach, [explained(case, finding, from, to)])
}

/// The same, with what of the host explains it.
pub(super) fn explained(case: &Case<'_>, finding: Finding, from: f64, to: f64) -> Finding {
    if let Some(restore) = restore_near(&case.restores, from, to) {
        let line: String = restore.line.chars().take(80).collect();
        return finding
            .explained(0.1, format!("a line tells of a restore: {}", verisim_core::printable(&line)));
    }
    if case.moved.is_some_and(|moved| moved.covers(from, to)) {
        return finding.explained(
            0.1,
            "the programs of the host came at the same time: it was installed, or moved, as a whole",
        );
    }
    finding
}
