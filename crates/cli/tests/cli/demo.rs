//! The first command that anybody types.

use std::fs;
use std::time::{Duration, Instant};

use crate::sandbox::{Sandbox, assert_clean, command, finish};

fn demo(sandbox: &Sandbox, args: &[&str]) -> std::process::Command {
    let mut demo = command(env!("CARGO_BIN_EXE_verisim"));
    demo.arg("demo").args(args).current_dir(sandbox.path(""));
    demo
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that waits for another process has no other clock")]
fn in_a_pipe_it_ends_by_itself_with_both_captures_verified_and_goes_on_the_second_time() {
    let sandbox = Sandbox::new();
    let began = Instant::now();
    let ran = finish(demo(&sandbox, &["--for", "18s"])).exits(0);
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(ran.stdout.contains("2 of 2 captures"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\x1b'), "escape sequences in a pipe");
    for run in ["run-0001", "run-0002"] {
        assert_clean(&sandbox.path(&format!("verisim-demo/vault/sensor/{run}")));
    }
    let passwd = fs::read_to_string(sandbox.path("verisim-demo/decoys/files01/etc/passwd")).unwrap();
    assert!(passwd.contains("mkeller"));
    // The commands that it proposes work.
    let mut events = command(env!("CARGO_BIN_EXE_verisim"));
    events.args(["--config", "verisim-demo/verisim.toml", "--json", "events"]).current_dir(sandbox.path(""));
    let events = finish(events).exits(0).json();
    assert!(events.len() > 50);
    let failed: Vec<_> = events.iter().filter(|event| event["success"] == false).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let ran = finish(demo(&sandbox, &["--for", "1s"]));
    assert!(ran.stdout.contains("goes on"), "{}", ran.stdout);
}

#[test]
fn a_folder_of_somebody_else_is_not_touched() {
    let sandbox = Sandbox::new();
    sandbox.write("mine/file", "x");
    let ran = finish(demo(&sandbox, &["--dir", "mine"])).exits(2);
    assert!(ran.stderr.contains("nothing was touched"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(sandbox.path("mine")).unwrap().count(), 1);
}
