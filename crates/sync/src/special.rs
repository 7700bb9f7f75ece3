//! What a capture holds besides regular files, and what was done with it.
//!
//! Nothing is followed, opened or made again but directories: links, pipes, sockets and devices are put on a list that
//! stands beside the manifest, so that what was there can be told, and cannot act.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead as _, Read, Write as _};
use std::path::Path;

use serde::Serialize;
use verisim_core::{Body, RelPath};

use crate::tree::{Item, Kind, Root};

/// The most remarks that are kept for people; the list itself is complete.
const REMARKS_MAX: usize = 100;

/// One line of the list.
#[derive(Debug, Serialize)]
struct Special<'a> {
    path: &'a RelPath,
    kind: &'static str,
    /// Where a symlink leads, as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Body>,
    /// The first name of a file with several; each is stored as a file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<&'a RelPath>,
    /// Permission bits that storage does not keep, in octal.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
}

/// The list as JSON lines, and its beginning for people.
pub(crate) fn list(source: &Root, items: &[Item]) -> std::io::Result<(Vec<u8>, Vec<String>)> {
    let mut first_names: HashMap<u64, &RelPath> = HashMap::new();
    let mut out = Vec::new();
    let mut remarks = Vec::new();
    let mut omitted = 0_usize;
    for item in items {
        let mut special = Special { path: &item.path, kind: "", target: None, same_as: None, mode: None };
        let remark = match item.kind {
            Kind::Directory => continue,
            Kind::Symlink => {
                special.kind = "symlink";
                special.target = Some(target(source, &item.path)?);
                format!("{}: a symlink; listed, not followed", item.path)
            }
            Kind::Other(kind) => {
                special.kind = kind.name();
                format!("{}: a {}; listed, not opened", item.path, kind.name().replace('_', " "))
            }
            Kind::File => {
                if item.has_links() {
                    special.same_as = first_names.get(&{ item.stamp.inode }).copied();
                    first_names.entry(item.stamp.inode).or_insert(&item.path);
                }
                special.mode = (item.mode() & 0o7000 != 0).then(|| format!("{:04o}", item.mode()));
                match (special.same_as, &special.mode) {
                    (None, None) => continue,
                    (Some(first), _) => {
                        special.kind = "hard_link";
                        format!("{}: another name of {first}; stored as a file of its own", item.path)
                    }
                    (None, Some(mode)) => {
                        special.kind = "set_id";
                        format!("{}: mode {mode}; stored without its set-id and sticky bits", item.path)
                    }
                }
            }
        };
        if remarks.len() < REMARKS_MAX {
            remarks.push(remark);
        } else {
            omitted += 1;
        }
        serde_json::to_writer(&mut out, &special)?;
        out.push(b'\n');
    }
    if omitted > 0 {
        remarks.push(format!("and {omitted} more; see special.jsonl"));
    }
    Ok((out, remarks))
}

/// Where the work folder keeps what there was beside files when they were sent: in the order of paths, a JSON string each.
const BESIDE: &str = "beside";
/// Two paths, each byte as an escape.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A folder, a link or a special file of a capture as a line; `None` for a file.
fn line(source: &Root, item: &Item) -> io::Result<Option<Vec<u8>>> {
    let (kind, target) = match item.kind {
        Kind::File => return Ok(None),
        Kind::Directory => ("directory", None),
        Kind::Symlink => ("symlink", Some(target(source, &item.path)?)),
        Kind::Other(kind) => (kind.name(), None),
    };
    let mut line = serde_json::to_vec(&(&item.path, kind, target))?;
    line.push(b'\n');
    Ok(Some(line))
}

/// Notes what there is beside files, as it is sent.
pub(crate) fn note(work_dir: &Path, source: &Root, items: &[Item]) -> io::Result<()> {
    let mut out = io::BufWriter::new(crate::private::create(&work_dir.join(BESIDE))?);
    for item in items {
        if let Some(line) = line(source, item)? {
            out.write_all(&line)?;
        }
    }
    out.flush()
}

/// Whether there are folders, links or special files that came or changed since they were noted. What went away is none, and
/// where nothing was noted, nobody knows.
pub(crate) fn has_more(work_dir: &Path, source: &Root, items: &[Item]) -> io::Result<bool> {
    let mut noted = match std::fs::File::open(work_dir.join(BESIDE)) {
        Ok(noted) => io::BufReader::new(noted),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut old = Vec::new();
    for item in items {
        let Some(now) = line(source, item)? else { continue };
        // Both are in the order of paths: what is not among the rest was not noted.
        loop {
            old.clear();
            if Read::take(&mut noted, LINE_BYTES_MAX).read_until(b'\n', &mut old)? == 0 {
                return Ok(true);
            }
            if old == now {
                break;
            }
        }
    }
    Ok(false)
}

fn target(source: &Root, path: &RelPath) -> std::io::Result<Body> {
    let (parent, name) = source.parent_of(path)?;
    let target = rustix::fs::readlinkat(&parent, name, Vec::new())?;
    Ok(Body::from(target.into_bytes()))
}
/// What is said of folders with nothing in them, where the destination has none.
pub(crate) fn remark_on_folders(items: &[Item]) -> Option<String> {
    let parent = |path: &RelPath| {
        memchr::memrchr(b'/', path.as_bytes()).map(|slash| path.as_bytes().split_at(slash).0.to_vec())
    };
    let parents: HashSet<Vec<u8>> = items.iter().filter_map(|item| parent(&item.path)).collect();
    let hollow = |item: &&Item| item.kind == Kind::Directory && !parents.contains(item.path.as_bytes());
    let count = items.iter().filter(hollow).count();
    (count > 0).then(|| format!("{count} empty folders are not stored: this remote has none"))
}
