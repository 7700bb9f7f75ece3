//! A host that cannot be reached is left in peace: how often it is tried, and how soon it is found again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::decoy::{connector, target};
use tokio::net::{TcpListener, TcpStream};
use verisim_connect::WayIn;
use verisim_core::{Connector, Effect, FailureKind, StatRequest};
use verisim_testkit::decoy_under_test::{answer, path};
use verisim_testkit::sshd::{Sshd, SshdOptions};

/// What time passes between two calls of somebody impatient.
const TICK: Duration = Duration::from_millis(50);
/// For how long nobody is let in: three rests, of one, two and four seconds, and a bit.
const SHUT: Duration = Duration::from_millis(7_500);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(30);

/// In front of an sshd: a door that shuts in everybody's face, until it is opened.
async fn door(to: SocketAddr) -> (SocketAddr, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (open, knocks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_open, counted) = (Arc::clone(&open), Arc::clone(&knocks));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            if is_open.load(Ordering::SeqCst) {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        }
    });
    (at, open, knocks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "what is measured is how long a real host is left in peace")]
async fn a_host_that_cannot_be_reached_is_tried_seldom_and_found_again() {
    let Some(sshd) = Sshd::start(SshdOptions { locked_in: true, ..SshdOptions::default() }) else { return };
    let (at, open, knocks) = door(SocketAddr::from(([127, 0, 0, 1], sshd.port()))).await;
    let mut way = target(&sshd);
    way.host_key_alias = Some(way.known_as());
    way.port = at.port();
    let connector = connector(way, WayIn::Sftp, false);
    let (root, begun, mut tried) = (path("/"), Instant::now(), Vec::new());
    while begun.elapsed() < SHUT {
        let before = knocks.load(Ordering::SeqCst);
        // Many at once are one attempt, if any.
        let asking = (0..20).map(|_| connector.stat(&root, StatRequest::Plain));
        for answer in answer(futures_util::future::join_all(asking)).await {
            let failure = answer.unwrap_err();
            assert_eq!(
                (failure.kind, failure.effect),
                (FailureKind::Network, Effect::NotApplied),
                "{failure}"
            );
        }
        let now = knocks.load(Ordering::SeqCst) - before;
        assert!(now <= 1, "{now} attempts at once");
        tried.extend((now == 1).then(|| begun.elapsed()));
        tokio::time::sleep(TICK).await;
    }
    let rests: Vec<Duration> = tried.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    assert!(rests.len() > 1, "it was tried only at {tried:?}");
    // A time is taken a tick late at the most, and on a busy machine later: that makes rests longer, and the next shorter.
    for (rest, expected) in rests.iter().zip([1_u64, 2, 4, 8]) {
        assert!(*rest >= Duration::from_secs(expected).saturating_sub(TICK * 4), "{rests:?}");
    }

    open.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    while answer(connector.stat(&root, StatRequest::Plain)).await.is_err() {
        assert!(begun.elapsed() < REST_MAX + Duration::from_secs(10), "it is not found again");
        tokio::time::sleep(TICK).await;
    }
    assert_eq!(knocks.load(Ordering::SeqCst), tried.len() + 1, "at the first attempt");
}
