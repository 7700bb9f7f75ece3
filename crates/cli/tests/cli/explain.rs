//! `verisim sync explain`, without any configuration.

use std::io::Write as _;
use std::process::Stdio;

use crate::sandbox::command;

fn explain(args: &[&str], stderr: &[u8]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(env!("CARGO_BIN_EXE_verisim"));
    command.args(["sync", "explain"]).args(args).current_dir(dir.path());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended before it read all.
    let _ = child.stdin.take().unwrap().write_all(stderr);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_old_log_is_explained_on_any_machine() {
    let said = b"rsync: [receiver] write failed on \"/vault/x\": No space left on device (28)\nrsync error: error in file IO (code 11) at receiver.c(393) [receiver=3.2.7]\n";
    let (code, text) = explain(&["--tool", "rsync", "--exit", "11"], said);
    assert_eq!(code, Some(0));
    for words in ["no_space", "block", "No space left on device (28)", "free some space"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (code, text) = explain(&["--json", "--tool", "rsync", "--exit", "11"], said);
    assert_eq!(code, Some(0));
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&told["kind"], &told["effect"], &told["policy"]),
        (&"no_space".into(), &"unknown".into(), &"block".into())
    );
    assert!(told["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
}

#[test]
fn what_only_a_probe_can_tell_is_asked_for() {
    let said = b"2026/03/02 09:00:01 ERROR : x: Failed to copy: Update ReadFrom failed: sftp: \"Failure\" (SSH_FX_FAILURE)\n";
    let kind = |more: &[&str]| {
        let args = [&["--json", "--tool", "rclone", "--exit", "1"], more].concat();
        let told: serde_json::Value = serde_json::from_str(&explain(&args, said).1).unwrap();
        (told["kind"].as_str().unwrap().to_owned(), told["probe"].clone())
    };
    assert_eq!(kind(&[]), ("unknown".to_owned(), "free_space".into()));
    assert_eq!(kind(&["--free-space", "0"]), ("no_space".to_owned(), serde_json::Value::Null));
    assert_eq!(kind(&["--free-space", "1TiB"]), ("unknown".to_owned(), serde_json::Value::Null));
}

#[test]
fn endless_and_odd_input_is_taken() {
    let mut long = b"2026/03/02 09:00:01 ERROR : x: Failed to copy: 403 Forbidden\n".to_vec();
    long.extend(vec![0xfe; 20 << 20]);
    let (code, text) = explain(&["--json", "--tool", "rclone", "--exit", "1"], &long);
    assert_eq!(code, Some(0));
    assert!(text.contains("\"denied\""), "{text}");
    assert_eq!(
        explain(&["--json", "--tool", "rsync", "--operation", "hashsum", "--exit", "0"], b"").0,
        Some(0)
    );
    assert!(explain(&["--json", "--tool", "rsync", "--exit", "-15"], b"").1.contains("\"cancelled\""));
    assert_eq!(explain(&["--tool", "scp", "--exit", "1"], b"").0, Some(2));
}

#[test]
fn an_exit_code_that_no_tool_has_is_refused() {
    for exit in ["256", "999999", "-65", "99999999999", "x"] {
        assert_eq!(explain(&["--tool", "rsync", "--exit", exit], b"").0, Some(2), "{exit}");
    }
    for exit in ["0", "255", "137", "-9", "-64"] {
        assert_eq!(explain(&["--tool", "rsync", "--exit", exit], b"").0, Some(0), "{exit}");
    }
}
