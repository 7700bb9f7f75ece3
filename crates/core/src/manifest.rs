//! The manifest: `<sha256>  <relative path>` for every file, in the format of `sha256sum`, sorted by the bytes of the paths.
//!
//! A path with a backslash, newline or carriage return is escaped (`\\`, `\n`, `\r`), and its line then begins with a
//! backslash, as `sha256sum` of coreutils 9 writes it. Manifests are as long as captures are large, so everything here
//! works on streams with memory that does not grow.

mod compare;
mod parse;
mod write;

use crate::{Digest, RelPath};

pub use compare::{Compare, Verdict, compare, settle};
pub use parse::{LINE_BYTES_MAX, ParseError, ParseErrorKind, Parser, Sorted};
pub use write::{WriteError, Writer, Written, write_line};

/// The folder at the top of a capture that is ours.
pub const METADATA_DIR: &str = ".verisim";
/// The manifest's path inside a capture, as `sha256sum -c` is given it from the capture's root.
pub const MANIFEST_PATH: &str = ".verisim/checksums.sha256";

/// The path of the record of a run beside its data: metadata, and no part of the manifest.
pub const LIFECYCLE_PATH: &str = ".verisim/lifecycle.jsonl";

/// One line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Which file.
    pub path: RelPath,
    /// The hash of its content.
    pub sha256: Digest,
}

#[cfg(test)]
mod tests;
