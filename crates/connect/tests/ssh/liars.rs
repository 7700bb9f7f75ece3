//! Servers that lie, answer nothing or never end: every call comes back, in time and within bounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::decoy::{connector, target};
use tokio::io::AsyncWriteExt as _;
use verisim_connect::{SshConnector, WayIn};
use verisim_core::{
    ByteCount, ByteRange, Connector, Digest, FailureKind, Move, Removal, StatRequest, WriteOutcome,
};
use verisim_testkit::decoy_under_test::{addition, new_file, path, replacement, staging};
use verisim_testkit::liar::Lie;
use verisim_testkit::sshd::Sshd;

/// Longer than any one call may take: it waits for one answer that never comes.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);

async fn bounded<T>(lie: Lie, what: &str, call: impl Future<Output = T>) -> T {
    match tokio::time::timeout(CALL_TIME_MAX, call).await {
        Ok(answer) => answer,
        Err(_) => panic!("{lie:?}: {what} hangs"),
    }
}

/// Whether a server with this lie never says anything useful. Waiting for it takes long, so it is asked once.
fn is_silent(lie: Lie) -> bool {
    matches!(lie, Lie::NeverBegins | Lie::NeverAnswers | Lie::OtherVersion | Lie::EndlessExtensions)
}

async fn call_everything(lie: Lie, connector: SshConnector) {
    let range = ByteRange::first(ByteCount(1000));
    match bounded(lie, "read", connector.read(&path("/d/a"), range)).await {
        Ok(read) => assert!(read.len() <= 1000, "{lie:?}"),
        Err(failure) => assert_ne!(failure.kind, FailureKind::NotFound, "{lie:?}: {failure}"),
    }
    if is_silent(lie) {
        return;
    }
    let hash = StatRequest::Hash(ByteCount(u64::MAX));
    if let Ok(Some(stat)) = bounded(lie, "stat", connector.stat(&path("/d/a"), hash)).await {
        assert!(stat.sha256.is_none_or(|sha256| sha256 == Digest::of(b"abcde")), "{lie:?}");
    }
    if let Ok(listing) = bounded(lie, "list", connector.list(&path("/d"), 1000)).await {
        assert!(listing.entries.len() <= 1000, "{lie:?}");
        assert!(listing.more || lie != Lie::EndlessDirectory);
        if lie == Lie::BadNames {
            assert!(listing.more, "what is left out is told");
            assert!(listing.entries.iter().all(|entry| entry.path == path("/d/good")), "{listing:?}");
        }
    }
    let batch = [
        new_file("/d/new", "x"),
        verisim_core::FileWrite { staging: staging(2), ..replacement("/d/a", b"abcde", "new") },
        verisim_core::FileWrite { staging: staging(3), ..addition("/d/log", "x") },
    ];
    for outcome in bounded(lie, "write", connector.write(&batch)).await {
        if let Ok(WriteOutcome::Foreign(found)) = outcome {
            assert!(found.head.len() <= 64 * 1024, "{lie:?}");
        }
    }
    let expected = Digest::of(b"abcde");
    let removal = Removal { path: path("/d/a"), expected, staging: staging(1) };
    let _ = bounded(lie, "remove", connector.remove(&removal)).await;
    let request = Move { from: path("/d/a"), to: path("/d/b"), expected };
    let _ = bounded(lie, "rename", connector.rename(&request)).await;
    let _ = bounded(lie, "settle", connector.settle(&path("/d/a"), staging(1), &[expected])).await;
    let _ = bounded(lie, "probe", connector.probe()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_no_lie_of_a_server_hangs_or_floods_us() {
    let held = tempfile::tempdir().unwrap();
    let asked = AtomicUsize::new(0);
    let all = Lie::ALL.map(|lie| {
        let (program, asked) = (held.path().join(format!("{lie:?}.pl")), &asked);
        async move {
            let Some(sshd) = Sshd::start(lie.options(&program)) else { return };
            let connector = connector(target(&sshd), WayIn::Sftp, false);
            call_everything(lie, connector).await;
            asked.fetch_add(1, Ordering::SeqCst);
        }
    });
    futures_util::future::join_all(all).await;
    let asked = asked.load(Ordering::SeqCst);
    assert!(asked == 0 || asked == Lie::ALL.len(), "{asked} lies were told");
}

/// Who listens and says nothing, and who talks without end, before there is any SSH.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_ssh_server_is_given_up() {
    for endless in [false, true] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut target = verisim_ssh::Target::new("127.0.0.1", "root");
        target.port = listener.local_addr().unwrap().port();
        target.connect_time_max = Duration::from_secs(2);
        let server = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut client, _)) = listener.accept().await {
                while endless && client.write_all(&[b'x'; 4096]).await.is_ok() {}
                held.push(client);
            }
        });
        let connector = connector(target, WayIn::Sftp, false);
        let failure = tokio::time::timeout(CALL_TIME_MAX, connector.probe()).await.unwrap().unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Network | FailureKind::Config), "{failure}");
        server.abort();
    }
}
