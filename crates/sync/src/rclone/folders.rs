//! Folders there: that they are real before anything is put into them, and that empty ones are made too.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use verisim_core::{CancellationToken, Failure, FailureKind, RelPath, Remote, TransportError};

use super::call::Call;
use super::far::Far;
use super::push::OPERATION;
use super::there::There;
use crate::errno::{Side, failure};
use crate::explain::ToolOperation;
use crate::tool::Desk;

/// Makes the folders of a capture there. One that is a link, or no folder at all, is refused before anything is put into it: a
/// link is not listed, so the topmost folders that seem to be missing are made first, where they are missing, and then must
/// be there.
pub(super) async fn make(
    far: &Far,
    there: &There,
    (to, work_dir): (&Remote, &Path),
    wanted: &[RelPath],
    cancel: &CancellationToken,
) -> Result<(), TransportError> {
    if !there.has_folders || wanted.is_empty() {
        return Ok(());
    }
    let real = list(far, there, to, cancel).await?;
    let missing: Vec<&RelPath> = wanted.iter().filter(|path| !real.contains(path.as_bytes())).collect();
    let is_topmost = |path: &&&RelPath| match memchr::memrchr(b'/', path.as_bytes()) {
        Some(slash) => real.contains(path.as_bytes().split_at(slash).0),
        None => true,
    };
    let topmost: Vec<&RelPath> = missing.iter().filter(is_topmost).copied().collect();
    if topmost.is_empty() {
        return Ok(());
    }
    create(far, there, (to, work_dir), &topmost, cancel).await?;
    let real = list(far, there, to, cancel).await?;
    if let Some(path) = topmost.iter().find(|path| !real.contains(path.as_bytes())) {
        let what = format_args!(
            "{path} is no folder in {} there, but a link or something else: move it away",
            to.path
        );
        return Err(Failure::new(FailureKind::Config, OPERATION, what).into());
    }
    let rest: Vec<&RelPath> = missing.into_iter().filter(|path| !real.contains(path.as_bytes())).collect();
    create(far, there, (to, work_dir), &rest, cancel).await
}

/// The folders that are there, links excepted.
async fn list(
    far: &Far,
    there: &There,
    to: &Remote,
    cancel: &CancellationToken,
) -> Result<BTreeSet<Vec<u8>>, TransportError> {
    let call = Call::new(["lsf".into(), far.place(to.path.as_bytes())])
        .args(["--recursive", "--dirs-only", "--exclude=/.verisim/**"])
        .args(there.arguments());
    let said = far.rclone.answer(call, (ToolOperation::Fetch, OPERATION), cancel).await?;
    let lines = said.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"/"));
    Ok(lines.map(|name| there.naming.native(name)).collect())
}

/// Makes folders there by copying empty ones.
async fn create(
    far: &Far,
    there: &There,
    (to, work_dir): (&Remote, &Path),
    folders: &[&RelPath],
    cancel: &CancellationToken,
) -> Result<(), TransportError> {
    if folders.is_empty() {
        return Ok(());
    }
    let desk = Desk::new(work_dir, OPERATION)?;
    for path in folders {
        let made = fs::create_dir_all(desk.path().join(OsStr::from_bytes(path.as_bytes())));
        made.map_err(|error| failure(Side::State, OPERATION, "preparing folders", &error))?;
    }
    let call = Call::new(["copy".into(), desk.path().into(), far.place(to.path.as_bytes())])
        .args(["--create-empty-src-dirs"])
        .args(there.arguments());
    far.rclone.carry(call, OPERATION, cancel).await.map(drop)
}
