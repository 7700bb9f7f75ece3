//! The remote's folders: whose they are, claiming them, and putting files of ours there.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use verisim_core::manifest::{MANIFEST_PATH, METADATA_DIR};
use verisim_core::{CancellationToken, Digest, Failure, FailureKind, Remote, TransportError};

use super::call::{Call, Rclone};
use super::names::show;
use super::there::There;
use crate::errno::{Side, failure};
use crate::explain::ToolOperation;
use crate::identity::MARKER;
use crate::native::folder;
use crate::private;
use crate::tool::{Desk, Look, on_desk, shown};

/// Where files are made before they get their names, at the destination's root: rclone moves nothing into a folder that
/// holds it.
const STAGE: &str = ".verisim-partial";
/// What is fetched at the most, which is a manifest and markers. The rest of a marker that does not end is left there.
const FETCHED_MAX: &str = "--max-transfer=4G";

/// A remote, and what is asked of it.
pub(super) struct Far {
    pub(super) rclone: Rclone,
}

impl fmt::Display for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rclone.options.remote)
    }
}

impl Far {
    /// A place on the remote, as rclone takes it.
    pub(super) fn place(&self, below: &[u8]) -> OsString {
        let remote = self.rclone.options.remote.trim_end_matches('/');
        let mut out = remote.as_bytes().to_vec();
        if !below.is_empty() {
            // What stands right after the colon counts from where the remote begins.
            if !remote.ends_with(':') || self.rclone.options.remote.ends_with('/') {
                out.push(b'/');
            }
            out.extend(show(below));
        } else if self.rclone.options.remote.ends_with(":/") {
            out.push(b'/');
        }
        OsString::from_vec(out)
    }

    /// Where the files of a folder are made.
    pub(super) fn stage(&self, folder: &[u8]) -> Vec<u8> {
        let name = Digest::of(folder).to_string();
        let short = name.split_at_checked(16).map_or(name.as_str(), |(short, _)| short);
        format!("{STAGE}/{short}").into_bytes()
    }

    /// Whose the folder is, and on request what its seal is, which takes fetching it. Changes nothing.
    pub(super) async fn look(
        &self,
        there: &There,
        (at, with_seal): (&Remote, bool),
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Look, TransportError> {
        let desk = Desk::new(&self.rclone.options.scratch, operation)?;
        let bytes = at.path.as_bytes();
        let folders: Vec<&[u8]> = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| bytes.split_at(at).0)
            .collect();
        let mut paths = vec![MARKER.as_bytes().to_vec()];
        paths.extend(with_seal.then(|| below(bytes, MANIFEST_PATH)));
        paths.extend(folders.iter().chain([&bytes]).map(|folder| below(folder, folder::OWNER)));
        let call = Call::new(["copy".into(), self.place(b""), desk.path().into()])
            .args(there.arguments())
            .args(["--no-traverse", "--ignore-checksum", "--cutoff-mode=hard", FETCHED_MAX])
            .list(desk_list(&desk, paths.iter().map(Vec::as_slice), operation)?);
        if let Err(error) = self.rclone.answer(call, (ToolOperation::Fetch, operation), cancel).await {
            if error.failure.kind == FailureKind::Denied {
                // A store of objects says of one object no more than that it is forbidden, and of a listing why.
                let asked = self.content(there, b"", operation, cancel).await;
                return Err(asked.err().filter(|why| why.failure.kind == FailureKind::Auth).unwrap_or(error));
            }
            return Err(error);
        }
        let read = on_desk(&desk, bytes, &folders);
        let mut look = read.map_err(|error| failure(Side::State, operation, "reading markers", &error))?;
        look.exists = look.owner.is_some();
        if look.owner.is_none() && look.above.is_none() {
            (look.exists, look.has_content) = self.content(there, bytes, operation, cancel).await?;
        }
        Ok(look)
    }

    /// Whether the folder is there, and whether anything but our own stands in it.
    async fn content(
        &self,
        there: &There,
        path: &[u8],
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<(bool, bool), TransportError> {
        let call =
            Call::new(["lsf".into(), self.place(path)]).args(["--max-depth=1"]).args(there.arguments());
        match self.rclone.answer(call, (ToolOperation::Hashsum, operation), cancel).await {
            Ok(names) => {
                let mut names = names.split(|byte| *byte == b'\n').filter(|name| !name.is_empty());
                let ours = [METADATA_DIR.as_bytes(), b"/"].concat();
                let exists = there.has_folders || names.clone().next().is_some();
                Ok((exists, names.any(|name| name != ours)))
            }
            Err(error) if error.failure.kind == FailureKind::NotFound => Ok((false, false)),
            Err(error) => Err(error),
        }
    }

    /// How much is free there, where that can be had.
    pub(super) async fn free_bytes(&self, there: &There, cancel: &CancellationToken) -> Option<u64> {
        #[derive(serde::Deserialize)]
        struct About {
            free: Option<u64>,
        }
        if !there.tells_space {
            return None;
        }
        let call = Call::new(["about".into(), self.place(b""), "--json".into()]).args(there.arguments());
        let said =
            self.rclone.answer(call, (ToolOperation::Fetch, super::there::OPERATION), cancel).await.ok()?;
        serde_json::from_slice::<About>(&said).ok()?.free
    }

    /// Puts the marker of the destination, where it has none, and that of the folder.
    pub(super) async fn claim(
        &self,
        there: &There,
        to: &Remote,
        (look, fresh): (&Look, &str),
        cancel: &CancellationToken,
    ) -> Result<(), TransportError> {
        const OPERATION: &str = "rclone.push";
        let desk = Desk::new(&self.rclone.options.scratch, OPERATION)?;
        let write = |name: &str, text: String| {
            let file = desk.path().join(name);
            let written = private::write(&file, text.as_bytes());
            written.map_err(|error| failure(Side::State, OPERATION, "writing a marker", &error))?;
            Ok::<_, Failure>(file)
        };
        if look.marker.is_none() {
            let file = write(
                "root",
                format!("{fresh}\nVerisim knows this destination by this file. Leave it here.\n"),
            )?;
            self.put(there, &file, MARKER.as_bytes(), OPERATION, cancel).await?;
        }
        let file = write("owner", format!("{}\n", shown(&to.owner)))?;
        self.put(there, &file, &below(to.path.as_bytes(), folder::OWNER), OPERATION, cancel).await
    }

    /// Puts one file of ours there. It appears, or replaces what was there, once it is whole.
    pub(super) async fn put(
        &self,
        there: &There,
        file: &Path,
        path: &[u8],
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<(), TransportError> {
        let to = self.place(path);
        let first = match there.is_staged {
            true => self.place(&[self.stage(path), b"-file".to_vec()].concat()),
            false => to.clone(),
        };
        let options = ["--ignore-times", "--ignore-checksum"];
        let call = Call::new(["copyto".into(), file.into(), first.clone()]).args(options);
        self.rclone.carry(call.args(there.arguments()), operation, cancel).await?;
        if there.is_staged {
            let call = Call::new(["moveto".into(), first, to]).args(options).args(there.arguments());
            self.rclone.carry(call, operation, cancel).await?;
        }
        Ok(())
    }
}

pub(super) fn below(path: &[u8], name: &str) -> Vec<u8> {
    [path, b"/", name.as_bytes()].concat()
}

/// A list of paths beside a desk, which goes with it.
pub(super) fn desk_list<'p>(
    desk: &Desk,
    paths: impl Iterator<Item = &'p [u8]>,
    operation: &'static str,
) -> Result<File, Failure> {
    let file = desk.path().with_extension("list");
    let written = write_list(&file, paths);
    let _ = fs::remove_file(&file);
    written.map_err(|error| failure(Side::State, operation, "writing a list for rclone", &error))
}

/// Writes a list of paths as rclone shows them, which have no newline, and opens it from its begin.
pub(super) fn write_list<'p>(file: &Path, paths: impl Iterator<Item = &'p [u8]>) -> io::Result<File> {
    let mut out = io::BufWriter::new(private::create(file)?);
    for path in paths {
        out.write_all(&show(path))?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    File::open(file)
}
