//! Where nothing but rsync may be run: markers are fetched and sent as files.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use verisim_core::manifest::{MANIFEST_PATH, METADATA_DIR};
use verisim_core::{CancellationToken, Digest, Failure, FailureKind, RelPath, Remote, TransportError};
use verisim_sys::{HeadTail, Ran};

use super::far::{Far, Rsync, Way, content_of};
use crate::errno::{Side, failure};
use crate::explain::{Tool, ToolOperation};
use crate::identity::MARKER;
use crate::native::folder;
use crate::shell::absent;
use crate::tool::{Desk, Look, ended, on_desk, shown, write_list};
use crate::tree::Root;

/// How much of a listing of one folder is looked at.
const LISTING_BYTES: usize = 64 << 10;
/// Characters that a wrapper around rsync takes for patterns.
const PATTERNS: &[u8] = b"*?[]{}\\";

/// Fails where the wrapper there would take the path for something else.
pub(super) fn require_plain(path: &RelPath, operation: &'static str) -> Result<(), Failure> {
    if path.as_bytes().iter().any(|byte| PATTERNS.contains(byte)) {
        let what = format_args!(
            "{path} has one of the characters * ? [ ] {{ }} \\, which an account that runs rsync alone takes for a pattern: \
             allow commands there, or rename it"
        );
        return Err(Failure::new(FailureKind::Config, operation, what));
    }
    Ok(())
}

fn state(operation: &'static str, what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| failure(Side::State, operation, what, &error)
}

/// Fetches these paths, as far as they are there, into the desk. Links come as links.
pub(super) async fn fetch(
    far: &Far,
    way: &Way,
    desk: &Desk,
    (paths, rate): (&[Vec<u8>], Option<u64>),
    operation: &'static str,
    cancel: &CancellationToken,
) -> Result<(), TransportError> {
    let list = desk.path().with_extension("list");
    let opened = write_list(&list, paths.iter().map(Vec::as_slice));
    let _ = fs::remove_file(&list);
    let opened = opened.map_err(state(operation, "writing a list"))?;
    let mut arguments: Vec<OsString> =
        ["--from0", "--files-from=-", "--dirs", "--links", "--ignore-missing-args", "--no-implied-dirs"]
            .map(OsString::from)
            .into();
    arguments.extend(rate.map(|rate| OsString::from(format!("--bwlimit={}", (rate / 1024).max(1)))));
    let places = vec![far.place(b""), content_of(desk.path())];
    let rsync = Rsync { arguments, places, folder: None, list: Some(opened), largest_bytes: 0 };
    let mut said = HeadTail::new(LISTING_BYTES);
    let ran = far.rsync(way, rsync, &mut said, cancel).await?;
    fetched(far, &ran, operation)
}

/// What a run that fetches came to. A root that is not there is a destination that is away.
fn fetched(far: &Far, ran: &Ran, operation: &'static str) -> Result<(), TransportError> {
    match ended(ran, Tool::Rsync, ToolOperation::Fetch, operation, None) {
        Err(error) if error.failure.kind == FailureKind::NotFound => {
            Err(TransportError { failure: absent(far, operation), output: error.output })
        }
        done => done.map(drop),
    }
}

fn below(path: &[u8], name: &str) -> Vec<u8> {
    [path, b"/", name.as_bytes()].concat()
}

/// Whose the folder is.
pub(super) async fn look(
    far: &Far,
    at: &Remote,
    operation: &'static str,
    cancel: &CancellationToken,
) -> Result<Look, TransportError> {
    require_plain(&at.path, operation)?;
    let desk = Desk::new(&far.options.scratch, operation)?;
    let bytes = at.path.as_bytes();
    let mut folders: Vec<&[u8]> = Vec::new();
    folders.extend(
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| bytes.split_at(at).0),
    );
    let mut paths = vec![MARKER.as_bytes().to_vec()];
    for folder in folders.iter().chain(std::iter::once(&bytes)) {
        paths.extend([folder.to_vec(), below(folder, folder::OWNER)]);
    }
    paths.push(below(bytes, MANIFEST_PATH));
    fetch(far, &Way::Bare, &desk, (&paths, None), operation, cancel).await?;
    let mut look = on_desk(&desk, bytes, &folders).map_err(state(operation, "reading what was fetched"))?;
    if look.exists && look.owner.is_none() {
        look.has_content = has_content(far, at, operation, cancel).await?;
    }
    Ok(look)
}

/// Whether anything but our own folder stands in the folder there.
async fn has_content(
    far: &Far,
    at: &Remote,
    operation: &'static str,
    cancel: &CancellationToken,
) -> Result<bool, TransportError> {
    let arguments = ["--dirs", "--list-only", "--no-human-readable"].map(OsString::from).into();
    let place = far.place(&[at.path.as_bytes(), b"/"].concat());
    let rsync = Rsync { arguments, places: vec![place], folder: None, list: None, largest_bytes: 0 };
    let mut said = HeadTail::new(LISTING_BYTES);
    let ran = far.rsync(&Way::Bare, rsync, &mut said, cancel).await?;
    fetched(far, &ran, operation)?;
    let (head, _, omitted) = said.finish();
    let names = head.split(|byte| *byte == b'\n').filter_map(|line| listed(line).map(|(_, _, name)| name));
    Ok(omitted > 0 || names.into_iter().any(|name| name != b"." && name != METADATA_DIR.as_bytes()))
}

/// A line of `--list-only`: what it is, its size, and its name as rsync shows it.
pub(super) fn listed(line: &[u8]) -> Option<(u8, u64, &[u8])> {
    let kind = *line.first()?;
    let mut rest = line;
    let mut words = Vec::with_capacity(4);
    for _ in 0..4 {
        rest = rest.trim_ascii_start();
        let end = memchr::memchr(b' ', rest)?;
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    let digits: Vec<u8> = words.get(1)?.iter().copied().filter(u8::is_ascii_digit).collect();
    let size = std::str::from_utf8(&digits).ok()?.parse().ok()?;
    // One blank, and then the name, whatever it begins with.
    Some((kind, size, rest.strip_prefix(b" ")?))
}

/// The hash of the sealed manifest, fetched.
pub(super) async fn sealed(
    far: &Far,
    way: &Way,
    at: &Remote,
    operation: &'static str,
    cancel: &CancellationToken,
) -> Result<Option<Digest>, TransportError> {
    let desk = Desk::new(&far.options.scratch, operation)?;
    let path = below(at.path.as_bytes(), MANIFEST_PATH);
    fetch(far, way, &desk, (&[path], None), operation, cancel).await?;
    let lost = state(operation, "reading what was fetched");
    match Root::open(desk.path()).map_err(&lost)?.descend(at.path.as_bytes()) {
        Ok(fetched) => Ok(folder::sealed(&fetched).map_err(&lost)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(lost(error).into()),
    }
}

/// Makes the folder, with its marker, and the destination's marker. What is there is not replaced.
pub(super) async fn claim(
    far: &Far,
    to: &Remote,
    fresh: &str,
    cancel: &CancellationToken,
) -> Result<(), TransportError> {
    const OPERATION: &str = "rsync_ssh.push";
    let desk = Desk::new(&far.options.scratch, OPERATION)?;
    let at = desk.path().join(std::ffi::OsStr::from_bytes(to.path.as_bytes()));
    let made = (|| {
        fs::create_dir_all(at.join(folder::PARTIAL))?;
        fs::write(desk.path().join(MARKER), format!("{fresh}\n"))?;
        fs::write(at.join(folder::OWNER), format!("{}\n", shown(&to.owner)))
    })();
    made.map_err(state(OPERATION, "writing the markers"))?;
    let bytes = to.path.as_bytes();
    let paths = [MARKER.as_bytes().to_vec(), below(bytes, folder::OWNER), below(bytes, folder::PARTIAL)];
    let list = desk.path().with_extension("list");
    let opened = write_list(&list, paths.iter().map(Vec::as_slice));
    let _ = fs::remove_file(&list);
    let list = opened.map_err(state(OPERATION, "writing a list"))?;
    let arguments = ["--from0", "--files-from=-", "--dirs", "--chmod=D755,F644", "--ignore-existing"];
    let rsync = Rsync {
        arguments: arguments.map(OsString::from).into(),
        places: vec![content_of(desk.path()), far.place(b"")],
        folder: None,
        list: Some(list),
        largest_bytes: 0,
    };
    let mut said = HeadTail::new(LISTING_BYTES);
    let ran = far.rsync(&Way::Bare, rsync, &mut said, cancel).await?;
    ended(&ran, Tool::Rsync, ToolOperation::Push, OPERATION, None).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_listing_is_taken_apart() {
        let line = b"-rw-r--r--      1,048,576 2026/11/22 11:44:00  two words";
        assert_eq!(listed(line), Some((b'-', 1_048_576, b" two words".as_slice())));
        assert_eq!(listed(b"drwxr-xr-x 4096 2026/11/22 11:44:00 ."), Some((b'd', 4096, b".".as_slice())));
        for line in ["", "x", "-rw-r--r-- 1 2026/11/22", "receiving file list ... done"] {
            assert_eq!(listed(line.as_bytes()), None, "{line}");
        }
    }
}
