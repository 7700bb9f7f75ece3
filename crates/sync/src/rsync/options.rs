//! Where a host is, and how it is reached.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use verisim_core::ByteCount;

use crate::shell::script::STALL_MAX;

/// How much of a capture is read back where the far side cannot hash, when nothing else is said: 16 GiB.
const READ_BACK_MAX: ByteCount = ByteCount(16 << 30);

/// A host over SSH as a destination. What is `None` is as the configuration of ssh on this machine says.
#[derive(Clone)]
pub struct RsyncOptions {
    /// The host, as ssh is to call it: a name, an address, or what `~/.ssh/config` calls it.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// Who we are there.
    pub user: Option<String>,
    /// The one private key that is offered.
    pub key: Option<PathBuf>,
    /// The files that the host's key is checked against; none: those that ssh is configured with.
    pub known_hosts: Vec<PathBuf>,
    /// The folder there, absolute; for a key that is locked into a folder, below that.
    pub path: Vec<u8>,
    /// What rsync is called there, if not `rsync`: words for a shell, as `--rsync-path` takes them.
    pub rsync_path: Option<String>,
    /// How many bytes of a capture are read back, in one pass, where the far side cannot hash.
    pub read_back_max: ByteCount,
    /// How long what hashes there may not advance before it is given up; what it has still to read adds to it, at 2 MiB/s.
    pub stall_max: Duration,
    /// The environment of ssh and rsync: where programs and the home are, and the agent's socket.
    pub environment: Vec<(OsString, OsString)>,
    /// A private folder for what is under way and short.
    pub scratch: PathBuf,
}

impl RsyncOptions {
    /// A host, and a folder there, with everything else as ssh is configured.
    #[must_use]
    pub fn new(host: impl Into<String>, path: impl Into<Vec<u8>>, scratch: PathBuf) -> Self {
        Self {
            host: host.into(),
            port: None,
            user: None,
            key: None,
            known_hosts: Vec::new(),
            path: path.into(),
            rsync_path: None,
            read_back_max: READ_BACK_MAX,
            stall_max: STALL_MAX,
            environment: Vec::new(),
            scratch,
        }
    }
}

/// Without the environment: it may hold what is nobody's business.
impl fmt::Debug for RsyncOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsyncOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("path", &String::from_utf8_lossy(&self.path))
            .finish_non_exhaustive()
    }
}
