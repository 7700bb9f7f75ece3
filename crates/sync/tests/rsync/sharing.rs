//! One connection serves what follows each other, what cannot have it does without, and much work is divided.

use std::fs;
use std::path::PathBuf;

use futures_util::StreamExt as _;
use rustix::process::Signal;
use verisim_core::{FailureKind, RemoteFile, SyncTransport as _};
use verisim_sync::RsyncTransport;
use verisim_sys::Runner;
use verisim_testkit::hostile_capture::read_tree;
use verisim_testkit::sshd::SshdOptions;

use crate::common::{of_somebody_else, who_waits_can_be_stopped};
use crate::place::{Account, PATH, Place, program};
use crate::resuming::{running, until};

/// How often somebody has logged in there.
fn logins(place: &Place) -> usize {
    let log = fs::read_to_string(place.sshd.folder().join("log")).unwrap();
    log.lines().filter(|line| line.contains("Accepted publickey")).count()
}

/// Push, verification and seal, as a job has them made.
async fn everything(place: &Place, transport: &RsyncTransport) {
    let pushed = place.push_by(transport).await.unwrap();
    let mut hashes = transport.hashsum(&place.remote(), &place.push_options()).await.unwrap().files;
    while let Some(file) = hashes.next().await {
        file.unwrap();
    }
    transport.seal(&place.remote(), &pushed.manifest).await.unwrap();
    assert_eq!(transport.stat(&place.remote()).await.unwrap().sealed, Some(pushed.manifest_sha256));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_logs_in_once_and_leaves_no_process_behind() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let one = SshdOptions { lines: vec!["MaxSessions 1".into()], ..SshdOptions::default() };
        let Some(place) = Place::with(account, one) else { return };
        place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
        let name = place.scratch.path().file_name().unwrap().to_str().unwrap().to_owned();
        // A host that has not taken note of the end of one session refuses the next, which then logs in for itself.
        let mut needed = Vec::new();
        while needed.last() != Some(&1) {
            assert!(needed.len() < 5, "{account:?}: {needed:?}");
            let (before, transport) = (logins(&place), place.transport());
            everything(&place, &transport).await;
            needed.push(logins(&place) - before);
        }
        until("nothing of it is left", || running(&name).is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_gone_is_made_anew() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let transport = place.transport();
    for _ in 0..3 {
        everything(&place, &transport).await;
        // Whether the next one comes before that is noticed here, or after.
        place.sshd.signal_serving(Signal::KILL);
    }
    assert!((3..=6).contains(&logins(&place)), "{}", logins(&place));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_side_by_side_do_not_wait_for_each_other() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let transport = place.transport();
    place.push_by(&transport).await.unwrap();
    let (here, options) = (place.remote(), place.push_options());
    // One that nobody reads along, and that has the connection meanwhile.
    let mut hashes = transport.hashsum(&here, &options).await.unwrap().files;
    let (one, other) = tokio::join!(transport.stat(&here), transport.stat(&here));
    assert!(one.unwrap().exists && other.unwrap().exists);
    match hashes.next().await.unwrap().unwrap() {
        RemoteFile::Hashed(entry) => assert_eq!(entry.path.to_string(), "a"),
        RemoteFile::Unproved { path, failure } => panic!("{path}: {failure}"),
    }
}

/// Two runs of rsync at once, each over its own part, make one push.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_go_by_two_runs_and_one_that_fails_stops_the_other() {
    let Some(place) = Place::new(Account::Shell) else { return };
    for folder in ["a", "b*[x]\\", "-c", "d"] {
        fs::create_dir_all(place.path("run").join(folder).join("empty")).unwrap();
        for file in 0..550 {
            fs::write(
                place.path("run").join(folder).join(format!("{file:04}")),
                format!("{folder}{file:099}"),
            )
            .unwrap();
        }
    }
    place.write(&[("top", b"top")]);
    let (bin, told) = (place.path("bin"), place.path("told"));
    fs::create_dir(&bin).unwrap();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *include-from*) echo run >>{told};; esac\nexec /usr/bin/rsync \"$@\"\n",
        told = told.display()
    );
    program(&bin.join("rsync"), &text);
    let runner = Runner::new([bin].into_iter().chain(PATH.map(PathBuf::from))).unwrap();
    let transport = RsyncTransport::new(place.options.clone(), place.known(), runner);
    // What cannot be written by one of them is not covered up by the other.
    fs::create_dir_all(place.there().join(".verisim/partial")).unwrap();
    place.is_used();
    fs::write(place.there().join(".verisim/owner"), format!("{}\n", place.remote().owner)).unwrap();
    fs::write(place.there().join("d"), "in the way").unwrap();
    fs::create_dir_all(place.there().join("a/0000")).unwrap();
    fs::write(place.there().join("a/0000/x"), "in the way").unwrap();
    let failed = place.push_by(&transport).await.unwrap_err();
    assert_eq!(failed.failure.kind, FailureKind::Config, "{failed:?}");
    fs::remove_dir_all(place.there().join("a")).unwrap();
    let pushed = place.push_by(&transport).await.unwrap();
    assert_eq!((pushed.inventory.files, fs::read_to_string(&told).unwrap().lines().count()), (2201, 4));
    assert_eq!(read_tree(&place.there()), read_tree(&place.path("run")));
    let again = place.push_by(&transport).await.unwrap();
    assert_eq!(again.sent.files, 0);
}

/// rrsync lets one run in at a time: two pushes at once, one of them of many files, both go well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_rsync_alone_is_run_nothing_of_ours_runs_beside_itself() {
    let Some(place) = Place::new(Account::RsyncAlone) else { return };
    for folder in ["a", "b", "c", "d"] {
        fs::create_dir_all(place.path("run").join(folder)).unwrap();
        for file in 0..550 {
            fs::write(place.path("run").join(folder).join(format!("{file}")), format!("{folder}{file}"))
                .unwrap();
        }
    }
    let transport = place.transport();
    let (capture, (other, options)) = (place.capture(), of_somebody_else(place.scratch.path()));
    let (one, two) = tokio::join!(place.push_by(&transport), transport.push(&capture, &other, &options));
    assert_eq!((one.unwrap().inventory.files, two.unwrap().inventory.files), (2200, 2200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_waits_for_what_another_finds_out_can_be_stopped() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let (bin, held) = (place.path("bin"), place.path("held"));
    fs::create_dir(&bin).unwrap();
    program(&bin.join("ssh"), &format!("#!/bin/sh\ntouch {}\nexec sleep 600\n", held.display()));
    let runner = Runner::new([bin].into_iter().chain(PATH.map(PathBuf::from))).unwrap();
    let transport = RsyncTransport::new(place.options.clone(), place.known(), runner);
    who_waits_can_be_stopped(&transport, place.scratch.path(), || held.exists()).await;
}
