//! Servers that lie, answer nothing or never end: every call comes back, in time and within bounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::decoy::{connector, target};
use tokio::io::AsyncWriteExt as _;
use verisim_connect::{SshConnector, WayIn};
use verisim_core::{
    ByteCount, ByteRange, Connector, Digest, Effect, Exec, FailureKind, Move, Removal, StatRequest,
    WriteOutcome,
};
use verisim_testkit::decoy_under_test::{addition, new_file, path, replacement, staging};
use verisim_testkit::liar::Lie;
use verisim_testkit::sshd::{Sshd, SshdOptions};

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
    matches!(
        lie,
        Lie::NeverBegins
            | Lie::NeverAnswers
            | Lie::NeverOpens
            | Lie::NeverReads
            | Lie::NeverCloses
            | Lie::OtherVersion
            | Lie::EndlessExtensions
    )
}

/// Whether a server with this lie breaks SFTP itself at every question, or at every read.
fn is_broken(lie: Lie) -> bool {
    matches!(
        lie,
        Lie::WrongId
            | Lie::Flood
            | Lie::EndlessPacket
            | Lie::EndsInside
            | Lie::LongerThanSent
            | Lie::CutShort
    )
}

async fn call_everything(lie: Lie, connector: SshConnector) {
    let range = ByteRange::first(ByteCount(1000));
    match bounded(lie, "read", connector.read(&path("/d/a"), range)).await {
        Ok(read) => assert!(read.len() <= 1000, "{lie:?}"),
        // A session that breaks the rules is over, like one that breaks.
        Err(failure) if is_silent(lie) || is_broken(lie) => {
            assert_eq!(
                (failure.kind, failure.effect),
                (FailureKind::Network, Effect::NotApplied),
                "{lie:?}: {failure}"
            );
        }
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
    let before = memory_bytes();
    futures_util::future::join_all(all).await;
    assert!(memory_bytes() < before + MEMORY_BYTES_MAX, "what they send is not kept");
    let asked = asked.load(Ordering::SeqCst);
    assert!(asked == 0 || asked == Lie::ALL.len(), "{asked} lies were told");
}

/// How much more memory all of them together may cost at the most. A flood of a second is more than that.
const MEMORY_BYTES_MAX: u64 = 192 * 1024 * 1024;

/// The most memory that this process has had so far.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Who is no SSH server, or none for long: what it says first, and what it says after that without end; `None` ends the
/// connection there.
type NoServer = (&'static str, Vec<u8>, Option<Vec<u8>>);

fn no_servers() -> Vec<NoServer> {
    const VERSION: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n";
    let packet = |payload: &[u8]| {
        let padding = 8 + (8 - (payload.len() + 13) % 8) % 8;
        let length = u32::try_from(payload.len() + padding + 1).unwrap();
        [&length.to_be_bytes()[..], &[u8::try_from(padding).unwrap()], payload, &vec![0; padding]].concat()
    };
    let list =
        |names: &str| [&u32::try_from(names.len()).unwrap().to_be_bytes()[..], names.as_bytes()].concat();
    // SSH_MSG_KEXINIT (RFC 4253, 7.1), as a server of today would send it.
    let offer: Vec<u8> = [&[20; 17][..]]
        .into_iter()
        .map(<[u8]>::to_vec)
        .chain(
            ["curve25519-sha256", "ssh-ed25519", "aes256-gcm@openssh.com", "aes256-gcm@openssh.com"]
                .map(list),
        )
        .chain(["hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""].map(list))
        .chain([vec![0; 5]])
        .flatten()
        .collect();
    let then = |what: &[u8]| [VERSION, what].concat();
    vec![
        ("says nothing", Vec::new(), Some(Vec::new())),
        ("sends one endless line", Vec::new(), Some(vec![b'x'; 4096])),
        ("sends lines before its version without end", Vec::new(), Some(b"welcome\r\n".repeat(400))),
        ("ends before its version", Vec::new(), None),
        ("ends in the middle of its version", b"SSH-2.0-Op".to_vec(), None),
        ("says nothing after its version", VERSION.to_vec(), Some(Vec::new())),
        ("sends a packet of 4 GiB", then(&[0xff; 4]), Some(vec![b'x'; 4096])),
        ("sends a packet of nothing", then(&[0; 16]), Some(Vec::new())),
        ("ends in the middle of a packet", then(&packet(&offer)[..30]), None),
        (
            "is ignored without end",
            VERSION.to_vec(),
            Some(packet(&[&[2][..], &list("nothing")].concat()).repeat(100)),
        ),
        ("offers its algorithms and says nothing more", then(&packet(&offer)), Some(Vec::new())),
        ("offers its algorithms without end", VERSION.to_vec(), Some(packet(&offer).repeat(20))),
        (
            "answers the exchange of keys with zeros",
            then(&[packet(&offer), packet(&[31; 200])].concat()),
            Some(vec![0; 4096]),
        ),
        ("ends while keys are exchanged", then(&packet(&offer)), None),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_ssh_server_is_given_up() {
    let before = memory_bytes();
    let all = no_servers().into_iter().map(|(what, first, endless)| async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut target = verisim_ssh::Target::new("127.0.0.1", "root");
        target.port = listener.local_addr().unwrap().port();
        target.connect_time_max = Duration::from_secs(2);
        let server = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.write_all(&first).await;
                let Some(endless) = &endless else { continue };
                while !endless.is_empty() && client.write_all(endless).await.is_ok() {}
                held.push(client);
            }
        });
        let connector = connector(target, WayIn::Sftp, false);
        let outcome = tokio::time::timeout(CALL_TIME_MAX, connector.probe()).await;
        let failure = outcome.unwrap_or_else(|_| panic!("one that {what}: it hangs")).unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::Network | FailureKind::Config),
            "one that {what}: {failure}"
        );
        assert_eq!(failure.effect, Effect::NotApplied, "one that {what}: {failure}");
        server.abort();
    });
    futures_util::future::join_all(all).await;
    assert!(memory_bytes() < before + MEMORY_BYTES_MAX, "what they send is not kept");
}

/// A command that never stops talking, on either of its outputs or both: what is beyond the limit is dropped, and it is left
/// alone in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_talks_without_end_is_left_alone() {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else { return };
    let connector = connector(target(&sshd), WayIn::Auto, true);
    connector.connect().await.unwrap();
    let before = memory_bytes();
    for script in ["exec yes", "exec yes >&2", "yes >&2 & exec yes"] {
        let endless = Exec {
            argv: [&b"sh"[..], b"-c", script.as_bytes()].map(<[u8]>::to_vec).to_vec(),
            stdin: bytes::Bytes::new(),
            time_limit: Duration::from_secs(2),
            output_limit: ByteCount(1000),
        };
        let failure =
            tokio::time::timeout(CALL_TIME_MAX, connector.exec(&endless)).await.unwrap().unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::Unknown), "{script}");
    }
    assert!(memory_bytes() < before + MEMORY_BYTES_MAX, "what it says is not kept");
    // The connection carries on.
    let root = path("/");
    let read = connector.stat(&root, StatRequest::Plain);
    assert!(tokio::time::timeout(CALL_TIME_MAX, read).await.unwrap().unwrap().is_some());
}
