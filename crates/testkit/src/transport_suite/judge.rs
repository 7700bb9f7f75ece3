//! Programs of others that say whether two folders hold the same.

#![expect(clippy::disallowed_methods, reason = "what judges is another program")]

use std::path::Path;
use std::process::Command;

use crate::real_rclone::Generation;

/// `sha256sum -c` accepts the sealed manifest in `there`, with every name in it.
pub(super) fn sha256sum(there: &Path) {
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "--quiet", ".verisim/checksums.sha256"]).current_dir(there);
    let said = check.env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success() && text.is_empty(), "sha256sum -c: {text}");
}

/// `rclone check` finds every file of `here` in `there`, and nothing else there but our own folder.
pub(super) fn rclone(here: &Path, there: &Path) {
    let Some(rclone) = Generation::Installed.program() else { return };
    let mut check = Command::new(rclone);
    check.args(["check", "--no-unicode-normalization", "--exclude", "/.verisim/**", "--config", "/dev/null"]);
    let said = check.arg("--").arg(here).arg(there).output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && text.contains(" 0 differences found"), "rclone check: {text}");
}
