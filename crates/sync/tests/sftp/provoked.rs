//! Failures, each provoked from a real sshd, and the kind that each becomes; and what is done about the rest of the world.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use verisim_core::{BandwidthLimit, ByteCount, FailureKind, Proof, RelPath, RemoteFile, SyncTransport as _};
use verisim_sync::SftpOptions;
use verisim_testkit::sshd::SshdOptions;

use crate::common::Mounted;
use crate::common::{Sink, read_tree};
use crate::place::{Account, Place, noise};

/// What a push, and a question, come to with these options.
async fn kinds(place: &Place, change: impl Fn(&mut SftpOptions)) -> (FailureKind, FailureKind, String) {
    let transport = place.transport_with(change);
    let pushed = place.push_by(&transport).await.unwrap_err();
    let asked = transport.stat(&place.remote()).await.unwrap_err();
    (pushed.failure.kind, asked.failure.kind, pushed.failure.detail)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_we_are_and_who_the_host_is() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let empty = place.path("nobody-known");
    fs::write(&empty, "").unwrap();
    let changed = place.path("changed");
    let other = fs::read_to_string(place.sshd.stranger().with_extension("pub")).unwrap();
    fs::write(&changed, format!("[127.0.0.1]:{} {other}", place.sshd.port())).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    type Change<'a> = Box<dyn Fn(&mut SftpOptions) + 'a>;
    let cases: Vec<(&str, FailureKind, &str, Change<'_>)> = vec![
        (
            "a wrong key",
            FailureKind::Auth,
            "refused every key",
            Box::new(|o| o.target.identities = vec![place.sshd.stranger()]),
        ),
        (
            "a host key that nobody knows",
            FailureKind::Auth,
            "is not known",
            Box::new(|o| o.target.known_hosts = vec![empty.clone()]),
        ),
        (
            "a changed host key",
            FailureKind::Auth,
            "has CHANGED",
            Box::new(|o| o.target.known_hosts = vec![changed.clone()]),
        ),
        (
            "a port where nobody listens",
            FailureKind::Network,
            "no connection",
            Box::new(|o| o.target.port = free),
        ),
        (
            "a name that does not resolve",
            FailureKind::Network,
            "does not resolve",
            Box::new(|o| o.target.host = "nas.invalid".into()),
        ),
        (
            "a host of which nobody can say who it is",
            FailureKind::Config,
            "line 3",
            Box::new(|o| o.unready = Some("~/.ssh/config line 3".into())),
        ),
        (
            "a folder that is not there: what it stands on may not be mounted",
            FailureKind::Network,
            "mount the storage",
            Box::new(|o| o.path = b"/nowhere/vault".to_vec()),
        ),
        (
            "a folder that is none",
            FailureKind::Config,
            "is no folder",
            Box::new(|o| o.path = b"/etc/hostname".to_vec()),
        ),
    ];
    for (what, expected, said, change) in cases {
        let (pushed, asked, detail) = kinds(&place, change).await;
        assert_eq!((pushed, asked), (expected, expected), "{what}: {detail}");
        assert!(detail.contains(said), "{what}: {detail}");
    }
    assert!(!place.there().exists());
}

/// What stands before an sshd that is too busy, or keeps us out, takes the connection and closes it: with a word, or without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_up_before_ssh_begins_is_told_with_what_may_be_behind_it() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    for word in ["", "Not allowed at this time\r\n"] {
        let busy = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = busy.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut line in busy.incoming().flatten().take(2) {
                let _ = std::io::Write::write_all(&mut line, word.as_bytes());
                // Its words are read before it is gone.
                let _ = std::io::Read::read(&mut line, &mut [0; 256]);
            }
        });
        let (pushed, asked, detail) = kinds(&place, |o| o.target.port = port).await;
        assert_eq!((pushed, asked), (FailureKind::Network, FailureKind::Network), "{detail}");
        for told in ["before SSH began", "MaxStartups", "fail2ban", "firewall", word.trim()] {
            assert!(detail.contains(told), "{told}: {detail}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_sftp() {
    let Some(place) = Place::with(SshdOptions { without_sftp: true, ..SshdOptions::default() }) else {
        return;
    };
    place.write(&[("a", b"alpha")]);
    let (pushed, asked, detail) = kinds(&place, |_| {}).await;
    assert_eq!((pushed, asked), (FailureKind::Unsupported, FailureKind::Unsupported), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_before_and_one_that_runs_full() {
    for account in [Account::Shell, Account::SftpAlone] {
        let Some(place) = Place::new(account) else { return };
        let _full = Mounted::new(&place.vault, "size=4m");
        fs::write(place.path("run/a"), noise(6 << 20)).unwrap();
        let failed = place.push().await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::NoSpace, "{account:?}: {failed:?}");
        let needed: u64 = fs::read_to_string(place.path("work/bytes_needed")).unwrap().parse().unwrap();
        assert_eq!(needed, 6 << 20);
        let free = place.transport().stat(&place.remote()).await.unwrap().free_bytes.unwrap();
        assert!(free < needed && free > 2 << 20, "{free}");
        // A hole is promised room that it then does not need; many small files need more than their bytes.
        fs::remove_file(place.path("run/a")).unwrap();
        for at in 0..2000 {
            place.write(&[(&format!("small/{at}"), &[7; 100])]);
        }
        let failed = place.push().await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::NoSpace, "{account:?}: {failed:?}");
        for (path, content) in read_tree(&place.there().join("small")) {
            assert_eq!(content.len(), 100, "{} stands there and is not whole", path.display());
        }
    }
}

/// Somebody else fills the disk, in the midst of a large file, and frees it again: what lies there already is not asked for twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_ran_out_of_space_asks_for_what_is_still_to_be_sent() {
    let Some(place) = Place::new(Account::SftpAlone) else { return };
    let _full = Mounted::new(&place.vault, "size=24m");
    // With holes it is not counted before, and fills the disk while it is written.
    let run = place.path("run");
    fs::create_dir_all(&run).unwrap();
    let large = fs::File::create(run.join("large")).unwrap();
    large.set_len(20 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&large, &noise(18 << 20), 2 << 20).unwrap();
    fs::write(place.vault.join("filler"), noise(12 << 20)).unwrap();
    fs::write(run.join("small"), noise(1 << 20)).unwrap();
    let failed = place.push().await.unwrap_err();
    assert_eq!(failed.failure.kind, FailureKind::NoSpace, "{failed:?}");
    let needed = || fs::read_to_string(place.path("work/bytes_needed")).unwrap().parse::<u64>().unwrap();
    assert!(needed() < 1 << 20, "{}", needed());
    fs::remove_file(place.vault.join("filler")).unwrap();
    place.push().await.unwrap();
    assert_eq!(fs::read(place.there().join("large")).unwrap(), fs::read(run.join("large")).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_takes_no_writes_and_one_that_lost_its_storage() {
    let Some(place) = Place::new(Account::SftpAlone) else { return };
    place.write(&[("a", b"alpha")]);
    {
        let _read_only = Mounted::new(&place.vault, "size=1m,ro");
        let failed = place.push().await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::Denied, "{failed:?}");
    }
    place.push().await.unwrap();
    // The empty mount point of a volume that is not mounted looks like any other folder.
    let away = Mounted::new(&place.vault, "size=1m");
    for failed in [
        place.push().await.unwrap_err(),
        place.transport().stat(&place.remote()).await.unwrap_err(),
        place.transport().hashsum(&place.remote(), &place.push_options()).await.err().unwrap(),
    ] {
        assert_eq!(failed.failure.kind, FailureKind::Network, "{failed:?}");
    }
    assert_eq!(fs::read_dir(&place.vault).unwrap().count(), 0, "nothing was written");
    drop(away);
    assert_eq!(place.push().await.unwrap().sent.files, 0);
}

/// Times to the second, modes, holes, and what an empty file is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_is_dressed_as_it_was_and_holes_stay_holes() {
    for account in [Account::Shell, Account::SftpAlone] {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("d/a", b"alpha"), ("d/empty", b"")]);
        let sparse = fs::File::create(place.path("run/sparse")).unwrap();
        sparse.set_len(64 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, &noise(3 << 20), 20 << 20).unwrap();
        drop(sparse);
        fs::set_permissions(place.path("run/d/a"), fs::Permissions::from_mode(0o4750)).unwrap();
        fs::set_permissions(place.path("run/d"), fs::Permissions::from_mode(0o750)).unwrap();
        let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for name in ["run/d/a", "run/d"] {
            fs::File::open(place.path(name)).unwrap().set_modified(long_ago).unwrap();
        }
        place.push().await.unwrap();
        assert_eq!(
            read_tree(&place.there()).len(),
            3 + 2,
            "three files, and the marker and the list of ours"
        );
        for name in ["d/a", "d"] {
            let meta = fs::metadata(place.there().join(name)).unwrap();
            assert_eq!(meta.mtime(), 1_000_000_000, "{account:?} {name}");
            // Without a /proc, where it is locked in, sshd cannot set the mode of a directory without following links.
            if name == "d/a" || account == Account::Shell {
                assert_eq!(meta.mode() & 0o7777, 0o750, "{account:?} {name}");
            }
        }
        let (here, there) = (place.path("run/sparse"), place.there().join("sparse"));
        assert!(fs::read(here).unwrap() == fs::read(&there).unwrap());
        assert!(fs::metadata(there).unwrap().blocks() * 512 < 16 << 20, "{account:?}: the holes were filled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_08_a_capture_that_changes_while_it_is_pushed_is_told() {
    let Some(place) = Place::new(Account::SftpAlone) else { return };
    fs::write(place.path("run/large"), noise(24 << 20)).unwrap();
    place.write(&[("small", b"small")]);
    let (limit, mut options) = limited(&place, 16 << 20);
    let progress = Sink::of(&mut options);
    let growing = async {
        progress.comes_to(4 << 20).await;
        fs::File::options().append(true).open(place.path("run/small")).unwrap().set_len(9).unwrap();
    };
    let transport = place.transport();
    let (capture, remote) = (place.capture(), place.remote());
    let (pushed, ()) = tokio::join!(transport.push(&capture, &remote, &options), growing);
    assert_eq!(pushed.unwrap_err().failure.kind, FailureKind::SourceChanged);
    assert!(!place.there().join("small").exists());
    drop(limit);
}

type Limit = tokio::sync::watch::Sender<Option<BandwidthLimit>>;

fn limited(place: &Place, bytes_per_second: u64) -> (Limit, verisim_core::PushOptions) {
    let (limit, seen) = tokio::sync::watch::channel(Some(BandwidthLimit { bytes_per_second }));
    (limit, verisim_core::PushOptions { bandwidth: Some(seen), ..place.push_options() })
}

/// No time limit on the other side: one that takes connections and never says a word is given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_05_a_server_that_says_nothing_is_given_up() {
    let Some(place) = Place::new(Account::SftpAlone) else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.write(&[("a", b"alpha")]);
    let transport = place.transport_with(|o| o.target.port = silent.local_addr().unwrap().port());
    let pushing = tokio::time::timeout(Duration::from_secs(90), place.push_by(&transport));
    let failed = pushing.await.unwrap().unwrap_err();
    assert_eq!(failed.failure.kind, FailureKind::Network, "{failed:?}");
}

/// Two pushes to one destination share what it may take, and a window that opens is noticed in the middle of a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_17_the_bandwidth_is_shared_and_followed() {
    let Some(place) = Place::new(Account::SftpAlone) else { return };
    fs::write(place.path("run/large"), noise(4 << 20)).unwrap();
    let transport = place.transport();
    let (limit, options) = limited(&place, 4 << 20);
    let (mut other, mut elsewhere) = (options.clone(), place.remote());
    other.work_dir = place.path("other-work");
    elsewhere.path = RelPath::new("lab/other").unwrap();
    let capture = place.capture();
    let began = Instant::now();
    let remote = place.remote();
    let (one, two) = tokio::join!(
        transport.push(&capture, &remote, &options),
        transport.push(&capture, &elsewhere, &other)
    );
    one.unwrap();
    two.unwrap();
    // 8 MiB at 4 MiB a second, and a quarter of a second that may come at once.
    assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
    limit.send(Some(BandwidthLimit { bytes_per_second: 64 << 10 })).unwrap();
    let again = verisim_core::PushOptions { force_all: true, ..options };
    let opening = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        limit.send(None).unwrap();
    };
    let began = Instant::now();
    let (pushed, ()) = tokio::join!(transport.push(&capture, &remote, &again), opening);
    pushed.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}: at 64 KiB a second it takes 64",
        began.elapsed()
    );
}

/// What lies beyond the bound is told as unproved, and the rest is proved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_back_is_bounded_and_what_is_hashed_there_is_not() {
    for (account, proof) in
        [(Account::Shell, Proof::Sha256Remote), (Account::SftpAlone, Proof::Sha256Readback)]
    {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("a", b"alpha"), ("z", b"omega")]);
        fs::write(place.path("run/large"), noise(2 << 20)).unwrap();
        place.push().await.unwrap();
        let transport = place.transport_with(|o| o.read_back_max = ByteCount(1 << 20));
        let mut hashes = transport.hashsum(&place.remote(), &place.push_options()).await.unwrap();
        assert_eq!(hashes.proof, proof);
        let mut unproved = Vec::new();
        let mut proved = 0;
        while let Some(file) = hashes.files.next().await {
            match file.unwrap() {
                RemoteFile::Hashed(_) => proved += 1,
                RemoteFile::Unproved { path, failure } => unproved.push((path.to_string(), failure.kind)),
            }
        }
        match account {
            Account::Shell => assert_eq!((proved, unproved), (3, vec![])),
            Account::SftpAlone => {
                assert_eq!((proved, unproved), (2, vec![("large".to_owned(), FailureKind::Unsupported)]));
            }
        }
    }
}

/// A link in the place of the metadata folder, or of the folder of what is not whole, leads nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_links_in_the_place_of_our_own_folders_lead_nowhere() {
    let Some(place) = Place::new(Account::SftpAlone) else { return };
    place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
    let precious = place.sshd.root().join("precious");
    fs::create_dir(&precious).unwrap();
    place.push().await.unwrap();
    for name in [".verisim/partial", ".verisim", "d"] {
        let there = place.there().join(name);
        let kept = place.sshd.root().join("kept");
        fs::rename(&there, &kept).unwrap();
        symlink("/precious", &there).unwrap();
        let mut options = place.push_options();
        options.force_all = true;
        let failed = place.transport().push(&place.capture(), &place.remote(), &options).await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::Config, "{name}: {failed:?}");
        assert_eq!(fs::read_dir(&precious).unwrap().count(), 0, "{name} was followed");
        fs::remove_file(&there).unwrap();
        fs::rename(&kept, &there).unwrap();
    }
    place.push().await.unwrap();
}

/// Cancelled in the middle: nothing goes on, and the next push ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_12_a_push_that_is_cancelled_ends_at_once_and_goes_on_later() {
    let Some(place) = Place::new(Account::Shell) else { return };
    fs::write(place.path("run/large"), noise(48 << 20)).unwrap();
    let (limit, mut options) = limited(&place, 8 << 20);
    let progress = Arc::new(Sink::default());
    options.progress = progress.clone();
    let (transport, capture, remote) = (place.transport(), place.capture(), place.remote());
    let cancelling = async {
        while progress.0.lock().unwrap().bytes_done < 16 << 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        options.cancel.cancel();
        Instant::now()
    };
    let (pushed, cancelled) = tokio::join!(transport.push(&capture, &remote, &options), cancelling);
    assert_eq!(pushed.unwrap_err().failure.kind, FailureKind::Cancelled);
    assert!(cancelled.elapsed() < Duration::from_secs(2), "{:?}", cancelled.elapsed());
    drop(limit);
    place.push().await.unwrap();
    assert!(fs::read(place.there().join("large")).unwrap() == noise(48 << 20));
}
