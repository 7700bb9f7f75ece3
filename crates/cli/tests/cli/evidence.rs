//! Captures on their way home.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::sandbox::{Sandbox, assert_clean, eventually, sha256};

fn add(sandbox: &Sandbox, name: &str) {
    sandbox.capture(name);
    let dir = sandbox.path(&format!("captures/{name}"));
    sandbox.run(&["sync", "add", "--wait", dir.to_str().unwrap()]).exits(0);
}

#[test]
fn a_capture_is_pushed_and_verified_without_a_daemon() {
    let sandbox = Sandbox::new();
    add(&sandbox, "run-1");
    let jobs = sandbox.captures();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["type"], "job");
    assert_eq!(jobs[0]["state"], "VERIFIED");
    assert_eq!(jobs[0]["subject"], "sensor/run-1");
    assert_clean(&sandbox.path("vault/sensor/run-1"));
    // The manifest can be printed from the store alone, and is the one that lies beside the data.
    let sealed = fs::read_to_string(sandbox.path("vault/sensor/run-1/.verisim/checksums.sha256")).unwrap();
    assert_eq!(sandbox.run(&["sync", "manifest", "1"]).exits(0).stdout, sealed);
    sandbox.run(&["sync", "manifest", "2"]).exits(2);
    // Asked again, it is the same job.
    let dir = sandbox.path("captures/run-1");
    sandbox.run(&["sync", "add", dir.to_str().unwrap()]).exits(0);
    assert_eq!(sandbox.captures().len(), 1);
}

#[test]
fn a_corrupted_byte_in_the_vault_is_found_by_verify() {
    let sandbox = Sandbox::new();
    add(&sandbox, "run-1");
    sandbox.run(&["sync", "verify"]).exits(0);
    let victim = sandbox.path("vault/sensor/run-1/logs/3.log");
    let mut bytes = fs::read(&victim).unwrap();
    bytes[10] ^= 1;
    fs::write(&victim, &bytes).unwrap();
    let ran = sandbox.run(&["--json", "sync", "verify"]).exits(6);
    assert!(ran.stdout.contains("remote_damaged") && ran.stdout.contains("logs/3.log"), "{}", ran.stdout);
    let events = sandbox.run(&["--json", "events", "--topic", "sync.*.remote_damaged"]).exits(0).json();
    assert_eq!(events.len(), 1);
    // Nothing local went, whatever was found.
    assert!(sandbox.path("captures/run-1/logs/3.log").exists());
}

/// What is not there as it was pushed is named, kind by kind, for people and for scripts, whatever bytes a name has.
#[test]
fn the_report_of_a_verification_names_files() {
    let sandbox = Sandbox::new();
    let odd = sandbox.path("captures/run-1/logs").join(std::ffi::OsStr::from_bytes(b"\x1b[2Jtwo\nlines\xff"));
    sandbox.capture("run-1");
    fs::write(&odd, "odd").unwrap();
    add(&sandbox, "run-1");
    let there = sandbox.path("vault/sensor/run-1/logs");
    fs::remove_file(there.join(odd.file_name().unwrap())).unwrap();
    fs::write(there.join("3.log"), "rotten").unwrap();
    fs::write(there.join("thumbs.db"), "t").unwrap();
    let told = sandbox.run(&["--json", "sync", "verify", "1"]).exits(6).json();
    let report = told.iter().find(|line| line["type"] == "verification").unwrap();
    assert_eq!(report["result"], "damaged");
    assert_eq!((&report["capture"], &report["state"]), (&"sensor/run-1".into(), &"VERIFIED".into()));
    let found = &report["findings"];
    assert_eq!(found["missing"]["first"][0]["path"], "logs/\\x1b[2Jtwo\\x0alines\\xff");
    assert_eq!(found["different"]["first"][0]["path"], "logs/3.log");
    assert_eq!(found["extra"]["first"][0]["path"], "logs/thumbs.db");
    for kind in ["missing", "different", "extra"] {
        assert_eq!(found[kind]["total"], 1, "{found}");
    }
    // The history keeps it, although it was mended since; what was not pushed stays and is told.
    let events = sandbox.run(&["--json", "events", "--topic", "sync.1.queued"]).exits(0).json();
    assert_eq!(events.last().unwrap()["payload"]["sync"]["findings"]["missing"]["total"], 1);
    let shown = sandbox.run(&["sync", "show", "1"]).exits(0).stdout;
    assert!(
        shown.contains("extra") && shown.contains("logs/thumbs.db") && shown.contains("read back"),
        "{shown}"
    );
    assert!(!shown.contains("missing") && !shown.contains('\x1b'), "{shown}");
    // For people, damage is told once more where it is found once more.
    fs::write(there.join("3.log"), "rotten again").unwrap();
    let told = sandbox.run(&["sync", "verify"]).exits(6);
    assert!(told.stdout.contains("different") && told.stdout.contains("logs/3.log"), "{}", told.stdout);
    assert!(told.stderr.contains("damaged there"), "{}", told.stderr);
}

/// A destination that is away is no finding: every capture stays what it was, and the command says that it could not look.
#[test]
fn verifying_while_the_storage_is_away_changes_nothing() {
    let sandbox = Sandbox::new();
    for name in ["run-1", "run-2", "run-3"] {
        add(&sandbox, name);
    }
    let all_verified = || sandbox.captures().iter().all(|job| job["state"] == "VERIFIED");
    for with_daemon in [false, true] {
        let daemon = with_daemon.then(|| sandbox.up());
        fs::rename(sandbox.path("vault"), sandbox.path("share")).unwrap();
        fs::create_dir(sandbox.path("vault")).unwrap();
        for _ in 0..2 {
            let said = sandbox.run(&["sync", "verify"]).exits(5);
            assert!(
                said.stdout.contains("nobody could look") && said.stdout.contains("mount the share"),
                "{said:?}"
            );
            assert!(
                said.stderr.contains("0 of 3") && said.stderr.contains("3 could not be looked at"),
                "{said:?}"
            );
            assert!(all_verified(), "{:?}", sandbox.captures());
        }
        let told = sandbox.run(&["--json", "sync", "verify", "2"]).exits(5).json();
        let report = told.iter().find(|line| line["type"] == "verification").unwrap();
        assert_eq!((&report["result"], &report["state"]), (&"not_looked".into(), &"VERIFIED".into()));
        assert!(report["why"].to_string().contains("mount the share"), "{report}");
        fs::remove_dir(sandbox.path("vault")).unwrap();
        fs::rename(sandbox.path("share"), sandbox.path("vault")).unwrap();
        let said = sandbox.run(&["sync", "verify"]).exits(0);
        assert!(said.stderr.contains("3 of 3"), "{said:?}");
        if let Some(daemon) = daemon {
            assert_eq!(daemon.terminate().0, Some(0));
        }
    }
}

#[test]
fn a_daemon_finds_captures_by_itself_and_leaves_the_local_files() {
    let sandbox = Sandbox::new();
    sandbox.capture("run-1");
    sandbox.write("captures/run-2/half.log", "still being written");
    let daemon = sandbox.up();
    eventually("the complete one is verified", || {
        sandbox.captures().iter().any(|job| job["subject"] == "sensor/run-1" && job["state"] == "VERIFIED")
    });
    let jobs = sandbox.captures();
    assert!(jobs.iter().any(|job| job["subject"] == "sensor/run-2" && job["state"] == "WAITING"), "{jobs:?}");
    assert_clean(&sandbox.path("vault/sensor/run-1"));
    assert!(!sandbox.path("vault/sensor/run-2/half.log").exists());
    assert!(sandbox.path("captures/run-1/logs/0.log").exists());
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn a_cancelled_capture_rests_until_it_is_retried() {
    let sandbox = Sandbox::new();
    sandbox.write("captures/run-1/half.log", "x");
    let dir = sandbox.path("captures/run-1");
    sandbox.run(&["sync", "add", dir.to_str().unwrap()]).exits(0);
    let id = sandbox.captures()[0]["id"].to_string();
    sandbox.run(&["sync", "cancel", &id]).exits(0);
    assert_eq!(sandbox.captures()[0]["state"], "CANCELLED");
    sandbox.run(&["sync", "retry", &id]).exits(0);
    assert_eq!(
        sandbox.captures()[0]["state"],
        "WAITING",
        "half a capture is not pushed because it is tried again"
    );
    sandbox.write("captures/run-1/done", "");
    sandbox.run(&["sync", "watch", &id]).exits(0);
    assert_eq!(sandbox.captures()[0]["state"], "VERIFIED");
}

/// What was cleaned up is hashed and compared when somebody asks for it, by a daemon and without one; what became of it is shown.
#[test]
fn what_was_cleaned_up_is_verified_when_it_is_asked_for() {
    let sandbox = Sandbox::new();
    let config = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    add(&sandbox, "run-1");
    // Damage that is mended before it is cleaned up.
    let victim = sandbox.path("vault/sensor/run-1/logs/3.log");
    let good = fs::read(&victim).unwrap();
    fs::write(&victim, "rotten").unwrap();
    sandbox.run(&["sync", "verify", "1"]).exits(6);
    let shown = sandbox.run(&["sync", "show", "1"]).exits(0).stdout;
    assert!(shown.contains("1 file not there as pushed; mended, and verified since"), "{shown}");
    assert!(!shown.contains("cleaned up"), "{shown}");
    let cleanup = "cleanup = { enabled = true, min_passes = 2, min_age = \"2s\" }\n";
    sandbox.write("verisim.toml", &format!("{config}{cleanup}"));
    let daemon = sandbox.up();
    eventually("it is cleaned up", || sandbox.captures()[0]["state"] == "CLEANED");
    let shown = sandbox.run(&["sync", "show", "1"]).exits(0).stdout;
    assert!(shown.contains("cleaned up") && shown.contains("mended"), "{shown}");
    let mut daemon = Some(daemon);
    for _ in 0..2 {
        let said = sandbox.run(&["sync", "verify", "1"]).exits(0);
        assert!(
            said.stderr.contains("1 of 1 captures are at the destination as they were pushed"),
            "{said:?}"
        );
        fs::write(&victim, "rotten").unwrap();
        let told = sandbox.run(&["--json", "sync", "verify", "1"]).exits(6);
        let lines = told.json();
        let report = lines.iter().find(|line| line["type"] == "verification").unwrap();
        assert_eq!((&report["result"], &report["state"]), (&"damaged".into(), &"CLEANED".into()));
        assert_eq!(report["findings"]["different"]["first"][0]["path"], "logs/3.log");
        assert!(told.stdout.contains("remote_damaged"), "{}", told.stdout);
        let said = sandbox.run(&["sync", "verify", "1"]).exits(6);
        assert!(said.stdout.contains("logs/3.log") && said.stderr.contains("another copy"), "{said:?}");
        let shown = sandbox.run(&["sync", "show", "1"]).exits(0).stdout;
        assert!(shown.contains("found after it was cleaned up here, and not mended"), "{shown}");
        fs::rename(sandbox.path("vault"), sandbox.path("share")).unwrap();
        let said = sandbox.run(&["sync", "verify", "1"]).exits(5);
        assert!(said.stdout.contains("nobody could look"), "{said:?}");
        fs::rename(sandbox.path("share"), sandbox.path("vault")).unwrap();
        fs::write(&victim, &good).unwrap();
        // The second time without a daemon.
        if let Some(daemon) = daemon.take() {
            assert_eq!(daemon.terminate().0, Some(0));
        }
    }
}

#[test]
fn inv_6_a_share_that_is_not_mounted_costs_no_evidence_and_fills_no_disk() {
    let sandbox = Sandbox::new();
    let config = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    let cleanup = "cleanup = { enabled = true, min_passes = 2, min_age = \"2s\" }\n";
    sandbox.write("verisim.toml", &format!("{config}{cleanup}"));
    add(&sandbox, "run-1");
    let local = sandbox.path("captures/run-1/logs/3.log");
    let hash = sha256(&local);
    // Between the first pass and the second the share goes away, and its mount point stays.
    fs::rename(sandbox.path("vault"), sandbox.path("share")).unwrap();
    fs::create_dir(sandbox.path("vault")).unwrap();
    let doctor = sandbox.run(&["doctor"]).exits(5);
    assert!(doctor.stdout.contains("mount the share"), "{}", doctor.stdout);
    sandbox.capture("run-2");
    let daemon = sandbox.up();
    let unreachable = |name: &str| {
        sandbox.captures().iter().any(|job| {
            job["subject"] == format!("sensor/{name}")
                && (job["away_since"].is_string()
                    || job["progress"]["note"].to_string().contains("mount the share"))
        })
    };
    eventually("both captures wait, and say for what", || unreachable("run-1") && unreachable("run-2"));
    let gone =
        || sandbox.run(&["--json", "events", "--topic", "destination.vault.reachable"]).exits(0).json();
    eventually("the operator is told", || gone().len() == 1);
    let status = sandbox.run(&["status"]).exits(5);
    assert!(
        status.stdout.contains("vault went away") && status.stdout.contains("mount the share"),
        "{}",
        status.stdout
    );
    let doctor = sandbox.run(&["doctor"]).exits(5);
    assert!(doctor.stdout.contains("went away"), "{}", doctor.stdout);
    let listed = sandbox.run(&["sync", "ls"]).exits(0);
    assert!(listed.stdout.contains("destination/vault went away"), "{}", listed.stdout);
    assert_eq!(sha256(&local), hash);
    assert_eq!(fs::read_dir(sandbox.path("vault")).unwrap().count(), 0);
    // It is back, and the operator does not want to wait.
    fs::remove_dir(sandbox.path("vault")).unwrap();
    fs::rename(sandbox.path("share"), sandbox.path("vault")).unwrap();
    let doctor = sandbox.run(&["doctor"]).exits(0);
    assert!(doctor.stdout.contains("and answers now"), "{}", doctor.stdout);
    let told = sandbox.run(&["sync", "retry", "--all", "--destination", "vault"]).exits(0);
    assert!(told.stdout.contains("vault: away, and asked now"), "{}", told.stdout);
    eventually("both are cleaned up", || sandbox.captures().iter().all(|job| job["state"] == "CLEANED"));
    assert_eq!(daemon.terminate().0, Some(0));
    for name in ["run-1", "run-2"] {
        assert_clean(&sandbox.path(&format!("vault/sensor/{name}")));
    }
    assert!(!local.exists());
}

#[test]
fn everything_that_failed_is_tried_again_by_one_command() {
    let sandbox = Sandbox::new();
    let foreign = |name: &str| format!("vault/sensor/{name}/foreign");
    for name in ["run-1", "run-2", "run-3"] {
        sandbox.capture(name);
        sandbox.write(&foreign(name), "somebody else's");
        let dir = sandbox.path(&format!("captures/{name}"));
        sandbox.run(&["sync", "add", "--wait", dir.to_str().unwrap()]).exits(1);
    }
    sandbox.run(&["sync", "cancel", "3"]).exits(0);
    let count = |args: &[&str]| {
        let told = sandbox.run(&[&["--json", "sync", "retry", "--all"], args].concat()).exits(0).json();
        (told[0]["type"].to_string(), told[0]["count"].as_u64())
    };
    let retried = |count| ("\"retried\"".to_owned(), Some(count));
    assert_eq!(count(&["--rule", "sensor", "--destination", "vault"]), retried(2));
    assert_eq!(count(&[]), retried(0));
    for wrong in [&["--all", "--rule", "nobody"][..], &["--all", "1"], &[], &["--all", "--in", "verified"]] {
        sandbox.run(&[&["sync", "retry"], wrong].concat()).exits(2);
    }
    sandbox.run(&["sync", "watch"]).exits(1);
    for name in ["run-1", "run-2", "run-3"] {
        fs::remove_file(sandbox.path(&foreign(name))).unwrap();
    }
    let daemon = sandbox.up();
    let said = sandbox.run(&["sync", "retry", "--all", "--in", "failed", "--in", "cancelled"]).exits(0);
    assert_eq!(said.stdout, "3 captures are tried again\n");
    eventually("all are verified", || sandbox.captures().iter().all(|job| job["state"] == "VERIFIED"));
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn a_capture_that_appears_while_a_daemon_runs_is_taken_up_long_before_the_next_look() {
    let sandbox = Sandbox::new();
    sandbox.capture("run-0");
    let daemon = sandbox.up();
    eventually("the first look is over", || sandbox.captures().iter().any(|job| job["state"] == "VERIFIED"));
    // The folder, and then, once its job waits, what makes it complete.
    sandbox.write("captures/run-1/half.log", "x");
    let of_run_1 = || sandbox.captures().into_iter().find(|job| job["subject"] == "sensor/run-1");
    eventually("it is found", || of_run_1().is_some_and(|job| job["state"] == "WAITING"));
    let found: jiff::Timestamp = of_run_1().unwrap()["created_at"].as_str().unwrap().parse().unwrap();
    let made = fs::metadata(sandbox.path("captures/run-1")).unwrap().modified().unwrap();
    let made = jiff::Timestamp::try_from(made).unwrap();
    // The clock alone looks once a minute.
    assert!(found.duration_since(made).as_secs() < 25, "made at {made}, found at {found}");
    sandbox.write("captures/run-1/done", "");
    eventually("it is verified", || of_run_1().is_some_and(|job| job["state"] == "VERIFIED"));
    assert_eq!(daemon.terminate().0, Some(0));
}
