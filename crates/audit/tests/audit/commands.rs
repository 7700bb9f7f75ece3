//! A way to a decoy that tells neither inodes nor births, but runs commands: what is missing comes from them.

use std::net::SocketAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use verisim_audit::{Options, collect};
use verisim_connect::RootfsConnector;
use verisim_core::{
    ByteRange, Capabilities, Connector, DecoyPath, Digest, DirectoryOutcome, Exec, ExecOutput, Failure,
    FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal, RemoveOutcome, Staging,
    StatRequest, Stream, TimesChange, TimesOutcome, Timestamp, WriteOutcome,
};
use verisim_testkit::VirtualClock;

use crate::root::{Root, now};

/// A folder seen as SFTP shows it, with canned answers of commands.
struct Blurred {
    inner: RootfsConnector,
    answer: Vec<(&'static str, Vec<u8>)>,
    may_run: bool,
    may_list: bool,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Connector for Blurred {
    fn capabilities(&self) -> Capabilities {
        Capabilities { exec: self.may_run, list: self.may_list, ..self.inner.capabilities() }
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        panic!("an audit writes nothing: {files:?}")
    }

    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        self.inner.read(path, range).await
    }

    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure> {
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap();
        let found = self.inner.stat(path, request).await?;
        Ok(found.map(|stat| FileStat {
            mtime: whole(stat.mtime),
            atime: whole(stat.atime),
            ctime: None,
            btime: None,
            inode: None,
            ..stat
        }))
    }

    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure> {
        self.inner.list(dir, limit).await
    }

    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure> {
        panic!("an audit moves nothing: {request:?}")
    }

    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure> {
        panic!("an audit removes nothing: {request:?}")
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        panic!("an audit sets no times: {changes:?}")
    }

    async fn remove_directory(&self, path: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        panic!("an audit removes no directory: {path}")
    }

    async fn settle(&self, path: &DecoyPath, _: Staging, _: &[Digest]) -> Result<Option<Found>, Failure> {
        panic!("an audit settles nothing: {path}")
    }

    async fn exec(&self, command: &Exec) -> Result<ExecOutput, Failure> {
        let program = String::from_utf8(command.argv[0].clone()).unwrap();
        let stdout = self.answer.iter().find(|(name, _)| *name == program).map(|(_, answer)| answer.clone());
        self.asked.lock().unwrap().push(program);
        Ok(ExecOutput { code: Some(0), stdout: stdout.unwrap_or_default().into(), stderr: Bytes::new() })
    }

    async fn dial(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        panic!("an audit connects to nothing: {to}")
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        self.inner.probe().await
    }
}

#[tokio::test]
async fn commands_tell_what_the_way_does_not_and_are_asked_only_where_allowed() {
    let made = Root::good(7).make();
    let at = Timestamp::from_second(now()).unwrap();
    let blurred = |may_run| {
        Blurred {
        inner: RootfsConnector::new(made.path().to_owned(), VirtualClock::new(at)),
        answer: vec![
            ("ps", b"    1     0 /sbin/init\n 77 0 sh -c x\n 78 0 ps -eo pid=,ppid=,args=\n".to_vec()),
            ("stat", b"overlayfs\n".to_vec()),
            ("cat", b"1000.50 99.0\n".to_vec()),
            ("find", b"4711 1700000000.5 1700000001.25 1700000002.125 1700000003 /home/mkeller/.bash_history\0garbage\0".to_vec()),
        ],
        may_run,
        may_list: true,
        asked: Mutex::default(),
    }
    };
    let silent = blurred(false);
    let evidence = collect("x", &silent, at, &Options::default()).await.unwrap();
    assert!(silent.asked.lock().unwrap().is_empty());
    assert!(evidence.processes.is_none() && evidence.entries.iter().all(|entry| entry.stat.btime.is_none()));
    // Nobody can tell from whole seconds what shows nothing else.
    let report = verisim_audit::judge_all(&[evidence]).remove(0);
    assert!(report.findings.iter().all(|finding| finding.tell != 2), "{report:#?}");

    let open = blurred(true);
    let evidence = collect("x", &open, at, &Options::default()).await.unwrap();
    assert_eq!(*open.asked.lock().unwrap(), ["ps", "stat", "cat", "find"]);
    assert_eq!(
        evidence.processes.unwrap().iter().map(|process| process.pid).collect::<Vec<_>>(),
        [1, 77],
        "ours is left out"
    );
    assert_eq!(evidence.host.root_kind.as_deref(), Some("overlayfs"));
    assert_eq!(evidence.host.started.map(|started| started.as_second()), Some(at.as_second() - 1001));
    let told = evidence
        .entries
        .iter()
        .find(|entry| entry.path.as_bytes() == b"/home/mkeller/.bash_history")
        .unwrap();
    assert_eq!(
        (told.stat.inode, told.stat.btime.map(|at| at.as_second())),
        (Some(4711), Some(1_700_000_000))
    );
    assert_ne!(
        told.stat.mtime.as_second(),
        1_700_000_002,
        "a time of another second is another state of the file"
    );
}

#[tokio::test]
async fn a_way_that_lists_nothing_is_refused_before_anything_is_asked() {
    let at = Timestamp::from_second(now()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let inner = RootfsConnector::new(dir.path().to_owned(), VirtualClock::new(at));
    let blind =
        Blurred { inner, answer: Vec::new(), may_run: true, may_list: false, asked: Mutex::default() };
    let failure = collect("x", &blind, at, &Options::default()).await.unwrap_err();
    assert_eq!(failure.kind, verisim_core::FailureKind::Unsupported);
    assert!(failure.detail.contains("over SSH") && blind.asked.lock().unwrap().is_empty());
}
