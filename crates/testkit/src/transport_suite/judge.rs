//! Programs of others that say whether two folders hold the same.

#![expect(clippy::disallowed_methods, reason = "what judges is another program")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::real_rclone::Generation;

/// `sha256sum -c` accepts the sealed manifest in `there`, with every name in it.
///
/// # Panics
/// When it does not.
pub fn sha256sum(there: &Path) {
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

/// The same of a remote of rclone, which rclone reaches by its own client: `section` describes it under the name that `there` begins
/// with. `rclone check` reads everything back; then all of it is fetched, and `sha256sum -c` accepts the sealed manifest over it.
///
/// # Panics
/// When they differ in anything, or rclone does not find `files` files on both sides.
pub fn remote((generation, section): (Generation, &str), here: &Path, there: &str, files: usize) {
    let Some(rclone) = generation.program() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let config = scratch.path().join("rclone.conf");
    fs::write(&config, section).unwrap();
    let call = |command: &str| {
        let mut call = Command::new(&rclone);
        call.args([command, "--no-unicode-normalization", "--config"]).arg(&config);
        // What this machine says of its own stores is not meant.
        call.env_clear().env("HOME", scratch.path());
        call
    };
    let mut check = call("check");
    check.args(["--download", "--exclude", "/.verisim/**", "--"]).arg(here).arg(there);
    let said = check.output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    let found = text.contains(" 0 differences found") && text.contains(&format!(" {files} matching files"));
    assert!(said.status.success() && found, "{generation:?} check, of {files}: {text}");
    let fetched = scratch.path().join("fetched");
    let said = call("copy").arg("--").arg(there).arg(&fetched).output().unwrap();
    assert!(said.status.success(), "{generation:?} copy: {}", String::from_utf8_lossy(&said.stderr));
    sha256sum(&fetched);
}
