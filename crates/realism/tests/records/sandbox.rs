//! A decoy that holds a past: as a directory for tools, and as evidence for the auditor.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use verisim_audit::read::{self, Unzipped};
use verisim_audit::{Entry, Evidence, Layout, Looked, NamedHistory, NamedLog};
use verisim_core::{Action, DecoyPath, FileKind, FileMode, FileStat, FileTimes, Owner};
use verisim_realism::{DecoyIndex, Existing, How, PastFile, Records, Settings, Story, World, past};

use crate::common::{decoy, persona};

/// A past of some days on one decoy.
pub(crate) struct Lived {
    pub(crate) world: Arc<World>,
    pub(crate) decoy: DecoyIndex,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) story: Story,
    pub(crate) records: Records,
}

impl Lived {
    pub(crate) fn new(world: &Arc<World>, number: usize, days: i64, until: &str) -> Self {
        Self::on(world, number, days, until, &Existing::default())
    }

    pub(crate) fn on(world: &Arc<World>, number: usize, days: i64, until: &str, existing: &Existing) -> Self {
        let name = &world.decoys().nth(number).unwrap().name;
        let decoy = world.decoy_named(name).unwrap();
        let until: Timestamp = until.parse().unwrap();
        let from = until - SignedDuration::from_hours(24 * days);
        let story = Story::of(world, decoy, until, SignedDuration::from_secs(40));
        let records = verisim_realism::records(world, decoy, existing, from, until, &story);
        Self { world: Arc::clone(world), decoy, from, until, story, records }
    }

    /// The files of people of the same past.
    pub(crate) fn files(&self) -> Vec<PastFile> {
        let days = u32::try_from((self.until.as_second() - self.from.as_second()) / 86_400).unwrap();
        past(&self.world, self.decoy, days, self.until).files
    }

    /// The content of a file of records.
    pub(crate) fn body(&self, path: &str) -> Option<&[u8]> {
        let path = DecoyPath::new(path).unwrap();
        self.records.files.iter().find(|file| file.path == path).map(|file| file.body.as_bytes())
    }

    /// Everything, as the auditor sees it.
    pub(crate) fn evidence(&self) -> Evidence {
        let mut evidence = Evidence::new("lived", self.until, Layout::Host);
        for file in &self.records.files {
            let (mtime, atime) = (file.mtime, file.atime);
            evidence.entries.push(entry(
                &file.path,
                file.body.as_bytes(),
                (file.mode, file.owner),
                (mtime, atime),
            ));
        }
        for file in self.files() {
            let Action::Plant(plant) = &file.action else { continue };
            let FileTimes::Past { mtime, atime } = plant.times else { continue };
            let verisim_core::OwnerPolicy::Set(owner) = plant.owner else { continue };
            evidence.entries.push(entry(
                &plant.path,
                plant.body.as_bytes(),
                (plant.mode, owner),
                (mtime, atime),
            ));
        }
        evidence.accounts = self.body("/etc/passwd").map(read::passwd);
        let wtmp = ["/var/log/wtmp.1", "/var/log/wtmp"].into_iter().filter_map(|path| self.body(path));
        evidence.wtmp = Some(wtmp.flat_map(read::utmp).collect());
        evidence.btmp = self.body("/var/log/btmp").map(read::utmp);
        evidence.lastlog = self.body("/var/log/lastlog").map(read::lastlog);
        for file in &self.records.files {
            let name = String::from_utf8_lossy(file.path.as_bytes()).into_owned();
            if name.starts_with("/var/log/")
                && name.contains(['.', 's'])
                && !name.contains("tmp")
                && !name.contains("lastlog")
            {
                let log = Some(read::log(&plain(&name, file.body.as_bytes()), file.mtime, self.zone()));
                evidence.logs.push(NamedLog {
                    path: file.path.clone(),
                    mtime: file.mtime,
                    log,
                    is_cut: false,
                });
            }
            if name.ends_with(".bash_history") {
                let history = read::history(file.body.as_bytes());
                evidence.histories.push(NamedHistory { path: file.path.clone(), history });
            }
        }
        evidence
    }

    pub(crate) fn zone(&self) -> &str {
        self.world.decoy(self.decoy).unwrap().time_zone.name()
    }

    /// A directory with all of it.
    pub(crate) fn unpack(&self) -> Sandbox {
        let sandbox = Sandbox(tempfile::tempdir().unwrap());
        for file in &self.records.files {
            assert_ne!(file.how, How::AppendTo, "{}: nothing was there", file.path);
            sandbox.write(&file.path, file.body.as_bytes());
        }
        sandbox
    }
}

/// One decoy in a zone, with people of several.
pub(crate) fn in_zone(zone: &str, seed: u64, people: usize) -> Arc<World> {
    let mut decoy = decoy(0, 0..people);
    decoy.time_zone = zone.parse().unwrap();
    Arc::new(World::new(seed, (0..people).map(persona).collect(), vec![decoy], Settings::default()).unwrap())
}

/// What is in a log, unzipped by its name.
pub(crate) fn plain(name: &str, body: &[u8]) -> Vec<u8> {
    if !name.ends_with(".gz") {
        return body.to_vec();
    }
    match read::gunzip(body, 64 << 20) {
        Unzipped::Whole(body) => body,
        other => panic!("{name}: {other:?}"),
    }
}

fn entry(
    path: &DecoyPath,
    body: &[u8],
    (mode, owner): (FileMode, Owner),
    (mtime, atime): (Timestamp, Timestamp),
) -> Entry {
    assert!(atime >= mtime, "{path}");
    let stat = FileStat {
        kind: FileKind::Regular,
        size: body.len() as u64,
        mode,
        owner,
        inode: None,
        links: None,
        mtime,
        atime,
        ctime: None,
        btime: None,
        sha256: None,
    };
    Entry { path: path.clone(), stat, looked: Looked::default() }
}

/// The root of a decoy.
pub(crate) struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &DecoyPath, body: &[u8]) {
        let path = self.path(std::str::from_utf8(path.as_bytes()).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }
}

/// What is there, from a list of paths and contents.
pub(crate) fn existing(files: &[(&str, &[u8])], mtime: &str) -> Existing {
    let files: BTreeMap<DecoyPath, verisim_realism::ExistingFile> = files
        .iter()
        .map(|(path, body)| {
            let file = verisim_realism::ExistingFile {
                body: body.to_vec().into(),
                is_whole: true,
                mtime: mtime.parse().unwrap(),
                mode: FileMode::new(0o644),
                owner: Owner::ROOT,
            };
            (DecoyPath::new(path).unwrap(), file)
        })
        .collect();
    Existing { files, ..Existing::default() }
}
