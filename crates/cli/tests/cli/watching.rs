//! Whoever watches where nothing is drawn: in a pipe, and past the end of a daemon.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::sandbox::{Sandbox, command, eventually};

#[test]
fn a_watch_in_a_pipe_tells_each_change() {
    let sandbox = Sandbox::new();
    sandbox.capture("run-1");
    let dir = sandbox.path("captures/run-1");
    sandbox.run(&["sync", "add", dir.to_str().unwrap()]).exits(0);
    let told = sandbox.run(&["--json", "sync", "watch", "1"]).exits(0).json();
    let changes: Vec<&Value> = told.iter().filter(|line| line["type"] == "change").collect();
    assert!(changes.len() >= 2, "{told:?}");
    assert!(changes.windows(2).all(|two| two[0]["state"] != two[1]["state"]), "{told:?}");
    assert_eq!((&changes[0]["job"], &changes[0]["capture"]), (&1.into(), &"sensor/run-1".into()));
    assert_eq!(changes.last().unwrap()["state"], "VERIFIED");
    sandbox.capture("run-2");
    let dir = sandbox.path("captures/run-2");
    sandbox.run(&["sync", "add", dir.to_str().unwrap()]).exits(0);
    let said = sandbox.run(&["sync", "watch", "2"]).exits(0).stdout;
    let of_change = |line: &&str| line.contains("sensor/run-2") && line.starts_with("20");
    let lines: Vec<&str> = said.lines().filter(of_change).collect();
    assert!(lines.len() >= 2 && lines.last().unwrap().contains("verified"), "{said}");
}

#[test]
fn the_end_of_the_daemon_is_told_to_who_watches() {
    let sandbox = Sandbox::new();
    sandbox.write("captures/run-1/half", "not complete");
    let daemon = sandbox.up();
    eventually("it is found", || sandbox.captures().len() == 1);
    let mut watch = sandbox.verisim(&["sync", "watch", "1"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It has begun once it tells how things are.
    let mut first = String::new();
    let mut lines = BufReader::new(watch.stdout.take().unwrap());
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("waiting"), "{first}");
    assert_eq!(daemon.terminate().0, Some(0));
    let ended = watch.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("the daemon ended") && !said.contains("Broken pipe"), "{said}");
}

#[test]
fn who_follows_begins_with_the_newest_events() {
    let sandbox = Sandbox::new();
    for run in 0..10 {
        sandbox.capture(&format!("run-{run}"));
    }
    let daemon = sandbox.up();
    eventually("all are verified", || {
        let all = sandbox.captures();
        all.len() == 10 && all.iter().all(|job| job["state"] == "VERIFIED")
    });
    let all = sandbox.run(&["--json", "events", "--topic", "sync.>"]).exits(0).json();
    assert!(all.len() > 25, "{}", all.len());
    let begins_with = |more: &[&str]| {
        let args = [&["--json", "events", "--follow", "--topic", "sync.>"], more].concat();
        let mut follow = sandbox.verisim(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(follow.stdout.take().unwrap()).read_line(&mut first).unwrap();
        follow.kill().unwrap();
        follow.wait().unwrap();
        serde_json::from_str::<Value>(&first).unwrap()["id"].clone()
    };
    assert_eq!(begins_with(&[]), all[all.len() - 20]["id"]);
    assert_eq!(begins_with(&["--all"]), all[0]["id"]);
    assert_eq!(begins_with(&["--last", "3"]), all[all.len() - 3]["id"]);
    assert_eq!(begins_with(&["--after", "0"]), all[0]["id"]);
    assert_eq!(daemon.terminate().0, Some(0));
    sandbox.run(&["events", "--all"]).exits(2);
}

#[test]
fn where_there_is_no_configuration_every_place_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let mut status = command(env!("CARGO_BIN_EXE_verisim"));
    status.arg("status").current_dir(empty.path()).env("HOME", empty.path()).env_remove("XDG_STATE_HOME");
    let ended = status.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    let here = empty.path().canonicalize().unwrap().join("verisim.toml");
    for place in [here.to_str().unwrap(), "/etc/verisim/verisim.toml"] {
        assert!(said.contains(place), "{place}: {said}");
    }
}
