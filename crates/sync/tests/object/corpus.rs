//! The hostile corpus in a bucket, as programs of others see it through the same server.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use futures_util::StreamExt as _;
use verisim_core::{Digest, RemoteFile, SyncTransport as _};
use verisim_testkit::hostile_capture::{self, read_tree};
use verisim_testkit::real_rclone::Generation;
use verisim_testkit::transport_suite::judge;

use crate::conformance::carries;
use crate::place::Place;

/// What can be a key arrives, is read back as what it is, and rclone and `sha256sum` find all of it: by rclone's own client of S3, and
/// in what the store keeps on its disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defects_04_11_12_the_hostile_corpus_is_in_the_bucket_as_rclone_and_sha256sum_see_it() {
    let place = Place::new();
    let (here, there) = (place.path("run"), place.there());
    let mut expected = hostile_capture::make(&here);
    let all = expected.len();
    for path in expected.keys().filter(|path| !carries(path.as_os_str().as_bytes())) {
        fs::remove_file(here.join(path)).unwrap();
    }
    expected.retain(|path, _| carries(path.as_os_str().as_bytes()));
    assert!(expected.len() > 25 && expected.len() < all, "{} of {all}", expected.len());
    let pushed = place.push().await.unwrap();
    assert_eq!((read_tree(&there), pushed.inventory.files), (expected.clone(), expected.len() as u64));
    let hashes = place.transport().hashsum(&place.remote(), &place.push_options()).await.unwrap();
    let found = hashes.files.map(|file| match file.unwrap() {
        RemoteFile::Hashed(entry) => {
            (PathBuf::from(std::ffi::OsStr::from_bytes(entry.path.as_bytes())), entry.sha256)
        }
        RemoteFile::Unproved { path, failure } => panic!("{path}: {failure}"),
    });
    let found: BTreeMap<PathBuf, Digest> = found.collect().await;
    assert_eq!(found, expected.iter().map(|(path, content)| (path.clone(), Digest::of(content))).collect());
    place.transport().seal(&place.remote(), &pushed.manifest).await.unwrap();
    judge::sha256sum(&there);
    let section = place.server.section("there");
    for generation in [Generation::Installed, Generation::Newer] {
        judge::remote((generation, &section), &here, "there:vault/lab/run", expected.len());
    }
}
