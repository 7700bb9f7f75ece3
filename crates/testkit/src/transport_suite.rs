//! The conformance suite of the transport port: what every transport promises, whatever carries the bytes.
//! [`transport_conformance!`](crate::transport_conformance) makes a test of each case.
//!
//! A case gets a place where a transport leads to a folder that the case can also see and change from outside, as another
//! process at the destination would.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite for tests fails by panicking")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use verisim_core::manifest::{Parser, Sorted};
use verisim_core::{
    CancellationToken, Capture, CaptureName, DestinationName, Digest, FailureKind, Progress, ProgressSink,
    PushOptions, Pushed, RelPath, Remote, RemoteFile, RootIdentity, SyncTransport, TransportError,
};

pub mod judge;

use crate::hostile_capture::{self, read_tree};

/// Makes a test of every case. `$make` is an expression that gives a new [`TransportFixture`].
#[macro_export]
macro_rules! transport_conformance {
    ($make:expr) => {
        $crate::transport_conformance!(@cases $make;
            defect_01_inv_5_what_was_pushed_is_there_and_hashes_the_same
            defects_04_11_12_inv_7_a_hostile_capture_arrives_whole_and_nothing_else
            defect_11_each_name_that_is_refused_is_named
            inv_7_a_link_planted_at_the_destination_leads_nowhere
            inv_12_what_is_complete_is_not_sent_again
            a_second_push_sends_only_what_changed
            defect_14_what_is_forced_is_sent_again_and_mended
            defect_02_runs_of_one_name_do_not_meet
            defect_02_another_owner_is_refused_with_nothing_changed
            foreign_content_is_refused_with_nothing_changed
            a_folder_inside_another_owners_is_refused
            a_metadata_folder_in_the_capture_is_refused
            another_directory_under_the_same_name_is_refused
            defect_08_damage_shows_in_the_hashes
            a_cancelled_push_says_so
            defect_10_the_seal_comes_last_and_sha256sum_takes_it
            the_record_of_a_run_stands_beside_the_data_and_proves_nothing
            defect_06_progress_ends_where_the_capture_ends
        );
    };
    (@cases $make:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = $make;
            $crate::transport_suite::$case(&fixture).await;
        }
    )*};
}

/// A transport, and its destination seen from outside.
pub struct TransportFixture {
    /// The transport.
    pub transport: Arc<dyn SyncTransport>,
    /// The destination's root, as a directory of this machine.
    pub remote_root: PathBuf,
    /// A folder for captures and work folders.
    pub scratch: tempfile::TempDir,
    /// What must live as long as the transport.
    pub kept: Box<dyn std::any::Any + Send + Sync>,
    /// What the destination cannot have: what is asked of it is that it says so.
    pub lacks: Lacks,
}

/// What a destination cannot have.
#[derive(Clone, Copy)]
pub struct Lacks {
    /// Whether it keeps a file of this path under its own name. Others must be refused by name, with nothing sent.
    pub carries: fn(&[u8]) -> bool,
    /// Whether it has folders: a store of objects has none.
    pub folders: bool,
    /// Whether links can stand there that it would lead through; one that shows none cannot refuse them either.
    pub links: bool,
}

impl Lacks {
    /// It takes everything.
    #[must_use]
    pub fn nothing() -> Self {
        Self { carries: |_| true, folders: true, links: true }
    }
}

/// Remembers the latest progress.
#[derive(Default)]
pub struct LastProgress(Mutex<Progress>);

impl ProgressSink for LastProgress {
    fn report(&self, progress: Progress) {
        *self.0.lock().unwrap() = progress;
    }
}

impl TransportFixture {
    fn source(&self) -> PathBuf {
        self.scratch.path().join("run")
    }

    fn capture(&self) -> Capture {
        let meta = fs::metadata(self.source()).unwrap();
        Capture {
            rule: CaptureName::new("lab").unwrap(),
            relative: Some(RelPath::new("run").unwrap()),
            root: self.source(),
            identity: RootIdentity { device: meta.dev(), inode: meta.ino(), born_ns: None },
            generation: 1,
        }
    }

    fn remote(&self) -> Remote {
        Remote {
            destination: DestinationName::new("vault").unwrap(),
            path: RelPath::new("lab/run").unwrap(),
            owner: "site/lab/run/1".into(),
        }
    }

    fn there(&self) -> PathBuf {
        self.remote_root.join("lab/run")
    }

    fn options(&self) -> PushOptions {
        PushOptions {
            work_dir: self.scratch.path().join("work"),
            forced: Vec::new(),
            force_all: false,
            bandwidth: None,
            progress: Arc::new(LastProgress::default()),
            cancel: CancellationToken::new(),
        }
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (path, content) in files {
            let path = self.source().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    async fn push(&self) -> Result<Pushed, TransportError> {
        self.transport.push(&self.capture(), &self.remote(), &self.options()).await
    }

    async fn hashes(&self) -> BTreeMap<PathBuf, Digest> {
        let mut stream = self.transport.hashsum(&self.remote(), &self.options()).await.unwrap().files;
        let mut out = BTreeMap::new();
        let mut last: Option<RelPath> = None;
        while let Some(next) = stream.next().await {
            match next.unwrap() {
                RemoteFile::Hashed(entry) => {
                    assert!(
                        last.as_ref().is_none_or(|last| *last < entry.path),
                        "not sorted at {}",
                        entry.path
                    );
                    out.insert(PathBuf::from(OsStr::from_bytes(entry.path.as_bytes())), entry.sha256);
                    last = Some(entry.path);
                }
                RemoteFile::Unproved { path, failure } => panic!("{path}: {failure}"),
            }
        }
        out
    }
}

fn digests(tree: &BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<PathBuf, Digest> {
    tree.iter().map(|(path, content)| (path.clone(), Digest::of(content))).collect()
}

fn manifest_of(pushed: &Pushed) -> BTreeMap<PathBuf, Digest> {
    let bytes = fs::read(&pushed.manifest).unwrap();
    assert_eq!(Digest::of(&bytes), pushed.manifest_sha256);
    let mut out = BTreeMap::new();
    let mut parser = Parser::new(Sorted::Required);
    parser
        .feed(&bytes, |entry| {
            out.insert(PathBuf::from(OsStr::from_bytes(entry.path.as_bytes())), entry.sha256);
        })
        .unwrap();
    parser.finish().unwrap();
    out
}

fn kind<T: std::fmt::Debug>(result: Result<T, TransportError>) -> FailureKind {
    result.unwrap_err().failure.kind
}

/// The manifest of what was sent, what stands there seen from outside, and what the transport says stands there are one.
pub async fn defect_01_inv_5_what_was_pushed_is_there_and_hashes_the_same(at: &TransportFixture) {
    at.write(&[("a", "alpha"), ("d/b", ""), ("d/e/c", "gamma")]);
    let pushed = at.push().await.unwrap();
    let expected = read_tree(&at.source());
    assert_eq!(read_tree(&at.there()), expected);
    assert_eq!(manifest_of(&pushed), digests(&expected));
    assert_eq!(at.hashes().await, digests(&expected));
    assert_eq!((pushed.inventory.files, pushed.inventory.bytes), (3, 10));
    assert_eq!(pushed.sent, pushed.inventory);
    let stat = at.transport.stat(&at.remote()).await.unwrap();
    assert!(stat.exists && stat.sealed.is_none());
    assert_eq!(stat.owner.as_deref(), Some("site/lab/run/1"));
}

/// Names in any bytes arrive, or are refused by name; what is no regular file is neither followed nor made; nothing outside is
/// read. Two programs of others that look at both sides agree: `sha256sum -c` and `rclone check`.
pub async fn defects_04_11_12_inv_7_a_hostile_capture_arrives_whole_and_nothing_else(at: &TransportFixture) {
    let mut expected = hostile_capture::make(&at.source());
    let carries = |path: &Path| (at.lacks.carries)(path.as_os_str().as_bytes());
    let bad: Vec<PathBuf> = expected.keys().filter(|path| !carries(path)).cloned().collect();
    if !bad.is_empty() {
        let before = everything(&at.remote_root);
        let refused = at.push().await.unwrap_err().failure;
        assert_eq!(refused.kind, FailureKind::Unsupported, "{refused}");
        let named = |path: &PathBuf| {
            refused.detail.contains(&RelPath::new(path.as_os_str().as_bytes()).unwrap().to_string())
        };
        assert!(bad.iter().any(named), "{refused} names none of {bad:?}");
        assert_eq!(everything(&at.remote_root), before);
        for path in &bad {
            fs::remove_file(at.source().join(path)).unwrap();
            expected.remove(path);
        }
    }
    let pushed = at.push().await.unwrap();
    assert_eq!(read_tree(&at.there()), expected);
    assert_eq!(at.hashes().await, digests(&expected));
    assert_eq!(manifest_of(&pushed), digests(&expected));
    if at.lacks.folders {
        assert!(at.there().join("hollow/inner").is_dir(), "empty directories are made");
    } else {
        assert!(pushed.remarks.iter().any(|remark| remark.contains("empty folders")), "{:?}", pushed.remarks);
    }
    at.transport.seal(&at.remote(), &pushed.manifest).await.unwrap();
    judge::sha256sum(&at.there());
    judge::rclone(&at.source(), &at.there());
    for name in [
        "leads-out",
        "leads-to-a-directory",
        "circle",
        "loop-a",
        "loop-b",
        "broken",
        "sub/up",
        "pipe",
        "socket",
    ] {
        assert!(fs::symlink_metadata(at.there().join(name)).is_err(), "{name} was made");
        assert!(pushed.remarks.iter().any(|remark| remark.starts_with(name)), "{name} is not remarked");
    }
    for (path, content) in read_tree(&at.remote_root) {
        assert!(content != hostile_capture::CANARY, "what lies outside was sent as {}", path.display());
    }
}

/// Each name that a destination cannot keep is refused by itself, too, and by its name; nothing is sent.
pub async fn defect_11_each_name_that_is_refused_is_named(at: &TransportFixture) {
    let before = everything(&at.remote_root);
    for (why, name) in hostile_capture::names() {
        if (at.lacks.carries)(&name) {
            continue;
        }
        let _ = fs::remove_dir_all(at.source());
        let path = at.source().join(OsStr::from_bytes(&name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, why).unwrap();
        at.write(&[("plain", "alpha")]);
        let refused = at.push().await.unwrap_err().failure;
        assert_eq!(refused.kind, FailureKind::Unsupported, "{why}: {refused}");
        let shown = RelPath::new(name.as_slice()).unwrap().to_string();
        assert!(refused.detail.contains(&shown), "{why}: {refused} does not name {shown}");
        assert_eq!(everything(&at.remote_root), before, "{why}");
    }
}

/// Links that somebody at the destination planted, to a directory and to a file, are not written through.
pub async fn inv_7_a_link_planted_at_the_destination_leads_nowhere(at: &TransportFixture) {
    if !at.lacks.links {
        return;
    }
    at.write(&[("a", "alpha"), ("d/b", "beta")]);
    at.push().await.unwrap();
    let outside = at.scratch.path().join("precious");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("b"), "precious").unwrap();
    fs::remove_file(at.there().join("a")).unwrap();
    symlink(outside.join("b"), at.there().join("a")).unwrap();
    let mut options = at.options();
    options.force_all = true;
    // A link in the place of a file is replaced, or refused; never followed.
    let replaced = at.transport.push(&at.capture(), &at.remote(), &options).await;
    if replaced.is_ok() {
        assert_eq!(read_tree(&at.there()), read_tree(&at.source()));
    }
    fs::remove_dir_all(at.there().join("d")).unwrap();
    symlink(&outside, at.there().join("d")).unwrap();
    options.work_dir = at.scratch.path().join("other-work");
    match at.transport.push(&at.capture(), &at.remote(), &options).await {
        Ok(_) => assert_eq!(read_tree(&at.there()), read_tree(&at.source())),
        Err(refused) => assert_eq!(refused.failure.kind, FailureKind::Config),
    }
    assert_eq!(fs::read(outside.join("b")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

/// A push that is repeated with the same work folder sends nothing.
pub async fn inv_12_what_is_complete_is_not_sent_again(at: &TransportFixture) {
    at.write(&[("a", "alpha"), ("d/b", "beta")]);
    let first = at.push().await.unwrap();
    let before = fs::metadata(at.there().join("a")).unwrap();
    let second = at.push().await.unwrap();
    assert_eq!(second.sent.files, 0);
    assert_eq!(second.manifest_sha256, first.manifest_sha256);
    assert_eq!(second.inventory, first.inventory);
    let after = fs::metadata(at.there().join("a")).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec()),
        "it was written again"
    );
}

/// What is new or changed goes; what was pushed once and went away here is a loss, and never taken for granted.
pub async fn a_second_push_sends_only_what_changed(at: &TransportFixture) {
    at.write(&[("a", "alpha"), ("b", "beta"), ("c", "gamma")]);
    at.push().await.unwrap();
    at.write(&[("b", "changed"), ("new", "new")]);
    let second = at.push().await.unwrap();
    assert_eq!(second.sent.files, 2);
    assert_eq!(read_tree(&at.there()), read_tree(&at.source()));
    fs::remove_file(at.source().join("c")).unwrap();
    assert_eq!(kind(at.push().await), FailureKind::SourceVanished);
    assert_eq!(fs::read(at.there().join("c")).unwrap(), b"gamma");
}

/// A file that was damaged there, with its size kept, comes right by being forced.
pub async fn defect_14_what_is_forced_is_sent_again_and_mended(at: &TransportFixture) {
    at.write(&[("a", "alpha"), ("b", "beta")]);
    at.push().await.unwrap();
    // With its time kept too, as a bad sector does it.
    let time = fs::metadata(at.there().join("a")).unwrap().modified().unwrap();
    fs::write(at.there().join("a"), "ALPHA").unwrap();
    fs::File::options().write(true).open(at.there().join("a")).unwrap().set_modified(time).unwrap();
    assert_eq!(at.push().await.unwrap().sent.files, 0, "the journal believes it to be there");
    let mut options = at.options();
    options.forced = vec![RelPath::new("a").unwrap()];
    let mended = at.transport.push(&at.capture(), &at.remote(), &options).await.unwrap();
    assert_eq!(mended.sent.files, 1);
    assert_eq!(read_tree(&at.there()), read_tree(&at.source()));
}

/// Two projects' runs of one name: the folder there is the full path, not its last component.
pub async fn defect_02_runs_of_one_name_do_not_meet(at: &TransportFixture) {
    at.write(&[("a", "alpha")]);
    at.push().await.unwrap();
    at.write(&[("a", "of another project")]);
    let mut other = at.remote();
    other.path = RelPath::new("other/run").unwrap();
    other.owner = "site/other/run/1".into();
    let mut options = at.options();
    options.work_dir = at.scratch.path().join("other-work");
    at.transport.push(&at.capture(), &other, &options).await.unwrap();
    assert_eq!(fs::read(at.there().join("a")).unwrap(), b"alpha");
    assert_eq!(fs::read(at.remote_root.join("other/run/a")).unwrap(), b"of another project");
}

/// A folder with another owner's marker.
pub async fn defect_02_another_owner_is_refused_with_nothing_changed(at: &TransportFixture) {
    at.write(&[("a", "alpha")]);
    at.push().await.unwrap();
    let before = everything(&at.remote_root);
    let mut stranger = at.remote();
    stranger.owner = "another-site/lab/run/1".into();
    let mut options = at.options();
    options.work_dir = at.scratch.path().join("other-work");
    assert_eq!(kind(at.transport.push(&at.capture(), &stranger, &options).await), FailureKind::Config);
    assert_eq!(everything(&at.remote_root), before);
}

/// A folder with content and no marker.
pub async fn foreign_content_is_refused_with_nothing_changed(at: &TransportFixture) {
    at.write(&[("a", "alpha")]);
    fs::create_dir_all(at.there()).unwrap();
    fs::write(at.there().join("thesis.tex"), "years of work").unwrap();
    let before = everything(&at.remote_root);
    assert_eq!(kind(at.push().await), FailureKind::Config);
    assert_eq!(everything(&at.remote_root), before);
}

/// A folder that would become part of another owner's capture.
pub async fn a_folder_inside_another_owners_is_refused(at: &TransportFixture) {
    at.write(&[("a", "alpha")]);
    at.push().await.unwrap();
    let before = everything(&at.remote_root);
    let mut inside = at.remote();
    inside.path = RelPath::new("lab/run/inside").unwrap();
    inside.owner = "site/lab/inside/1".into();
    let mut options = at.options();
    options.work_dir = at.scratch.path().join("other-work");
    assert_eq!(kind(at.transport.push(&at.capture(), &inside, &options).await), FailureKind::Config);
    assert_eq!(everything(&at.remote_root), before);
}

/// The name at the top of a capture is ours; below the top it is anybody's.
pub async fn a_metadata_folder_in_the_capture_is_refused(at: &TransportFixture) {
    at.write(&[("a", "alpha"), (".verisim/owner", "somebody"), (".verisim/hidden", "hidden")]);
    assert_eq!(kind(at.push().await), FailureKind::Config);
    assert!(!at.there().join("a").exists());
}

/// What was found is an identity, not a name.
pub async fn another_directory_under_the_same_name_is_refused(at: &TransportFixture) {
    at.write(&[("a", "alpha")]);
    let capture = at.capture();
    fs::rename(at.source(), at.scratch.path().join("moved")).unwrap();
    at.write(&[("a", "another")]);
    let pushed = at.transport.push(&capture, &at.remote(), &at.options()).await;
    assert_eq!(kind(pushed), FailureKind::SourceVanished);
    fs::remove_dir_all(at.source()).unwrap();
    let pushed = at.transport.push(&capture, &at.remote(), &at.options()).await;
    assert_eq!(kind(pushed), FailureKind::SourceVanished);
}

/// One flipped byte there, and a file that went away there.
pub async fn defect_08_damage_shows_in_the_hashes(at: &TransportFixture) {
    at.write(&[("a", "alpha"), ("b", "beta")]);
    at.push().await.unwrap();
    fs::write(at.there().join("a"), "alphA").unwrap();
    fs::remove_file(at.there().join("b")).unwrap();
    let found = at.hashes().await;
    assert_eq!(found, BTreeMap::from([(PathBuf::from("a"), Digest::of(b"alphA"))]));
}

/// Cancelled before it began.
pub async fn a_cancelled_push_says_so(at: &TransportFixture) {
    at.write(&[("a", "alpha")]);
    let options = at.options();
    options.cancel.cancel();
    let pushed = at.transport.push(&at.capture(), &at.remote(), &options).await;
    assert_eq!(kind(pushed), FailureKind::Cancelled);
}

/// No manifest before the seal; afterwards it is the one that was given, and its names are below the folder.
pub async fn defect_10_the_seal_comes_last_and_sha256sum_takes_it(at: &TransportFixture) {
    let names = ["d/b\\\n", "d/b\\", "d/b"];
    let name = names.into_iter().find(|name| (at.lacks.carries)(name.as_bytes())).unwrap();
    at.write(&[("a", "alpha"), (name, "beta")]);
    let pushed = at.push().await.unwrap();
    let seal = at.there().join(verisim_core::manifest::MANIFEST_PATH);
    assert!(!seal.exists());
    at.transport.seal(&at.remote(), &pushed.manifest).await.unwrap();
    at.transport.seal(&at.remote(), &pushed.manifest).await.unwrap();
    assert_eq!(fs::read(&seal).unwrap(), fs::read(&pushed.manifest).unwrap());
    let stat = at.transport.stat(&at.remote()).await.unwrap();
    assert_eq!(stat.sealed, Some(pushed.manifest_sha256));
    // The metadata folder is no part of what is hashed.
    assert_eq!(at.hashes().await.len(), 2);
}

/// The record is replaced as a whole and is no part of what was pushed.
pub async fn the_record_of_a_run_stands_beside_the_data_and_proves_nothing(at: &TransportFixture) {
    at.write(&[("a", "alpha"), ("d/b", "beta")]);
    let pushed = at.push().await.unwrap();
    let (record, there) =
        (at.scratch.path().join("record"), at.there().join(verisim_core::manifest::LIFECYCLE_PATH));
    for text in ["{\"state\":\"QUEUED\"}\n", "{\"state\":\"QUEUED\"}\n{\"state\":\"VERIFIED\"}\n"] {
        fs::write(&record, text).unwrap();
        at.transport.keep_lifecycle(&at.remote(), &record).await.unwrap();
        assert_eq!(fs::read_to_string(&there).unwrap(), text);
    }
    assert_eq!(at.transport.stat(&at.remote()).await.unwrap().sealed, None);
    assert_eq!(at.hashes().await.len(), 2);
    at.transport.seal(&at.remote(), &pushed.manifest).await.unwrap();
    // A second push leaves it, and sends nothing again.
    assert_eq!(at.push().await.unwrap().sent.files, 0);
    assert_eq!(at.hashes().await.len(), 2);
    let foreign = Remote { owner: "somebody/else".into(), ..at.remote() };
    assert!(at.transport.keep_lifecycle(&foreign, &record).await.is_err());
}

/// The last progress says that everything is done.
pub async fn defect_06_progress_ends_where_the_capture_ends(at: &TransportFixture) {
    at.write(&[("a", "alpha"), ("d/b", "beta")]);
    let sink = Arc::new(LastProgress::default());
    let mut options = at.options();
    options.progress = sink.clone();
    at.transport.push(&at.capture(), &at.remote(), &options).await.unwrap();
    let last = *sink.0.lock().unwrap();
    assert_eq!(last, Progress { files_done: 2, files_total: 2, bytes_done: 9, bytes_total: 9 });
}

/// Every entry below `root`, ours included: for tests that nothing changed.
fn everything(root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut out = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                open.push(path.clone());
            }
            out.push((path.clone(), kind.is_file().then(|| fs::read(&path).unwrap())));
        }
    }
    out.sort();
    out
}
