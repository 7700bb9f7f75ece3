//! What is proved, and how; what rclone must not touch; and what a cut push leaves.

use std::fs;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use verisim_core::{BandwidthLimit, ByteCount, Digest, FailureKind, Proof, RemoteFile, SyncTransport as _};
use verisim_testkit::real_rclone::Generation;

use crate::common::read_tree;
use crate::place::{Kind, Place, Server};

const BOTH: [Generation; 2] = [Generation::Installed, Generation::Newer];

/// The proof, and the names of what is hashed and of what is not.
async fn proved(place: &Place, read_back_max: u64) -> (Proof, Vec<String>, Vec<String>) {
    let transport = place.transport_with(|options| options.read_back_max = ByteCount(read_back_max));
    let hashes = transport.hashsum(&place.remote(), &place.push_options()).await.unwrap();
    let mut stream = hashes.files;
    let (mut hashed, mut unproved) = (Vec::new(), Vec::new());
    while let Some(file) = stream.next().await {
        match file.unwrap() {
            RemoteFile::Hashed(entry) => hashed.push(entry.path.to_string()),
            RemoteFile::Unproved { path, failure } => {
                assert_eq!(failure.kind, FailureKind::Unsupported, "{failure}");
                unproved.push(path.to_string());
            }
        }
    }
    (hashes.proof, hashed, unproved)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_beyond_the_bound_is_told_and_nothing_is_taken_for_proved() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::S3, generation) else { return };
        place.write(&[("a", b"alpha"), ("big", &[7; 5000]), ("z", b"omega")]);
        place.push().await.unwrap();
        let (proof, hashed, unproved) = proved(&place, 100).await;
        assert_eq!(proof, Proof::Sha256Readback);
        assert_eq!((hashed, unproved), (vec!["a".to_owned(), "z".into()], vec!["big".to_owned()]));
    }
}

/// A folder of this machine is read through the cache that it was written to, which proves nothing about its disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_remote_has_the_proof_that_it_has() {
    for generation in BOTH {
        for (kind, expected) in
            [(Kind::Folder, [Proof::Other; 2]), (Kind::Sftp, [Proof::Sha256Readback, Proof::Sha256Remote])]
        {
            let Some(place) = Place::new(kind, generation) else { return };
            place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
            place.push().await.unwrap();
            let (proof, hashed, unproved) = proved(&place, 1000).await;
            assert!(expected.contains(&proof), "{kind:?} {generation:?}: {proof:?}");
            assert_eq!((hashed.len(), unproved.len()), (2, 0), "{kind:?} {generation:?}");
        }
    }
}

/// Where the operator chose it, a hash that the remote knows and the size prove, as what they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hash_proves_where_it_was_chosen_and_damage_shows_in_it() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::S3, generation) else { return };
        place.write(&[("a", b"alpha"), ("b", b"beta")]);
        // Nothing may be read back.
        let by_md5 =
            || place.transport_with(|o| (o.hash, o.read_back_max) = (Some("md5".into()), ByteCount(0)));
        place.push_by(&by_md5()).await.unwrap();
        let found = async || {
            let hashes = by_md5().hashsum(&place.remote(), &place.push_options()).await.unwrap();
            assert_eq!(hashes.proof, Proof::Other);
            let files: Vec<RemoteFile> = hashes.files.map(Result::unwrap).collect().await;
            let sums = files.into_iter().map(|file| match file {
                RemoteFile::Hashed(entry) => entry.sha256,
                RemoteFile::Unproved { path, failure } => panic!("{path}: {failure}"),
            });
            sums.collect::<Vec<_>>()
        };
        assert_eq!(found().await, [Digest::of(b"alpha"), Digest::of(b"beta")]);
        fs::write(place.there().join("a"), "alphA").unwrap();
        let damaged = found().await;
        assert!(damaged[0] != Digest::of(b"alpha") && damaged[1] == Digest::of(b"beta"), "{generation:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_8_the_operators_configuration_is_left_alone_and_its_secrets_stay_in_it() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::Sftp, generation) else { return };
        let config = place.path("rclone.conf");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}pass = obscured-and-secret\n")).unwrap();
        place.write(&[("a", b"alpha")]);
        let seen = place.path("seen");
        let real = place.options.program.clone();
        let spy = crate::place::program(
            &place.path("spy"),
            &real,
            &format!("printf '%s\\n' \"$@\" >>{}", seen.display()),
        );
        let transport = place.transport_with(|options| options.program = spy);
        // The password cannot be opened, which it says.
        let failed = place.push_by(&transport).await;
        let said = format!("{failed:?}");
        assert!(!said.contains("obscured-and-secret"), "{said}");
        fs::write(&config, &text).unwrap();
        place.push().await.unwrap();
        let _ = proved(&place, 1000).await;
        assert_eq!(fs::read_to_string(&config).unwrap(), text);
        let seen = fs::read_to_string(&seen).unwrap();
        assert!(!seen.is_empty() && !seen.contains("obscured-and-secret"), "{seen}");
        assert!(!seen.contains(config.to_str().unwrap()), "rclone was given the operator's own file");
    }
}

/// Killed while it sends, nothing that is not whole bears its name, and the next push ends what was begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_13_inv_12_a_push_that_is_killed_goes_on() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::Folder, generation) else { return };
        place.write(&[("small", b"small"), ("large", &vec![7; 8 << 20])]);
        let real = place.options.program.clone();
        let once = place.path("once");
        let killer = crate::place::program(
            &place.path("killer"),
            &real,
            &format!(
                "case \"$1 $*\" in \"copy \"*proc/self/cwd*) mkdir {once} 2>/dev/null && {{ exec 3<&0; {real} \"$@\" --bwlimit 2M <&3 >/dev/null & for i in $(seq 50); do [ -s \"$(find {stage} -name small 2>/dev/null)\" ] && break; sleep 0.05; done; sleep 0.3; kill -9 $!; kill -9 $$; }};; esac",
                once = once.display(),
                stage = place.vault().join(".verisim-partial").display(),
                real = real.display()
            ),
        );
        let failed =
            place.push_by(&place.transport_with(|options| options.program = killer)).await.unwrap_err();
        assert_eq!(failed.output.signal, Some(9), "{failed:?}");
        assert!(!place.there().join("large").exists() && !place.there().join("small").exists());
        let pushed = place.push().await.unwrap();
        assert_eq!(pushed.inventory.files, 2, "{generation:?}: {:?}", pushed.sent);
        assert_eq!(fs::read(place.there().join("large")).unwrap(), vec![7; 8 << 20]);
        assert_eq!(fs::read_dir(place.vault().join(".verisim-partial")).map_or(0, Iterator::count), 0);
    }
}

/// What stood whole on the far side when rclone was killed is not sent again, wherever it was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_12_what_a_killed_push_has_sent_is_not_sent_again() {
    const SMALL: usize = 12;
    for generation in BOTH {
        for kind in [Kind::Folder, Kind::Sftp, Kind::S3] {
            let Some(place) = Place::new(kind, generation) else { return };
            for number in 0..SMALL {
                fs::write(place.path(&format!("run/small-{number}")), vec![b'a'; 9000 + number]).unwrap();
            }
            place.write(&[("z-large", &vec![7; 12 << 20])]);
            let real = place.options.program.clone();
            let (once, vault) = (place.path("once"), place.vault());
            let killer = crate::place::program(
                &place.path("killer"),
                &real,
                &format!(
                    "case \"$1 $*\" in \"copy \"*proc/self/cwd*) mkdir {once} 2>/dev/null && {{ exec 3<&0; {real} \"$@\" --bwlimit 2M <&3 >/dev/null & for i in $(seq 1200); do [ $(find {vault} -name 'small-*' -size +8k 2>/dev/null | wc -l) -ge {SMALL} ] && break; sleep 0.05; done; sleep 0.5; kill -9 $!; kill -9 $$; }};; esac",
                    once = once.display(),
                    vault = vault.display(),
                    real = real.display()
                ),
            );
            let failed = place.push_by(&place.transport_with(|options| options.program = killer)).await;
            assert_eq!(failed.unwrap_err().output.signal, Some(9), "{generation:?} {kind:?}");
            let pushed = place.push().await.unwrap();
            assert_eq!(pushed.inventory.files, SMALL as u64 + 1);
            assert!(pushed.sent.files <= 1, "{generation:?} {kind:?}: {:?}", pushed.sent);
            let (here, there) = (read_tree(&place.path("run")), read_tree(&place.there()));
            assert!(
                here.iter().all(|(path, content)| there.get(path) == Some(content)),
                "{generation:?} {kind:?}"
            );
        }
    }
}

/// No bound on the tool, and two pushes of one run after a restart: what is stopped ends at once, with all that it started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_05_an_rclone_that_hangs_ends_with_all_that_it_started() {
    let Some(place) = Place::new(Kind::Folder, Generation::Installed) else { return };
    place.write(&[("a", b"alpha")]);
    let pid = place.path("pid");
    let hangs = crate::place::program(
        &place.path("hangs"),
        &place.options.program,
        &format!(
            "[ \"$1\" = copy ] && {{ sleep 300 & echo $! >{0}.new; mv {0}.new {0}; wait; }}",
            pid.display()
        ),
    );
    let (transport, options) =
        (place.transport_with(|options| options.program = hangs), place.push_options());
    let cancel = async {
        while !pid.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        options.cancel.cancel();
    };
    let (capture, remote) = (place.capture(), place.remote());
    let both = async { tokio::join!(transport.push(&capture, &remote, &options), cancel) };
    let (stopped, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    assert_eq!(stopped.unwrap_err().failure.kind, FailureKind::Cancelled);
    let process =
        std::path::PathBuf::from("/proc").join(fs::read_to_string(&pid).unwrap().trim()).join("cmdline");
    for _ in 0..200 {
        if fs::read(&process).is_ok_and(|words| words.starts_with(b"sleep")) {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    assert!(!fs::read(&process).is_ok_and(|words| words.starts_with(b"sleep")), "what it started lives");
}

/// The tool's whole output in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_06_output_without_end_is_kept_within_bounds() {
    let Some(place) = Place::new(Kind::Folder, Generation::Installed) else { return };
    place.write(&[("a", b"alpha")]);
    let shouts = crate::place::program(
        &place.path("shouts"),
        &place.options.program,
        "[ \"$1\" = copy ] && for i in 1 2 3; do head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; done",
    );
    let pushed = place.push_by(&place.transport_with(|options| options.program = shouts)).await.unwrap();
    assert!(pushed.output.text.len() < 200_000, "{}", pushed.output.text.len());
    assert_eq!(fs::read(place.there().join("a")).unwrap(), b"alpha");
}

/// What replaces a file of an earlier push goes aside; what is damaged is replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_push_replaces_is_kept_aside() {
    for generation in BOTH {
        for kind in [Kind::Folder, Kind::Sftp, Kind::S3] {
            let Some(place) = Place::new(kind, generation) else { return };
            place.write(&[("a", b"alpha")]);
            place.push().await.unwrap();
            place.write(&[("a", b"changed")]);
            place.push().await.unwrap();
            assert_eq!(fs::read(place.there().join("a")).unwrap(), b"changed", "{kind:?} {generation:?}");
            let aside = place.there().join(".verisim/aside/a");
            assert_eq!(fs::read(aside).unwrap(), b"alpha", "{kind:?} {generation:?}");
        }
    }
}

/// A window that opens while it sends is noticed: at the first rate it would take minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_17_the_rate_may_change_while_it_sends() {
    let Some(place) = Place::new(Kind::Folder, Generation::Installed) else { return };
    for name in 0..20 {
        fs::write(place.path("run").join(name.to_string()), vec![7; 100 << 10]).unwrap();
    }
    let (send, receive) = watch::channel(Some(BandwidthLimit { bytes_per_second: 20_000 }));
    let mut options = place.push_options();
    options.bandwidth = Some(receive);
    let transport = place.transport();
    let (capture, remote) = (place.capture(), place.remote());
    let open = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        send.send(None).unwrap();
        // Nobody but the push waits.
        std::future::pending::<()>().await;
    };
    let pushed = tokio::select! {
        pushed = transport.push(&capture, &remote, &options) => pushed.unwrap(),
        () = open => unreachable!(),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("the rate did not change"),
    };
    assert_eq!(pushed.inventory.files, 20);
    assert!(matches!(place.server, Server::None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_remote_can_do_is_said() {
    for generation in BOTH {
        for (kind, name) in [(Kind::Folder, "local"), (Kind::Sftp, "sftp"), (Kind::S3, "s3")] {
            let Some(place) = Place::new(kind, generation) else { return };
            let facts = place.transport().inquire().await.unwrap();
            assert_eq!(facts.kind.as_deref(), Some(name));
            assert!(facts.version.minor >= 60);
            assert_eq!(facts.free_bytes.is_some(), kind != Kind::S3, "{kind:?} {generation:?}");
        }
    }
}
