//! One file by hand, with and without a daemon.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::sandbox::{Sandbox, sha256};

fn round_trip(sandbox: &Sandbox) {
    let path = "/home/mkeller/notes/plan of \u{fc}bung.txt";
    let on_disk = sandbox.path("files01").join(path.trim_start_matches('/'));
    let body = b"first\nsecond \xff\x00\n";
    let ran = sandbox.run_with_input(&["--json", "plant", "files01", path, "--mode", "0640"], body).exits(0);
    let events = ran.json();
    assert_eq!(events.len(), 1);
    let planted = &events[0]["payload"]["activity"];
    assert_eq!(planted["payload"], "plant");
    assert_eq!(planted["sha256"], sha256(&on_disk));
    assert_eq!(planted["class"], "manual");
    assert_eq!(fs::read(&on_disk).unwrap(), body);
    assert_eq!(fs::metadata(&on_disk).unwrap().permissions().mode() & 0o7777, 0o640);
    let mut read = sandbox.verisim(&["read", "files01", path]);
    assert_eq!(read.output().unwrap().stdout, body);
    // What is there is not planted over.
    let ran = sandbox.run_with_input(&["plant", "files01", path], b"other");
    assert_ne!(ran.code, Some(0));
    assert_eq!(fs::read(&on_disk).unwrap(), body);
    sandbox.run(&["rm", "files01", path]).exits(0);
    assert!(!on_disk.exists());
    let ran = sandbox.run(&["read", "files01", path]).exits(1);
    assert!(ran.stderr.contains("error:"));
}

#[test]
fn a_file_is_planted_read_and_removed_without_a_daemon() {
    round_trip(&Sandbox::new());
}

#[test]
fn a_file_is_planted_read_and_removed_through_a_daemon() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.up();
    round_trip(&sandbox);
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn what_is_no_regular_file_is_said_to_be_that() {
    let sandbox = Sandbox::new();
    let passwd = sandbox.path("files01/etc/passwd");
    fs::remove_file(&passwd).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &passwd, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    let ran = sandbox.run(&["read", "files01", "/etc/passwd"]).exits(1);
    assert!(ran.stderr.contains("a FIFO") && !ran.stderr.contains("permission"), "{}", ran.stderr);
    let ran = sandbox.run(&["read", "files01", "/etc"]).exits(1);
    assert!(ran.stderr.contains("name a file in it"), "{}", ran.stderr);
    let told = sandbox.run(&["doctor"]).stdout;
    assert!(told.contains("its /etc/passwd is a FIFO"), "{told}");
}

/// A host that takes the connection and never says a word.
#[test]
fn the_look_before_a_plant_is_bounded_too() {
    let sandbox = Sandbox::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    sandbox.write(
        "verisim.toml",
        &format!(
            "state = \"state\"\n[[decoy]]\nname = \"files01\"\n\
             connector = {{ ssh = {{ host = \"127.0.0.1\", port = {port}, user = \"root\" }} }}\n"
        ),
    );
    let ran = sandbox.run_with_input(&["plant", "files01", "/tmp/a", "--wait", "1s"], b"x").exits(5);
    assert!(ran.stderr.contains("within 1 s") && ran.stderr.contains("--wait"), "{}", ran.stderr);
    assert!(sandbox.run(&["--json", "jobs"]).exits(0).stdout.is_empty(), "nothing was queued");
}

#[test]
fn what_is_not_ours_is_neither_overwritten_nor_removed() {
    let sandbox = Sandbox::new();
    let before = fs::read(sandbox.path("files01/etc/passwd")).unwrap();
    let ran = sandbox.run_with_input(&["plant", "files01", "/etc/passwd"], b"mine");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("is there already"), "{}", ran.stderr);
    // Nobody tampered, and no path is frozen for it.
    assert!(sandbox.run(&["--json", "events"]).exits(0).json().is_empty());
    sandbox.run(&["rm", "files01", "/etc/passwd"]).exits(1);
    assert_eq!(fs::read(sandbox.path("files01/etc/passwd")).unwrap(), before);
}

#[test]
fn a_changed_file_is_a_tamper_and_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.run_with_input(&["plant", "files01", "/tmp/a"], b"ours").exits(0);
    fs::write(sandbox.path("files01/tmp/a"), "theirs").unwrap();
    sandbox.run(&["rm", "files01", "/tmp/a"]).exits(6);
    assert_eq!(fs::read(sandbox.path("files01/tmp/a")).unwrap(), b"theirs");
    let ran = sandbox.run(&["--json", "events", "--topic", "decoy.*.tampered"]).exits(0);
    assert_eq!(ran.json().len(), 1);
}

#[test]
fn inv_7_a_link_that_leads_outside_is_not_followed() {
    let sandbox = Sandbox::new();
    sandbox.write("outside/secret", "secret");
    std::os::unix::fs::symlink(sandbox.path("outside"), sandbox.path("files01/tmp/link")).unwrap();
    let ran = sandbox.run(&["read", "files01", "/tmp/link/secret"]);
    assert_ne!(ran.code, Some(0));
    assert!(!ran.stdout.contains("secret"));
    sandbox.run_with_input(&["plant", "files01", "/tmp/link/new"], b"x");
    assert_eq!(fs::read_dir(sandbox.path("outside")).unwrap().count(), 1);
}

/// The fields of an event are part of the interface: a change here is a new version of the event.
const FIELDS: [&str; 8] = ["v", "id", "time", "topic", "job", "decoy", "success", "payload"];

#[test]
fn events_are_json_lines_with_stable_fields() {
    let sandbox = Sandbox::new();
    sandbox.run_with_input(&["plant", "files01", "/tmp/a"], b"x").exits(0);
    let ran = sandbox.run(&["--json", "events", "--topic", "orchestrator.>"]).exits(0);
    let events = ran.json();
    assert_eq!(events.len(), 1);
    let event = events[0].as_object().unwrap();
    for field in FIELDS {
        assert!(event.contains_key(field), "{field} is missing: {event:?}");
    }
    assert_eq!(event["v"], 1);
    assert_eq!(event["topic"], "orchestrator.file.files01");
    let mut activity: Vec<&str> =
        event["payload"]["activity"].as_object().unwrap().keys().map(String::as_str).collect();
    activity.sort_unstable();
    assert_eq!(activity, ["bytes", "class", "mode", "mtime", "owner_set", "path", "payload", "sha256"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let sandbox = Sandbox::new();
    for number in 0..3 {
        sandbox.run_with_input(&["plant", "files01", &format!("/tmp/{number}")], b"x").exits(0);
    }
    let mut child =
        sandbox.verisim(&["events"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::with_capacity(1, child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(first.contains("files01"));
}
