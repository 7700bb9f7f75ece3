//! What a capture holds besides regular files, and what was done with it.
//!
//! Nothing is followed, opened or made again but directories: links, pipes, sockets and devices are put on a list that
//! stands beside the manifest, so that what was there can be told, and cannot act.

use std::collections::{HashMap, HashSet};

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
                special.kind = kind;
                format!("{}: a {}; listed, not opened", item.path, kind.replace('_', " "))
            }
            Kind::File => {
                if item.links {
                    special.same_as = first_names.get(&item.stamp.inode).copied();
                    first_names.entry(item.stamp.inode).or_insert(&item.path);
                }
                special.mode = (item.mode & 0o7000 != 0).then(|| format!("{:04o}", item.mode));
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
