//! What tools print becomes the right kind, and the table of the documentation says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod cases;

use std::fmt::Write as _;

use proptest::prelude::*;
use verisim_core::{Effect, FailureKind};
use verisim_sync::{Explanation, Tool, ToolEnd, ToolOperation, ToolRun, decision_name, explain};

use self::cases::{CASES, Case};

fn run(case: &Case, free_bytes: Option<u64>) -> Option<Explanation> {
    explain(&ToolRun {
        tool: case.tool,
        operation: case.operation,
        end: ToolEnd::of_status(case.exit),
        stderr: case.stderr.as_bytes(),
        free_bytes,
    })
}

#[test]
fn every_recorded_failure_has_its_kind() {
    let mut wrong = String::new();
    for case in CASES {
        let found = run(case, case.free).unwrap();
        if found.kind != case.kind {
            let _ = writeln!(
                wrong,
                "{}: {} instead of {}, by {:?}",
                case.situation, found.kind, case.kind, found.evidence
            );
        }
        assert!(!found.hint.is_empty());
        if case.free.is_some() {
            let unprobed = run(case, None).unwrap();
            assert_eq!(unprobed.kind, FailureKind::Unknown, "{}", case.situation);
            assert!(unprobed.probe.is_some());
            assert_eq!(run(case, Some(1 << 40)).unwrap().kind, FailureKind::Unknown, "{}", case.situation);
        }
        if case.operation == ToolOperation::Hashsum {
            assert_eq!(found.effect, Effect::NotApplied, "{}", case.situation);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_host_that_hangs_up_before_ssh_begins_is_told_with_what_may_be_behind_it() {
    let hung_up: Vec<&Case> =
        CASES.iter().filter(|case| case.situation.ends_with("before SSH begins")).collect();
    assert_eq!(hung_up.len(), 2);
    for case in hung_up {
        let found = run(case, None).unwrap();
        for word in ["MaxStartups", "fail2ban", "firewall"] {
            assert!(found.hint.contains(word), "{}: {}", case.situation, found.hint);
        }
    }
}

#[test]
fn success_is_no_failure_and_what_we_did_ourselves_is_known() {
    let of = |tool, end| {
        explain(&ToolRun {
            tool,
            operation: ToolOperation::Push,
            end,
            stderr: b"lab@nas: Permission denied (publickey).\n",
            free_bytes: None,
        })
    };
    for tool in [Tool::Rsync, Tool::Rclone] {
        assert_eq!(of(tool, ToolEnd::Code(0)), None);
        assert_eq!(of(tool, ToolEnd::Stopped).unwrap().kind, FailureKind::Cancelled);
        assert_eq!(of(tool, ToolEnd::TimedOut).unwrap().kind, FailureKind::Network);
        let missing = of(tool, ToolEnd::Missing).unwrap();
        assert_eq!((missing.kind, missing.effect), (FailureKind::ToolMissing, Effect::NotApplied));
    }
    assert_eq!(of(Tool::Rclone, ToolEnd::Code(9)), None, "there was nothing to send");
}

proptest! {
    /// Whatever a name holds, the number and the place of the cause decide.
    #[test]
    fn a_name_never_decides(name in "[ -~]{0,60}") {
        let name = name.replace('"', "'");
        let stderr = format!("rsync: [sender] send_files failed to open \"/runs/{name}\": Permission denied (13)\nrsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]\n");
        let found = explain(&ToolRun { tool: Tool::Rsync, operation: ToolOperation::Push, end: ToolEnd::Code(23), stderr: stderr.as_bytes(), free_bytes: None }).unwrap();
        prop_assert_eq!(found.kind, FailureKind::Denied);
        let stderr = format!("2026/03/02 09:00:01 ERROR : {name}: Failed to copy: failed to open source object: open /runs/{name}: permission denied\n");
        let found = explain(&ToolRun { tool: Tool::Rclone, operation: ToolOperation::Push, end: ToolEnd::Code(1), stderr: stderr.as_bytes(), free_bytes: None }).unwrap();
        prop_assert_eq!(found.kind, FailureKind::Denied);
    }

    /// Nothing that a tool prints, or how it ends, makes us stumble.
    #[test]
    fn nothing_that_is_printed_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..400), exit in -70_i32..300, which in 0..6_u8) {
        let (tool, operation) = match which {
            0 => (Tool::Rsync, ToolOperation::Push),
            1 => (Tool::Rsync, ToolOperation::Hashsum),
            2 => (Tool::Rclone, ToolOperation::Push),
            3 => (Tool::Rsync, ToolOperation::Fetch),
            4 => (Tool::Rclone, ToolOperation::Fetch),
            _ => (Tool::Rclone, ToolOperation::Hashsum),
        };
        let _ = explain(&ToolRun { tool, operation, end: ToolEnd::of_status(exit), stderr: &bytes, free_bytes: None });
    }

    /// Recorded texts, cut and mixed.
    #[test]
    fn pieces_of_real_texts_make_no_trouble(a in 0..CASES.len(), b in 0..CASES.len(), at in 0..400_usize, exit in -20_i32..260) {
        let (a, b) = (&CASES[a], &CASES[b]);
        let mut stderr = a.stderr.as_bytes()[..at.min(a.stderr.len())].to_vec();
        stderr.extend(b.stderr.as_bytes());
        let _ = explain(&ToolRun { tool: a.tool, operation: b.operation, end: ToolEnd::of_status(exit), stderr: &stderr, free_bytes: Some(0) });
    }
}

/// The page is what this makes: `VERISIM_WRITE_DOCS=1` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "whether to write the page is asked for from outside")]
fn the_table_of_the_documentation_is_what_the_code_does() {
    let mut page = String::from(
        "# What a tool's failure becomes\n\n\
         Made by the tests from what the code answers (`verisim sync explain` asks the same function).\n\n\
         | Tool | Situation | Exit | Kind | Policy | What to do |\n|---|---|---|---|---|---|\n",
    );
    for case in CASES {
        let found = run(case, case.free).unwrap();
        let tool = match (case.tool, case.operation) {
            (Tool::Rsync, ToolOperation::Push) => "rsync",
            (Tool::Rsync, ToolOperation::Hashsum) => "hashing over ssh",
            (Tool::Rclone, ToolOperation::Push) => "rclone",
            (Tool::Rclone, ToolOperation::Hashsum) => "rclone hashsum",
            (Tool::Rsync, ToolOperation::Fetch) => "rsync, reading back",
            (Tool::Rclone, ToolOperation::Fetch) => "rclone, reading back",
        };
        let _ = writeln!(
            page,
            "| {tool} | {} | {} | `{}` | {} | {} |",
            case.situation,
            case.exit,
            found.kind,
            decision_name(found.policy.decision).replace('_', " "),
            found.hint.replace('|', "\\|")
        );
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/failures.md");
    if std::env::var_os("VERISIM_WRITE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        known == page,
        "docs/failures.md is not what the code does: VERISIM_WRITE_DOCS=1 cargo test -p verisim-sync --test explain"
    );
}
