//! What is there, as it is found to be: by every hasher, and read back where there is none.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt as _;
use verisim_core::{
    DestinationName, Digest, FailureKind, Proof, RemoteFile, SyncState, SyncTransport as _, SyncWorker as _,
};
use verisim_sync::{Courier, CourierOptions, Destination, RsyncTransport};
use verisim_testkit::hostile_capture;
use verisim_testkit::sshd::SshdOptions;

use crate::common::{OFF, ON, Row, hanging_hashers_are_told, rule_at, sentinel, sha256sum_check};
use crate::place::{Account, Place, program};

/// What is told of the folder, and how it is proved.
async fn told(
    place: &Place,
    transport: &RsyncTransport,
) -> (Proof, BTreeMap<PathBuf, Result<Digest, FailureKind>>) {
    let mut hashes = transport.hashsum(&place.remote(), &place.push_options()).await.unwrap();
    let mut out = BTreeMap::new();
    let mut last = None;
    while let Some(file) = hashes.files.next().await {
        let (path, found) = match file.unwrap() {
            RemoteFile::Hashed(entry) => (entry.path, Ok(entry.sha256)),
            RemoteFile::Unproved { path, failure } => (path, Err(failure.kind)),
        };
        assert!(last.as_ref().is_none_or(|last| *last < path), "not sorted at {path}");
        out.insert(PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes())), found);
        last = Some(path);
    }
    (hashes.proof, out)
}

/// The far side as a machine has it on which some tools are missing or others: `tools` stand before those of this one.
fn with_tools(place: &Place, tools: &[(&str, &str)]) {
    let bin = place.sshd.folder().join("bin");
    let _ = fs::remove_dir_all(&bin);
    fs::create_dir(&bin).unwrap();
    for (name, text) in tools {
        program(&bin.join(name), &format!("#!/bin/sh\n{text}\n"));
    }
    let shell = place.sshd.folder().join("shell");
    program(
        &shell,
        &format!("#!/bin/sh\nPATH={}:$PATH exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n", bin.display()),
    );
    let key = fs::read_to_string(place.sshd.key().with_extension("pub")).unwrap();
    fs::write(place.sshd.folder().join("authorized"), format!("command=\"{}\" {key}", shell.display()))
        .unwrap();
}

const NONE: &str = "exit 1";

/// Every hasher that a far side may have tells a hostile capture right, whether its tools sort names in any bytes or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_5_every_hasher_tells_names_in_any_bytes_apart() {
    let Some(place) = Place::new(Account::Shell) else { return };
    let expected = hostile_capture::make(&place.path("run"));
    place.push().await.unwrap();
    let expected: BTreeMap<PathBuf, _> =
        expected.iter().map(|(path, content)| (path.clone(), Ok(Digest::of(content)))).collect();
    let no_z = "case \"$*\" in *-z*) exit 1;; esac; exec /usr/bin/NAME \"$@\"";
    // The fastest is taken, and without this both ways to call it are as fast.
    let only_z = "case \"$*\" in *-z*) exec /usr/bin/sha256sum \"$@\";; esac; exit 1".to_owned();
    let plain = |name: &str| no_z.replace("NAME", name);
    let cases: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("openssl dgst", vec![("sha256sum", NONE.into()), ("shasum", NONE.into()), ("busybox", NONE.into())]),
        (
            "sha256sum -z",
            vec![
                ("openssl", NONE.into()),
                ("busybox", NONE.into()),
                ("sha256sum", only_z),
                ("shasum", NONE.into()),
            ],
        ),
        (
            "sha256sum",
            vec![("openssl", NONE.into()), ("busybox", NONE.into()), ("sha256sum", plain("sha256sum"))],
        ),
        ("busybox", vec![("openssl", NONE.into()), ("sha256sum", NONE.into()), ("shasum", NONE.into())]),
        ("shasum", vec![("openssl", NONE.into()), ("sha256sum", NONE.into()), ("busybox", NONE.into())]),
        (
            "shasum",
            vec![
                ("openssl", NONE.into()),
                ("sha256sum", NONE.into()),
                ("busybox", NONE.into()),
                ("sort", plain("sort")),
            ],
        ),
    ];
    for (hasher, tools) in cases {
        let tools: Vec<(&str, &str)> = tools.iter().map(|(name, text)| (*name, text.as_str())).collect();
        with_tools(&place, &tools);
        let transport = place.transport();
        let chosen = transport.inquire().await.unwrap().hasher.unwrap();
        assert!(chosen.starts_with(hasher), "{chosen} with {tools:?}");
        assert_eq!(
            told(&place, &transport).await,
            (Proof::Sha256Remote, expected.clone()),
            "{chosen} with {tools:?}"
        );
    }
    // None at all, and none that can list: read back.
    for tools in [
        &[("openssl", NONE), ("sha256sum", NONE), ("busybox", NONE), ("shasum", NONE)][..],
        &[("find", "exec /usr/bin/find -print")],
    ] {
        with_tools(&place, tools);
        let transport = place.transport();
        assert_eq!(transport.inquire().await.unwrap().hasher, None);
        assert_eq!(told(&place, &transport).await, (Proof::Sha256Readback, expected.clone()), "{tools:?}");
    }
}

/// A small NAS: its shell and every tool beside rsync are busybox.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_5_a_nas_that_has_nothing_but_busybox_hashes_for_itself() {
    let Some(place) = Place::new(Account::Shell) else { return };
    let expected = hostile_capture::make(&place.path("run"));
    let bin = place.sshd.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let install = "b=$(command -v busybox) && \"$b\" --install -s \"$0\" && ln -s /usr/bin/rsync \"$0\" && [ -e \"$0/find\" ]";
    let installed = std::process::Command::new("sh").args(["-c", install]).arg(&bin).status().unwrap();
    assert!(installed.success());
    // The script looks for hashers in the usual places as well.
    for hasher in ["openssl", "shasum"] {
        program(&bin.join(hasher), &format!("#!{}/sh\n{NONE}\n", bin.display()));
    }
    let shell = place.sshd.folder().join("shell");
    let bin = bin.display();
    program(&shell, &format!("#!{bin}/sh\nPATH={bin} exec {bin}/sh -c \"$SSH_ORIGINAL_COMMAND\"\n"));
    let key = fs::read_to_string(place.sshd.key().with_extension("pub")).unwrap();
    fs::write(place.sshd.folder().join("authorized"), format!("command=\"{}\" {key}", shell.display()))
        .unwrap();
    place.push().await.unwrap();
    let transport = place.transport();
    let chosen = transport.inquire().await.unwrap().hasher.unwrap();
    assert!(["busybox", "sha256sum"].iter().any(|name| chosen.starts_with(name)), "{chosen}");
    let expected: BTreeMap<PathBuf, _> =
        expected.iter().map(|(path, content)| (path.clone(), Ok(Digest::of(content)))).collect();
    assert_eq!(told(&place, &transport).await, (Proof::Sha256Remote, expected));
}

/// A hasher that cannot read a file leaves that file unproved, and the others proved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_there_is_unproved_and_a_folder_fails() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha"), ("b\\n", b"beta"), ("c", b"gamma"), ("d/e", b"delta")]);
    place.push().await.unwrap();
    let drops = "exec setpriv --no-new-privs --bounding-set -dac_override,-dac_read_search --inh-caps -all /usr/bin/NAME \"$@\"";
    let (openssl, find) = (drops.replace("NAME", "openssl"), drops.replace("NAME", "find"));
    with_tools(
        &place,
        &[
            ("openssl", openssl.as_str()),
            ("sha256sum", NONE),
            ("shasum", NONE),
            ("busybox", NONE),
            ("find", find.as_str()),
        ],
    );
    for file in ["a", "c"] {
        fs::set_permissions(place.there().join(file), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let (proof, found) = told(&place, &place.transport()).await;
    assert_eq!(proof, Proof::Sha256Remote);
    let denied = |path: &str| found[&PathBuf::from(path)] == Err(FailureKind::Denied);
    assert!(denied("a") && denied("c"), "{found:?}");
    assert_eq!(found[&PathBuf::from("b\\n")], Ok(Digest::of(b"beta")));
    assert_eq!(found[&PathBuf::from("d/e")], Ok(Digest::of(b"delta")));
    fs::set_permissions(place.there().join("d"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut hashes = place.transport().hashsum(&place.remote(), &place.push_options()).await.unwrap();
    let mut failed = None;
    while let Some(file) = hashes.files.next().await {
        failed = file.err().or(failed);
    }
    assert_eq!(
        failed.unwrap().failure.kind,
        FailureKind::Denied,
        "what cannot be listed is not taken for missing"
    );
}

fn courier(
    place: &Place,
    cleanup: verisim_core::CleanupRule,
    change: impl FnOnce(&mut verisim_sync::RsyncOptions),
) -> Courier {
    let destination = Destination { transport: Arc::new(place.transport_with(change)), bandwidth: None };
    Courier::new(CourierOptions {
        rules: vec![rule_at(place.scratch.path(), sentinel(), cleanup)],
        destinations: [(DestinationName::new("vault").unwrap(), destination)].into(),
        state_dir: place.path("state"),
        tools: crate::common::tools(),
        installation: "site-a".into(),
    })
}

async fn found(place: &Place, courier: &Courier) -> Row {
    let clock = crate::common::clock();
    let run = place.path("captures/run");
    crate::common::write_tree(&run, &[("a", b"alpha"), ("d/b", b"a longer one"), ("done", b"")]);
    fs::create_dir_all(place.path("state")).unwrap();
    Row::new(courier.discover(&[], clock.now()).await.remove(0).unwrap())
}

/// What could not be proved within the bound is told, and never cleaned up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_6_what_is_beyond_the_bound_of_reading_back_is_unverified_and_stays() {
    let Some(place) = Place::new(Account::RsyncAlone) else { return };
    let courier = courier(&place, ON, |o| o.read_back_max = verisim_core::ByteCount(10));
    let mut row = found(&place, &courier).await;
    row.run(&courier, crate::common::clock().now(), 20).await;
    assert_eq!(row.state, SyncState::Unverified, "{:?}", row.progress);
    let note = row.progress.note.clone().unwrap();
    assert!(note.contains("d/b") && note.contains("read back"), "{note}");
    // The report names each such file, and says why.
    let unverifiable = &row.progress.findings.unverifiable;
    assert_eq!(unverifiable.total, 1);
    assert_eq!(unverifiable.first[0].path.to_string(), "d/b");
    assert!(unverifiable.first[0].why.as_ref().unwrap().contains("read back"), "{unverifiable:?}");
    assert_eq!(crate::common::content(&place.path("captures/run")).len(), 3, "nothing is deleted");
}

/// The whole life of a capture: damage is found by name and mended, two passes, and only then it goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_09_inv_6_a_capture_goes_after_two_passes_and_damage_in_between_is_mended() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        let courier = courier(&place, ON, |_| {});
        let mut row = found(&place, &courier).await;
        let mut now = crate::common::clock().now();
        while row.state != SyncState::Verified {
            row.step(&courier, now).await;
            assert!(!row.state.is_final(), "{account:?} {:?}", row.progress);
        }
        let proof = row.progress.passes.last().unwrap().proof;
        assert_eq!(proof == Proof::Sha256Remote, account == Account::Shell, "{proof:?}");
        let there = place.path("vault").join("lab/run");
        assert_eq!(sha256sum_check(&there), (true, String::new()));
        // It rots, its size and time kept: nothing but a hash finds that.
        let times = fs::metadata(there.join("a")).unwrap().modified().unwrap();
        fs::write(there.join("a"), "alphA").unwrap();
        fs::File::options().write(true).open(there.join("a")).unwrap().set_modified(times).unwrap();
        now = row.run(&courier, now, 60).await;
        assert_eq!(row.damaged, ["different: a"]);
        assert_eq!(
            row.state,
            SyncState::Cleaned,
            "{account:?} {:?} {:?} at {now}",
            row.history,
            row.progress.note
        );
        assert_eq!(sha256sum_check(&there), (true, String::new()));
        assert!(crate::common::content(&place.path("captures/run")).is_empty());
    }
}

/// What comes here between the push and a pass over it is no part of what was proved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_6_a_file_that_came_after_the_push_is_brought_home_before_anything_counts_as_verified() {
    let Some(place) = Place::new(Account::Shell) else { return };
    let courier = courier(&place, ON, |_| {});
    let mut row = found(&place, &courier).await;
    let now = crate::common::clock().now();
    while row.state != SyncState::AwaitingVerify {
        row.step(&courier, now).await;
        assert!(!row.state.is_final(), "{:?}", row.progress);
    }
    fs::write(place.path("captures/run/late"), "late").unwrap();
    row.step(&courier, now).await;
    assert_eq!((row.state, row.progress.passes_total), (SyncState::Waiting, 0), "{:?}", row.progress);
    let note = row.progress.note.clone().unwrap();
    assert!(note.contains("new since it was pushed: 1 file (late)"), "{note}");
    row.run(&courier, now, 10).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
    assert_eq!(fs::read(place.path("vault/lab/run/late")).unwrap(), b"late");
}

/// A host that is switched off is away, as an unmounted share is: its captures wait, and use up no try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_off_makes_its_captures_wait() {
    let Some(mut place) = Place::new(Account::Shell) else { return };
    let courier = courier(&place, OFF, |_| {});
    let mut row = found(&place, &courier).await;
    let now = crate::common::clock().now();
    place.sshd.stop();
    for _ in 0..4 {
        row.step(&courier, now).await;
    }
    assert!(matches!(row.state, SyncState::Blocked(_)), "{}", row.state);
    place.sshd.start_again();
    row.run(&courier, now, 10).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
}

/// A hasher there that hangs is told in time, nothing of it is left there, also where we go away first, and the next pass goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hasher_that_hangs_is_told_and_leaves_nothing_running() {
    let bin = tempfile::tempdir().unwrap();
    let path = format!("SetEnv SHLVL=5 PATH={}:/usr/bin:/bin", bin.path().display());
    let options = SshdOptions { lines: vec![path], ..SshdOptions::default() };
    let Some(place) = Place::with(Account::Shell, options) else { return };
    place.write(&[("a", b"alpha")]);
    let (capture, remote, options) = (place.capture(), place.remote(), place.push_options());
    let with = |stall_max| place.transport_with(|o| o.stall_max = stall_max);
    hanging_hashers_are_told(bin.path(), &place.there(), (&capture, &remote, &options), with).await;
}
