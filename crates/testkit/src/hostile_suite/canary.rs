//! A tree outside of the decoy, watched by the kernel.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// What a canary file holds; nothing that a connector answers may hold it.
pub(super) const SECRET: &[u8] = b"a secret of the host";

/// Files outside of the root, and everything that happened to them.
#[derive(Debug)]
pub struct Canary {
    dir: PathBuf,
    watch: OwnedFd,
    before: Vec<Seen>,
}

type Seen = (PathBuf, u64, u64, i64, i64, i64, i64, i64, i64, u32, u32);

impl Canary {
    /// Makes the tree under `outside` and begins to watch it.
    #[must_use]
    pub fn new(outside: &Path) -> Self {
        let dir = outside.join("canary");
        fs::create_dir_all(dir.join("etc/sub")).unwrap();
        for name in ["a", "secret", "etc/a", "etc/secret", "etc/sub/a"] {
            fs::write(dir.join(name), SECRET).unwrap();
        }
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        let events = WatchFlags::ACCESS
            | WatchFlags::OPEN
            | WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        let before = seen(&dir);
        for (at, ..) in &before {
            inotify::add_watch(&watch, at, events).unwrap();
        }
        Self { dir, watch, before }
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Fails the test if anything in the tree was opened, read or changed.
    pub fn assert_untouched(&self, what: &str) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.watch, &mut buffer);
        match reader.next() {
            Err(rustix::io::Errno::AGAIN) => {}
            Ok(event) => panic!(
                "{what}: the canary was touched: {:?} {:?}{}",
                event.events(),
                event.file_name(),
                if event.events().contains(ReadFlags::QUEUE_OVERFLOW) { ", many times" } else { "" }
            ),
            Err(error) => panic!("the watch broke: {error}"),
        }
        assert_eq!(seen(&self.dir), self.before, "{what}: the canary changed");
    }
}

/// Everything a stat tells of the tree, without opening any file of it; the directories were read before the watch began,
/// and their entries are known.
fn seen(dir: &Path) -> Vec<Seen> {
    ["", "a", "secret", "etc", "etc/a", "etc/secret", "etc/sub", "etc/sub/a"]
        .into_iter()
        .map(|name| {
            let at = if name.is_empty() { dir.to_path_buf() } else { dir.join(name) };
            let meta = fs::symlink_metadata(&at).unwrap();
            let times = (meta.atime(), meta.atime_nsec(), meta.mtime(), meta.mtime_nsec());
            let changed = (meta.ctime(), meta.ctime_nsec());
            (
                at,
                meta.ino(),
                meta.size(),
                times.0,
                times.1,
                times.2,
                times.3,
                changed.0,
                changed.1,
                meta.mode(),
                meta.uid(),
            )
        })
        .collect()
}
