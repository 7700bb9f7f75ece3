//! What every push does on this side, whoever carries the bytes: the list of what is sent, the journal's subject, the manifest.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use verisim_core::manifest::{Entry, Writer, Written};
use verisim_core::{Digest, Failure, FailureKind, PushOptions, RelPath};

use crate::journal::Subject;
use crate::manifest_file::ManifestFile;
use crate::tree::{Item, Kind};

/// The manifest of what was sent, in the work folder.
pub(crate) const MANIFEST: &str = "manifest.sha256";
/// How many bytes a push lacked at the destination, in the work folder.
pub(crate) const NEEDED: &str = "bytes_needed";

/// The regular files among the entries of a capture.
pub(crate) fn files(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.iter().filter(|item| item.kind == Kind::File)
}

/// The entry of this path, among all of them in their order.
pub(crate) fn find<'a>(items: &'a [Item], path: &RelPath) -> Option<&'a Item> {
    find_at(items, path).and_then(|at| items.get(at))
}

/// Where it stands.
pub(crate) fn find_at(items: &[Item], path: &RelPath) -> Option<usize> {
    items.binary_search_by(|item| item.path.cmp(path)).ok()
}

/// What a push is about: what of `about` differs makes its journal void.
pub(crate) fn subject<'a>(about: &impl Serialize, options: &'a PushOptions) -> io::Result<Subject<'a>> {
    let name = serde_json::to_string(about)?;
    // Without it every start counts as one of the same boot; the verification that follows finds what a crash took.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let (forced, force_all) = (&options.forced, options.force_all);
    Ok(Subject { name, boot: boot.trim().to_owned(), forced, force_all })
}

/// Notes how much room a push needs, for the probe that waits for it; without that note, it tries too soon.
pub(crate) fn note_needed(work_dir: &Path, bytes: u64) {
    let _ = crate::private::write(&work_dir.join(NEEDED), bytes.to_string().as_bytes());
}

/// Notes that a push which failed has sent so many of the bytes that it needed room for: they lie there, and what was told as free
/// before is so much less. Where some of them are lost, the next push notes what it needs anew.
pub(crate) fn note_kept(work_dir: &Path, bytes: u64) {
    let needed = std::fs::read_to_string(work_dir.join(NEEDED)).ok();
    if let Some(needed) = needed.and_then(|text| text.trim().parse::<u64>().ok()) {
        note_needed(work_dir, needed.saturating_sub(bytes));
    }
}

/// Evidence never shrinks in silence: what a finished push has sent must still be here when the capture is sent again.
pub(crate) fn require_what_was_pushed(
    work_dir: &Path,
    items: &[Item],
    operation: &'static str,
) -> Result<(), Failure> {
    let Some(mut pushed) = ManifestFile::open_if_there(&work_dir.join(MANIFEST), operation)? else {
        return Ok(());
    };
    while let Some(entry) = pushed.next()? {
        if find(items, &entry.path).is_none_or(|item| item.kind != Kind::File) {
            let what = format_args!("{} was pushed before and is not in the capture any more", entry.path);
            return Err(Failure::new(FailureKind::SourceVanished, operation, what));
        }
    }
    Ok(())
}

/// Writes the manifest of `items` into the work folder, in one step and durably. `hash` knows that of every file.
pub(crate) fn write_manifest(
    work_dir: &Path,
    items: &[Item],
    hash: impl Fn(&Item) -> Option<Digest>,
) -> io::Result<(PathBuf, Written)> {
    let (path, new) = (work_dir.join(MANIFEST), work_dir.join("manifest.new"));
    let mut out = io::BufWriter::new(crate::private::create(&new)?);
    let mut writer = Writer::new(|line: &[u8]| out.write_all(line));
    for item in files(items) {
        let sha256 = hash(item).ok_or_else(|| io::Error::other("a file is missing in the journal"))?;
        let entry = Entry { path: item.path.clone(), sha256 };
        writer.push(&entry, item.stamp.size).map_err(io::Error::other)?;
    }
    let written = writer.finish();
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&new, &path)?;
    std::fs::File::open(work_dir)?.sync_all()?;
    Ok((path, written))
}
