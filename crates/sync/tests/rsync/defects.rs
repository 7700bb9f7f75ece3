//! What goes wrong where runs are pushed with `rsync -avz --checksum --partial run host:runs/run` and compared with a listing that was
//! made afterwards: each once, with what happens here instead. Those that the conformance suite holds for every transport have no
//! second test here.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use verisim_core::{BandwidthLimit, FailureKind, RelPath, RemoteFile, SyncTransport as _};
use verisim_testkit::hostile_capture::read_tree;

use crate::common::Sink;
use crate::common::remote;
use crate::place::{Account, Place, program};
use crate::resuming::noise;

/// Pushed without a trailing slash, data lands in `run/run/`, and no probe finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_01_the_content_lands_in_the_folder_and_not_in_a_folder_within() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
        place.push().await.unwrap();
        assert_eq!(read_tree(&place.there()), read_tree(&place.path("run")));
        assert!(!place.there().join("run").exists());
        let pushed: Vec<_> = fs::read_dir(place.path("vault/lab")).unwrap().collect();
        assert_eq!(pushed.len(), 1);
    }
}

/// Two projects' runs of one name overwrite each other where only the last component of a path is mirrored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_02_runs_of_one_name_do_not_meet() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let transport = place.transport();
    transport.push(&place.capture(), &place.remote(), &place.push_options()).await.unwrap();
    place.write(&[("a", b"of another project")]);
    let mut other = remote("other/run");
    other.owner = "site/other/run/1".into();
    let mut options = place.push_options();
    options.work_dir = place.path("other-work");
    transport.push(&place.capture(), &other, &options).await.unwrap();
    assert_eq!(fs::read(place.there().join("a")).unwrap(), b"alpha");
    assert_eq!(fs::read(place.path("vault/other/run/a")).unwrap(), b"of another project");
    // The same path, and another owner.
    other.path = place.remote().path;
    let refused = transport.push(&place.capture(), &other, &options).await.unwrap_err();
    assert_eq!(refused.failure.kind, FailureKind::Config);
    assert_eq!(fs::read(place.there().join("a")).unwrap(), b"alpha");
}

/// One name that is not UTF-8, or that a listing's line cannot tell, leaves a job stuck or a false mismatch; and the path of the
/// run itself may have one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defects_04_11_a_run_whose_own_name_has_any_bytes_is_pushed_and_verified() {
    for name in [&b"two\nlines \xff'\"`$(id)*?[a]{b}\\"[..], b"-rf", b" blank ", "caf\u{e9}".as_bytes()] {
        let Some(place) = Place::new(Account::Shell) else { return };
        place.write(&[("a\u{2028}b", b"alpha"), ("c\\d\ne", b"beta")]);
        let mut to = place.remote();
        to.path = RelPath::new([b"lab/", name].concat()).unwrap();
        let transport = place.transport();
        let pushed = transport.push(&place.capture(), &to, &place.push_options()).await.unwrap();
        transport.seal(&to, &pushed.manifest).await.unwrap();
        let there = place.path("vault/lab").join(std::ffi::OsStr::from_bytes(name));
        assert_eq!(read_tree(&there), read_tree(&place.path("run")));
        let mut files = transport.hashsum(&to, &place.push_options()).await.unwrap().files;
        let mut hashed = 0;
        while let Some(file) = files.next().await {
            assert!(matches!(file.unwrap(), RemoteFile::Hashed(_)));
            hashed += 1;
        }
        assert_eq!(hashed, 2);
        assert_eq!(crate::common::sha256sum_check(&there), (true, String::new()));
        assert_eq!(transport.stat(&to).await.unwrap().sealed, Some(pushed.manifest_sha256));
        // An account that runs rsync alone is asked by words that a wrapper takes for patterns: it is refused, by name.
        let Some(bare) = Place::new(Account::RsyncAlone) else { return };
        bare.write(&[("a", b"alpha")]);
        let mut to_bare = bare.remote();
        to_bare.path = to.path.clone();
        let answered = bare.transport().push(&bare.capture(), &to_bare, &bare.push_options()).await;
        match name.iter().any(|byte| b"*?[]{}\\".contains(byte)) {
            true => assert_eq!(answered.unwrap_err().failure.kind, FailureKind::Config),
            false => assert_eq!(answered.unwrap().inventory.files, 1, "{}", String::from_utf8_lossy(name)),
        }
    }
}

/// No time limit on the tool: a silent one is waited for without end. (The limits themselves are the runner's, and tested there.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_05_a_far_side_that_says_nothing_is_given_up_by_ssh() {
    let Some(place) = Place::new(Account::Shell) else { return };
    // It takes connections, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.write(&[("a", b"alpha")]);
    let transport = place.transport_with(|o| o.port = Some(silent.local_addr().unwrap().port()));
    let began = std::time::Instant::now();
    let failed = place.push_by(&transport).await.unwrap_err();
    assert_eq!(failed.failure.kind, FailureKind::Network, "{failed:?}");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

/// The tool's whole output in memory, and no progress.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_06_output_without_end_is_kept_within_bounds_and_progress_is_told() {
    let Some(place) = Place::new(Account::Shell) else { return };
    fs::write(place.path("run/large"), noise(8 << 20)).unwrap();
    place.write(&[("small", b"small")]);
    let shouts = place.path("shouts");
    program(
        &shouts,
        "#!/bin/sh\ncase $1 in --server) head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2;; esac\nexec /usr/bin/rsync \"$@\"\n",
    );
    let transport = place.transport_with(|o| o.rsync_path = Some(shouts.to_str().unwrap().into()));
    let sink = Arc::new(Sink::default());
    let mut options = place.push_options();
    options.progress = sink.clone();
    let pushed = transport.push(&place.capture(), &place.remote(), &options).await.unwrap();
    assert!(pushed.output.text.len() < 200_000 && pushed.output.omitted_bytes > 2_000_000);
    let last = *sink.0.lock().unwrap();
    assert_eq!((last.files_done, last.bytes_done), (2, (8 << 20) + 5));
    assert_eq!((pushed.sent.files, pushed.sent.bytes), (2, (8 << 20) + 5));
}

/// The local manifest is made after the push, of whatever is there by then, and compared with itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_08_what_the_tool_read_otherwise_than_we_did_is_found() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha"), ("b", b"beta")]);
    // Another content with the same size, time and inode, between our reading and the tool's.
    let bin = place.path("bin");
    fs::create_dir(&bin).unwrap();
    let b = place.path("run/b");
    program(
        &bin.join("rsync"),
        &format!(
            "#!/bin/sh\ncase \"$*\" in *include-from*) touch -r {b} {b}.time; printf BETA | dd of={b} conv=notrunc 2>/dev/null; touch -r {b}.time {b}; \
             rm {b}.time;; esac\nexec /usr/bin/rsync \"$@\"\n",
            b = b.display()
        ),
    );
    let mut found = vec![bin];
    found.extend(crate::place::PATH.map(PathBuf::from));
    let runner = verisim_sys::Runner::new(found).unwrap();
    let transport = verisim_sync::RsyncTransport::new(place.options.clone(), place.known(), runner);
    let pushed = place.push_by(&transport).await.unwrap();
    let mut files = transport.hashsum(&place.remote(), &place.push_options()).await.unwrap().files;
    let mut there = BTreeMap::new();
    while let Some(file) = files.next().await {
        let RemoteFile::Hashed(entry) = file.unwrap() else { panic!("unproved") };
        there.insert(entry.path.to_string(), entry.sha256.to_string());
    }
    let manifest = fs::read_to_string(&pushed.manifest).unwrap();
    assert!(manifest.contains(&there["a"]) && !manifest.contains(&there["b"]), "{manifest} {there:?}");
}

/// `--checksum` without a common hash keeps the corrupt file, so that the retry repairs nothing; and one of the same size and time is
/// passed over without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_a_corrupt_file_of_the_same_size_and_time_is_repaired_and_no_other_is_sent() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("a", b"alpha"), ("*?[a]\\", b"beta!"), ("c", b"gamma")]);
        place.push().await.unwrap();
        let rotten = place.there().join("*?[a]\\");
        let time = fs::metadata(&rotten).unwrap().modified().unwrap();
        fs::write(&rotten, "BETA!").unwrap();
        fs::File::options().write(true).open(&rotten).unwrap().set_modified(time).unwrap();
        let sound = fs::metadata(place.there().join("c")).unwrap().ino();
        let mut options = place.push_options();
        options.forced = vec![RelPath::new("*?[a]\\").unwrap()];
        let mended = place.transport().push(&place.capture(), &place.remote(), &options).await.unwrap();
        assert_eq!(mended.sent.files, 1, "{account:?}");
        assert_eq!(read_tree(&place.there()), read_tree(&place.path("run")));
        assert_eq!(fs::metadata(place.there().join("c")).unwrap().ino(), sound);
        assert!(!place.there().join(".verisim/aside").join("*?[a]\\").exists(), "damage is not kept");
    }
}

/// What a later push replaces is put aside, and never lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_push_replaces_is_kept_aside() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("d/a", b"first"), ("b", b"stays")]);
        place.push().await.unwrap();
        place.write(&[("d/a", b"second!")]);
        let pushed = place.push().await.unwrap();
        assert_eq!(pushed.sent.files, 1);
        assert_eq!(fs::read(place.there().join("d/a")).unwrap(), b"second!");
        assert_eq!(fs::read(place.there().join(".verisim/aside/d/a")).unwrap(), b"first", "{account:?}");
    }
}

/// Set once per push, and computed by 1024 / 8: 4.9 % too fast. Four seconds of half a MiB are asked for, and no fewer are taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_17_a_bandwidth_is_kept_to() {
    let Some(place) = Place::new(Account::Shell) else { return };
    fs::write(place.path("run/large"), noise(2 << 20)).unwrap();
    let (_send, receive) = watch::channel(Some(BandwidthLimit { bytes_per_second: 512 << 10 }));
    let mut options = place.push_options();
    options.bandwidth = Some(receive);
    let transport = place.transport();
    transport.inquire().await.unwrap();
    let began = std::time::Instant::now();
    transport.push(&place.capture(), &place.remote(), &options).await.unwrap();
    assert!(began.elapsed() > Duration::from_millis(3300), "{:?}", began.elapsed());
}

/// No IdentitiesOnly, no ConnectTimeout, no ServerAlive; and `-z` on raw data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_19_the_tools_are_told_what_to_believe_how_long_to_wait_and_not_to_compress() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let (bin, told) = (place.path("bin"), place.path("told"));
    fs::create_dir(&bin).unwrap();
    for tool in ["rsync", "ssh"] {
        let text =
            format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> {}\nexec /usr/bin/{tool} \"$@\"\n", told.display());
        program(&bin.join(tool), &text);
    }
    let mut found = vec![bin];
    found.extend(crate::place::PATH.map(PathBuf::from));
    let runner = verisim_sys::Runner::new(found).unwrap();
    let transport = verisim_sync::RsyncTransport::new(place.options.clone(), place.known(), runner);
    place.push_by(&transport).await.unwrap();
    let told = fs::read_to_string(told).unwrap();
    for word in ["IdentitiesOnly=yes", "BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let compresses = |word: &str| {
        word.starts_with("--compress")
            || word == "Compression=yes"
            || (word.starts_with('-') && !word.starts_with("--") && word.contains('z'))
    };
    assert!(!told.lines().any(compresses), "{told}");
}

/// The manifest never reaches the remote, or reaches it before the data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_10_the_manifest_is_the_commit_mark_and_replaces_itself_in_one_step() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("a", b"alpha")]);
        let transport = place.transport();
        let pushed = place.push_by(&transport).await.unwrap();
        assert_eq!(transport.stat(&place.remote()).await.unwrap().sealed, None);
        transport.seal(&place.remote(), &pushed.manifest).await.unwrap();
        let sealed = place.there().join(".verisim/checksums.sha256");
        let (first, mode) =
            (fs::metadata(&sealed).unwrap().ino(), fs::metadata(&sealed).unwrap().mode() & 0o777);
        assert_eq!(mode, 0o644, "whoever may read the run may check it");
        transport.seal(&place.remote(), &pushed.manifest).await.unwrap();
        assert_ne!(fs::metadata(&sealed).unwrap().ino(), first, "{account:?}: it was written in place");
        // Somebody else's folder is not sealed.
        fs::write(place.there().join(".verisim/owner"), "somebody\n").unwrap();
        let refused = transport.seal(&place.remote(), &pushed.manifest).await.unwrap_err();
        assert_eq!(refused.failure.kind, FailureKind::Config);
    }
}

/// The marker of the destination: an unmounted volume of that host is no destination.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_6_a_volume_that_is_not_mounted_there_answers_nothing() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("a", b"alpha")]);
        let transport = place.transport();
        let pushed = place.push_by(&transport).await.unwrap();
        transport.seal(&place.remote(), &pushed.manifest).await.unwrap();
        fs::rename(place.path("vault"), place.path("away")).unwrap();
        fs::create_dir(place.path("vault")).unwrap();
        let network = FailureKind::Network;
        assert_eq!(place.push_by(&transport).await.unwrap_err().failure.kind, network);
        assert_eq!(transport.stat(&place.remote()).await.unwrap_err().failure.kind, network);
        assert_eq!(
            transport.seal(&place.remote(), &pushed.manifest).await.unwrap_err().failure.kind,
            network
        );
        let mut files = transport.hashsum(&place.remote(), &place.push_options()).await.unwrap().files;
        assert_eq!(files.next().await.unwrap().unwrap_err().failure.kind, network, "{account:?}");
        assert!(fs::read_dir(place.path("vault")).unwrap().next().is_none(), "something was written there");
        fs::remove_dir(place.path("vault")).unwrap();
        fs::rename(place.path("away"), place.path("vault")).unwrap();
        assert_eq!(transport.stat(&place.remote()).await.unwrap().sealed, Some(pushed.manifest_sha256));
    }
}
