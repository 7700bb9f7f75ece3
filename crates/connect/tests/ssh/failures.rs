//! What goes wrong over SSH, provoked with a real sshd: each failure has its kind and its effect.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::decoy::{SshDecoy, connector, target};
use rustix::process::Signal;
use verisim_connect::WayIn;
use verisim_core::{
    ByteCount, ByteRange, Connector, Digest, Effect, Exec, FailureKind, FileTimes, FileWrite, OwnerPolicy,
};
use verisim_ssh::{HostKeyPolicy, Target, Verdict, accept_host_key, fetch_host_key};
use verisim_testkit::decoy_under_test::{answer, new_file, path, replacement, staging, write_one, written};
use verisim_testkit::sshd::{Sshd, SshdOptions};

fn locked_in() -> SshdOptions {
    SshdOptions { locked_in: true, ..SshdOptions::default() }
}

async fn refused(target: Target) -> verisim_core::Failure {
    let connector = connector(target, WayIn::Sftp, false);
    let failure = write_one(&connector, new_file("/a", "x")).await.unwrap_err();
    assert_eq!(failure.effect, Effect::NotApplied);
    failure
}

#[tokio::test]
async fn who_is_not_let_in_and_who_is_not_believed_is_an_auth_failure() {
    let Some(sshd) = Sshd::start(locked_in()) else { return };
    let good = target(&sshd);
    let stranger = refused(Target { identities: vec![sshd.stranger()], ..good.clone() }).await;
    assert_eq!(stranger.kind, FailureKind::Auth);
    assert!(stranger.detail.contains("refused every key"), "{stranger}");
    let nothing = refused(Target { identities: Vec::new(), ..good.clone() }).await;
    assert_eq!(nothing.kind, FailureKind::Auth);

    let unknown = refused(Target { known_hosts: Vec::new(), ..good.clone() }).await;
    assert_eq!(unknown.kind, FailureKind::Auth);
    assert!(unknown.detail.contains("is not known") && unknown.detail.contains("SHA256:"), "{unknown}");

    let other = fs::read_to_string(sshd.stranger().with_extension("pub")).unwrap();
    let known = sshd.folder().join("another");
    fs::write(&known, format!("[127.0.0.1]:{} {other}", sshd.port())).unwrap();
    let changed = refused(Target { known_hosts: vec![known.clone()], ..good.clone() }).await;
    assert_eq!(changed.kind, FailureKind::Auth);
    assert!(changed.detail.contains("CHANGED") && changed.detail.contains("line 1"), "{changed}");

    fs::write(
        &known,
        format!("{}@revoked * {}", sshd.known_line(), sshd.known_line().split_once(' ').unwrap().1),
    )
    .unwrap();
    let revoked = refused(Target { known_hosts: vec![known.clone()], ..good.clone() }).await;
    assert_eq!(revoked.kind, FailureKind::Auth);
    assert!(revoked.detail.contains("revoked"), "{revoked}");

    fs::write(&known, format!("@cert-authority {}", sshd.known_line())).unwrap();
    let authority = refused(Target { known_hosts: vec![known], ..good }).await;
    assert!(authority.detail.contains("certificates of hosts are not supported"), "{authority}");
}

/// Such a server says goodbye in the place of an answer.
#[tokio::test]
async fn a_server_that_hangs_up_after_a_wrong_key_has_refused_us() {
    let options = SshdOptions { lines: vec!["MaxAuthTries 1".into()], ..locked_in() };
    let Some(sshd) = Sshd::start(options) else { return };
    let identities = vec![sshd.stranger(), sshd.key()];
    let refused = refused(Target { identities, ..target(&sshd) }).await;
    assert_eq!(refused.kind, FailureKind::Auth, "{refused}");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_the_network() {
    let Some(mut sshd) = Sshd::start(locked_in()) else { return };
    sshd.stop();
    let down = refused(target(&sshd)).await;
    assert_eq!(down.kind, FailureKind::Network);
    let nowhere = refused(Target { host: "no-such-host.invalid".into(), ..target(&sshd) }).await;
    assert_eq!(nowhere.kind, FailureKind::Network);
    assert!(nowhere.detail.contains("does not resolve"), "{nowhere}");
}

#[tokio::test]
async fn a_new_key_is_accepted_by_a_person_once() {
    let Some(sshd) = Sshd::start(locked_in()) else { return };
    let known = sshd.folder().join("mine/known_hosts");
    let target = Target { known_hosts: vec![known.clone()], ..target(&sshd) };
    let key = fetch_host_key(&target).await.unwrap();
    assert_eq!(key.verdict, Verdict::Unknown { authority: false });
    assert!(key.fingerprint.starts_with("SHA256:"), "{}", key.fingerprint);
    assert_eq!(accept_host_key(&target, &key).unwrap(), known);
    accept_host_key(&target, &key).unwrap();
    let written = fs::read_to_string(&known).unwrap();
    assert_eq!(written.lines().count(), 1, "{written}");
    assert_eq!(fs::metadata(&known).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fetch_host_key(&target).await.unwrap().verdict, Verdict::Known);
    connector(target.clone(), WayIn::Sftp, false).connect().await.unwrap();
    // Or by nobody, where that is configured.
    fs::remove_file(&known).unwrap();
    let target = Target { host_keys: HostKeyPolicy::AcceptNew, ..target };
    connector(target, WayIn::Sftp, false).connect().await.unwrap();
    assert_eq!(fs::read_to_string(&known).unwrap(), written);
}

#[tokio::test]
async fn a_key_in_an_agent_and_an_encrypted_key_let_us_in() {
    let Some(sshd) = Sshd::start(locked_in()) else { return };
    let locked = sshd.folder().join("locked");
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "open sesame", "-f", locked.to_str().unwrap()]);
    let mut authorized = fs::read_to_string(sshd.folder().join("authorized")).unwrap();
    authorized.push_str(&fs::read_to_string(locked.with_extension("pub")).unwrap());
    fs::write(sshd.folder().join("authorized"), authorized).unwrap();
    let locked_only = Target { identities: vec![locked], ..target(&sshd) };
    let failure = refused(locked_only.clone()).await;
    assert!(failure.detail.contains("encrypted"), "{failure}");
    let wrong =
        Target { passphrase: Some(verisim_ssh::Secret::new("hunter2".into())), ..locked_only.clone() };
    let failure = refused(wrong).await;
    assert!(failure.detail.contains("does not open it") && !failure.detail.contains("hunter2"), "{failure}");
    let right = Target { passphrase: Some(verisim_ssh::Secret::new("open sesame".into())), ..locked_only };
    assert!(!format!("{right:?}").contains("sesame"));
    connector(right, WayIn::Sftp, false).connect().await.unwrap();

    let socket = sshd.folder().join("agent");
    let _agent = Agent::start(&socket, &sshd.key());
    let by_agent = Target { identities: Vec::new(), agent: Some(socket), ..target(&sshd) };
    connector(by_agent.clone(), WayIn::Sftp, false).connect().await.unwrap();
    let only = Target { identities_only: true, identities: vec![sshd.stranger()], ..by_agent };
    assert_eq!(refused(only).await.kind, FailureKind::Auth, "the agent's key was not named");
}

struct Agent(std::process::Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    #[expect(clippy::disallowed_methods, reason = "a real agent holds the key")]
    fn start(socket: &std::path::Path, key: &std::path::Path) -> Self {
        let child = std::process::Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(socket)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let this = Self(child);
        for _ in 0..200 {
            let added = std::process::Command::new("ssh-add")
                .arg("-q")
                .arg(key)
                .env("SSH_AUTH_SOCK", socket)
                .output();
            if socket.exists() && added.unwrap().status.success() {
                return this;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the agent did not take the key");
    }
}

#[expect(clippy::disallowed_methods, reason = "a tool of the test")]
fn run(program: &str, arguments: &[&str]) {
    assert!(std::process::Command::new(program).args(arguments).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_given_up_in_time() {
    let Some(decoy) = SshDecoy::over_sftp().await else { return };
    decoy.sshd.lock().unwrap().signal_serving(Signal::STOP);
    let at = path("/a");
    let failure = answer(decoy.connector.read(&at, ByteRange::first(ByteCount(9)))).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::NotApplied));
    decoy.sshd.lock().unwrap().signal_serving(Signal::CONT);
    tokio::time::sleep(Duration::from_secs(2)).await;
    written(&decoy.connector, new_file("/a", "x")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_is_reached_again_at_once() {
    let Some(decoy) = SshDecoy::over_sftp().await else { return };
    written(&decoy.connector, new_file("/a", "old")).await;
    for round in 0..3 {
        decoy.sshd.lock().unwrap().signal_serving(Signal::KILL);
        let body = format!("new {round}");
        written(&decoy.connector, new_file(format!("/b{round}"), body)).await;
    }
    written(&decoy.connector, replacement("/a", b"old", "new")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_is_enough() {
    let options =
        SshdOptions { locked_in: true, lines: vec!["MaxSessions 1".into()], ..SshdOptions::default() };
    let Some(sshd) = Sshd::start(options) else { return };
    // Commands are allowed, but there is no room for them beside SFTP.
    let decoy = SshDecoy::behind(sshd, WayIn::Auto, true).await;
    let can = decoy.connector.capabilities();
    assert!(!can.exec && !can.mtime_ns);
    written(&decoy.connector, new_file("/a", "x")).await;
    let facts = answer(decoy.connector.probe()).await.unwrap();
    assert!(facts.writable);
    let past = FileTimes::Past {
        mtime: "2024-05-06T07:08:09.5Z".parse().unwrap(),
        atime: "2024-05-07T07:08:09.5Z".parse().unwrap(),
    };
    let done = written(&decoy.connector, FileWrite { times: past, ..new_file("/d/b", "x") }).await;
    assert_eq!(done.stat.mtime, "2024-05-06T07:08:09Z".parse().unwrap(), "to the second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_questions_than_a_server_has_sessions_are_all_answered() {
    for room in [3, 10] {
        let options = SshdOptions { lines: vec![format!("MaxSessions {room}")], ..SshdOptions::default() };
        let Some(sshd) = Sshd::start(options) else { return };
        let decoy = SshDecoy::behind(sshd, WayIn::Auto, true).await;
        assert!(decoy.connector.capabilities().exec);
        let asked = |_| {
            let command = Exec {
                argv: vec![b"true".to_vec()],
                stdin: bytes::Bytes::new(),
                time_limit: Duration::from_secs(20),
                output_limit: ByteCount(10),
            };
            let connector = &decoy.connector;
            async move { connector.exec(&command).await.map(|output| output.code) }
        };
        let answers = futures_util::future::join_all((0..60).map(asked)).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Some(0)))), "{room}: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_user_is_denied_what_he_may_not() {
    let options =
        SshdOptions { locked_in: true, lines: vec!["AllowUsers nobody".into()], ..SshdOptions::default() };
    let Some(sshd) = Sshd::start(options) else { return };
    let (root, target) = (sshd.root(), Target { user: "nobody".into(), ..target(&sshd) });
    let connector = connector(target, WayIn::Sftp, false);
    connector.connect().await.unwrap();
    assert!(!connector.capabilities().ownership);
    fs::create_dir(root.join("closed")).unwrap();
    fs::write(root.join("closed/a"), b"x").unwrap();
    fs::create_dir(root.join("open")).unwrap();
    fs::set_permissions(root.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(root.join("open/hidden"), b"x").unwrap();
    fs::set_permissions(root.join("open/hidden"), fs::Permissions::from_mode(0o600)).unwrap();
    let denied = |what: &str, failure: verisim_core::Failure| {
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Denied, Effect::NotApplied),
            "{what}: {failure}"
        );
    };
    denied("create", write_one(&connector, new_file("/closed/b", "x")).await.unwrap_err());
    denied("parents", write_one(&connector, new_file("/closed/d/b", "x")).await.unwrap_err());
    denied("replace", write_one(&connector, replacement("/closed/a", b"x", "y")).await.unwrap_err());
    denied("unreadable", write_one(&connector, replacement("/open/hidden", b"x", "y")).await.unwrap_err());
    let removal =
        verisim_core::Removal { path: path("/closed/a"), expected: Digest::of(b"x"), staging: staging(1) };
    denied("remove", answer(connector.remove(&removal)).await.unwrap_err());
    let range = ByteRange::first(ByteCount(9));
    denied("read", answer(connector.read(&path("/open/hidden"), range)).await.unwrap_err());
    assert_eq!(fs::read_dir(root.join("closed")).unwrap().count(), 1, "nothing was left there");
    // And may what he may; an owner that cannot be set is told.
    let owner = OwnerPolicy::Set(verisim_core::Owner { uid: 12_345, gid: 12_345 });
    let done = written(&connector, FileWrite { owner, ..new_file("/open/d/mine", "x") }).await;
    assert!(!done.owner_set);
    written(&connector, replacement("/open/d/mine", b"x", "y")).await;
}

/// A server that has commands too: times to the nanosecond, and commands that are run as they are given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_run_as_they_are_given_where_they_are_allowed() {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else { return };
    let held = PathBuf::from(sshd.folder());
    let decoy = SshDecoy::behind(sshd, WayIn::Auto, true).await;
    let can = decoy.connector.capabilities();
    assert!(can.exec && can.mtime_ns && can.ownership);
    let words: Vec<&[u8]> = vec![b"printf", b"%s|", b"a b", b"$HOME", b"`id`", b"'", b"\\", b"*", b"", b"-n"];
    let exec = |words: &[&[u8]], stdin: &'static [u8], time_limit| Exec {
        argv: words.iter().map(|word| word.to_vec()).collect(),
        stdin: bytes::Bytes::from_static(stdin),
        time_limit,
        output_limit: ByteCount(1000),
    };
    let limit = Duration::from_secs(10);
    let output = answer(decoy.connector.exec(&exec(&words, b"", limit))).await.unwrap();
    assert_eq!(&output.stdout[..], b"a b|$HOME|`id`|'|\\|*||-n|");
    let output = answer(decoy.connector.exec(&exec(&[b"cat"], b"\x00\xff\n", limit))).await.unwrap();
    assert_eq!((&output.stdout[..], output.code), (&b"\x00\xff\n"[..], Some(0)));
    let output = answer(decoy.connector.exec(&exec(&[b"sh", b"-c", b"exit 7"], b"", limit))).await.unwrap();
    assert_eq!(output.code, Some(7));
    let endless = exec(&[b"yes"], b"", Duration::from_secs(1));
    let failure = answer(decoy.connector.exec(&endless)).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::Unknown));
    let past = |time: &str| FileTimes::Past { mtime: time.parse().unwrap(), atime: time.parse().unwrap() };
    let at = held.join("root/x/a").to_str().unwrap().to_owned();
    let time = "2024-05-06T07:08:09.123456789Z";
    let done = written(&decoy.connector, FileWrite { times: past(time), ..new_file(&at, "x") }).await;
    assert_eq!((done.stat.mtime, done.stat.atime), (time.parse().unwrap(), time.parse().unwrap()));
    let now = answer(decoy.connector.probe()).await.unwrap().clock.unwrap().as_second();
    let here = fs::metadata("/proc/self/status").unwrap().modified().unwrap();
    let here = here.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(i64::try_from(here).unwrap()) < 20, "the decoy's own clock is seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_leaves_from_the_decoy_or_says_why_not() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Some(sshd) = Sshd::start(SshdOptions::default()) else { return };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let decoy = SshDecoy::behind(sshd, WayIn::Auto, false).await;
    let mut stream = answer(decoy.connector.dial(to)).await.unwrap();
    let (mut peer, _) = answer(listener.accept()).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut got = [0; 5];
    peer.read_exact(&mut got).await.unwrap();
    peer.write_all(b"world").await.unwrap();
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"world");
    drop(peer);
    assert_eq!(answer(stream.read(&mut got)).await.unwrap(), 0, "its end is seen");
    drop(listener);
    let failure = answer(decoy.connector.dial(to)).await.err().unwrap();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::NotApplied));

    let options = SshdOptions { lines: vec!["AllowTcpForwarding no".into()], ..SshdOptions::default() };
    let Some(sshd) = Sshd::start(options) else { return };
    let decoy = SshDecoy::behind(sshd, WayIn::Auto, false).await;
    let failure = answer(decoy.connector.dial(to)).await.err().unwrap();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Denied, Effect::NotApplied));
}

/// Through two hosts to a third; each is checked and logged in to by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_on_the_way_are_passed_through() {
    let start = || Sshd::start(SshdOptions::default());
    let (Some(one), Some(two), Some(last)) = (start(), start(), Sshd::start(locked_in())) else { return };
    let way = Target { jumps: vec![target(&one), target(&two)], ..target(&last) };
    let connector = connector(way.clone(), WayIn::Sftp, false);
    written(&connector, new_file("/a", "x")).await;
    assert_eq!(fs::read(last.root().join("a")).unwrap(), b"x");
    let mut stranger = target(&one);
    stranger.identities = vec![one.stranger()];
    let failure = refused(Target { jumps: vec![stranger, target(&two)], ..way }).await;
    assert_eq!(failure.kind, FailureKind::Auth);
}

#[tokio::test]
async fn a_server_without_sftp_is_unsupported_unless_commands_are_allowed() {
    let options = SshdOptions { without_sftp: true, ..SshdOptions::default() };
    let Some(sshd) = Sshd::start(options) else { return };
    let failure = refused(target(&sshd)).await;
    assert_eq!(failure.kind, FailureKind::Unsupported);
}
