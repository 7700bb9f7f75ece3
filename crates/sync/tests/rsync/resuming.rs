//! What is cut off goes on, at the rate that holds, and nothing is left behind.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use verisim_core::{BandwidthLimit, FailureKind, SyncTransport as _};
use verisim_sync::RsyncOptions;
use verisim_testkit::Proxy;
use verisim_testkit::doubles::Phase;

use crate::place::{Account, Place};

/// Bytes that no two blocks of are alike.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(bytes);
    out
}

/// A place behind a proxy.
async fn behind_a_proxy(account: Account) -> Option<(Place, Proxy)> {
    let mut place = Place::new(account)?;
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], place.sshd.port())), Duration::ZERO).await;
    let known = place.path("known_hosts");
    let port = proxy.address().port();
    let line = place.sshd.known_line().replace(&place.sshd.port().to_string(), &port.to_string());
    fs::write(&known, line).unwrap();
    place.options.port = Some(port);
    place.options.known_hosts = vec![known];
    Some((place, proxy))
}

/// What the far side has of a file that was cut off is compared, and not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_13_inv_12_a_large_file_goes_on_where_it_was_cut() {
    const SIZE: usize = 48 << 20;
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some((place, proxy)) = behind_a_proxy(account).await else { return };
        let large = noise(SIZE);
        fs::write(place.path("run/large"), &large).unwrap();
        place.write(&[("small", b"small")]);
        let transport = place.transport();
        transport.inquire().await.unwrap();
        // In the middle of the stream: two thirds of it have left.
        let push = place.push_by(&transport);
        let cut = async {
            while proxy.bytes() < (SIZE as u64) * 2 / 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            proxy.cut_after(0, Phase::Before);
        };
        let (failed, ()) = tokio::join!(push, cut);
        assert_eq!(failed.unwrap_err().failure.kind, FailureKind::Network);
        proxy.disarm();
        assert!(!place.there().join("large").exists(), "a part of a file stands under its name");
        if account == Account::RsyncAlone {
            // The wrapper hides the folder of partial copies from its rsync, and the file begins anew.
            place.push().await.unwrap();
            assert!(fs::read(place.there().join("large")).unwrap() == large);
            continue;
        }
        // The other end notices in its own time, and puts the part where it goes on from.
        let partial = place.there().join(".verisim/partial/large");
        for _ in 0..400 {
            if partial.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let kept = fs::metadata(&partial).unwrap().len();
        assert!(kept > (SIZE as u64) / 3, "{kept} bytes were kept");
        let before = proxy.bytes();
        let pushed = place.push().await.unwrap();
        let again = proxy.bytes() - before;
        assert!(again < SIZE as u64 - kept + (4 << 20), "{again} bytes were sent, and {kept} were there");
        assert_eq!(pushed.inventory.files, 2);
        assert!(fs::read(place.there().join("large")).unwrap() == large);
        assert!(!partial.exists());
    }
}

/// What was sent whole before a cut is not sent again, although no journal of ours knows of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_12_files_that_arrived_before_a_cut_are_not_sent_again() {
    let Some((place, proxy)) = behind_a_proxy(Account::Shell).await else { return };
    for file in 0..200 {
        fs::write(place.path(&format!("run/{file:03}")), noise(64 << 10)).unwrap();
    }
    let transport = place.transport();
    transport.inquire().await.unwrap();
    let cut = async {
        while proxy.bytes() < 8 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        proxy.cut_after(0, Phase::Before);
    };
    let (failed, ()) = tokio::join!(place.push_by(&transport), cut);
    failed.unwrap_err();
    proxy.disarm();
    let there = fs::read_dir(place.there()).unwrap().count() - 1;
    assert!(there > 50, "{there} files arrived");
    let pushed = place.push().await.unwrap();
    assert!(
        pushed.sent.files <= 200 - there as u64 + 2,
        "{} of 200 were sent, {there} were there",
        pushed.sent.files
    );
    assert_eq!(pushed.inventory.files, 200);
}

/// A limit is kept to, and one that is lifted is noticed while the tool runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_17_another_rate_holds_at_once_and_nothing_is_lost_by_it() {
    let Some(place) = Place::new(Account::Shell) else { return };
    let large = noise(16 << 20);
    fs::write(place.path("run/large"), &large).unwrap();
    let slow = BandwidthLimit { bytes_per_second: 512 << 10 };
    let (send, receive) = watch::channel(Some(slow));
    let mut options = place.push_options();
    options.bandwidth = Some(receive);
    let transport = place.transport();
    transport.inquire().await.unwrap();
    let began = Instant::now();
    let (capture, remote) = (place.capture(), place.remote());
    let lift = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!place.there().join("large").exists(), "16 MiB in 4 s, at half a MiB a second");
        send.send(None).unwrap();
    };
    let (pushed, ()) = tokio::join!(transport.push(&capture, &remote, &options), lift);
    pushed.unwrap();
    // 32 s would be the time of the first rate.
    assert!(began.elapsed() < Duration::from_secs(24), "{:?}", began.elapsed());
    assert!(fs::read(place.there().join("large")).unwrap() == large);
}

/// The processes of this machine that have this word among their arguments, without those that only look.
pub fn running(word: &str) -> Vec<String> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let is_dead = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
        if command.contains(word) && !is_dead {
            out.push(command);
        }
    }
    out
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never came to pass that {what}");
}

/// A name by which every process of a place is known, here and there.
fn marked(place: &Place) -> (String, impl Fn(&mut RsyncOptions)) {
    let name = place.scratch.path().file_name().unwrap().to_str().unwrap().to_owned();
    let program = place.path("marked-rsync");
    if !program.exists() {
        std::os::unix::fs::symlink("/usr/bin/rsync", &program).unwrap();
    }
    (name, move |options: &mut RsyncOptions| options.rsync_path = Some(program.to_str().unwrap().into()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_ends_soon_with_all_that_it_started() {
    let Some(place) = Place::new(Account::Shell) else { return };
    fs::write(place.path("run/large"), noise(16 << 20)).unwrap();
    let (name, mark) = marked(&place);
    let mut options = place.push_options();
    let (_send, receive) = watch::channel(Some(BandwidthLimit { bytes_per_second: 256 << 10 }));
    options.bandwidth = Some(receive);
    let transport = place.transport_with(&mark);
    let (capture, remote) = (place.capture(), place.remote());
    let stop = async {
        until("rsync runs on both sides", || {
            running(&name).iter().any(|command| command.contains("--server"))
        })
        .await;
        options.cancel.cancel();
        Instant::now()
    };
    let (pushed, stopped) = tokio::join!(transport.push(&capture, &remote, &options), stop);
    assert_eq!(pushed.unwrap_err().failure.kind, FailureKind::Cancelled);
    assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
    until("nothing of it is left", || running(&name).is_empty()).await;
}

const CHILD: &str = "VERISIM_RSYNC_CHILD";

/// The test runs itself again as a child, which pushes slowly, and is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_05_inv_12_a_kill_of_ours_leaves_no_process_behind() {
    if let Some(told) = std::env::var_os(CHILD) {
        let told = told.into_string().unwrap();
        let words: Vec<&str> = told.split('|').collect();
        child(&PathBuf::from(words[0]), words[1].parse().unwrap(), words[2], words[3]).await;
        return;
    }
    let Some(place) = Place::new(Account::Shell) else { return };
    fs::write(place.path("run/large"), noise(16 << 20)).unwrap();
    let (name, mark) = marked(&place);
    mark(&mut place.options.clone());
    let told = format!(
        "{}|{}|{}|{}",
        place.scratch.path().display(),
        place.sshd.port(),
        place.sshd.key().display(),
        place.sshd.known_hosts().display()
    );
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "resuming::defect_05_inv_12_a_kill_of_ours_leaves_no_process_behind",
            "--nocapture",
        ])
        .env(CHILD, told)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("rsync runs on both sides", || running(&name).iter().any(|command| command.contains("--server")))
        .await;
    child.kill().unwrap();
    child.wait().unwrap();
    until("nothing of it is left", || running(&name).is_empty()).await;
    // And the push goes on.
    place.push().await.unwrap();
    assert!(fs::read(place.there().join("large")).unwrap() == noise(16 << 20));
}

async fn child(scratch: &std::path::Path, port: u16, key: &str, known_hosts: &str) {
    let path = crate::place::PATH.join(":");
    let options = RsyncOptions {
        port: Some(port),
        user: Some("root".into()),
        key: Some(key.into()),
        known_hosts: vec![known_hosts.into()],
        rsync_path: Some(scratch.join("marked-rsync").to_str().unwrap().into()),
        environment: vec![("PATH".into(), path.into()), ("HOME".into(), scratch.into())],
        ..RsyncOptions::new("127.0.0.1", scratch.join("vault").to_str().unwrap(), scratch.join("desks"))
    };
    let known = verisim_sync::KnownDestination::new(scratch.join("known"), "vault");
    let transport = verisim_sync::RsyncTransport::new(options, known, crate::place::runner());
    let (_send, receive) = watch::channel(Some(BandwidthLimit { bytes_per_second: 256 << 10 }));
    let mut options = crate::common::push_options_in(scratch);
    options.bandwidth = Some(receive);
    let capture = crate::common::capture_in(scratch);
    let _ = transport.push(&capture, &crate::common::remote("lab/run"), &options).await;
}
