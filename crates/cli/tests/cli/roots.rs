//! A decoy whose root is another one, a path that waits for a person, and a store that is taken away.

use std::fs;

use crate::sandbox::{Daemon, Sandbox, eventually, in_their_time};

/// Asks the same with a daemon and without one.
fn both_ways(test: fn(&Sandbox)) {
    test(&Sandbox::new());
    let sandbox = Sandbox::new();
    let daemon = sandbox.up();
    test(&sandbox);
    assert_eq!(daemon.terminate().0, Some(0));
}

fn plant(sandbox: &Sandbox, path: &str) {
    sandbox.run_with_input(&["plant", "files01", path], b"ours").exits(0);
}

fn decide(sandbox: &Sandbox) {
    for (path, name) in [("/tmp/a", "tmp/a"), ("/tmp/b", "tmp/b"), ("/tmp/c", "tmp/c")] {
        plant(sandbox, path);
        if name != "tmp/c" {
            fs::write(sandbox.path("files01").join(name), "theirs").unwrap();
            sandbox.run(&["rm", "files01", path]).exits(6);
        }
    }
    let frozen = sandbox.run(&["--json", "ledger", "files01", "--frozen"]).exits(0).json();
    assert_eq!(frozen.len(), 2);
    assert_eq!(
        (frozen[0]["path"].as_str(), frozen[0]["policy"].as_str()),
        (Some("/tmp/a"), Some("hands_off"))
    );
    for field in ["class", "sha256", "size", "persona", "edits", "since"] {
        assert!(frozen[0].get(field).is_some(), "{field} is missing: {}", frozen[0]);
    }
    let adopted = sandbox.run(&["--json", "release", "files01", "/tmp/a", "--adopt"]).exits(0).json();
    assert_eq!((adopted[0]["policy"].as_str(), adopted[0]["size"].as_u64()), (Some("owned"), Some(6)));
    sandbox.run(&["release", "files01", "/tmp/b", "--forget"]).exits(0);
    assert!(sandbox.run(&["ledger", "files01", "--frozen"]).exits(0).stdout.is_empty());
    let all = sandbox.run(&["ledger", "files01"]).exits(0).stdout;
    assert!(all.contains("/tmp/a") && all.contains("/tmp/c") && !all.contains("/tmp/b"), "{all}");
    let events = sandbox.run(&["--json", "events", "--topic", "decoy.files01.released"]).exits(0).json();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["detail"], "by the operator");
    // Ours again; and what is not is not removed.
    sandbox.run(&["rm", "files01", "/tmp/a"]).exits(0);
    assert!(!sandbox.path("files01/tmp/a").exists());
    sandbox.run(&["rm", "files01", "/tmp/b"]).exits(1);
    assert_eq!(fs::read(sandbox.path("files01/tmp/b")).unwrap(), b"theirs");
    for (args, code) in [
        (&["release", "files01", "/tmp/c"][..], 2),
        (&["release", "files01", "/tmp/c", "--adopt", "--forget"], 2),
        (&["release", "files01", "/etc/passwd", "--adopt"], 2),
        (&["release", "files02", "/tmp/c", "--adopt"], 2),
        (&["ledger", "files02"], 2),
        (&["decoy", "accept", "files01"], 2),
    ] {
        assert!(!sandbox.run(args).exits(code).stderr.is_empty());
    }
}

#[test]
fn a_person_decides_about_a_path_that_is_left_alone() {
    both_ways(decide);
}

/// The decoy's mount is not there, and its mount point is.
fn unmount(sandbox: &Sandbox) {
    fs::rename(sandbox.path("files01"), sandbox.path("away")).unwrap();
    fs::create_dir(sandbox.path("files01")).unwrap();
}

fn silent(sandbox: &Sandbox) -> bool {
    let status = sandbox.run(&["--json", "status"]);
    assert!(matches!(status.code, Some(0 | 5)), "{}", status.stderr);
    status.json()[0]["decoys"][0]["why"].is_string()
}

fn mounts_missing(sandbox: &Sandbox) -> Daemon {
    for path in ["/tmp/a", "/tmp/b", "/tmp/c"] {
        plant(sandbox, path);
    }
    unmount(sandbox);
    let daemon = sandbox.up();
    sandbox.run(&["rm", "files01", "/tmp/a", "--wait", "1s"]).exits(5);
    eventually("the decoy is left alone", || silent(sandbox));
    assert!(fs::read_dir(sandbox.path("files01")).unwrap().next().is_none());
    let told = sandbox.run(&["--json", "events", "--topic", "decoy.>"]).exits(0).json();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["detail"].as_str().unwrap().contains("verisim decoy accept files01"));
    assert!(sandbox.run(&["ledger", "files01", "--frozen"]).exits(0).stdout.is_empty());
    daemon
}

#[test]
fn a_decoy_whose_mount_is_missing_is_left_alone_and_nothing_of_it_is_frozen() {
    let sandbox = Sandbox::new();
    mounts_missing(&sandbox).kill();
    fs::remove_dir(sandbox.path("files01")).unwrap();
    fs::rename(sandbox.path("away"), sandbox.path("files01")).unwrap();
    // What waited is done at the next start.
    let daemon = sandbox.up();
    eventually("the file is removed", || !sandbox.path("files01/tmp/a").exists());
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn a_root_that_was_replaced_on_purpose_is_accepted_by_name() {
    let sandbox = Sandbox::new();
    let daemon = mounts_missing(&sandbox);
    let accepted = sandbox.run(&["--json", "decoy", "accept", "files01"]).exits(0).json();
    assert_eq!(accepted[0]["forgotten"], 3);
    in_their_time("it is worked on", || !silent(&sandbox));
    plant(&sandbox, "/tmp/new");
    assert!(sandbox.path("files01/tmp/new").exists());
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn a_daemon_whose_store_is_taken_away_ends_with_the_exit_code_of_the_store() {
    for taken in ["the database", "the lock", "the folder"] {
        let sandbox = Sandbox::new();
        plant(&sandbox, "/tmp/a");
        if taken == "the folder" {
            // Somebody writes all the time; one that rests notices within a minute.
            sandbox.configure_busy();
        }
        let daemon = sandbox.up();
        let state = sandbox.path("state");
        match taken {
            "the database" => fs::remove_file(state.join("verisim.db")).unwrap(),
            "the lock" => fs::remove_file(state.join("verisim.db.lock")).unwrap(),
            _ => fs::rename(&state, sandbox.path("gone")).unwrap(),
        }
        if taken == "the lock" {
            // Another one is kept out all the same.
            let second = sandbox.run(&["up"]);
            assert_ne!(second.code, Some(0), "{}", second.stderr);
        }
        if taken == "the folder" {
            let (code, log) = daemon.ended();
            assert_eq!(code, Some(4), "{taken}: {log}");
        } else {
            // The next effect is refused before it begins, and the daemon ends.
            sandbox.run_with_input(&["plant", "files01", "/tmp/b", "--wait", "5s"], b"x");
            let (code, log) = daemon.ended();
            assert_eq!(code, Some(4), "{taken}: {log}");
            assert!(log.contains("removed or replaced"), "{taken}: {log}");
        }
        // A daemon that had noticed and ended already leaves whoever asks to work alone, with a store of their own.
        let is_alone = taken == "the database" && state.join("verisim.db").exists();
        assert!(is_alone || !sandbox.path("files01/tmp/b").exists(), "{taken}");
    }
}
