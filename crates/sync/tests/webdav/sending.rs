//! Large files, refusals, and what a cut push leaves.

use std::fs;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use verisim_core::{BandwidthLimit, Digest, FailureKind, RemoteFile, SyncTransport as _};
use verisim_testkit::real_dav::Dav;

use crate::common::once_read;
use crate::place::Place;

const ALL: [Dav; 2] = [Dav::Nginx, Dav::Apache];

fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|at| (at ^ (at >> 11)).wrapping_mul(0x9E37_79B9).to_le_bytes()[3]).collect()
}

async fn told(place: &Place) -> Vec<(String, Digest)> {
    let hashes = place.transport().hashsum(&place.remote(), &place.push_options()).await.unwrap();
    let files = hashes.files.map(|file| match file.unwrap() {
        RemoteFile::Hashed(entry) => (entry.path.to_string(), entry.sha256),
        RemoteFile::Unproved { path, failure } => panic!("{path}: {failure}"),
    });
    files.collect().await
}

/// WebDAV knows no parts: a large file goes in one request, while it is read, its holes filled; and so does a long manifest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_in_one_request_and_so_does_a_long_manifest() {
    for whose in ALL {
        let Some(place) = Place::new(whose) else { return };
        let large = noise(20 << 20);
        place.write(&[("large", &large), ("small", b"alpha")]);
        let sparse = fs::File::create(place.path("run/sparse")).unwrap();
        sparse.set_len(9 << 20).unwrap();
        std::os::unix::fs::FileExt::write_at(&sparse, b"in the middle", 5 << 20).unwrap();
        let pushed = place.push().await.unwrap();
        assert_eq!(pushed.sent.files, 3, "{whose:?}");
        for name in ["large", "small", "sparse"] {
            let (here, there) = (place.path("run").join(name), place.there().join(name));
            assert_eq!(fs::read(here).unwrap(), fs::read(there).unwrap(), "{whose:?} {name}");
        }
        assert!(told(&place).await.contains(&("large".into(), Digest::of(&large))));
        let manifest = place.path("manifest");
        let lines: String = (0..200_000).map(|at| format!("{at:064x}  file-{at:06}\n")).collect();
        fs::write(&manifest, &lines).unwrap();
        place.transport().seal(&place.remote(), &manifest).await.unwrap();
        assert_eq!(fs::read_to_string(place.there().join(".verisim/checksums.sha256")).unwrap(), lines);
        assert_eq!(fs::read_dir(place.vault().join(".verisim-partial")).map_or(0, Iterator::count), 0);
    }
}

/// Nothing that is not whole bears its name, and the next push ends what was begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_13_inv_12_a_push_that_is_cut_goes_on_with_what_is_missing() {
    for whose in ALL {
        let Some(place) = Place::new(whose) else { return };
        let large = noise(12 << 20);
        place.write(&[("a", b"alpha"), ("large", &large)]);
        let transport = place.transport();
        let mut options = place.push_options();
        let (limit, limited) = watch::channel(Some(BandwidthLimit { bytes_per_second: 4 << 20 }));
        options.bandwidth = Some(limited);
        let stopping = async {
            once_read(&place.path("run/large")).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            options.cancel.cancel();
        };
        let (capture, remote) = (place.capture(), place.remote());
        let (stopped, ()) = tokio::join!(transport.push(&capture, &remote, &options), stopping);
        assert_eq!(stopped.unwrap_err().failure.kind, FailureKind::Cancelled, "{whose:?}");
        assert!(!place.there().join("large").exists(), "{whose:?}");
        drop(limit);
        assert_eq!(place.push_by(&transport).await.unwrap().inventory.files, 2, "{whose:?}");
        assert_eq!(fs::read(place.there().join("large")).unwrap(), large, "{whose:?}");
        assert_eq!(place.push_by(&transport).await.unwrap().sent.files, 0, "{whose:?}");
    }
}

/// A file that grows or shrinks while it is sent is no file that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_under_way_gets_no_name() {
    for whose in ALL {
        let Some(place) = Place::new(whose) else { return };
        place.write(&[("large", &noise(8 << 20))]);
        let mut options = place.push_options();
        let (_limit, limited) = watch::channel(Some(BandwidthLimit { bytes_per_second: 4 << 20 }));
        options.bandwidth = Some(limited);
        let shrinking = async {
            once_read(&place.path("run/large")).await;
            fs::File::options().write(true).open(place.path("run/large")).unwrap().set_len(5 << 20).unwrap();
        };
        let (transport, capture, remote) = (place.transport(), place.capture(), place.remote());
        let (pushed, ()) = tokio::join!(transport.push(&capture, &remote, &options), shrinking);
        assert_eq!(pushed.unwrap_err().failure.kind, FailureKind::SourceChanged, "{whose:?}");
        assert!(!place.there().join("large").exists(), "{whose:?}");
    }
}

/// A wrong password, a folder that may not be written, a server that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_refuses_is_named() {
    for whose in ALL {
        let Some(place) = Place::new(whose) else { return };
        place.write(&[("a", b"alpha"), ("large", &noise(4 << 20))]);
        let refused =
            place.push_by(&place.transport_with("sesame-sesame", |_| {})).await.unwrap_err().failure;
        assert_eq!(refused.kind, FailureKind::Auth, "{whose:?}: {refused}");
        assert!(!refused.to_string().contains("sesame"), "{refused}");
        assert!(fs::read_dir(place.vault()).unwrap().next().is_none(), "{whose:?}");
        let facts = place.transport().inquire().await.unwrap();
        assert!(facts.is_in_clear, "{facts:?}");
        let port = place.server.port();
        let transport = place.transport();
        let Place { server, scratch, served } = place;
        drop(server);
        let gone = transport.inquire().await.unwrap_err().failure;
        assert_eq!(gone.kind, FailureKind::Network, "{whose:?} at {port}: {gone}");
        drop((scratch, served));
    }
}
