//! Writing a manifest.

use crate::{Digest, Hasher, Inventory, RelPath, manifest::Entry};

/// Appends the line of `entry`, its line end included.
pub fn write_line(entry: &Entry, out: &mut Vec<u8>) {
    let path = entry.path.as_bytes();
    let escaped = memchr::memchr3(b'\\', b'\n', b'\r', path).is_some();
    if escaped {
        out.push(b'\\');
    }
    out.extend_from_slice(&entry.sha256.to_hex());
    out.extend_from_slice(b"  ");
    if escaped {
        for byte in path {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                other => out.push(*other),
            }
        }
    } else {
        out.extend_from_slice(path);
    }
    out.push(b'\n');
}

/// Writes a manifest entry by entry into `sink`, hashes it on the way, and refuses entries that are out of order: a
/// manifest that is not sorted, or names a file twice, cannot be compared in a stream.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    hasher: Hasher,
    inventory: Inventory,
    last: Option<RelPath>,
    line: Vec<u8>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The hash of the whole manifest.
    pub sha256: Digest,
    /// How many files it names, and their bytes.
    pub inventory: Inventory,
}

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The path does not come after the one before it.
    #[error("{path} does not come after {last}")]
    OutOfOrder {
        /// The path that was offered.
        path: RelPath,
        /// The one before it.
        last: RelPath,
    },
    /// The sink refused the bytes.
    #[error(transparent)]
    Sink(E),
}

impl<S, E> Writer<S>
where
    S: FnMut(&[u8]) -> Result<(), E>,
{
    /// A writer into `sink`, which is called once per line.
    pub fn new(sink: S) -> Self {
        Self { sink, hasher: Hasher::new(), inventory: Inventory::default(), last: None, line: Vec::new() }
    }

    /// Writes the line of `entry`, a file of `bytes` bytes.
    ///
    /// # Errors
    /// When the path does not come after the one before it, or the sink fails.
    pub fn push(&mut self, entry: &Entry, bytes: u64) -> Result<(), WriteError<E>> {
        if let Some(last) = self.last.take_if(|last| *last >= entry.path) {
            return Err(WriteError::OutOfOrder { path: entry.path.clone(), last });
        }
        self.line.clear();
        write_line(entry, &mut self.line);
        self.hasher.update(&self.line);
        (self.sink)(&self.line).map_err(WriteError::Sink)?;
        self.inventory.files += 1;
        self.inventory.bytes = self.inventory.bytes.saturating_add(bytes);
        self.last = Some(entry.path.clone());
        Ok(())
    }

    /// What was written.
    pub fn finish(self) -> Written {
        Written { sha256: self.hasher.finish(), inventory: self.inventory }
    }
}
