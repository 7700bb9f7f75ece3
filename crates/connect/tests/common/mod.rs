//! A fresh directory as a decoy.

#![expect(clippy::unwrap_used, reason = "what a test prepares fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use verisim_connect::RootfsConnector;
use verisim_core::{Connector, Timestamp};
use verisim_testkit::{DecoyUnderTest, VirtualClock};

pub(crate) struct DirectoryDecoy {
    connector: Arc<dyn Connector>,
    root: PathBuf,
    outside: PathBuf,
    _held: TempDir,
}

impl DirectoryDecoy {
    pub(crate) fn fresh() -> Self {
        Self::with(|connector| connector)
    }

    /// In memory where this machine has a place for that: for what would take a disk long.
    #[allow(dead_code, reason = "not every suite needs it")]
    pub(crate) fn in_memory() -> Self {
        let held = TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap());
        Self::held(held, |connector| connector)
    }

    pub(crate) fn with(shape: impl FnOnce(RootfsConnector) -> RootfsConnector) -> Self {
        Self::held(TempDir::new().unwrap(), shape)
    }

    fn held(held: TempDir, shape: impl FnOnce(RootfsConnector) -> RootfsConnector) -> Self {
        let (root, outside) = (held.path().join("root"), held.path().join("outside"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&outside).unwrap();
        let clock = VirtualClock::new(Timestamp::UNIX_EPOCH);
        let connector: Arc<dyn Connector> = Arc::new(shape(RootfsConnector::new(root.clone(), clock)));
        Self { connector, root, outside, _held: held }
    }
}

impl DecoyUnderTest for DirectoryDecoy {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector)
    }
    fn host_root(&self) -> &Path {
        &self.root
    }
    fn outside(&self) -> &Path {
        &self.outside
    }
}
