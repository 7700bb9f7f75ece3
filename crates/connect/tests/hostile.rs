//! The rootfs connector withstands its decoy.

mod common;

use std::os::unix::fs::PermissionsExt as _;

mod rootfs {
    verisim_testkit::hostile_suite!(crate::common::DirectoryDecoy::fresh());
}

mod rootfs_with_named_staging {
    use verisim_connect::RootfsConnector;
    verisim_testkit::hostile_suite!(crate::common::DirectoryDecoy::with(RootfsConnector::with_named_staging));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_a_million_entries_are_listed_within_bounds() {
    let decoy = common::DirectoryDecoy::in_memory();
    verisim_testkit::hostile_suite::inv_7_a_million_entries_are_listed_within_bounds(&decoy).await;
}

/// As root, everything above runs once more as a user who may do nothing special (nobody, by its number on every Linux).
#[test]
fn all_of_it_holds_as_an_ordinary_user() {
    const NOBODY: &str = "65534";
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let held = tempfile::tempdir().unwrap();
    std::fs::set_permissions(held.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (program, work) = (held.path().join("suite"), held.path().join("work"));
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(&work).unwrap();
    std::os::unix::fs::chown(&work, Some(65_534), Some(65_534)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the suite itself is run again, under another user")]
    let run = std::process::Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"])
        .arg(&program)
        .args(["rootfs::", "--test-threads", "2"])
        .env("TMPDIR", &work)
        .current_dir(&work)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let passed = said.lines().find(|line| line.starts_with("test result: ok.")).unwrap_or_default();
    assert!(passed.contains(" 15 passed"), "{said}");
}
