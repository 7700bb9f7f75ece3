//! What the stores behind emulators have in common: large files, long listings, damage, and what a cut push leaves.

use std::fs;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use verisim_core::{BandwidthLimit, Digest, FailureKind, Proof, RemoteFile, SyncTransport as _};

use crate::common::once_read;
use crate::place::{PAGE, PART, Place};

fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|at| (at ^ (at >> 11)).wrapping_mul(0x9E37_79B9).to_le_bytes()[3]).collect()
}

async fn told(place: &Place) -> Vec<(String, Digest)> {
    let hashes = place.transport().hashsum(&place.remote(), &place.push_options()).await.unwrap();
    assert_eq!(hashes.proof, Proof::Sha256Readback);
    let files = hashes.files.map(|file| match file.unwrap() {
        RemoteFile::Hashed(entry) => (entry.path.to_string(), entry.sha256),
        RemoteFile::Unproved { path, failure } => panic!("{path}: {failure}"),
    });
    files.collect().await
}

/// More than one part, a part that is the last, a file with holes, and more than one page of a listing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_go_in_parts_and_long_listings_come_in_pages() {
    let Some(place) = Place::new() else { return };
    let large = noise(20 << 20);
    place.write(&[("large", &large), ("one part", &noise(3 << 20)), ("small", b"alpha")]);
    let sparse = fs::File::create(place.path("run/sparse")).unwrap();
    sparse.set_len(9 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"in the middle", 5 << 20).unwrap();
    assert_eq!(place.push().await.unwrap().sent.files, 4);
    for name in ["large", "one part", "small", "sparse"] {
        let (here, there) = (place.path("run").join(name), place.there().join(name));
        assert!(fs::read(here).unwrap() == fs::read(there).unwrap(), "{name}");
    }
    assert!(place.server.asked().iter().any(|asked| asked.contains(PART)), "it went in parts");
    for number in 0..150 {
        fs::write(place.there().join(format!("n{number}")), format!("{number}")).unwrap();
    }
    let files = told(&place).await;
    assert_eq!(files.len(), 154);
    assert!(files.contains(&("large".into(), Digest::of(&large))));
    assert!(place.server.asked().iter().any(|asked| asked.contains(PAGE)), "in pages");
}

/// Nothing that is not whole bears its name, and the next push sends what is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_13_inv_12_a_push_that_is_cut_goes_on_with_what_is_missing() {
    let Some(place) = Place::new() else { return };
    for (name, size) in [("whole", 6 << 20), ("in parts", 20 << 20)] {
        let content = noise(size);
        place.write(&[("a", b"alpha"), (name, &content)]);
        let transport = place.transport();
        let mut options = place.push_options();
        let (limit, limited) = watch::channel(Some(BandwidthLimit { bytes_per_second: 4 << 20 }));
        options.bandwidth = Some(limited);
        let stopping = async {
            once_read(&place.path("run").join(name)).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            options.cancel.cancel();
        };
        let (capture, remote) = (place.capture(), place.remote());
        let (stopped, ()) = tokio::join!(transport.push(&capture, &remote, &options), stopping);
        assert_eq!(stopped.unwrap_err().failure.kind, FailureKind::Cancelled, "{name}");
        assert!(!place.there().join(name).exists(), "{name}");
        drop(limit);
        place.push_by(&transport).await.unwrap();
        assert!(fs::read(place.there().join(name)).unwrap() == content, "{name}");
        assert_eq!(place.push_by(&transport).await.unwrap().sent.files, 0, "{name}");
    }
}

/// A file that shrinks while it is sent is no file that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_under_way_gets_no_name() {
    let Some(place) = Place::new() else { return };
    // More than is read ahead of what is sent.
    place.write(&[("large", &noise(56 << 20))]);
    let mut options = place.push_options();
    let (_limit, limited) = watch::channel(Some(BandwidthLimit { bytes_per_second: 16 << 20 }));
    options.bandwidth = Some(limited);
    let shrinking = async {
        once_read(&place.path("run/large")).await;
        fs::File::options().write(true).open(place.path("run/large")).unwrap().set_len(50 << 20).unwrap();
    };
    let (transport, capture, remote) = (place.transport(), place.capture(), place.remote());
    let (pushed, ()) = tokio::join!(transport.push(&capture, &remote, &options), shrinking);
    assert_eq!(pushed.unwrap_err().failure.kind, FailureKind::SourceChanged);
    assert!(!place.there().join("large").exists());
    place.require_given_up();
}

/// Bits that flip there are found, each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_5_a_flipped_bit_is_found_in_every_pass() {
    let Some(place) = Place::new() else { return };
    let content = noise(4096);
    place.write(&[("a", &content), ("b", b"beta")]);
    place.push().await.unwrap();
    for bit in (0..content.len() * 8).step_by(3001) {
        let mut damaged = content.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(place.there().join("a"), &damaged).unwrap();
        let files = told(&place).await;
        assert_eq!(files[0], ("a".into(), Digest::of(&damaged)));
        assert_ne!(files[0].1, Digest::of(&content));
    }
}

/// What an earlier push sent and is something else now is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replaced_goes_aside() {
    let Some(place) = Place::new() else { return };
    place.write(&[("a", b"alpha"), ("b", b"beta")]);
    place.push().await.unwrap();
    place.write(&[("a", b"alpha, changed")]);
    place.push().await.unwrap();
    let aside: Vec<_> = fs::read_dir(place.there().join(".verisim/aside")).unwrap().collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(fs::read(aside[0].as_ref().unwrap().path()).unwrap(), b"alpha");
    assert_eq!(fs::read(place.there().join("a")).unwrap(), b"alpha, changed");
}
