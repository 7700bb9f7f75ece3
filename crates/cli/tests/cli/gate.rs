//! The gate before a capture: held visibly, mended, overridden by name and reason, revoked.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Sandbox, eventually};

const GATE: &str = "gate = [\n  { name = \"no-scratch\", forbid = [\"*.tmp\"] },\n  { name = \"unfilled\", placeholders = [\"{{*}}\", \"TODO_FILL\"] },\n  \
    { name = \"windows\", names_for = \"windows\", severity = \"warning\" },\n]\n";

fn gated(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let config = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    sandbox.write("verisim.toml", &format!("{config}{more}"));
    sandbox
}

fn only(sandbox: &Sandbox) -> Value {
    let mut all = sandbox.captures();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn events(sandbox: &Sandbox, topic: &str) -> Vec<Value> {
    sandbox.run(&["--json", "events", "--topic", topic]).exits(0).json()
}

#[test]
fn a_capture_that_its_gate_holds_is_told_everywhere_and_goes_on_once_it_is_mended() {
    let sandbox = gated(GATE);
    sandbox.capture("run-1");
    sandbox.write("captures/run-1/x.tmp", "scratch");
    sandbox.write("captures/run-1/sheet.csv", "id,project\n1,{{project}}\n");
    let dir = sandbox.path("captures/run-1");
    let held = sandbox.run(&["sync", "add", "--wait", dir.to_str().unwrap()]).exits(6);
    assert!(held.stdout.contains("held by its gate"), "{}", held.stdout);
    let shown = sandbox.run(&["sync", "show", "1"]).exits(6).stdout;
    for told in [
        "no-scratch  holds it: 1 finding",
        "x.tmp has a name like *.tmp",
        "mend: remove or rename it",
        "unfilled  holds it",
        "sheet.csv has the placeholder {{..}} in line 2",
    ] {
        assert!(shown.contains(told), "{told} is not in {shown}");
    }
    let status = sandbox.run(&["status"]).exits(0).stdout;
    assert!(status.contains("1 held by their gate"), "{status}");
    let told = events(&sandbox, "sync.1.waiting");
    assert!(
        told.last().unwrap()["payload"]["sync"]["note"].to_string().contains("held by its gate"),
        "{told:?}"
    );
    assert!(!sandbox.path("vault/sensor").exists());
    fs::remove_file(sandbox.path("captures/run-1/x.tmp")).unwrap();
    sandbox.write("captures/run-1/sheet.csv", "id,project\n1,coral\n");
    sandbox.run(&["sync", "retry", "1"]).exits(0);
    sandbox.run(&["sync", "watch", "1"]).exits(0);
    assert_eq!(only(&sandbox)["state"], "VERIFIED");
}

#[test]
fn an_override_by_name_and_reason_goes_through_the_daemon_and_is_kept() {
    let sandbox = gated(GATE);
    sandbox.capture("run-1");
    sandbox.write("captures/run-1/x.tmp", "scratch");
    let daemon = sandbox.up();
    eventually("it is held", || {
        let all = sandbox.captures();
        all.first().is_some_and(|job| job["progress"]["note"].to_string().contains("held by its gate"))
    });
    let gate = |rule: &str, reason: &str, more: &[&str]| {
        sandbox.run(&[&["sync", "override", "1", "--rule", rule, "--reason", reason], more].concat())
    };
    let refused = gate("unfilled", "why not", &[]).exits(2);
    assert!(refused.stderr.contains("held by no-scratch"), "{}", refused.stderr);
    gate("no-scratch", "  ", &[]).exits(2);
    gate("no-scratch", "nothing to take back", &["--revoke"]).exits(2);
    gate("no-scratch", "the scratch file is evidence", &["--by", "ann\u{1b}[2J"]).exits(0);
    eventually("it is verified", || only(&sandbox)["state"] == "VERIFIED");
    assert!(sandbox.path("vault/sensor/run-1/x.tmp").exists());
    gate("no-scratch", "it was not", &["--revoke", "--by", "bob"]).exits(0);
    assert_eq!(daemon.terminate().0, Some(0));
    // Without a daemon, too, and after it.
    let shown = sandbox.run(&["sync", "show", "1"]).exits(0).stdout;
    for told in [
        "holds it: 1 finding",
        "ann",
        "the scratch file is evidence",
        "revoked",
        "by bob (uid ",
        "it was not",
    ] {
        assert!(shown.contains(told), "{told} is not in {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let (given, back) = (events(&sandbox, "sync.1.gate_overridden"), events(&sandbox, "sync.1.gate_revoked"));
    assert_eq!((given.len(), back.len()), (1, 1));
    assert_eq!(given[0]["payload"]["gate"]["rule"], "no-scratch");
    assert_eq!(back[0]["payload"]["gate"]["revoked"], true);
    gate("no-scratch", "it was, after all", &[]).exits(0);
    assert_eq!(only(&sandbox)["progress"]["overrides"].as_array().unwrap().len(), 2);
}

#[test]
fn inv_6_nothing_is_cleaned_up_after_an_override_was_revoked() {
    let sandbox = gated(&format!("{GATE}cleanup = {{ enabled = true, min_passes = 2, min_age = \"2s\" }}\n"));
    sandbox.capture("run-1");
    sandbox.write("captures/run-1/x.tmp", "scratch");
    let dir = sandbox.path("captures/run-1");
    sandbox.run(&["sync", "add", "--wait", dir.to_str().unwrap()]).exits(6);
    let gate = |reason: &str, more: &[&str]| {
        sandbox
            .run(&[&["sync", "override", "1", "--rule", "no-scratch", "--reason", reason], more].concat())
            .exits(0)
    };
    gate("known", &[]);
    sandbox.run(&["sync", "watch", "1"]).exits(0);
    gate("not so", &["--revoke"]);
    let daemon = sandbox.up();
    eventually("the gate is what it waits for", || {
        only(&sandbox)["progress"]["note"].to_string().contains("its gate is closed")
    });
    assert!(
        sandbox.path("captures/run-1/x.tmp").exists() && sandbox.path("captures/run-1/logs/0.log").exists()
    );
    gate("it is", &[]);
    eventually("it is cleaned up", || only(&sandbox)["state"] == "CLEANED");
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn a_gate_that_is_written_wrongly_is_told_by_line_and_a_command_that_is_not_there_by_doctor() {
    let sandbox = gated(
        "[[capture.gate]]\nname = \"a\"\nforbid = [\"/abs\", \"x\"]\nnames_for = \"windows\"\n\
         [[capture.gate]]\nname = \"a\"\nplaceholders = [\"{{*\"]\nscan_max = \"1GiB\"\n\
         [[capture.gate]]\nname = \"B\"\ncommand = [\"bin/check\"]\ntime_limit = \"2h\"\n\
         [[capture.gate]]\nname = \"c\"\nforbid = []\nseverity = \"soft\"\nwhat = 1\n\
         [[capture.gate]]\nname = \"d\"\nnames_for = \"vms\"\n[[capture.gate]]\nname = \"e\"\n",
    );
    let told = sandbox.run(&["doctor"]).exits(3).stderr;
    for expected in [
        "asks more than one thing",
        "named a second time",
        "one `*` stands between",
        "from 1 byte to 16 MiB",
        "is not a name",
        "`bin/check` is no program",
        "from 1s to 600s",
        "`forbid` is empty",
        "neither \"hard\"",
        "no key `what`",
        "none of windows, smb, fat, posix, s3",
        "asks nothing",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    let sandbox = gated(
        "gate = [{ name = \"lims\", command = [\"no-such-check\", \"{capture}\"], time_limit = \"5s\" }]\n",
    );
    let told = sandbox.run(&["doctor"]).exits(1).stdout;
    assert!(told.contains("asks lims by no-such-check, which is not here"), "{told}");
}

#[test]
fn the_record_of_a_run_travels_with_it_and_says_who_let_it_through() {
    let sandbox = gated(&format!("{GATE}cleanup = {{ enabled = true, min_passes = 2, min_age = \"2s\" }}\n"));
    sandbox.capture("run-1");
    sandbox.write("captures/run-1/x.tmp", "scratch");
    let dir = sandbox.path("captures/run-1");
    sandbox.run(&["sync", "add", "--wait", dir.to_str().unwrap()]).exits(6);
    let reason = ["--rule", "no-scratch", "--reason", "the scratch file is evidence", "--by", "ann"];
    sandbox.run(&[&["sync", "override", "1"], &reason[..]].concat()).exits(0);
    sandbox.run(&["sync", "watch", "1"]).exits(0);
    let lines = |at: &str| {
        let text = fs::read_to_string(sandbox.path(at).join(".verisim/lifecycle.jsonl")).unwrap();
        crate::sandbox::json_lines(&text)
    };
    let states = |at: &str| -> Vec<String> {
        lines(at).iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect()
    };
    let expected = ["WAITING", "gate", "QUEUED", "RUNNING", "AWAITING_VERIFY", "VERIFIED"];
    assert_eq!(states("captures/run-1"), expected);
    assert_eq!(states("vault/sensor/run-1"), expected);
    let there = lines("vault/sensor/run-1");
    assert!(there[0]["why"].to_string().contains("held by its gate"), "{there:?}");
    assert_eq!(
        (&there[1]["rule"], &there[1]["why"]),
        (&"no-scratch".into(), &"the scratch file is evidence".into())
    );
    assert!(there[1]["by"].as_str().unwrap().starts_with("ann (uid "), "{there:?}");
    assert_eq!(there[5]["pass"]["proof"], "sha256_readback");
    assert_eq!(
        there[5]["manifest"],
        crate::sandbox::sha256(&sandbox.path("vault/sensor/run-1/.verisim/checksums.sha256"))
    );
    let daemon = sandbox.up();
    eventually("it is cleaned up", || only(&sandbox)["state"] == "CLEANED");
    assert_eq!(daemon.terminate().0, Some(0));
    assert_eq!(states("vault/sensor/run-1").last().unwrap(), "CLEANED");
    assert_eq!(states("captures/run-1"), states("vault/sensor/run-1"));
    crate::sandbox::assert_clean(&sandbox.path("vault/sensor/run-1"));
}
