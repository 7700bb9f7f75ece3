//! Bad input: each with a clear error, the right exit code, and nothing half done.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::sandbox::{Sandbox, eventually, finish, json_lines};

const TEN: &str = r#"state = "state"
sede = 5
seed = "five"
[[decoy]]
name = "Files 01"
connector = { rootfs = { path = "files01/etc/passwd" } }
personas = ["maria-kelle"]
[[decoy]]
name = "web01"
connector = { ssh = { host = "web 01" } }
[[persona]]
name = "maria-keller"
full_name = "Maria Keller"
login = "M Keller"
time_zone = "Europe/Berlim"
week = "mon-fri 8-17"
[[destination]]
name = "vault"
native = { path = "vault" }
bandwidth = { mbit = 0 }
[[capture]]
name = "sensor"
path = "vault/captures"
complete = { quiet = "soon" }
destination = "vaults"
"#;

#[test]
fn a_configuration_with_ten_mistakes_shows_all_of_them_with_their_lines() {
    let sandbox = Sandbox::new();
    sandbox.write("verisim.toml", TEN);
    for command in [&["up"][..], &["doctor"], &["status"], &["events"], &["plan"]] {
        let ran = sandbox.run(command).exits(3);
        for line in [2, 3, 5, 6, 7, 10, 14, 15, 16, 20, 23, 24, 25] {
            assert!(
                ran.stderr.contains(&format!("verisim.toml:{line}:")),
                "no mistake in line {line}: {}",
                ran.stderr
            );
        }
        assert!(ran.stdout.is_empty());
    }
    assert!(!sandbox.path("state").exists(), "something was begun with a configuration that is wrong");
    let ran = sandbox.run(&["--json", "doctor"]).exits(3);
    let lines = json_lines(&ran.stderr);
    assert!(lines.len() > 10);
    for mistake in &lines[..lines.len() - 1] {
        assert_eq!(mistake["type"], "mistake");
        assert!(mistake["line"].is_u64() && mistake["mend"].as_str().is_some_and(|mend| !mend.is_empty()));
    }
    let near = lines.iter().find(|mistake| mistake["line"] == 2).unwrap();
    assert_eq!(near["mend"], "did you mean `seed`?");
    assert_eq!(lines.last().unwrap()["exit"], 3);
}

#[test]
fn what_is_no_configuration_is_refused_at_once() {
    let sandbox = Sandbox::new();
    let mut fifo = crate::sandbox::command("mkfifo");
    fifo.arg(sandbox.path("fifo"));
    finish(fifo).exits(0);
    sandbox.write("text", &"no configuration at all ".repeat(100_000));
    sandbox.write("long", &"x = 1\n".repeat(1 << 20));
    fs::File::create(sandbox.path("sparse")).unwrap().set_len(1 << 40).unwrap();
    fs::write(sandbox.path("bytes"), [0xff; 100]).unwrap();
    for (name, told) in [
        ("fifo", "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("captures", "it is a folder"),
        ("sparse", "it is larger than 4.0 MiB"),
        ("long", "it is larger than 4.0 MiB"),
        ("bytes", "not UTF-8 at byte 0"),
        ("text", "this is not TOML"),
    ] {
        let mut command = crate::sandbox::command("timeout");
        command
            .args(["10", env!("CARGO_BIN_EXE_verisim"), "-c", name, "status"])
            .current_dir(sandbox.path(""));
        let ran = finish(command).exits(3);
        assert!(ran.stderr.contains(told), "{name}: {}", ran.stderr);
    }
}

#[test]
fn a_state_folder_that_cannot_be_made_or_is_open_to_others_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a-file", "");
    let ran = sandbox.run(&["--state", "a-file/state", "up"]).exits(4);
    assert!(
        ran.stderr.contains("cannot make the state folder") && ran.stderr.contains("help:"),
        "{}",
        ran.stderr
    );
    let shared = sandbox.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let ran = sandbox.run(&["--state", "shared", "up"]).exits(4);
    assert!(ran.stderr.contains("can be written by others"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(&shared).unwrap().count(), 0);
}

#[test]
fn a_decoy_root_that_is_a_file_is_a_mistake_of_the_configuration() {
    let sandbox = Sandbox::new();
    sandbox.write("a-file", "");
    sandbox.write(
        "verisim.toml",
        "state = \"state\"\n[[decoy]]\nname = \"d\"\nconnector = { rootfs = { path = \"a-file\" } }\n",
    );
    let ran = sandbox.run(&["up"]).exits(3);
    assert!(ran.stderr.contains("verisim.toml:4:") && ran.stderr.contains("is a file"), "{}", ran.stderr);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.run(&["rm", "files01", "/tmp/nothing"]);
    let store = sandbox.path("state/verisim.db");
    let db = rusqlite::Connection::open(&store).unwrap();
    db.execute_batch("PRAGMA user_version=999; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    drop(db);
    let bytes = fs::read(&store).unwrap();
    let ran = sandbox.run(&["up"]).exits(4);
    assert!(ran.stderr.contains("schema 999"), "{}", ran.stderr);
    assert_eq!(fs::read(&store).unwrap(), bytes);
}

#[test]
fn a_damaged_store_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("state/verisim.db", &"no database ".repeat(1000));
    fs::set_permissions(sandbox.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    let before = fs::read(sandbox.path("state/verisim.db")).unwrap();
    sandbox.run(&["status"]).exits(4);
    assert_eq!(fs::read(sandbox.path("state/verisim.db")).unwrap(), before);
}

#[test]
fn a_second_daemon_is_refused_and_the_first_lives_on() {
    let sandbox = Sandbox::new();
    let first = sandbox.up();
    let ran = sandbox.run(&["up"]).exits(4);
    assert!(ran.stderr.contains("in use"), "{}", ran.stderr);
    sandbox.run(&["status"]).exits(0);
    assert_eq!(first.terminate().0, Some(0));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whether a skip is allowed stands in the environment")]
fn a_full_destination_blocks_the_job_and_loses_nothing() {
    let sandbox = Sandbox::new();
    let vault = sandbox.path("vault");
    let mount = |args: &[&str]| {
        let mut command = crate::sandbox::command(args[0]);
        command.args(&args[1..]).arg(&vault);
        finish(command).code == Some(0)
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs"]) {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs must be mountable in CI");
        eprintln!("SKIPPED a_full_destination_blocks_the_job_and_loses_nothing: mounting a tmpfs needs root");
        return;
    }
    sandbox.write("captures/run/data.bin", &"x".repeat(2 << 20));
    sandbox.write("captures/run/done", "");
    let ran = sandbox.run(&["sync", "add", "--wait", sandbox.path("captures/run").to_str().unwrap()]);
    let state = sandbox.captures();
    // Space comes back, and the job goes on.
    let grown = mount(&["mount", "-o", "remount,size=16m", "tmpfs"]);
    let retried = sandbox.run(&["sync", "retry", &state[0]["id"].to_string()]);
    let watched = sandbox.run(&["sync", "watch"]);
    let after = sandbox.captures();
    let unmounted = mount(&["umount"]);
    ran.exits(1);
    assert_eq!(state[0]["state"], "BLOCKED");
    assert_eq!(state[0]["failure"][0], "no_space");
    assert!(grown && unmounted);
    retried.exits(0);
    watched.exits(0);
    assert_eq!(after[0]["state"], "VERIFIED");
}

#[test]
fn what_does_not_exist_is_said_so() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["read", "files1", "/etc/passwd"]).exits(2);
    assert!(ran.stderr.contains("did you mean files01?"), "{}", ran.stderr);
    sandbox.run(&["read", "files01", "/etc/nothing"]).exits(1);
    sandbox.run(&["read", "files01", "etc/passwd"]).exits(2);
    sandbox.run(&["sync", "retry", "99"]).exits(2);
    sandbox.run(&["sync", "add", "/nowhere"]).exits(2);
    sandbox.run(&["no-such-command"]).exits(2);
    let ran = sandbox.run(&["--config", "nowhere.toml", "up"]);
    assert_eq!(ran.code, Some(2), "an argument given twice is a mistake of usage: {}", ran.stderr);
    let mut missing = crate::sandbox::command(env!("CARGO_BIN_EXE_verisim"));
    missing.args(["--config", "/nowhere/verisim.toml", "up"]);
    let ran = finish(missing).exits(3);
    assert!(ran.stderr.contains("verisim init"), "{}", ran.stderr);
}

#[test]
fn an_unreachable_decoy_is_named_by_doctor_with_its_own_exit_code() {
    let sandbox = Sandbox::new();
    fs::remove_dir_all(sandbox.path("files01")).unwrap();
    let ran = sandbox.run(&["--json", "doctor"]).exits(5);
    let findings = ran.json();
    let bad: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "bad").collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0]["subject"], "decoy files01");
    assert!(bad[0]["mend"].as_str().is_some_and(|mend| !mend.is_empty()));
    // Once it is back, all is well.
    fs::create_dir(sandbox.path("files01")).unwrap();
    eventually("doctor is content", || sandbox.run(&["doctor"]).code == Some(0));
}
