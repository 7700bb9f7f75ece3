//! Tell 5: the order of inode numbers contradicts that of times.
//!
//! File systems hand out inode numbers mostly upwards within a folder, so files that were made one after the other rise
//! together with their times, as far as edits in place do not blur it. Where the numbers follow the order of birth, and the
//! times of the contents have nothing to do with either, the times were made up. It is a weak sign by itself: numbers are
//! used again, and some file systems hash.

use std::collections::BTreeMap;

use super::Checked;
use crate::case::{Case, shown};
use crate::evidence::Entry;
use crate::report::Finding;
use crate::stats::{concordance, ramp, reach, seconds};

pub(super) const POWER_DB: f64 = 5.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let mut folders: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
    for file in case.personal.iter().filter(|file| file.stat.inode.is_some()) {
        folders.entry(file.path.parent()).or_default().push(file);
    }
    // Of births that are one moment, the order of numbers is all that is left, and it says nothing of the file system.
    let (mut written, mut born) = (Vec::new(), Vec::new());
    let mut examples = Vec::new();
    for files in folders.values().filter(|files| files.len() >= 4) {
        let by = |time: fn(&Entry) -> Option<f64>| -> Vec<(u64, f64)> {
            files.iter().filter_map(|file| Some((file.stat.inode?, time(file)?))).collect()
        };
        let (Some(write), Some(birth)) = (
            concordance(&by(|file| Some(seconds(file.stat.mtime)))),
            concordance(&by(|file| file.stat.btime.map(seconds))),
        ) else {
            continue;
        };
        if write.0 < 0.2 {
            examples.extend(files.first().and_then(|file| file.path.parent()).map(|dir| shown(&dir)));
        }
        written.push(write);
        born.push(birth);
    }
    let pairs: usize = written.iter().map(|(_, pairs)| pairs).sum();
    if pairs < 30 {
        return Checked::blind();
    }
    let reach = reach(pairs, 60);
    let (written, born) = (weighted(&written), weighted(&born));
    let what = format!(
        "inode numbers follow the order in which files were made (tau {born:.2}), and the times of their contents follow neither \
         (tau {written:.2})"
    );
    let weight = POWER_DB * ramp(written, 0.3, 0.0) * ramp(born, 0.5, 0.9) * reach;
    let finding = Finding::new(5, "inodes_out_of_order", weight, what)
        .cases(examples.len(), folders.len())
        .examples(examples)
        .see(format!("find {} -type f -printf '%i %T+ %p\\n' | sort -n", case.place()))
        .mend("plant a past in the order of its times");
    Checked::new(reach, [finding])
}

/// The mean, each by its pairs.
fn weighted(taus: &[(f64, usize)]) -> f64 {
    let pairs: usize = taus.iter().map(|(_, pairs)| pairs).sum();
    taus.iter().map(|(tau, count)| tau * crate::stats::share(*count, pairs)).sum()
}
