//! A manifest in a file, entry by entry: one piece of the file is in memory, however long it is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use verisim_core::manifest::{Entry, Parser, Sorted};
use verisim_core::{Digest, Failure, FailureKind, Hasher};

use crate::errno::{Side, failure};

/// How much of the file is read at once.
const PIECE_BYTES: usize = 1 << 16;

/// A sorted manifest while it is read.
pub(crate) struct ManifestFile {
    file: File,
    parser: Option<Parser>,
    ready: VecDeque<Entry>,
    hasher: Hasher,
    buffer: Vec<u8>,
    operation: &'static str,
}

impl ManifestFile {
    /// Opens the manifest at `path`.
    pub(crate) fn open(path: &Path, operation: &'static str) -> Result<Self, Failure> {
        let opened = Self::open_if_there(path, operation)?;
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        opened.ok_or_else(|| failure(Side::State, operation, "opening the manifest", &missing()))
    }

    /// Opens the manifest at `path`; `None` where there is none.
    pub(crate) fn open_if_there(path: &Path, operation: &'static str) -> Result<Option<Self>, Failure> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure(Side::State, operation, "opening the manifest", &error)),
        };
        Ok(Some(Self {
            file,
            parser: Some(Parser::new(Sorted::Required)),
            ready: VecDeque::new(),
            hasher: Hasher::new(),
            buffer: vec![0; PIECE_BYTES],
            operation,
        }))
    }

    /// The next entry; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Failure> {
        let operation = self.operation;
        let broken = |error| Failure::new(FailureKind::Unknown, operation, error);
        while self.ready.is_empty() {
            let Some(parser) = &mut self.parser else { return Ok(None) };
            let read = self
                .file
                .read(&mut self.buffer)
                .map_err(|error| failure(Side::State, operation, "reading the manifest", &error))?;
            let piece = &self.buffer[..read];
            self.hasher.update(piece);
            let ready = &mut self.ready;
            parser.feed(piece, |entry| ready.push_back(entry)).map_err(broken)?;
            if read == 0
                && let Some(parser) = self.parser.take()
            {
                parser.finish().map_err(broken)?;
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Reads what is left; the manifest must be the one with this hash.
    pub(crate) fn finish(mut self, expected: Digest) -> Result<(), Failure> {
        while self.next()?.is_some() {}
        if self.hasher.finish() == expected {
            return Ok(());
        }
        let what = "the manifest in the work folder is not the one that was pushed";
        Err(Failure::new(FailureKind::Unknown, self.operation, what))
    }
}
