//! The directories on the way to a new file, and the times they bear afterwards.

use verisim_core::{DecoyPath, FailureKind, FileMode, FileTimes, FileWrite, OwnerPolicy, Timestamp, place};
use verisim_sys::{Directory, Error, Meta, Root, Staged};

use super::problem::{Outcome, Problem};

/// The set-group-ID bit: what is made in such a directory belongs to its group, and directories inherit the bit.
const SET_GROUP_ID: u32 = 0o2000;

/// The directory that gets a new entry, and what was made on the way to it.
#[derive(Debug)]
pub(super) struct Parent {
    /// The directory itself.
    pub(super) dir: Directory,
    /// Whether everything that was made belongs to whom it should.
    pub(super) owner_set: bool,
    /// What `dir` was before it gains its own entry; `None` if it was made just now.
    before: Option<Meta>,
    /// The way to it from what was there, outermost first.
    steps: Vec<Step>,
}

/// A directory that gained a directory.
#[derive(Debug)]
struct Step {
    holder: Directory,
    /// What it was before; `None` if it was made just now.
    before: Option<Meta>,
    /// What was made in it; `None` where somebody else was faster.
    made: Option<DecoyPath>,
}

impl Parent {
    /// Finds the directory that shall hold `file`, and makes it if that is wanted and it is not there.
    pub(super) fn find_or_make(root: &Root, file: &FileWrite) -> Outcome<Self> {
        let Some(parent) = file.path.parent() else {
            return Err(Problem::new(FailureKind::Denied, "/: the root of a decoy is no file"));
        };
        let dir = match root.directory(&parent) {
            Ok(dir) => dir,
            Err(error) if error.is_absent() && file.make_parents => return Self::make(root, parent, file),
            Err(error) => return Err(Problem::at(&file.path, error)),
        };
        Self::there(dir, &file.path)
    }

    /// A directory that stands already.
    fn there(dir: Directory, path: &DecoyPath) -> Outcome<Self> {
        let before = dir.meta().map_err(|error| Problem::at(path, error))?;
        Ok(Self { dir, owner_set: true, before: Some(before), steps: Vec::new() })
    }

    fn make(root: &Root, parent: DecoyPath, file: &FileWrite) -> Outcome<Self> {
        let mut next = parent.parent();
        let mut missing = vec![parent];
        let dir = loop {
            let Some(path) = next else {
                return Err(Problem::new(FailureKind::NotFound, "/: the decoy's root is not there"));
            };
            match root.directory(&path) {
                Ok(dir) => break dir,
                Err(error) if error.is_absent() => {}
                Err(error) => return Err(Problem::at(&path, error)),
            }
            next = path.parent();
            missing.push(path);
        };
        let mut so_far = Self::there(dir, &file.path)?;
        for path in missing.into_iter().rev() {
            if let Err(problem) = so_far.descend(root, path, file) {
                so_far.undo(file.times);
                return Err(problem);
            }
        }
        Ok(so_far)
    }

    /// Makes one directory and goes into it. It is made under the partial name and appears in one step, with its owner.
    fn descend(&mut self, root: &Root, path: DecoyPath, file: &FileWrite) -> Outcome<()> {
        let failed = |error| Problem::changing(&path)(error);
        let Some(name) = path.file_name() else { return Ok(()) };
        self.dir.require_real().map_err(failed)?;
        let holder = self.dir.meta().map_err(failed)?;
        let partial = file.staging.partial_name();
        let made = match self.dir.make_directory(&partial) {
            Err(error) if error.is_occupied() => {
                Staged::discard_partial(&self.dir, &partial).and_then(|()| self.dir.make_directory(&partial))
            }
            made => made,
        };
        let made = made.map_err(failed)?;
        let dressed = dress(&made, &path, file, &holder)
            .and_then(|owner_set| self.dir.rename(&partial, &self.dir, name).map(|()| owner_set));
        match dressed {
            Ok(owner_set) => {
                self.owner_set &= owner_set;
                self.enter(made, None, Some(path));
                Ok(())
            }
            Err(error) => {
                // Only an empty directory of ours can go this way.
                let _ = self.dir.remove_directory(&partial);
                if !error.is_occupied() {
                    return Err(failed(error));
                }
                let (dir, meta) = passed_by(root, &path)?;
                self.enter(dir, Some(meta), None);
                Ok(())
            }
        }
    }

    fn enter(&mut self, next: Directory, before: Option<Meta>, made: Option<DecoyPath>) {
        let holder = std::mem::replace(&mut self.dir, next);
        let before = std::mem::replace(&mut self.before, before);
        self.steps.push(Step { holder, before, made });
    }

    /// The directories that were made, outermost first.
    pub(super) fn made(&self) -> Vec<DecoyPath> {
        self.steps.iter().filter_map(|step| step.made.clone()).collect()
    }

    /// Lets the directories bear the times they would bear had the entry been made when its times say: one that stood
    /// there its own, unless the entry is newer, and those that were made the entry's.
    pub(super) fn settle_times(&self, times: FileTimes) -> Result<(), Error> {
        let FileTimes::Past { mtime, atime } = times else { return Ok(()) };
        for step in &self.steps {
            set(&step.holder, step.before.as_ref(), mtime, atime)?;
        }
        set(&self.dir, self.before.as_ref(), mtime, atime)
    }

    /// Takes back what was made, after a failure.
    pub(super) fn undo(&self, times: FileTimes) {
        for step in self.steps.iter().rev() {
            if let Some(name) = step.made.as_ref().and_then(DecoyPath::file_name) {
                // It goes only if it is empty: what somebody put there meanwhile stays.
                let _ = step.holder.remove_directory(name);
            }
            if let (FileTimes::Past { .. }, Some(before)) = (times, &step.before) {
                let _ = step.holder.set_times(before.atime, before.mtime);
            }
        }
    }
}

/// Somebody was faster than we, or something that is no directory stands in the way.
fn passed_by(root: &Root, path: &DecoyPath) -> Outcome<(Directory, Meta)> {
    let found = root.directory(path).and_then(|dir| dir.meta().map(|meta| (dir, meta)));
    found.map_err(|error| match error.is_absent() {
        true => {
            let detail = format!("{path}: something stands there that is not a directory");
            Problem::new(FailureKind::Denied, detail)
        }
        false => Problem::changing(path)(error),
    })
}

fn set(dir: &Directory, before: Option<&Meta>, mtime: Timestamp, atime: Timestamp) -> Result<(), Error> {
    match before {
        None => dir.set_times(atime, mtime),
        Some(before) => dir.set_times(before.atime, before.mtime.max(mtime)),
    }
    .map(|_| ())
}

fn dress(made: &Directory, path: &DecoyPath, file: &FileWrite, holder: &Meta) -> Result<bool, Error> {
    let asked = match file.owner {
        OwnerPolicy::Set(owner) => owner,
        OwnerPolicy::Keep => made.meta()?.owner,
    };
    let (mut owner, mut mode) = place::directory(path, asked);
    if holder.mode.bits() & SET_GROUP_ID != 0 {
        // As mkdir does it.
        owner.gid = holder.owner.gid;
        mode = FileMode::new(mode.bits() | SET_GROUP_ID);
    }
    let owner = matches!(file.owner, OwnerPolicy::Set(_)).then_some(owner);
    made.dress(owner, mode)
}
