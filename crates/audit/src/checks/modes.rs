//! Tell 7: modes that no program would set.
//!
//! ssh refuses a private key that others may read (`sshd(8)`, `ssh(1)`), bash makes its history 0600, and no umask in use gives
//! everybody the right to write. A script that cannot be run is common once, and not for all of them.

use super::{Checked, paths};
use crate::case::Case;
use crate::evidence::Entry;
use crate::report::Finding;
use crate::stats::{ramp, reach, share};

pub(super) const POWER_DB: f64 = 10.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    if case.personal.is_empty() {
        return Checked::blind();
    }
    let reach = reach(case.personal.len(), 10);
    let findings =
        [keys(case), histories(case), open_to_all(case, reach), scripts(case), run_texts(case, reach)];
    Checked::new(reach, findings.into_iter().flatten())
}

fn all<'a>(case: &Case<'a>, is_so: impl Fn(&Entry) -> bool) -> Vec<&'a Entry> {
    let all =
        case.evidence.entries.iter().filter(|entry| entry.is_file() && case.home_of(&entry.path).is_some());
    all.filter(|entry| is_so(entry)).collect()
}

fn keys(case: &Case<'_>) -> Option<Finding> {
    let is_key = |entry: &Entry| {
        let is_in_ssh = entry.path.parent().is_some_and(|dir| dir.file_name() == Some(b".ssh"));
        let is_named = entry.name().starts_with(b"id_") && !entry.name().ends_with(b".pub");
        is_in_ssh && (entry.looked.is_private_key || is_named)
    };
    let keys = all(case, is_key);
    let open: Vec<&Entry> = keys.iter().filter(|key| key.stat.mode.bits() & 0o077 != 0).copied().collect();
    (!open.is_empty()).then(|| {
        let what = format!(
            "{} of {} private keys may be read by others: ssh would refuse them",
            open.len(),
            keys.len()
        );
        Finding::new(7, "open_private_keys", 8.0, what)
            .cases(open.len(), keys.len())
            .examples(paths(&open))
            .see("find / -name 'id_*' ! -name '*.pub' -perm /077 -ls")
            .mend("chmod 600 each key, and 700 its folder")
    })
}

fn histories(case: &Case<'_>) -> Option<Finding> {
    let histories = all(case, |entry| entry.name() == b".bash_history" && entry.stat.size > 0);
    let open: Vec<&Entry> =
        histories.iter().filter(|file| file.stat.mode.bits() & 0o077 != 0).copied().collect();
    (!open.is_empty()).then(|| {
        let what = format!(
            "{} of {} histories of bash are open to others: bash makes them 0600",
            open.len(),
            histories.len()
        );
        Finding::new(7, "open_histories", 5.0, what)
            .cases(open.len(), histories.len())
            .examples(paths(&open))
            .see("ls -l /home/*/.bash_history")
            .mend("chmod 600 each")
    })
}

fn open_to_all(case: &Case<'_>, reach: f64) -> Option<Finding> {
    let open: Vec<&Entry> =
        case.personal.iter().filter(|file| file.stat.mode.bits() & 0o002 != 0).copied().collect();
    let part = share(open.len(), case.personal.len());
    let what = format!("{} of {} files may be written by everybody", open.len(), case.personal.len());
    let finding = Finding::new(7, "open_to_all", 6.0 * ramp(part, 0.05, 0.4) * reach, what)
        .cases(open.len(), case.personal.len())
        .examples(paths(&open))
        .see(format!("find {} -type f -perm -002 -ls", case.place()))
        .mend("give files the modes that a umask of 022 or 077 leaves");
    Some(finding)
}

fn scripts(case: &Case<'_>) -> Option<Finding> {
    let scripts: Vec<&Entry> = case.personal.iter().filter(|file| file.looked.is_script).copied().collect();
    let still: Vec<&Entry> =
        scripts.iter().filter(|file| file.stat.mode.bits() & 0o111 == 0).copied().collect();
    (scripts.len() >= 3).then(|| {
        let what = format!("{} of {} scripts cannot be run", still.len(), scripts.len());
        Finding::new(
            7,
            "scripts_that_cannot_run",
            6.0 * ramp(share(still.len(), scripts.len()), 0.6, 1.0),
            what,
        )
        .cases(still.len(), scripts.len())
        .examples(paths(&still))
        .see(format!("grep -rl '^#!' {} | xargs ls -l", case.place()))
        .mend("chmod +x what people run")
    })
}

/// Texts that can be run: a fill that gives everything one mode.
fn run_texts(case: &Case<'_>, reach: f64) -> Option<Finding> {
    let is_text = |file: &&&Entry| {
        let name = file.name().to_ascii_lowercase();
        [&b".txt"[..], b".md", b".csv", b".docx", b".xlsx", b".pdf", b".log"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let texts: Vec<&Entry> = case.personal.iter().filter(is_text).copied().collect();
    let run: Vec<&Entry> = texts.iter().filter(|file| file.stat.mode.bits() & 0o111 != 0).copied().collect();
    (texts.len() >= 3).then(|| {
        let what = format!("{} of {} texts and documents can be run", run.len(), texts.len());
        Finding::new(7, "texts_that_run", 5.0 * ramp(share(run.len(), texts.len()), 0.3, 0.9) * reach, what)
            .cases(run.len(), texts.len())
            .examples(paths(&run))
            .see(format!("find {} -type f -name '*.txt' -perm /111 -ls", case.place()))
            .mend("chmod -x what nobody runs")
    })
}
