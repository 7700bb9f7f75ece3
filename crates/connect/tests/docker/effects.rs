//! What is done to a decoy while something breaks, what may be there afterwards, and how it is made good.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verisim_connect::{DockerConnector, Reach};
use verisim_core::{
    Action, Body, ByteCount, ByteRange, Connector as _, Decoy, DecoyName, Digest, Effect, Failure, Fate,
    FileClass, FileMode, FileTimes, FileWrite, Intended, JobId, Owner, OwnerPolicy, PlantFile, StatRequest,
    Task, WriteMode, WriteOutcome,
};
use verisim_drivers::{Connectors, FileDriver};
use verisim_testkit::decoy_under_test::{answer, new_file, path, replacement, staging, write_one};

/// What stands there before an edit.
pub(crate) const OLD: &[u8] = b"what stood there before\n";
/// Larger than what the engine writes at once, so that it can be torn.
const FILE_BYTES: usize = 300_000;
/// Whose everything is.
const OWNER: Owner = Owner { uid: 1234, gid: 1234 };
const MODE: u32 = 0o640;

/// The content of every file that is written or read.
pub(crate) fn body() -> Vec<u8> {
    (0..FILE_BYTES).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Plant,
    Edit,
    Read,
    Dial,
}

pub(crate) const DEEDS: [Deed; 4] = [Deed::Plant, Deed::Edit, Deed::Read, Deed::Dial];

/// One deed, on one path.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) deed: Deed,
    pub(crate) at: String,
    /// Who is dialled.
    pub(crate) to: SocketAddr,
}

impl Trial {
    /// Its place on this machine.
    fn on_host(&self, root: &Path) -> PathBuf {
        root.join(self.at.trim_start_matches('/'))
    }

    /// Puts there what the deed begins with.
    pub(crate) fn prepare(&self, root: &Path) {
        let content = match self.deed {
            Deed::Edit => OLD.to_vec(),
            Deed::Read => body(),
            Deed::Plant | Deed::Dial => return,
        };
        let at = self.on_host(root);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, content).unwrap();
        fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(MODE)).unwrap();
        chown(&at, Some(OWNER.uid), Some(OWNER.gid)).unwrap();
    }

    /// Does it. What is answered must be true.
    pub(crate) async fn act(&self, connector: &DockerConnector) -> Result<(), Failure> {
        let write = match self.deed {
            Deed::Plant => self.plant(),
            Deed::Edit => replacement(&self.at, OLD, body()),
            Deed::Read => {
                let range = ByteRange::first(ByteCount(1_000_000));
                let read = answer(connector.read(&path(&self.at), range)).await?;
                assert_eq!(read.len(), FILE_BYTES);
                return Ok(());
            }
            Deed::Dial => return answer(connector.dial(self.to)).await.map(drop),
        };
        match write_one(connector, write).await? {
            WriteOutcome::Written(written) => assert_eq!(written.sha256, Digest::of(&body())),
            WriteOutcome::Foreign(found) => panic!("{self:?}: nobody else was there: {found:?}"),
        }
        Ok(())
    }

    fn plant(&self) -> FileWrite {
        let owner = OwnerPolicy::Set(OWNER);
        FileWrite { owner, mode: Some(FileMode::new(MODE)), ..new_file(&self.at, body()) }
    }

    /// Checks what is there against what was said of it. Answers whether it is torn.
    pub(crate) fn judge(&self, what: &str, root: &Path, effect: Effect, is_atomic: bool) -> bool {
        let there = fs::read(self.on_host(root)).ok();
        let before = match self.deed {
            Deed::Plant => None,
            Deed::Edit => Some(OLD.to_vec()),
            Deed::Read => return assert_same(what, there, body(), effect),
            Deed::Dial => return false,
        };
        let is_old = there == before;
        let is_new = there.as_deref() == Some(&body()[..]);
        match effect {
            Effect::NotApplied => assert!(is_old, "{what}: something was written"),
            Effect::Applied => assert!(is_new, "{what}: it is not there"),
            Effect::Unknown if is_atomic => assert!(is_old || is_new, "{what}: it is torn"),
            Effect::Unknown => {
                let begins = there.as_ref().is_none_or(|there| body().starts_with(there));
                assert!(is_old || begins, "{what}: it is something else altogether");
            }
        }
        !is_old && !is_new
    }

    /// Makes it good, as the failure allows: what is of unknown fate is looked at first. Then all must be as it was meant.
    pub(crate) async fn make_good(&self, connector: &DockerConnector, root: &Path, effect: Effect) {
        match self.deed {
            Deed::Plant => plant_again(connector.clone(), &self.at, body(), effect).await,
            Deed::Edit if effect != Effect::NotApplied => self.edit_again(connector).await,
            _ => self.act(connector).await.unwrap(),
        }
        if let Deed::Plant | Deed::Edit = self.deed {
            let at = self.on_host(root);
            assert_eq!(fs::read(&at).unwrap(), body(), "{self:?}: it is not whole");
            let meta = fs::metadata(&at).unwrap();
            let got = (meta.mode() & 0o7777, meta.uid(), meta.gid());
            assert_eq!(got, (MODE, OWNER.uid, OWNER.gid), "{self:?}: it is not as it should be");
            let beside = fs::read_dir(at.parent().unwrap()).unwrap().count();
            assert_eq!(beside, 1, "{self:?}: something was left beside it");
        }
    }

    /// An edit of unknown fate: leftovers go, and then what stands there decides.
    async fn edit_again(&self, connector: &DockerConnector) {
        let (at, new) = (path(&self.at), Digest::of(&body()));
        let foreign = answer(connector.settle(&at, staging(1), &[new, Digest::of(OLD)])).await.unwrap();
        assert_eq!(foreign, None);
        let hash = StatRequest::Hash(ByteCount(1_000_000));
        let how = match answer(connector.stat(&at, hash)).await.unwrap().map(|stat| stat.sha256.unwrap()) {
            Some(sha256) if sha256 == new && connector.reach() == Reach::Fast => return,
            Some(sha256) => WriteMode::Replace { expected: sha256 },
            None => WriteMode::Create,
        };
        let write = FileWrite { how, ..self.plant() };
        let outcome = write_one(connector, write).await.unwrap();
        assert!(matches!(outcome, WriteOutcome::Written(_)), "{self:?}: {outcome:?}");
    }
}

fn assert_same(what: &str, there: Option<Vec<u8>>, content: Vec<u8>, effect: Effect) -> bool {
    assert_eq!((there, effect), (Some(content), Effect::NotApplied), "{what}: reading changes nothing");
    false
}

/// What the engine of Verisim does after a failure: probes where it must, and tries again where nothing happened.
pub(crate) async fn plant_again(connector: DockerConnector, at: &str, body: Vec<u8>, effect: Effect) {
    let connectors = Connectors::new();
    let name = DecoyName::new("d").unwrap();
    connectors.insert(name.clone(), Arc::new(connector));
    let driver = FileDriver::new(connectors);
    let sha256 = Digest::of(&body);
    let plant = PlantFile {
        path: path(at),
        body: Body::from(body),
        class: FileClass::Manual,
        mode: FileMode::new(MODE),
        owner: OwnerPolicy::Set(OWNER),
        times: FileTimes::Live,
    };
    let task = Task {
        job: JobId(1),
        decoy: Arc::new(Decoy { name, services: Vec::new(), role: String::new(), address: None }),
        action: Arc::new(Action::Plant(plant)),
        known: None,
        staging: staging(1),
    };
    use verisim_core::ActivityDriver as _;
    let fate = match effect {
        Effect::NotApplied => Fate::NotApplied,
        _ => answer(driver.probe(&task, &Intended::Create { sha256 })).await.unwrap(),
    };
    match fate {
        Fate::Applied(_) => {}
        Fate::NotApplied => {
            let prepared = answer(driver.prepare(vec![task])).await.remove(0).unwrap();
            answer(driver.run(&[prepared])).await.remove(0).unwrap();
        }
        fate @ (Fate::Tampered(_) | Fate::Unknowable) => panic!("{at}: {fate:?}"),
    }
}
