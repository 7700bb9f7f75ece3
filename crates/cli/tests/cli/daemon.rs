//! The daemon: what it does by itself, how it ends, and what a kill leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::{
    Sandbox, assert_clean, command, eventually, finish, in_their_time, json_lines, sha256, signal,
};

#[test]
fn up_lives_answers_and_ends_on_sigterm() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    let daemon = sandbox.up();
    in_their_time("somebody worked", || {
        !sandbox.run(&["--json", "events", "--topic", "orchestrator.file.*"]).exits(0).stdout.is_empty()
    });
    let status = sandbox.run(&["--json", "status"]).exits(0).json();
    assert_eq!(status[0]["daemon"], true);
    assert!(!sandbox.run(&["--json", "plan", "-n", "3"]).exits(0).json().is_empty());
    let (code, log) = daemon.terminate();
    assert_eq!(code, Some(0), "{log}");
    for line in json_lines(&log) {
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert!(!sandbox.path("state/control.sock").exists());
}

#[test]
fn on_a_quiet_day_the_log_says_what_comes_next() {
    let sandbox = Sandbox::new();
    sandbox.capture("run-1");
    let daemon = sandbox.up();
    // It is said two seconds after the start.
    std::thread::sleep(Duration::from_secs(5));
    let (code, log) = daemon.terminate();
    assert_eq!(code, Some(0), "{log}");
    let told = "no persona works here; captures are looked for once a minute";
    assert_eq!(json_lines(&log).iter().filter(|line| line["message"] == told).count(), 1, "{log}");
}

#[test]
fn the_second_signal_ends_a_drain_at_once() {
    let sandbox = Sandbox::new();
    // A disk that takes more than a second for every flush: the store is not closed at once.
    let mut daemon = command("strace");
    daemon
        .args(["-D", "-f", "-q", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"])
        .args(["-e", "inject=fsync,fdatasync:delay_enter=1200000", env!("CARGO_BIN_EXE_verisim"), "--config"])
        .args([sandbox.path("verisim.toml").as_os_str(), "up".as_ref()])
        .stderr(std::fs::File::create(sandbox.path("log")).unwrap());
    let mut daemon = daemon.spawn().unwrap();
    let socket = sandbox.path("state/control.sock");
    eventually("the daemon answers", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    signal("-INT", daemon.id());
    // A second signal sooner than this belongs to the first.
    std::thread::sleep(Duration::from_millis(700));
    assert!(daemon.try_wait().unwrap().is_none(), "it drains");
    signal("-INT", daemon.id());
    let code = daemon.wait().unwrap().code();
    let log = std::fs::read_to_string(sandbox.path("log")).unwrap();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("stopped at once; nothing is lost"), "{log}");
    // Nothing was: the next one starts.
    assert_eq!(sandbox.up().terminate().0, Some(0));
}

#[test]
fn commands_that_come_while_the_daemon_starts_are_answered_and_do_not_keep_it_from_starting() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    let daemon = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            eventually("the daemon answered", || {
                sandbox.run(&["--json", "status"]).exits(0).json()[0]["daemon"] == true
            });
        });
        let daemon = sandbox.up();
        asking.join().unwrap();
        daemon
    });
    let (code, log) = daemon.terminate();
    assert_eq!(code, Some(0), "{log}");
}

/// What the events say of each path, replayed in their order: its hash, or that it is gone. Appended files are left out:
/// their events speak of what was added alone.
fn expected(events: &[Value]) -> BTreeMap<String, Option<String>> {
    let mut files = BTreeMap::new();
    for event in events {
        let activity = &event["payload"]["activity"];
        let text = |field: &str| activity[field].as_str().unwrap_or_default().to_owned();
        match activity["payload"].as_str() {
            Some("plant") => drop(files.insert(text("path"), Some(text("sha256")))),
            Some("edit") => drop(files.insert(text("path"), Some(text("after")))),
            Some("remove") => drop(files.insert(text("path"), None)),
            Some("append") => drop(files.remove(&text("path"))),
            Some("move") => {
                files.insert(text("from"), None);
                files.insert(text("to"), Some(text("sha256")));
            }
            _ => {}
        }
    }
    files
}

#[test]
fn inv_12_a_daemon_that_is_killed_again_and_again_loses_nothing_and_repeats_nothing() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    for round in 0..5_u64 {
        sandbox.capture(&format!("run-{round}"));
        let daemon = sandbox.up();
        std::thread::sleep(Duration::from_millis(700 + 130 * round));
        daemon.kill();
    }
    // What is left of the captures is done here; the personas rest meanwhile.
    let daemon = sandbox.up();
    eventually("all captures are verified", || {
        let jobs = sandbox.captures();
        jobs.len() == 5 && jobs.iter().all(|job| job["state"] == "VERIFIED")
    });
    assert_eq!(daemon.terminate().0, Some(0));
    for round in 0..5 {
        assert_clean(&sandbox.path(&format!("vault/sensor/run-{round}")));
    }
    let events = sandbox.run(&["--json", "events", "--topic", "orchestrator.>"]).exits(0).json();
    assert!(
        events.iter().filter(|event| event["success"] == true).count() > 2,
        "hardly anything happened: {events:?}"
    );
    let tampered = sandbox.run(&["--json", "events", "--topic", "decoy.>"]).exits(0).json();
    let tampered: Vec<_> = tampered.iter().filter(|event| !event["payload"]["tampered"].is_null()).collect();
    assert!(tampered.is_empty(), "our own work was taken for somebody else's: {tampered:?}");
    for (path, hash) in expected(&events) {
        let file = sandbox.path("files01").join(path.trim_start_matches('/'));
        match hash {
            Some(hash) => assert_eq!(sha256(&file), hash, "{path}"),
            None => assert!(!file.exists(), "{path} is there again"),
        }
    }
    let mut once = std::collections::HashSet::new();
    for event in events.iter().filter(|event| event["success"] == true) {
        assert!(once.insert(event["job"].to_string()), "job {} succeeded twice", event["job"]);
    }
    let jobs = sandbox.run(&["--json", "jobs", "-n", "100000", "--in", "running"]).exits(0).json();
    assert!(jobs.is_empty(), "{jobs:?}");
}

#[test]
fn inv_8_the_secret_of_the_store_appears_nowhere() {
    let sandbox = Sandbox::new();
    sandbox.configure_busy();
    sandbox.capture("run-1");
    let mut daemon = sandbox.verisim(&["-vv", "up", "--log-format", "json"]);
    let log = sandbox.path("log");
    let daemon =
        daemon.stderr(std::fs::File::create(&log).unwrap()).stdout(std::process::Stdio::null()).spawn();
    let mut daemon = daemon.unwrap();
    let socket = sandbox.path("state/control.sock");
    eventually("the daemon answers", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    eventually("a capture is verified", || sandbox.captures().iter().any(|job| job["state"] == "VERIFIED"));
    let mut said = String::new();
    for args in
        [&["--json", "events"][..], &["--json", "jobs", "-n", "1000"], &["--json", "status"], &["status"]]
    {
        let ran = sandbox.run(args).exits(0);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    }
    said.push_str(&String::from_utf8_lossy(
        &std::fs::read(format!("/proc/{}/cmdline", daemon.id())).unwrap(),
    ));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    said.push_str(&std::fs::read_to_string(&log).unwrap());
    let db = rusqlite::Connection::open(sandbox.path("state/verisim.db")).unwrap();
    let secret: Vec<u8> =
        db.query_row("SELECT value FROM meta WHERE name = 'secret'", (), |row| row.get(0)).unwrap();
    assert_eq!(secret.len(), 32);
    // Any eight bytes of it, in the forms in which bytes are usually shown.
    for piece in secret.windows(8) {
        let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{piece:?}");
        let list = list.trim_matches(['[', ']']);
        for form in [hex.as_str(), &hex.to_uppercase(), list, &list.replace(' ', "")] {
            assert!(!said.contains(form), "a part of the secret was shown as {form}");
        }
    }
    assert!(said.len() > 1000);
}

/// Two configurations that name one folder would cancel each other's work.
#[test]
fn a_state_folder_that_belongs_to_another_configuration_is_refused_by_name() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.up().terminate().0, Some(0));
    fs::copy(sandbox.path("verisim.toml"), sandbox.path("other.toml")).unwrap();
    let with_other = |args: &[&str]| {
        let mut command = command(env!("CARGO_BIN_EXE_verisim"));
        command.arg("--config").arg(sandbox.path("other.toml")).args(args);
        finish(command)
    };
    let ran = with_other(&["up"]).exits(3);
    for words in ["verisim.toml", "other.toml", "state/configuration", "--state DIR"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let told = with_other(&["doctor"]).exits(3).stdout;
    assert!(told.contains("belongs to the configuration"), "{told}");
    sandbox.run(&["doctor"]).exits(0);
    // One that was moved has left it.
    fs::remove_file(sandbox.path("verisim.toml")).unwrap();
    with_other(&["doctor"]).exits(0);
}
