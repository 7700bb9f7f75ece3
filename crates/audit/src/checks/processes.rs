//! Tell 11: processes that appear from nowhere, with what they shall do in their arguments.
//!
//! On a host the parent of everything is process 1, and only 1 and the kernel's own (2) have parent 0. In a container a
//! command that was sent in from outside has parent 0 as well.

use super::Checked;
use crate::case::Case;
use crate::report::Finding;

pub(super) const POWER_DB: f64 = 8.0;
/// A command line that is longer carries a payload.
const LONG_CHARS: usize = 200;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let Some(processes) = case.evidence.processes.as_ref().filter(|list| !list.is_empty()) else {
        return Checked::blind();
    };
    let stray: Vec<_> = processes.iter().filter(|process| process.parent == 0 && process.pid > 2).collect();
    let loaded = stray
        .iter()
        .filter(|process| process.command.chars().count() > LONG_CHARS || process.command.contains("base64"))
        .count();
    let mut findings = Vec::new();
    if !stray.is_empty() {
        let weight = if loaded > 0 { 8.0 } else { 5.0 };
        let what = format!(
            "{} processes have no parent, {loaded} of them with a payload in their arguments",
            stray.len()
        );
        findings.push(
            Finding::new(11, "processes_from_nowhere", weight, what)
                .cases(stray.len(), processes.len())
                .examples(stray.iter().map(|process| verisim_core::printable(&process.command.chars().take(80).collect::<String>())))
                .see("ps -eo pid,ppid,args | awk '$2 == 0'")
                .mend("reach the decoy without commands (its file system, the engine's archives), or through its own sshd"),
        );
    }
    Checked::new(1.0, findings)
}
