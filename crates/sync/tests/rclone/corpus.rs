//! The hostile corpus in a bucket, pushed by one generation of rclone and judged by both.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use verisim_core::SyncTransport as _;
use verisim_testkit::hostile_capture::{self, read_tree};
use verisim_testkit::real_rclone::Generation;
use verisim_testkit::transport_suite::judge;

use crate::place::{Kind, Place, Server};

const BOTH: [Generation; 2] = [Generation::Installed, Generation::Newer];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defects_04_11_12_the_hostile_corpus_is_in_the_bucket_as_rclone_and_sha256sum_see_it() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::S3, generation) else { return };
        let Server::S3(server) = &place.server else { panic!("it is S3") };
        let (here, there) = (place.path("run"), place.there());
        let mut expected = hostile_capture::make(&here);
        let carries =
            |path: &[u8]| std::str::from_utf8(path).is_ok() && !path.iter().any(u8::is_ascii_control);
        for path in expected.keys().filter(|path| !carries(path.as_os_str().as_bytes())) {
            fs::remove_file(here.join(path)).unwrap();
        }
        expected.retain(|path, _| carries(path.as_os_str().as_bytes()));
        let pushed = place.push().await.unwrap();
        assert_eq!(read_tree(&there), expected, "{generation:?}");
        place.transport().seal(&place.remote(), &pushed.manifest).await.unwrap();
        judge::sha256sum(&there);
        for judging in BOTH {
            let section = server.section("there");
            judge::remote((judging, &section), &here, "there:vault/lab/run", expected.len());
        }
    }
}
