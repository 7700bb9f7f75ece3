//! Failures, each provoked from the real rclone, and the kind that each becomes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use verisim_core::{Effect, FailureKind, SyncTransport as _, TransportError};
use verisim_testkit::real_rclone::Generation;
use verisim_testkit::real_store::StoreServer;

use crate::common::{Mounted, of_somebody_else};
use crate::place::{Kind, Place, Server, program, sftp_section};

const BOTH: [Generation; 2] = [Generation::Installed, Generation::Newer];

/// What a push, and a question, come to by this configuration.
async fn kinds(place: &Place, section: &str, remote: &str) -> (FailureKind, FailureKind, String) {
    let transport = place.transport_by(section, remote);
    let pushed = place.push_by(&transport).await.unwrap_err();
    let asked = transport.stat(&place.remote()).await.unwrap_err();
    (pushed.failure.kind, asked.failure.kind, pushed.failure.detail)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_cannot_be_used() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::Folder, generation) else { return };
        place.write(&[("a", b"alpha")]);
        for (section, remote) in
            [("[other]\ntype = local\n", "there:x"), ("[there]\ntype = nosuchbackend\n", "there:x")]
        {
            let (pushed, asked, detail) = kinds(&place, section, remote).await;
            assert_eq!((pushed, asked), (FailureKind::Config, FailureKind::Config), "{section}: {detail}");
        }
        let missing = place.transport_with(|options| options.config = Some("/nowhere/rclone.conf".into()));
        let failed = place.push_by(&missing).await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::Config, "{failed:?}");
        assert!(failed.failure.detail.contains("/nowhere/rclone.conf"), "{failed}");
        let missing = place.transport_with(|options| options.program = "/nowhere/rclone".into());
        let failed = place.push_by(&missing).await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::ToolMissing, "{failed:?}");
        assert!(!place.there().exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_we_are_and_who_the_host_is() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::Sftp, generation) else { return };
        place.write(&[("a", b"alpha")]);
        let (sshd, vault) = (place.sshd(), place.vault());
        let remote = format!("there:{}", vault.display());
        let changed = place.path("changed");
        let other = fs::read_to_string(sshd.stranger().with_extension("pub")).unwrap();
        fs::write(&changed, format!("[127.0.0.1]:{} {other}", sshd.port())).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let good = sftp_section("there", sshd, &sshd.key(), &sshd.known_hosts());
        let cases = [
            (
                "a wrong key",
                FailureKind::Auth,
                sftp_section("there", sshd, &sshd.stranger(), &sshd.known_hosts()),
            ),
            ("a changed host key", FailureKind::Auth, sftp_section("there", sshd, &sshd.key(), &changed)),
            (
                "a key that is not there",
                FailureKind::Config,
                sftp_section("there", sshd, Path::new("/nowhere/key"), &sshd.known_hosts()),
            ),
            (
                "a port where nobody listens",
                FailureKind::Network,
                good.replace(&format!("port = {}", sshd.port()), &format!("port = {free}")),
            ),
            ("a name that does not resolve", FailureKind::Network, good.replace("127.0.0.1", "nas.invalid")),
        ];
        for (what, expected, section) in cases {
            let (pushed, asked, detail) = kinds(&place, &section, &remote).await;
            assert_eq!((pushed, asked), (expected, expected), "{what} by {generation:?}: {detail}");
        }
        assert!(!place.there().exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_a_store_of_objects_refuses() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::S3, generation) else { return };
        place.write(&[("a", b"alpha")]);
        let Server::S3(server) = &place.server else { panic!("no S3 server") };
        for (right, wrong) in
            [(StoreServer::SECRET_KEY, "another-secret"), (StoreServer::ACCESS_KEY, "AKIASOMEBODY")]
        {
            let section = server.section("there").replace(right, wrong);
            let (pushed, asked, detail) = kinds(&place, &section, "there:vault").await;
            assert!(matches!(pushed, FailureKind::Auth | FailureKind::Denied), "{generation:?}: {detail}");
            assert_eq!(pushed, asked, "{detail}");
            assert!(!detail.contains(wrong), "{detail}");
        }
    }
}

/// A server that answers everything with one status. It ends with the test.
fn always(status: &'static str, more: &'static str) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            std::thread::spawn(move || answer(&stream, status, more, &count));
        }
    });
    (port, asked)
}

fn answer(stream: &TcpStream, status: &str, more: &str, count: &AtomicU64) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        if line.trim().is_empty() {
            count.fetch_add(1, Ordering::Relaxed);
            let text = format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n");
            let mut writer = stream;
            let _ = writer.write_all(text.as_bytes());
            return;
        }
        line.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_service_answers() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::Folder, generation) else { return };
        place.write(&[("a", b"alpha")]);
        for (status, more, expected) in [
            ("429 Too Many Requests", "Retry-After: 1\r\n", FailureKind::Network),
            ("503 Service Unavailable", "Retry-After: 1\r\n", FailureKind::Network),
            ("500 Internal Server Error", "", FailureKind::Network),
            ("401 Unauthorized", "", FailureKind::Auth),
            ("403 Forbidden", "", FailureKind::Denied),
        ] {
            let (port, asked) = always(status, more);
            let section = format!("[there]\ntype = webdav\nurl = http://127.0.0.1:{port}/\nvendor = other\n");
            let (pushed, _, detail) = kinds(&place, &section, "there:x").await;
            assert_eq!(pushed, expected, "{status} by {generation:?}: {detail}");
            assert!(asked.load(Ordering::Relaxed) > 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_there() {
    for generation in BOTH {
        for kind in [Kind::Folder, Kind::Sftp] {
            let Some(place) = Place::new(kind, generation) else { return };
            let vault = place.vault();
            let _full = Mounted::new(&vault, "size=1m");
            fs::write(place.path("run/a"), vec![7; 4 << 20]).unwrap();
            let failed = place.push().await.unwrap_err();
            assert_eq!(failed.failure.kind, FailureKind::NoSpace, "{kind:?} {generation:?}: {failed:?}");
            let needed: u64 = fs::read_to_string(place.path("work/bytes_needed")).unwrap().parse().unwrap();
            assert_eq!(needed, 4 << 20);
        }
    }
}

/// It fills up while it is written to: somebody else was faster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_runs_full_while_it_is_written_to() {
    for generation in BOTH {
        for kind in [Kind::Folder, Kind::Sftp] {
            let Some(place) = Place::new(kind, generation) else { return };
            let vault = place.vault();
            let _full = Mounted::new(&vault, "size=8m");
            fs::write(place.path("run/a"), vec![7; 6 << 20]).unwrap();
            let fill = format!(
                "case \"$*\" in *proc/self/cwd*) dd if=/dev/zero of={}/other bs=1M count=6 2>/dev/null;; esac",
                vault.display()
            );
            let late = program(&place.path("late"), &place.options.program, &fill);
            let failed = place.push_by(&place.transport_with(|o| o.program = late)).await.unwrap_err();
            assert_eq!(failed.failure.kind, FailureKind::NoSpace, "{kind:?} {generation:?}: {failed:?}");
            assert!(!place.there().join("a").exists(), "a part of a file stands under its name");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_is_read_only_or_was_used_and_is_empty() {
    for generation in BOTH {
        for kind in [Kind::Folder, Kind::Sftp] {
            let Some(place) = Place::new(kind, generation) else { return };
            place.write(&[("a", b"alpha")]);
            let vault = place.vault();
            {
                let _read_only = Mounted::new(&vault, "size=1m,ro");
                let failed = place.push().await.unwrap_err();
                // SFTP says no more than "failure" to a file system that is read-only.
                let kinds = [FailureKind::Denied, FailureKind::Unknown];
                assert!(kinds.contains(&failed.failure.kind), "{kind:?} {generation:?}: {failed:?}");
            }
            place.push().await.unwrap();
            // The volume is not mounted any more: its jobs wait.
            fs::rename(&vault, place.path("away")).unwrap();
            fs::create_dir(&vault).unwrap();
            let failed = place.push().await.unwrap_err();
            assert_eq!(
                (failed.failure.kind, failed.failure.effect),
                (FailureKind::Network, Effect::NotApplied)
            );
            assert_eq!(fs::read_dir(&vault).unwrap().count(), 0, "something was written");
        }
    }
}

/// What happens between the hashing here and the reading by the tool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_08_a_capture_that_changes_under_the_tool() {
    for generation in BOTH {
        for (what, expected, change) in [
            ("a file goes away", FailureKind::SourceVanished, "rm RUN/b"),
            ("a file grows", FailureKind::SourceChanged, "echo more >>RUN/b"),
            ("a file is replaced by a directory", FailureKind::SourceChanged, "rm RUN/b; mkdir RUN/b"),
            ("a file is replaced by a link", FailureKind::SourceChanged, "rm RUN/b; ln -s /etc/passwd RUN/b"),
            ("a file appears", FailureKind::SourceChanged, "echo new >RUN/new"),
            ("all of it goes away", FailureKind::SourceVanished, "rm -r RUN"),
        ] {
            let Some(place) = Place::new(Kind::Folder, generation) else { return };
            place.write(&[("a", b"alpha"), ("b", b"beta"), ("d/c", b"gamma")]);
            let change = change.replace("RUN", &place.path("run").display().to_string());
            let before = format!(
                "case \"$*\" in *proc/self/cwd*) mkdir {} 2>/dev/null && {{ {change}; }};; esac",
                place.path("once").display()
            );
            let own = program(&place.path("own"), &place.options.program, &before);
            let failed: TransportError =
                place.push_by(&place.transport_with(|o| o.program = own)).await.unwrap_err();
            assert_eq!(failed.failure.kind, expected, "{what} by {generation:?}: {failed:?}");
            assert!(
                !place.there().join("b").exists()
                    || fs::read(place.there().join("b")).unwrap() != fs::read("/etc/passwd").unwrap()
            );
        }
    }
}

/// Without a user who may not read: a rclone of a test's own leaves what root may do behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_capture_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    for generation in BOTH {
        let Some(place) = Place::new(Kind::Folder, generation) else { return };
        place.write(&[("a", b"alpha"), ("secret", b"hidden")]);
        fs::set_permissions(place.path("run/secret"), fs::Permissions::from_mode(0o000)).unwrap();
        let drop = format!(
            "exec setpriv --no-new-privs --bounding-set -dac_override,-dac_read_search --inh-caps -all {} \"$@\"",
            place.options.program.display()
        );
        let own = program(&place.path("own"), &place.options.program, &drop);
        let failed = place.push_by(&place.transport_with(|o| o.program = own)).await.unwrap_err();
        assert_eq!(failed.failure.kind, FailureKind::Denied, "{generation:?}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sshd_that_is_killed_in_mid_stream() {
    for generation in BOTH {
        let Some(place) = Place::new(Kind::Sftp, generation) else { return };
        fs::write(place.path("run/large"), vec![7; 24 << 20]).unwrap();
        let slow = format!(
            "case \"$*\" in *proc/self/cwd*) exec {} \"$@\" --bwlimit 4M;; esac",
            place.options.program.display()
        );
        let own = program(&place.path("own"), &place.options.program, &slow);
        let transport = place.transport_with(|o| o.program = own);
        let stage = place.vault().join(".verisim-partial");
        let kill = async {
            let begun = || {
                let mut open = vec![stage.clone()];
                while let Some(dir) = open.pop() {
                    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                        match entry.file_type() {
                            Ok(kind) if kind.is_dir() => open.push(entry.path()),
                            _ if entry.file_name() == "large" => return true,
                            _ => {}
                        }
                    }
                }
                false
            };
            for _ in 0..2000 {
                if begun() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            // rclone connects again by itself a few times.
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                place.sshd().signal_serving(rustix::process::Signal::KILL);
            }
        };
        let failed = tokio::select! {
            failed = place.push_by(&transport) => failed.unwrap_err(),
            () = kill => unreachable!(),
        };
        assert_eq!(failed.failure.kind, FailureKind::Network, "{generation:?}: {failed:?}");
        assert!(!place.there().join("large").exists(), "a part of a file stands under its name");
        place.push().await.unwrap();
        assert_eq!(fs::read(place.there().join("large")).unwrap(), vec![7; 24 << 20]);
    }
}

/// Two pushes find a destination that was never used, and both mark it: neither stumbles over the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_pushes_at_once() {
    for _ in 0..2 {
        let Some(place) = Place::new(Kind::Folder, Generation::Installed) else { return };
        place.write(&[("a", b"alpha")]);
        let transport = place.transport();
        let (capture, (other, options)) = (place.capture(), of_somebody_else(place.scratch.path()));
        let (one, two) = tokio::join!(place.push_by(&transport), transport.push(&capture, &other, &options));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((one.inventory.files, two.inventory.files), (1, 1));
        assert!(!one.output.text.contains("illegal seek"), "{}", one.output.text);
    }
}
