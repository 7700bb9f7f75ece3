//! What an intruder inside sees of us.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use verisim_connect::Reach;
use verisim_core::{ByteCount, ByteRange, Connector as _};
use verisim_testkit::RealEngine;
use verisim_testkit::decoy_under_test::{answer, new_file, path, written};

use crate::decoys::connector;

/// Looks at every process in a loop, and at the number that the kernel gave away last in this container: a process that was
/// gone before anybody looked has left its number there. It starts no process itself. Whatever is new is written down.
const WATCHER: &str = r#"
read last < /proc/sys/kernel/ns_last_pid
seen=" /proc/1 "
echo watching > /watch
while :; do
    read now < /proc/sys/kernel/ns_last_pid
    [ "$now" = "$last" ] || { echo "started: $now" >> /watch; last=$now; }
    for process in /proc/[0-9]*; do
        case "$seen" in *" $process "*) ;; *) seen="$seen$process "; echo "seen: $process" >> /watch ;; esac
    done
done"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plants_and_dials_are_not_seen_inside() {
    let Some(engine) = RealEngine::start() else { return };
    let watched = engine.container_that("watched", &[], &["/bin/busybox", "sh", "-c", WATCHER]);
    let watch = watched.root().join("watch");
    while fs::read(&watch).unwrap_or_default() != b"watching\n" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let connector = connector(&engine, "watched", Reach::Fast);
    for number in 0..1_000 {
        written(&connector, new_file(format!("/srv/files/{number}"), "planted")).await;
    }
    let range = ByteRange::first(ByteCount(100));
    assert_eq!(&answer(connector.read(&path("/srv/files/999"), range)).await.unwrap()[..], b"planted");

    // Somebody listens inside, in the container's own network, where nothing but a loopback is.
    let socket = in_network_of(watched.pid());
    let at = socket.local_addr().unwrap();
    let listener = TcpListener::from_std(socket).unwrap();
    for _ in 0..100 {
        let (dialled, accepted) = tokio::join!(answer(connector.dial(at)), listener.accept());
        let (accepted, from) = accepted.unwrap();
        assert!(from.ip().is_loopback(), "it leaves from the container itself");
        drop(accepted);
        let mut nothing = Vec::new();
        dialled.unwrap().read_to_end(&mut nothing).await.unwrap();
    }
    // The same address here is another one, where nobody listens.
    assert!(std::net::TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_err());
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    assert_eq!(answer(connector.dial(nobody)).await.err().unwrap().kind, verisim_core::FailureKind::Network);

    assert_eq!(fs::read_to_string(&watch).unwrap(), "watching\n", "something was seen inside");
    // And yet the watcher sees: today's way of writing a file is found at once.
    engine.docker(&["exec", "watched", "/bin/busybox", "true"]);
    for _ in 0..500 {
        if fs::read_to_string(&watch).unwrap().contains("started:") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the watcher saw nothing of a command that was run inside");
}

/// A listener in the network of a process.
pub(crate) fn in_network_of(pid: u32) -> std::net::TcpListener {
    let network = fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let thread = std::thread::spawn(move || {
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&network), kind).unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    });
    thread.join().unwrap()
}
