//! A capture below a scratch folder, where it goes, and a file system of a test's own.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use verisim_core::{
    CancellationToken, Capture, CaptureName, DestinationName, PushOptions, RelPath, Remote, RootIdentity,
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
pub const HANGING: [&str; 2] = [
    "[ $# -gt 3 ] || exec /usr/bin/openssl \"$@\"\nexec sleep 600",
    "[ $# -gt 3 ] || exec /usr/bin/openssl \"$@\"\nsleep 600\nexit 1",
];

/// Puts an `openssl` of this text into the folder.
pub fn put_openssl(bin: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(bin).unwrap();
    // A new file: the old one may still be run.
    let _ = std::fs::remove_file(bin.join("openssl"));
    std::fs::write(bin.join("openssl"), format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(bin.join("openssl"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The processes that work in a folder; after a time in which there are none, or `seconds`.
pub async fn working_in(folder: &Path, seconds: u64) -> Vec<String> {
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
