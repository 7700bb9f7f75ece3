//! Servers that lie: whatever they say, an operation ends with a failure, in time.

use std::fs;
use std::time::Duration;

use futures_util::StreamExt as _;
use verisim_core::{FailureKind, SyncTransport as _};
use verisim_testkit::liar::Lie;
use verisim_testkit::sshd::SshdOptions;

use crate::common::hanging_hashers_are_told;
use crate::place::Place;

/// Longer than any wait for one answer.
const TIME_MAX: Duration = Duration::from_secs(75);

async fn lied_to(lie: Lie) {
    let text = tempfile::tempdir().unwrap();
    let Some(place) = Place::with(lie.options(&text.path().join("liar"))) else { return };
    place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
    // Every file there reads "abcde": so is the marker, and so are we.
    fs::write(place.path("known"), "abcde\n").unwrap();
    let transport = place.transport_with(|o| o.path = b"/".to_vec());
    let mut remote = place.remote();
    (remote.path, remote.owner) = (verisim_core::RelPath::new("d").unwrap(), "abcde".into());
    let asking = async {
        let pushed = transport.push(&place.capture(), &remote, &place.push_options()).await;
        assert!(pushed.is_err(), "{lie:?}: a push went well");
        if lie == Lie::NeverAnswers {
            // Each of the others would wait as long.
            return pushed.unwrap_err().failure.kind;
        }
        let _ = transport.stat(&remote).await;
        if let Ok(mut hashes) = transport.hashsum(&remote, &place.push_options()).await {
            while let Some(told) = hashes.files.next().await {
                if told.is_err() {
                    break;
                }
            }
        }
        pushed.unwrap_err().failure.kind
    };
    let kind = tokio::time::timeout(TIME_MAX, asking).await.unwrap_or_else(|_| panic!("{lie:?}: no end"));
    assert_ne!(kind, FailureKind::Cancelled, "{lie:?}");
}

/// All but those that go on for ever with what each alone is right, which are bounded by what is listed at the most, and those
/// whose silence takes the whole time of an answer, of which one stands for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_a_server_that_lies_is_found_out() {
    use Lie as L;
    let slow = [L::NeverBegins, L::NeverOpens, L::NeverReads, L::NeverCloses, L::EndlessDirectory];
    let quick: Vec<Lie> = Lie::ALL.into_iter().filter(|lie| !slow.contains(lie)).collect();
    futures_util::stream::iter(quick).map(lied_to).buffer_unordered(6).collect::<Vec<()>>().await;
}

/// A hasher there that hangs is told in time, nothing of it is left there, also where we go away first, and the next pass goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hasher_that_hangs_is_told_and_leaves_nothing_running() {
    let bin = tempfile::tempdir().unwrap();
    let path = format!("SetEnv SHLVL=5 PATH={}:/usr/bin:/bin", bin.path().display());
    let options = SshdOptions { lines: vec![path], ..SshdOptions::default() };
    let Some(place) = Place::with(options) else { return };
    place.write(&[("a", b"alpha")]);
    let (capture, remote, options) = (place.capture(), place.remote(), place.push_options());
    let with = |stall_max| place.transport_with(|o| o.stall_max = stall_max);
    hanging_hashers_are_told(bin.path(), &place.there(), (&capture, &remote, &options), with).await;
}
