//! Commands that only look: they change nothing, and a script can read whatever any command says.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::sandbox::{Ran, Sandbox, eventually, json_lines};

/// What looks, as often as it is asked.
const LOOKS: [&[&str]; 10] = [
    &["audit", "files01", "--min-score", "0"],
    &["doctor"],
    &["status"],
    &["jobs"],
    &["events"],
    &["events", "--last", "3"],
    &["plan"],
    &["sync", "ls"],
    &["read", "files01", "/etc/passwd"],
    &["exit-codes"],
];

/// Everything below a folder: its path, mode, time of change, and content.
fn all(dir: &Path) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
    let mut out = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let (entry, path) = entry.map(|entry| (entry.metadata().unwrap(), entry.path())).unwrap();
            let content = if entry.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            out.push((path.clone(), entry.mode(), entry.mtime_nsec(), content));
            if entry.is_dir() {
                dirs.push(path);
            }
        }
    }
    out.sort();
    out
}

#[test]
fn who_only_looks_makes_no_state_folder() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    for look in LOOKS {
        sandbox.run(look).exits(0);
        assert!(!sandbox.path("state").exists(), "{look:?} made the state folder");
    }
    sandbox.run(&["sync", "manifest", "1"]).exits(2);
    sandbox.run(&["events", "--decoy", "files02"]).exits(2);
    assert!(!sandbox.path("state").exists());
}

#[test]
fn who_only_looks_changes_nothing_in_a_state_folder_and_may_not_write_there() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    sandbox.capture("run-1");
    sandbox.run(&["sync", "add", "--wait", "captures/run-1"]).exits(0);
    let state = sandbox.path("state");
    for mode in [0o700, 0o500] {
        fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
        let before = all(sandbox.path("").as_path());
        for look in LOOKS {
            let ran = sandbox.run(look);
            let bad = mode == 0o500 && look == ["doctor"];
            assert!(ran.code == Some(0) || bad && ran.code == Some(4), "{look:?}: {ran:?}");
            assert!(all(sandbox.path("").as_path()) == before, "{look:?} changed something (mode {mode:o})");
        }
        assert_eq!(sandbox.captures().len(), 1);
        assert!(sandbox.run(&["sync", "manifest", "1"]).exits(0).stdout.contains("logs/3.log"));
        assert!(all(sandbox.path("").as_path()) == before);
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn every_command_speaks_json_when_asked() {
    let sandbox = Sandbox::new();
    sandbox.capture("run-1");
    let json = |args: &[&str]| {
        let ran = sandbox.run(&[&["--json"], args].concat());
        for line in json_lines(&ran.stdout).into_iter().chain(json_lines(&ran.stderr)) {
            assert!(line.is_object(), "{args:?}: {line}");
        }
        ran
    };
    for args in [
        &["sync", "add", "--wait", "captures/run-1"][..],
        &["sync", "add", "captures/run-1"],
        &["sync", "verify"],
        &["sync", "manifest", "1"],
        &["sync", "watch"],
        &["sync", "ls"],
        &["plant", "files01", "/tmp/note", "verisim.toml"],
        &["read", "files01", "/tmp/note"],
        &["rm", "files01", "/tmp/note"],
        &["jobs"],
        &["events"],
        &["status"],
        &["doctor"],
        &["plan"],
        &["simulate"],
        &["completions", "bash"],
        &["man"],
        &["man", "--dir", "man"],
        &["exit-codes"],
    ] {
        json(args).exits(0);
    }
    json(&["sync", "cancel", "1"]).exits(0);
    json(&["sync", "retry", "1"]).exits(0);
    let codes = json(&["exit-codes"]).json();
    assert_eq!((codes.len(), &codes[3]["name"], &codes[3]["code"]), (7, &"config".into(), &3.into()));
    // What goes wrong, too, also where the command line itself is wrong.
    for (args, exit) in [
        (&["read", "files01", "/etc/nothing"][..], 1),
        (&["sync", "retry", "99"], 2),
        (&["no-such-command"], 2),
        (&["plan", "--count", "many"], 2),
        (&["init"], 1),
    ] {
        let said = json_lines(&json(args).exits(exit).stderr);
        assert_eq!(said.last().unwrap()["type"], "error", "{args:?}");
        assert_eq!(said.last().unwrap()["exit"], exit);
    }
}

#[test]
fn an_error_speaks_of_what_happened_and_not_of_our_code() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["read", "files01", "/etc/nothing"]).exits(1);
    assert!(ran.stderr.contains("/etc/nothing") && !ran.stderr.contains("rootfs."), "{}", ran.stderr);
    let ran = sandbox.run(&["--json", "read", "files01", "/etc/nothing"]).exits(1);
    assert_eq!(json_lines(&ran.stderr)[0]["operation"], "rootfs.read");
}

#[test]
fn a_name_that_nothing_bears_is_an_error_that_knows_a_better_one() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    for args in [
        &["jobs", "--decoy", "files1"][..],
        &["events", "--decoy", "files1"],
        &["plan", "--decoy", "files1"],
        &["read", "files1", "/etc/passwd"],
        &["rm", "files1", "/etc/passwd"],
    ] {
        let ran = sandbox.run(args).exits(2);
        assert!(ran.stderr.contains("no decoy is called files1"), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("did you mean files01?"), "{args:?}: {}", ran.stderr);
    }
    let ran = sandbox.run(&["plan", "--persona", "maria-kelle"]).exits(2);
    assert!(ran.stderr.contains("did you mean maria-keller?"), "{}", ran.stderr);
    let ran = sandbox.run(&["sync", "add", "captures/nowhere"]).exits(2);
    assert!(ran.stderr.contains("captures/nowhere: No such file"), "{}", ran.stderr);
    // What was there once, and has a history, is asked about like any other.
    sandbox.run(&["plant", "files01", "/tmp/note", "verisim.toml"]).exits(0);
    let config = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    sandbox.write("verisim.toml", &config.replace("name = \"files01\"", "name = \"web01\""));
    sandbox.run(&["jobs", "--decoy", "files01"]).exits(0);
    assert!(sandbox.run(&["events", "--decoy", "files01"]).exits(0).stdout.contains("/tmp/note"));
}

#[test]
fn a_captures_folder_that_is_not_there_is_said_by_status_and_doctor() {
    let sandbox = Sandbox::new();
    fs::remove_dir(sandbox.path("captures")).unwrap();
    for command in ["status", "doctor"] {
        let ran = sandbox.run(&[command]).exits(5);
        assert!(ran.stdout.contains("captures") && ran.stdout.contains("is not there"), "{}", ran.stdout);
    }
    assert_eq!(
        sandbox.run(&["--json", "status"]).exits(5).json()[0]["missing"],
        serde_json::json!(["sensor"])
    );
    fs::create_dir(sandbox.path("captures")).unwrap();
    fs::create_dir(sandbox.path("captures").join("n".repeat(250))).unwrap();
    let ran = sandbox.run(&["doctor"]).exits(0);
    assert!(ran.stdout.contains("names of more than 247 bytes: 1"), "{}", ran.stdout);
    eventually("status is content", || sandbox.run(&["status"]).code == Some(0));
}

#[test]
fn what_is_stored_is_for_its_user_alone() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    sandbox.capture("run-1");
    let daemon = sandbox.up();
    eventually("a capture is verified", || sandbox.captures().iter().any(|job| job["state"] == "VERIFIED"));
    for (path, mode, ..) in all(&sandbox.path("state")) {
        let meta = fs::symlink_metadata(&path).unwrap();
        assert!(!meta.is_file() || mode & 0o7777 == 0o600, "{} has mode {mode:o}", path.display());
    }
    daemon.kill();
}

/// Whether a limit holds at this moment is seen without knowing the zone of its windows by heart.
#[test]
fn status_says_how_fast_a_destination_may_be_filled_now() {
    let sandbox = Sandbox::new();
    let text = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    let always = "bandwidth = { mbit = 80 }";
    let other = "[[destination]]\nname = \"other\"\nnative = { path = \"other\" }\n";
    fs::create_dir(sandbox.path("other")).unwrap();
    sandbox.write("verisim.toml", &format!("{text}\n{other}{always}\n"));
    assert!(
        sandbox
            .run(&["status"])
            .exits(0)
            .stdout
            .contains("limit     other is filled at no more than 80 Mbit/s now")
    );
    let limits = |ran: Ran| ran.exits(0).json()[0]["limits"].clone();
    let told = serde_json::json!([{ "destination": "other", "bytes_per_second": 10_000_000, "holds": true }]);
    assert_eq!(limits(sandbox.run(&["--json", "status"])), told);
    // Of the two halves of a day, one is now.
    for name in ["early", "late"] {
        fs::create_dir(sandbox.path(name)).unwrap();
    }
    let half = |name: &str, from: &str, to: &str| {
        let window = format!("{{ days = \"mon-sun\", from = \"{from}\", to = \"{to}\" }}");
        let place = format!("[[destination]]\nname = \"{name}\"\nnative = {{ path = \"{name}\" }}\n");
        format!("{place}bandwidth = {{ rate = \"1MiB\", windows = [{window}] }}\n")
    };
    let halves = [half("early", "00:00", "12:00"), half("late", "12:00", "24:00")].concat();
    sandbox.write("verisim.toml", &format!("{text}\n{halves}"));
    let told = sandbox.run(&["status"]).exits(0).stdout;
    assert_eq!(told.matches(" has none now, and 1.0 MiB/s in its windows").count(), 1, "{told}");
    assert_eq!(told.matches(" is filled at no more than 1.0 MiB/s now").count(), 1, "{told}");
    let holding = limits(sandbox.run(&["--json", "status"]));
    assert_eq!(holding.as_array().unwrap().iter().filter(|limit| limit["holds"] == true).count(), 1);
}
