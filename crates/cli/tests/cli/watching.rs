//! Whoever watches where nothing is drawn: in a pipe, and past the end of a daemon.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::sandbox::{Sandbox, command, eventually};

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
