//! Large files, bandwidth, bounds, and what a cut push leaves.

use std::fs;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::watch;
use verisim_core::{
    BandwidthLimit, ByteCount, Digest, FailureKind, Proof, RelPath, RemoteFile, SyncTransport as _,
};

use crate::common::{Sink, once_read};
use crate::place::Place;

async fn told(place: &Place, read_back_max: u64) -> (Proof, Vec<(String, Option<Digest>)>) {
    let transport = place.transport_with(|_, options| options.read_back_max = ByteCount(read_back_max));
    let hashes = transport.hashsum(&place.remote(), &place.push_options()).await.unwrap();
    let files = hashes.files.map(|file| match file.unwrap() {
        RemoteFile::Hashed(entry) => (entry.path.to_string(), Some(entry.sha256)),
        RemoteFile::Unproved { path, failure } => {
            assert_eq!(failure.kind, FailureKind::Unsupported, "{failure}");
            (path.to_string(), None)
        }
    });
    (hashes.proof, files.collect().await)
}

/// More than one part, more than one page of a listing, and a file with holes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_go_in_parts_and_long_listings_in_pages() {
    let place = Place::new();
    let large: Vec<u8> = (0..20_u32 << 20).map(|at| (at ^ (at >> 11)).to_le_bytes()[0]).collect();
    place.write(&[("large", &large), ("small", b"alpha")]);
    let sparse = fs::File::create(place.path("run/sparse")).unwrap();
    sparse.set_len(9 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"in the middle", 5 << 20).unwrap();
    for number in 0..1100 {
        fs::write(place.path(&format!("run/n{number}")), format!("{number}")).unwrap();
    }
    let pushed = place.push().await.unwrap();
    assert_eq!(pushed.sent.files, 1103);
    assert!(place.server.asked().iter().any(|asked| asked.contains("partNumber=3")), "it went in parts");
    assert_eq!(fs::read(place.there().join("large")).unwrap(), large);
    assert_eq!(fs::read(place.there().join("sparse")).unwrap(), fs::read(place.path("run/sparse")).unwrap());
    let (proof, files) = told(&place, u64::MAX).await;
    assert_eq!((proof, files.len()), (Proof::Sha256Readback, 1103));
    assert!(files.contains(&("large".into(), Some(Digest::of(&large)))));
    assert!(place.server.asked().iter().any(|asked| asked.contains("continuation-token")), "in pages");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_beyond_the_bound_is_told_and_nothing_is_taken_for_proved() {
    let place = Place::new();
    place.write(&[("a", b"alpha"), ("big", &[7; 5000]), ("z", b"omega")]);
    place.push().await.unwrap();
    let (_, files) = told(&place, 100).await;
    let proved: Vec<bool> = files.iter().map(|(_, sha256)| sha256.is_some()).collect();
    assert_eq!(proved, [true, false, true]);
}

/// The bandwidth holds for what goes and for what comes back, and one that is lifted is lifted at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bandwidth_is_kept_and_can_be_lifted() {
    let place = Place::new();
    place.write(&[("a", &[1; 300_000]), ("b", &[2; 300_000])]);
    let (limit, limited) = watch::channel(Some(BandwidthLimit { bytes_per_second: 400_000 }));
    let mut options = place.push_options();
    options.bandwidth = Some(limited);
    let transport = place.transport();
    let begin = Instant::now();
    transport.push(&place.capture(), &place.remote(), &options).await.unwrap();
    let took = begin.elapsed();
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
    limit.send(Some(BandwidthLimit { bytes_per_second: 1 })).unwrap();
    let begin = Instant::now();
    let lifting = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        limit.send(None).unwrap();
    };
    let hashing = async {
        let hashes = transport.hashsum(&place.remote(), &options).await.unwrap();
        assert_eq!(hashes.files.count().await, 2);
    };
    tokio::join!(lifting, hashing);
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(600) && took < Duration::from_secs(10), "{took:?}");
}

/// What was complete is not sent again; nothing that is not whole bears a name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_12_a_push_that_was_stopped_goes_on_with_what_is_missing() {
    let place = Place::new();
    let large = vec![3; 24 << 20];
    place.write(&[("a", b"alpha"), ("large", &large)]);
    let transport = place.transport();
    let mut options = place.push_options();
    let (limit, limited) = watch::channel(Some(BandwidthLimit { bytes_per_second: 4 << 20 }));
    options.bandwidth = Some(limited);
    let stopping = async {
        once_read(&place.path("run/large")).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        options.cancel.cancel();
    };
    let (capture, remote) = (place.capture(), place.remote());
    let (stopped, ()) = tokio::join!(transport.push(&capture, &remote, &options), stopping);
    assert_eq!(stopped.unwrap_err().failure.kind, FailureKind::Cancelled);
    assert!(!place.there().join("large").exists());
    drop(limit);
    let rest = place.push_by(&transport).await.unwrap();
    assert_eq!(rest.inventory.files, 2);
    assert_eq!(fs::read(place.there().join("large")).unwrap(), large);
    assert_eq!(place.push_by(&transport).await.unwrap().sent.files, 0);
}

/// What was sent of a large file is not sent again, and nothing of its pieces stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_12_a_large_file_goes_on_where_it_was_cut() {
    let place = Place::new();
    let large: Vec<u8> = (0..45_u32 << 20).map(|at| (at ^ (at >> 13)).to_le_bytes()[0]).collect();
    place.write(&[("a", b"alpha"), ("large", &large)]);
    let sparse = fs::File::create(place.path("run/sparse")).unwrap();
    sparse.set_len(33 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"in the middle", 20 << 20).unwrap();
    let transport = place.transport_with(|_, options| options.pieces_from = ByteCount(16 << 20));
    assert!(transport.capabilities().resume);
    let mut options = place.push_options();
    let (limit, limited) = watch::channel(Some(BandwidthLimit { bytes_per_second: 16 << 20 }));
    options.bandwidth = Some(limited);
    let progress = Sink::of(&mut options);
    let stopping = async {
        progress.comes_to(9 << 20).await;
        // Of what goes side by side, at least one piece shall be whole at the server.
        while !has_piece(&place.there().join(".verisim/partial")) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        options.cancel.cancel();
    };
    let (capture, remote) = (place.capture(), place.remote());
    let (stopped, ()) = tokio::join!(transport.push(&capture, &remote, &options), stopping);
    assert_eq!(stopped.unwrap_err().failure.kind, FailureKind::Cancelled);
    let asked = place.server.asked();
    let sent =
        |asked: &[String]| asked.iter().filter(|it| it.starts_with("PUT") && it.ends_with("/00001")).count();
    assert!(sent(&asked) > 0 && !place.there().join("large").exists(), "{asked:?}");
    drop(limit);
    let rest = place.push_by(&transport).await.unwrap();
    assert!(rest.sent.bytes < 71 << 20, "{:?}", rest.sent);
    let asked = place.server.asked();
    let first = asked.iter().filter(|it| it.starts_with("PUT") && it.ends_with("/00000")).count();
    assert!(first <= 1, "the first piece of the larger file was sent again: {asked:?}");
    for name in ["large", "sparse"] {
        assert_eq!(
            Digest::of(&fs::read(place.there().join(name)).unwrap()),
            Digest::of(&fs::read(place.path("run").join(name)).unwrap()),
            "{name}"
        );
    }
    assert!(
        crate::common::read_tree(&place.there()).keys().all(|path| !path.starts_with(".verisim/partial"))
    );
    let (_, files) = told(&place, u64::MAX).await;
    assert_eq!(files.len(), 3);
}

/// Whether a whole piece of a large file lies somewhere below a folder.
fn has_piece(folder: &std::path::Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| match path.metadata() {
        Ok(about) if about.is_dir() => has_piece(&path),
        Ok(about) => about.len() == 8 << 20,
        Err(_) => false,
    })
}

/// Bits that flip there are found, each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_5_a_flipped_bit_is_found_in_every_pass() {
    let place = Place::new();
    let content: Vec<u8> = (0..4096_u32).map(|at| at.to_le_bytes()[0]).collect();
    place.write(&[("a", &content), ("b", b"beta")]);
    place.push().await.unwrap();
    for bit in (0..content.len() * 8).step_by(331) {
        let mut damaged = content.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(place.there().join("a"), &damaged).unwrap();
        let (_, files) = told(&place, u64::MAX).await;
        assert_eq!(files[0], ("a".into(), Some(Digest::of(&damaged))));
        assert_ne!(files[0].1, Some(Digest::of(&content)));
    }
}

/// What an earlier push sent and is something else now is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replaced_goes_aside() {
    let place = Place::new();
    place.write(&[("a", b"alpha"), ("b", b"beta")]);
    place.push().await.unwrap();
    place.write(&[("a", b"alpha, changed")]);
    place.push().await.unwrap();
    let aside: Vec<_> = fs::read_dir(place.there().join(".verisim/aside")).unwrap().collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(fs::read(aside[0].as_ref().unwrap().path()).unwrap(), b"alpha");
    assert_eq!(fs::read(place.there().join("a")).unwrap(), b"alpha, changed");
}

/// A key that is too long with its folder is refused by name before anything is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_makes_no_key_is_refused_by_name() {
    let place = Place::new();
    let deep = format!("{}{}", "a-folder-with-a-long-name/".repeat(39), "leaf");
    place.write(&[(&deep, b"deep"), ("a", b"alpha")]);
    let refused = place.push().await.unwrap_err().failure;
    assert_eq!(refused.kind, FailureKind::Unsupported, "{refused}");
    assert!(refused.detail.contains("a-folder-with-a-long-name"), "{refused}");
    assert!(fs::read_dir(place.vault()).unwrap().next().is_none());
    assert!(RelPath::new(&deep).is_ok());
}
