//! Too much of everything.

use std::fs;
use std::time::Duration;

use verisim_core::{ByteCount, ByteRange, Connector, StatRequest, WriteOutcome};

use crate::decoy_under_test::{
    DecoyUnderTest, answer, new_file, on_host, path, put, replacement, write_one, written,
};

/// One tebibyte without a single block.
const TEBIBYTE: u64 = 1 << 40;

/// A sparse file is as long as one likes, and costs nothing.
pub async fn inv_7_an_endless_file_is_read_within_bounds(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = decoy.host_root().join("sparse");
    fs::File::create(&host).unwrap().set_len(TEBIBYTE).unwrap();
    let at = path("/sparse");
    let stat = answer(connector.stat(&at, StatRequest::Hash(ByteCount(u64::MAX)))).await.unwrap().unwrap();
    assert_eq!((stat.size, stat.sha256), (TEBIBYTE, None), "it is not hashed");
    let far = ByteRange { offset: TEBIBYTE - 2, length: ByteCount(100) };
    assert_eq!(&answer(connector.read(&at, far)).await.unwrap()[..], [0, 0]);
    let whole = ByteRange::first(ByteCount(u64::MAX));
    let read = answer(connector.read(&at, whole)).await.unwrap();
    let most = connector.capabilities().file_bytes_max.0;
    assert!(read.len() as u64 <= most, "{} bytes came", read.len());
    match write_one(&*connector, replacement("/sparse", b"old", "new")).await {
        Ok(WriteOutcome::Foreign(found)) => {
            assert_eq!(found.sha256, None);
            assert_eq!(found.head.len(), 64 * 1024, "evidence is bounded");
        }
        other => panic!("it is foreign: {other:?}"),
    }
    let outcome = write_one(&*connector, new_file("/sparse", "x")).await;
    assert!(matches!(outcome, Ok(WriteOutcome::Foreign(_))), "{outcome:?}");
    for name in ["etc/hostname", "etc/passwd", "etc/os-release"] {
        put(decoy, name, b"");
        fs::OpenOptions::new().write(true).open(on_host(decoy, name)).unwrap().set_len(TEBIBYTE).unwrap();
    }
    let facts = answer(connector.probe()).await.unwrap();
    assert!(facts.hostname.is_none_or(|name| name.len() < 10_000));
    assert_eq!(fs::metadata(&host).unwrap().len(), TEBIBYTE);
}

/// A hundred thousand entries.
pub async fn inv_7_a_crowded_directory_is_listed_within_bounds(decoy: &dyn DecoyUnderTest) {
    crowd(decoy, 100_000).await;
}

/// A million entries. It takes some seconds where the decoy lies in memory, and a minute on a disk: once is enough.
pub async fn inv_7_a_million_entries_are_listed_within_bounds(decoy: &dyn DecoyUnderTest) {
    crowd(decoy, 1_000_000).await;
}

async fn crowd(decoy: &dyn DecoyUnderTest, entries: usize) {
    let connector: std::sync::Arc<dyn Connector> = decoy.connector();
    let dir = decoy.host_root().join("crowd");
    fs::create_dir(&dir).unwrap();
    // Further names of one file are the cheapest entries there are, up to the 65,000 that ext4 allows.
    let mut file = dir.clone();
    for number in 0..entries {
        let name = dir.join(format!("{number:07}"));
        if number % 50_000 == 0 {
            fs::File::create(&name).unwrap();
            file = name;
        } else {
            fs::hard_link(&file, name).unwrap();
        }
    }
    // Far less than reading all of it takes.
    let limit = Duration::from_secs(5);
    let listing = tokio::time::timeout(limit, connector.list(&path("/crowd"), 1000)).await.unwrap().unwrap();
    assert_eq!((listing.entries.len(), listing.more), (1000, true));
    written(&*connector, new_file("/crowd/one-more", "x")).await;
    let whole = answer(connector.list(&path("/crowd"), entries + 10)).await.unwrap();
    assert_eq!((whole.entries.len(), whole.more), (entries + 1, false));
}
