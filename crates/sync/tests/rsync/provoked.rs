//! Failures, each provoked from the real tools, and the kind that each becomes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use verisim_core::{Effect, FailureKind, SyncTransport as _, TransportError};
use verisim_sync::RsyncOptions;
use verisim_testkit::Proxy;
use verisim_testkit::doubles::Phase;
use verisim_testkit::sshd::SshdOptions;

use crate::common::Mounted;
use crate::place::{Account, Place, program};

/// What a push, and a question, come to with these options.
async fn kinds(place: &Place, change: impl Fn(&mut RsyncOptions)) -> (FailureKind, FailureKind, String) {
    let transport = place.transport_with(change);
    let pushed = place.push_by(&transport).await.unwrap_err();
    let asked = transport.stat(&place.remote()).await.unwrap_err();
    (pushed.failure.kind, asked.failure.kind, pushed.failure.detail)
}

fn key_of(folder: &Path, name: &str, from: &Path, mode: u32) -> std::path::PathBuf {
    let to = folder.join(name);
    fs::copy(from, &to).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(mode)).unwrap();
    to
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_we_are_and_who_the_host_is() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let folder = place.scratch.path();
    let stranger = key_of(folder, "stranger", &place.sshd.stranger(), 0o600);
    let loose = key_of(folder, "loose", &place.sshd.key(), 0o644);
    let empty = folder.join("nobody-known");
    fs::write(&empty, "").unwrap();
    let changed = folder.join("changed");
    let other = fs::read_to_string(place.sshd.stranger().with_extension("pub")).unwrap();
    fs::write(&changed, format!("[127.0.0.1]:{} {other}", place.sshd.port())).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    type Change<'a> = Box<dyn Fn(&mut RsyncOptions) + 'a>;
    let cases: Vec<(&str, FailureKind, &str, Change<'_>)> = vec![
        (
            "a wrong key",
            FailureKind::Auth,
            "Permission denied (publickey",
            Box::new(|o| o.key = Some(stranger.clone())),
        ),
        (
            "a key that others may read",
            FailureKind::Config,
            "chmod 0600",
            Box::new(|o| o.key = Some(loose.clone())),
        ),
        (
            "a key that is not there",
            FailureKind::Config,
            "is not there",
            Box::new(|o| o.key = Some("/nowhere/key".into())),
        ),
        (
            "an unknown host key",
            FailureKind::Auth,
            "verisim sync trust",
            Box::new(|o| o.known_hosts = vec![empty.clone()]),
        ),
        (
            "a changed host key",
            FailureKind::Auth,
            "another key than before",
            Box::new(|o| o.known_hosts = vec![changed.clone()]),
        ),
        (
            "a port where nobody listens",
            FailureKind::Network,
            "Connection refused",
            Box::new(|o| o.port = Some(free)),
        ),
        (
            "a name that does not resolve",
            FailureKind::Network,
            "does not resolve",
            Box::new(|o| o.host = "nas.invalid".into()),
        ),
    ];
    for (what, expected, said, change) in cases {
        let (pushed, asked, detail) = kinds(&place, change).await;
        assert_eq!((pushed, asked), (expected, expected), "{what}: {detail}");
        assert!(detail.contains(said), "{what}: {detail}");
    }
    assert!(!place.there().exists());
}

/// No packet comes back from there (RFC 5737): either nobody answers, or a router says that there is no way.
#[tokio::test]
async fn an_address_that_cannot_be_reached() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let failed = place.push_by(&place.transport_with(|o| o.host = "192.0.2.1".into())).await.unwrap_err();
    assert_eq!((failed.failure.kind, failed.failure.effect), (FailureKind::Network, Effect::NotApplied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_rsync_and_one_whose_rsync_is_elsewhere() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let (pushed, asked, detail) = kinds(&place, |o| o.rsync_path = Some("no-such-rsync".into())).await;
    assert_eq!((pushed, asked), (FailureKind::ToolMissing, FailureKind::ToolMissing), "{detail}");
    let elsewhere = place.path("my-rsync");
    symlink("/usr/bin/rsync", &elsewhere).unwrap();
    let there = place.transport_with(|o| o.rsync_path = Some(elsewhere.to_str().unwrap().into()));
    place.push_by(&there).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_runs_something_else_than_rsync() {
    // An account for SFTP alone, and one whose shell is none.
    for forced in ["internal-sftp", "/bin/echo This account is currently not available.", "/bin/false"] {
        let lines = vec![format!("ForceCommand {forced}")];
        let Some(place) = Place::with(Account::Shell, SshdOptions { lines, ..SshdOptions::default() }) else {
            return;
        };
        place.write(&[("a", b"alpha")]);
        let failed = place.push().await.unwrap_err();
        let expected = match forced {
            // It says nothing at all, and rsync no more than that the connection was closed.
            "/bin/false" => FailureKind::Network,
            _ => FailureKind::Config,
        };
        assert_eq!(failed.failure.kind, expected, "{forced}: {failed:?}");
        assert_eq!(failed.failure.effect, Effect::NotApplied, "{forced}");
    }
}

/// Scripts pass over what a login prints; rsync cannot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_prints_at_login() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha")]);
    let talks = place.sshd.folder().join("talks");
    program(
        &talks,
        "#!/bin/sh\necho Welcome to the laboratory, permission denied to all others\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
    );
    let key = fs::read_to_string(place.sshd.key().with_extension("pub")).unwrap();
    fs::write(place.sshd.folder().join("authorized"), format!("command=\"{}\" {key}", talks.display()))
        .unwrap();
    let failed = place.push().await.unwrap_err();
    assert_eq!(failed.failure.kind, FailureKind::Config, "{failed:?}");
    assert!(failed.failure.detail.contains("prints something at login"), "{failed}");
    let asked = place.transport().inquire().await.unwrap();
    assert!(asked.commands && asked.there.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_there() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        let vault = place.path("vault");
        let _full = Mounted::new(&vault, "size=1m");
        fs::write(place.path("run/a"), vec![7; 4 << 20]).unwrap();
        let failed = place.push().await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::NoSpace, "{account:?}: {failed:?}");
        let needed: u64 = fs::read_to_string(place.path("work/bytes_needed")).unwrap().parse().unwrap();
        assert_eq!(needed, 4 << 20);
        if account == Account::Shell {
            // What the probe of a blocked job asks.
            let free = place.transport().stat(&place.remote()).await.unwrap().free_bytes.unwrap();
            assert!(free < needed && free > 512 << 10, "{free}");
        }
    }
}

/// It fills up while it is written to: somebody else was faster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_runs_full_while_it_is_written_to() {
    let Some(place) = Place::new(Account::Shell) else { return };
    let vault = place.path("vault");
    let _full = Mounted::new(&vault, "size=8m");
    fs::write(place.path("run/a"), vec![7; 6 << 20]).unwrap();
    // Room for it as the question has it, and none as the disk has it.
    let hole = fs::File::create(vault.join("other")).unwrap();
    hole.set_len(4 << 20).unwrap();
    let filling = vault.clone();
    let failed = {
        let rsync = place.path("late-rsync");
        program(
            &rsync,
            &format!(
                "#!/bin/sh\ncase $1 in --server) dd if=/dev/zero of={}/other bs=1M count=4 2>/dev/null;; esac\nexec /usr/bin/rsync \"$@\"\n",
                filling.display()
            ),
        );
        let transport = place.transport_with(|o| o.rsync_path = Some(rsync.to_str().unwrap().into()));
        place.push_by(&transport).await.unwrap_err()
    };
    // Also where the far side is gone before its words are here: then there is only a code, and the question what is free.
    assert_eq!(failed.failure.kind, FailureKind::NoSpace, "{failed:?}");
    assert!(!place.there().join("a").exists(), "a part of a file stands under its name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_is_read_only_or_not_there() {
    for account in [Account::Shell, Account::RsyncAlone] {
        let Some(place) = Place::new(account) else { return };
        place.write(&[("a", b"alpha")]);
        {
            let vault = place.path("vault");
            let _read_only = Mounted::new(&vault, "size=1m,ro");
            let failed = place.push().await.unwrap_err();
            assert_eq!(failed.failure.kind, FailureKind::Denied, "{account:?}: {failed:?}");
        }
        if account == Account::Shell {
            // A volume that is not mounted may come back, so its jobs wait.
            fs::remove_dir(place.path("vault")).unwrap();
            let failed = place.push().await.unwrap_err();
            assert_eq!(failed.failure.kind, FailureKind::Network, "{failed:?}");
            assert!(failed.failure.detail.contains("mount the storage"), "{failed}");
            assert!(!place.path("vault").exists(), "it was made");
        }
    }
}

/// Without a user who may not read: an rsync of a test's own leaves what root may do behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_capture_that_may_not_be_read() {
    let Some(place) = Place::new(Account::Shell) else { return };
    place.write(&[("a", b"alpha"), ("secret", b"hidden")]);
    fs::set_permissions(place.path("run/secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let failed = push_with_own_rsync(&place, "exec setpriv --bounding-set -all --inh-caps -all --ambient-caps -all --clear-groups \
        sh -c 'exec setpriv --no-new-privs --bounding-set -dac_override,-dac_read_search --inh-caps -all /usr/bin/rsync \"$@\"' rsync \"$@\"").await;
    assert_eq!(failed.failure.kind, FailureKind::Denied, "{failed:?}");
    assert!(failed.failure.detail.contains("let this user read the capture"), "{failed}");
}

/// What happens between the hashing here and the reading by the tool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_08_a_capture_that_changes_under_the_tool() {
    for (what, expected, change) in [
        ("a file goes away", FailureKind::SourceVanished, "rm RUN/b"),
        ("a file grows", FailureKind::SourceChanged, "echo more >>RUN/b"),
        ("a file is replaced by a directory", FailureKind::SourceChanged, "rm RUN/b; mkdir RUN/b"),
        ("a file is replaced by a link", FailureKind::SourceChanged, "rm RUN/b; ln -s /etc/passwd RUN/b"),
        ("a file appears", FailureKind::SourceChanged, "echo new >RUN/new"),
        (
            "a directory is replaced by a link",
            FailureKind::SourceVanished,
            "mv RUN/d RUN/../old; ln -s /etc RUN/d",
        ),
        ("all of it goes away", FailureKind::SourceVanished, "rm -r RUN"),
    ] {
        let Some(place) = Place::new(Account::Shell) else { return };
        place.write(&[("a", b"alpha"), ("b", b"beta"), ("d/hostname", b"gamma")]);
        let run = place.path("run").display().to_string();
        let once = place.path("once").display().to_string();
        let change = change.replace("RUN", &run);
        let failed = push_with_own_rsync(
            &place,
            &format!("case \"$*\" in *include-from*) mkdir {once} 2>/dev/null && {{ {change}; }};; esac\nexec /usr/bin/rsync \"$@\""),
        )
        .await;
        assert_eq!(failed.failure.kind, expected, "{what}: {failed:?}");
        let hostname = fs::read(place.there().join("d/hostname")).unwrap_or_default();
        assert!(hostname.is_empty() || hostname == b"gamma", "{what}: it was read through the link");
    }
}

/// Pushes by a program that is called rsync on this machine.
async fn push_with_own_rsync(place: &Place, text: &str) -> TransportError {
    let bin = place.path("bin");
    fs::create_dir_all(&bin).unwrap();
    program(&bin.join("rsync"), &format!("#!/bin/sh\n{text}\n"));
    let mut found = vec![bin];
    found.extend(crate::place::PATH.map(std::path::PathBuf::from));
    let runner = verisim_sys::Runner::new(found).unwrap();
    let transport = verisim_sync::RsyncTransport::new(place.options.clone(), place.known(), runner);
    place.push_by(&transport).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sshd_that_is_killed_in_mid_stream_and_a_connection_that_is_cut() {
    for killed in [true, false] {
        let Some(place) = Place::new(Account::Shell) else { return };
        let mut large = vec![0_u8; 24 << 20];
        for (at, byte) in large.iter_mut().enumerate() {
            *byte = (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7];
        }
        fs::write(place.path("run/large"), &large).unwrap();
        let sshd = std::net::SocketAddr::from(([127, 0, 0, 1], place.sshd.port()));
        let proxy = Proxy::start(sshd, Duration::ZERO).await;
        let known = place.path("known_hosts");
        let line = place
            .sshd
            .known_line()
            .replace(&place.sshd.port().to_string(), &proxy.address().port().to_string());
        fs::write(&known, line).unwrap();
        let through = |o: &mut RsyncOptions| {
            o.port = Some(proxy.address().port());
            o.known_hosts = vec![known.clone()];
        };
        let transport = place.transport_with(through);
        // Everything before the large file has taken place.
        place.write(&[("small", b"small")]);
        transport.inquire().await.unwrap();
        let before = proxy.pieces();
        if !killed {
            proxy.cut_after(150, Phase::Before);
        }
        let kill = async {
            while killed && proxy.pieces() < before + 150 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if killed {
                place.sshd.signal_serving(rustix::process::Signal::KILL);
            }
        };
        let (failed, ()) = tokio::join!(place.push_by(&transport), kill);
        let failed = failed.unwrap_err();
        assert!(killed || proxy.hits() == 1, "nothing was cut");
        assert_eq!(failed.failure.kind, FailureKind::Network, "killed: {killed}: {failed:?}");
        assert!(!place.there().join("large").exists(), "a part of a file stands under its name");
        proxy.disarm();
        let pushed = place.push_by(&place.transport_with(through)).await.unwrap();
        assert_eq!(pushed.inventory.files, 2);
        assert!(fs::read(place.there().join("large")).unwrap() == large);
    }
}
