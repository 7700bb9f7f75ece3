//! The file driver keeps its table of fates on directories.

#![expect(clippy::expect_used, reason = "what a test prepares fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use verisim_connect::RootfsConnector;
use verisim_core::{ActivityDriver, Connector, DecoyName, Timestamp};
use verisim_drivers::{Connectors, FileDriver};
use verisim_testkit::{DecoyUnderTest, VirtualClock};

struct DirectoryDecoy {
    connector: Arc<dyn Connector>,
    root: PathBuf,
    held: TempDir,
}

fn fresh(shape: fn(RootfsConnector) -> RootfsConnector) -> DirectoryDecoy {
    let held = TempDir::new().expect("a temporary directory");
    let root = held.path().join("root");
    std::fs::create_dir(&root).expect("a directory in it");
    let clock = VirtualClock::new(Timestamp::UNIX_EPOCH);
    let connector: Arc<dyn Connector> = Arc::new(shape(RootfsConnector::new(root.clone(), clock)));
    DirectoryDecoy { connector, root, held }
}

impl DecoyUnderTest for DirectoryDecoy {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector)
    }
    fn host_root(&self) -> &Path {
        &self.root
    }
    fn outside(&self) -> &Path {
        self.held.path()
    }
}

fn driver(connector: Arc<dyn Connector>) -> Arc<dyn ActivityDriver> {
    let connectors = Connectors::new();
    connectors.insert(DecoyName::new("d").expect("a legal name"), connector);
    Arc::new(FileDriver::new(connectors))
}

mod rootfs {
    verisim_testkit::driver_suite!(crate::fresh(|connector| connector), crate::driver);
}

mod rootfs_with_named_staging {
    use verisim_connect::RootfsConnector;
    verisim_testkit::driver_suite!(crate::fresh(RootfsConnector::with_named_staging), crate::driver);
}
