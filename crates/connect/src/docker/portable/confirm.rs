//! Reading back what was sent (INV-5).

use std::collections::{BTreeMap, HashMap};

use verisim_core::{DecoyPath, Digest, Failure, FileKind};

use super::archive::EntryHead;
use super::look::Look;
use super::plan::Parcel;
use crate::rooted::FILE_BYTES_MAX;

/// How much of a directory's archive is received for the sake of our files in it, beyond what they have themselves: what
/// else stands there comes along.
const STRANGE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// And for each of our files: the engine begins a process for each that is fetched by itself, 50 ms in which a network
/// carries about as much.
const STRANGE_BYTES_PER_FILE_MAX: u64 = 1024 * 1024;
/// From how many files in one directory on its archive is fetched instead of theirs.
const TOGETHER_MIN: usize = 2;

/// What was read back under a name.
#[derive(Debug, Clone)]
pub(super) struct Back {
    pub(super) head: EntryHead,
    /// The hash of a regular file of a bearable size.
    pub(super) sha256: Option<Digest>,
}

/// Reads back files by their paths without links; one that is not in the answer is not there. `sizes` is what each should
/// have.
pub(super) async fn read_back(
    look: &Look<'_>,
    sent: &[(&Parcel, u64)],
) -> Result<HashMap<DecoyPath, Back>, Failure> {
    let mut by_directory: BTreeMap<DecoyPath, Vec<(&Parcel, u64)>> = BTreeMap::new();
    for (parcel, size) in sent {
        let dir = parcel.real.parent().unwrap_or_else(DecoyPath::root);
        by_directory.entry(dir).or_default().push((parcel, *size));
    }
    let mut back = HashMap::with_capacity(sent.len());
    for (dir, parcels) in by_directory {
        if parcels.len() >= TOGETHER_MIN && dir.file_name().is_some() {
            together(look, &dir, &parcels, &mut back).await?;
        }
        for (parcel, _) in parcels {
            if !back.contains_key(&parcel.real)
                && let Some((mut archive, head)) = look.fetch(&parcel.real).await?
            {
                let sha256 = match head.kind {
                    FileKind::Regular if head.size <= FILE_BYTES_MAX.0 => {
                        let hashed = archive.hash(0).await;
                        Some(hashed.map_err(|broken| look.broken(&parcel.real, broken))?.0)
                    }
                    _ => None,
                };
                back.insert(parcel.real.clone(), Back { head, sha256 });
            }
        }
    }
    Ok(back)
}

/// Takes what it finds of ours out of the archive of their directory, as far as that is bearable: what is not found is
/// looked for by itself. So an archive that cannot be made sense of half-way is no failure here.
async fn together(
    look: &Look<'_>,
    dir: &DecoyPath,
    parcels: &[(&Parcel, u64)],
    back: &mut HashMap<DecoyPath, Back>,
) -> Result<(), Failure> {
    let Some((mut archive, top)) = look.fetch(dir).await? else { return Ok(()) };
    let mut wanted: HashMap<Vec<u8>, (&Parcel, u64)> = HashMap::new();
    let mut room = STRANGE_BYTES_MAX;
    for (parcel, size) in parcels {
        let name = parcel.real.file_name().unwrap_or_default();
        wanted.insert([&top.name, b"/".as_slice(), name].concat(), (*parcel, *size));
        room = room.saturating_add(*size).saturating_add(1024 + STRANGE_BYTES_PER_FILE_MAX);
    }
    while !wanted.is_empty() {
        let Ok(Some(head)) = archive.next().await else { return Ok(()) };
        // Every entry costs its header, and a content that is passed over costs its length.
        let Some(left) = room.checked_sub(head.size.saturating_add(512)) else { return Ok(()) };
        room = left;
        if head.is_second_name {
            continue;
        }
        if let Some((parcel, _)) = wanted.remove(&head.name) {
            let sha256 = match head.kind {
                FileKind::Regular => match archive.hash(0).await {
                    Ok((digest, _)) => Some(digest),
                    Err(_) => return Ok(()),
                },
                _ => None,
            };
            back.insert(parcel.real.clone(), Back { head, sha256 });
        }
    }
    Ok(())
}
