//! A capture below a scratch folder, where it goes, and a file system of a test's own.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use verisim_core::{
    CancellationToken, Capture, CaptureName, DestinationName, FailureKind, PushOptions, RelPath, Remote,
    RootIdentity, SyncTransport,
};

use super::Sink;

/// The folder `run` of a scratch folder.
pub fn capture_in(scratch: &Path) -> Capture {
    let root = scratch.join("run");
    let meta = fs::metadata(&root).unwrap();
    Capture {
        rule: CaptureName::new("lab").unwrap(),
        relative: Some(RelPath::new("run").unwrap()),
        identity: RootIdentity { device: meta.dev(), inode: meta.ino(), born_ns: None },
        root,
        generation: 1,
    }
}

/// With the work folder in the scratch folder.
pub fn push_options_in(scratch: &Path) -> PushOptions {
    PushOptions {
        work_dir: scratch.join("work"),
        forced: Vec::new(),
        force_all: false,
        bandwidth: None,
        progress: Arc::new(Sink::default()),
        cancel: CancellationToken::new(),
    }
}

pub fn remote(path: &str) -> Remote {
    Remote {
        destination: DestinationName::new("vault").unwrap(),
        path: RelPath::new(path).unwrap(),
        owner: "site/lab/run/1".into(),
    }
}

/// Where somebody else's push goes, beside that of `scratch` to `remote`, and with what.
pub fn of_somebody_else(scratch: &Path) -> (Remote, PushOptions) {
    let to = Remote { owner: "somebody else".into(), ..remote("lab/other") };
    let options = PushOptions { work_dir: scratch.join("other-work"), ..push_options_in(scratch) };
    fs::create_dir_all(&options.work_dir).unwrap();
    (to, options)
}

/// Has one push hold what another waits for, and stops the other one: it ends at once, whatever becomes of the first.
/// `holds` says when the first has come that far; by itself it goes no further.
pub async fn who_waits_can_be_stopped(
    transport: &impl SyncTransport,
    scratch: &Path,
    holds: impl Fn() -> bool,
) {
    let (capture, to, options) = (capture_in(scratch), remote("lab/run"), push_options_in(scratch));
    let (other, others) = of_somebody_else(scratch);
    let waiting = async {
        let begun = tokio::time::timeout(Duration::from_secs(30), async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        begun.await.expect("the first push holds nothing");
        let stop = async {
            // Until it has come to its wait.
            tokio::time::sleep(Duration::from_secs(1)).await;
            others.cancel.cancel();
        };
        let pushed = transport.push(&capture, &other, &others);
        let (pushed, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), pushed), stop);
        let stopped = pushed.expect("who waits does not hear that it is stopped").unwrap_err();
        assert_eq!(stopped.failure.kind, FailureKind::Cancelled, "{stopped:?}");
        options.cancel.cancel();
    };
    let (first, ()) = tokio::join!(transport.push(&capture, &to, &options), waiting);
    assert_eq!(first.unwrap_err().failure.kind, FailureKind::Cancelled);
}

/// Waits until this process reads a file: what a test does then is done in the midst of its sending, however slow the machine is.
pub async fn once_read(file: &Path) {
    let is_open = || {
        let mut open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.any(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == file))
    };
    let read = async {
        while !is_open() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("nobody reads the file");
}

/// A file system in memory, until it is dropped.
pub struct Mounted<'a>(&'a Path);

impl Mounted<'_> {
    pub fn new<'a>(at: &'a Path, options: &str) -> Mounted<'a> {
        fs::create_dir_all(at).unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).status().unwrap();
        assert!(done.success());
        Mounted(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// Hashers that hash what they are asked to prove themselves by, and hang over files: itself, or by what it started.
const HANGING: [&str; 2] = [
    "[ $# -gt 3 ] || exec /usr/bin/openssl \"$@\"\nexec sleep 600",
    "[ $# -gt 3 ] || exec /usr/bin/openssl \"$@\"\nsleep 600\nexit 1",
];

/// Puts an `openssl` of this text into the folder.
fn put_openssl(bin: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(bin).unwrap();
    // A new file: the old one may still be run.
    let _ = std::fs::remove_file(bin.join("openssl"));
    std::fs::write(bin.join("openssl"), format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(bin.join("openssl"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The processes that work in a folder; after a time in which there are none, or `seconds`.
async fn working_in(folder: &Path, seconds: u64) -> Vec<String> {
    for left in (0..=seconds * 10).rev() {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let at = entry.ok()?.path();
            std::fs::read_link(at.join("cwd")).ok().filter(|cwd| cwd == folder)?;
            Some(String::from_utf8_lossy(&std::fs::read(at.join("cmdline")).ok()?).replace('\0', " "))
        });
        let processes: Vec<String> = processes.collect();
        if processes.is_empty() || left == 0 {
            return processes;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Vec::new()
}

/// A hasher that hangs is told in time, nothing of it is left there, also where we go away first, and the next pass goes on.
/// `bin` comes first where the far side looks for programs; `with` makes a transport that gives a hasher up after so long.
pub async fn hanging_hashers_are_told<T: SyncTransport>(
    bin: &Path,
    there: &Path,
    (capture, to, options): (&Capture, &Remote, &PushOptions),
    with: impl Fn(Duration) -> T,
) {
    for hanging in HANGING {
        put_openssl(bin, "exec /usr/bin/openssl \"$@\"");
        let transport = with(Duration::from_secs(2));
        transport.push(capture, to, options).await.unwrap();
        put_openssl(bin, hanging);
        let mut hashes = transport.hashsum(to, options).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(30), hashes.files.next()).await.expect("no end");
        let failure = told.unwrap().unwrap_err().failure;
        assert_eq!(failure.kind, FailureKind::Unknown, "{failure}");
        assert!(failure.to_string().contains("the hasher there does not advance"), "{failure}");
        assert_eq!(working_in(there, 5).await, Vec::<String>::new());
        // Longer than the waiting below, so that only our going away ends it.
        let transport = with(Duration::from_secs(6));
        let hashes = transport.hashsum(to, options).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_ne!(working_in(there, 0).await, Vec::<String>::new(), "nothing hashes");
        drop(hashes);
        assert_eq!(working_in(there, 4).await, Vec::<String>::new());
        put_openssl(bin, "exec /usr/bin/openssl \"$@\"");
        let mut hashes = transport.hashsum(to, options).await.unwrap();
        assert!(hashes.files.next().await.unwrap().is_ok());
    }
}
