//! Which remote, and how rclone is run.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use verisim_core::ByteCount;

/// How much of a capture is read back in one pass where the remote cannot hash, when nothing else is said: 16 GiB.
const READ_BACK_MAX: ByteCount = ByteCount(16 << 30);

/// A remote of rclone as a destination.
#[derive(Clone)]
pub struct RcloneOptions {
    /// A remote of the configuration and a folder there: `nas:evidence`. Never with parameters, which may hold secrets.
    pub remote: String,
    /// The operator's `rclone.conf`; none where the environment describes the remote. It is read, and never written.
    pub config: Option<PathBuf>,
    /// The program: a path, or a name that is looked for.
    pub program: PathBuf,
    /// How many bytes of a capture are read back, in one pass, where the remote cannot hash.
    pub read_back_max: ByteCount,
    /// A hash that proves a file together with its size, where the remote knows it: `md5`. None: only SHA-256 proves.
    pub hash: Option<String>,
    /// The environment of rclone: where the home is, the agent's socket, proxies, what opens the configuration.
    pub environment: Vec<(OsString, OsString)>,
    /// A private folder for what is under way and short, and for the copy of the configuration that rclone may write.
    pub scratch: PathBuf,
}

impl RcloneOptions {
    /// A remote, with everything else as it comes.
    #[must_use]
    pub fn new(remote: impl Into<String>, config: Option<PathBuf>, scratch: PathBuf) -> Self {
        Self {
            remote: remote.into(),
            config,
            program: "rclone".into(),
            read_back_max: READ_BACK_MAX,
            hash: None,
            environment: Vec::new(),
            scratch,
        }
    }
}

/// Without the environment: it may hold what opens the configuration.
impl fmt::Debug for RcloneOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RcloneOptions")
            .field("remote", &self.remote)
            .field("config", &self.config)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}
