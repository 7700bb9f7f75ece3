//! What a connector says of itself and of its decoy.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use verisim_core::{
    ByteCount, ByteRange, Digest, Effect, Exec, Failure, FailureKind, FileKind, Move, Owner, Removal,
    StatRequest, TimesChange,
};

use crate::decoy_under_test::{
    DecoyUnderTest, addition, answer, day, new_file, on_host, path, put, staging, write_one,
};

/// Also that something cannot be done is promised: it is answered before anything happens.
pub async fn what_is_not_a_capability_is_unsupported(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let can = connector.capabilities();
    assert_eq!(can, connector.capabilities(), "the same for its whole life");
    let check = |name: &str, can: bool, failure: Option<Failure>| {
        if !can {
            let failure = failure.unwrap_or_else(|| panic!("{name} is no capability, but it was done"));
            assert_eq!(
                (failure.kind, failure.effect),
                (FailureKind::Unsupported, Effect::NotApplied),
                "{name}"
            );
        } else if let Some(failure) = failure {
            assert_ne!(failure.kind, FailureKind::Unsupported, "{name}");
        }
    };
    let exec = Exec {
        argv: vec![b"true".to_vec()],
        stdin: Bytes::new(),
        time_limit: Duration::from_secs(5),
        output_limit: ByteCount(100),
    };
    check("exec", can.exec, answer(connector.exec(&exec)).await.err());
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    check("dial", can.dial, answer(connector.dial(nobody)).await.err());
    check("write", can.write, write_one(&*connector, new_file("/a", "x")).await.err());
    check("append", can.append, write_one(&*connector, addition("/a", "x")).await.err());
    check("read", can.read, answer(connector.read(&path("/a"), ByteRange::first(ByteCount(1)))).await.err());
    check("stat", can.read, answer(connector.stat(&path("/a"), StatRequest::Plain)).await.err());
    check("list", can.list, answer(connector.list(&path("/"), 1)).await.err());
    let expected = Digest::of(b"xx");
    let rename = Move { from: path("/a"), to: path("/b"), expected };
    check("rename", can.remove, answer(connector.rename(&rename)).await.err());
    let removal = Removal { path: path("/b"), expected, staging: staging(1) };
    let times = |kind| TimesChange { path: path("/b"), kind, atime: day(1), mtime: day(1) };
    for (name, can, kind) in [
        ("file times", can.file_times, FileKind::Regular),
        ("directory times", can.directory_times, FileKind::Directory),
    ] {
        check(name, can, answer(connector.set_times(&[times(kind)])).await.remove(0).err());
    }
    check("remove_directory", can.remove, answer(connector.remove_directory(&path("/b"))).await.err());
    check("remove", can.remove, answer(connector.remove(&removal)).await.err());
}

pub async fn a_probe_tells_what_can_be_seen(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let facts = answer(connector.probe()).await.unwrap();
    assert_eq!(
        (facts.os, facts.hostname, facts.accounts.len()),
        (None, None, 0),
        "an empty decoy says nothing"
    );
    assert!(facts.writable && facts.free_bytes != Some(0));
    put(decoy, "/usr/lib/os-release", b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
    std::fs::create_dir(on_host(decoy, "/etc")).unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", on_host(decoy, "/etc/os-release")).unwrap();
    put(decoy, "/etc/hostname", b"files01\n");
    put(decoy, "/etc/passwd", b"root:x:0:0::/root:/bin/sh\nann:x:1001:1002:Ann:/home/ann:/bin/bash\n");
    let facts = answer(connector.probe()).await.unwrap();
    assert_eq!(facts.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    assert_eq!(facts.hostname.as_deref(), Some("files01"));
    let ann = facts.accounts.iter().find(|account| account.login == "ann").unwrap();
    assert_eq!((ann.owner, ann.home.as_str()), (Owner { uid: 1001, gid: 1002 }, "/home/ann"));
}
