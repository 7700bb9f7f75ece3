//! A line that is cut at any place, and a server that is killed: the kind is right, and the next push goes on.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use verisim_core::{FailureKind, SyncTransport as _};
use verisim_testkit::Proxy;
use verisim_testkit::doubles::Phase;

use crate::common::read_tree;
use crate::place::{Account, Place, noise};

async fn proxy(place: &Place) -> Proxy {
    Proxy::start(SocketAddr::from(([127, 0, 0, 1], place.sshd.port())), Duration::ZERO).await
}

/// A push that is cut once at each of many places ends the next time, and everything is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_13_inv_12_a_push_that_is_cut_anywhere_is_ended_by_the_next() {
    let Some(place) = Place::new(Account::SftpAlone) else { return };
    for at in 0..300 {
        place.write(&[(&format!("d{}/{at}", at % 7), format!("content {at}").as_bytes())]);
    }
    fs::write(place.path("run/large"), noise(3 << 20)).unwrap();
    let proxy = proxy(&place).await;
    let transport = place.transport_through(&proxy);
    let mut cut = 0;
    for round in 0_u32..24 {
        // From the key exchange to the end, in steps that grow; each push has less to send than the one before.
        proxy.cut_after(1 + round * round / 2, if round % 2 == 0 { Phase::Before } else { Phase::After });
        match place.push_by(&transport).await {
            Ok(_) => {
                fs::remove_dir_all(place.path("work")).unwrap();
            }
            Err(failed) => {
                assert_eq!(failed.failure.kind, FailureKind::Network, "{round}: {failed:?}");
                cut += 1;
            }
        }
        let there = place.there().exists().then(|| read_tree(&place.there()));
        for (path, content) in there.unwrap_or_default() {
            let here = place.path("run").join(&path);
            assert!(
                path.starts_with(".verisim") || fs::read(here).unwrap() == content,
                "{} stands there and is not whole",
                path.display()
            );
        }
    }
    assert!(cut >= 8, "only {cut} pushes were cut");
    proxy.cut_after(1_000_000, Phase::Before);
    place.push_by(&transport).await.unwrap();
    let mut there = read_tree(&place.there());
    there.retain(|path, _| !path.starts_with(".verisim"));
    assert!(there == read_tree(&place.path("run")));
    assert_eq!(fs::read_dir(place.there().join(".verisim/partial")).unwrap().count(), 0);
}

/// What was confirmed of a large file is not sent again, and is not believed either: it is hashed from the capture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_on_where_it_was() {
    let Some(place) = Place::new(Account::Shell) else { return };
    let content = noise(64 << 20);
    fs::write(place.path("run/large"), &content).unwrap();
    let proxy = proxy(&place).await;
    let transport = place.transport_through(&proxy);
    proxy.cut_after(700, Phase::Before);
    let failed = place.push_by(&transport).await.unwrap_err();
    assert_eq!(failed.failure.kind, FailureKind::Network, "{failed:?}");
    let partial = fs::read_dir(place.there().join(".verisim/partial")).unwrap().next().unwrap().unwrap();
    let kept = partial.metadata().unwrap().len();
    assert!(kept > 8 << 20, "{kept}");
    let before = proxy.pieces();
    let pushed = place.push_by(&transport).await.unwrap();
    let sent = (proxy.pieces() - before) * (64 << 10);
    assert_eq!(pushed.inventory.bytes, 64 << 20);
    assert!(fs::read(place.there().join("large")).unwrap() == content);
    let manifest = fs::read_to_string(&pushed.manifest).unwrap();
    assert!(manifest.contains(&verisim_core::Digest::of(&content).to_string()));
    let needed = std::fs::read_to_string(place.path("work/bytes_needed")).unwrap().parse::<u64>().unwrap();
    assert!(needed <= (64 << 20) - kept + (6 << 20), "{needed} of which {kept} were there; {sent} came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_mid_stream() {
    let Some(place) = Place::new(Account::Shell) else { return };
    fs::write(place.path("run/large"), noise(64 << 20)).unwrap();
    let proxy = proxy(&place).await;
    let transport = place.transport_through(&proxy);
    let pids = std::sync::Mutex::new(Vec::new());
    let pushing = place.push_by(&transport);
    let killing = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if proxy.pieces() > 300 {
                pids.lock().unwrap().extend(place.sshd.serving());
                place.sshd.signal_serving(rustix::process::Signal::KILL);
                return;
            }
        }
    };
    let (failed, ()) = tokio::join!(pushing, killing);
    let failed = failed.unwrap_err();
    assert_eq!(failed.failure.kind, FailureKind::Network, "{failed:?}");
    place.push_by(&transport).await.unwrap();
    let stat = transport.stat(&place.remote()).await.unwrap();
    assert!(stat.exists && stat.sealed.is_none());
}
