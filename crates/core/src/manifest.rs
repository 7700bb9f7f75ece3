//! The manifest: `<sha256>  <relative path>` for every file, sorted, in the format of `sha256sum`.

use crate::{Digest, RelPath};

/// The folder at the top of a capture that is ours.
pub const METADATA_DIR: &str = ".verisim";
/// The manifest's path inside a capture, as `sha256sum -c` is given it from the capture's root.
pub const MANIFEST_PATH: &str = ".verisim/checksums.sha256";

/// One line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Which file.
    pub path: RelPath,
    /// The hash of its content.
    pub sha256: Digest,
}
