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
