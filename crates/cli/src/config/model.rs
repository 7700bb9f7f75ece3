//! The configuration as typed values: what is here was checked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use verisim_connect::{ContainerName, EngineAddress, Reach, WayIn};
use verisim_core::{
    BandwidthLimit, ByteCount, CaptureName, CleanupRule, DecoyName, DestinationName, PersonaName, Timestamp,
};
use verisim_realism::{Company, Settings, WorkWeek, Zone};

use super::persona::PersonaConfig;
use crate::fleet::NamingRule;

/// A whole configuration without a mistake.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The state folder, absolute.
    pub(crate) state: PathBuf,
    /// The seed of everything that is invented.
    pub(crate) seed: u64,
    /// Whether somebody chose it. Where nobody did, whoever invents people takes the one of the state folder instead: a
    /// common default would give two fleets the same people.
    pub(crate) is_seed_given: bool,
    /// How much happens, and of what kind.
    pub(crate) life: Settings,
    /// What history is kept.
    pub(crate) history: History,
    /// How the engine works.
    pub(crate) engine: EngineNumbers,
    /// How decoys are found that are not declared.
    pub(crate) discover: Discover,
    /// The decoys, in the order of the file.
    pub(crate) decoys: Vec<DecoyConfig>,
    /// The company they work for; `None`: one is invented from the seed.
    pub(crate) company: Option<Company>,
    /// The personas.
    pub(crate) personas: Vec<PersonaConfig>,
    /// Where captures go.
    pub(crate) destinations: Vec<DestinationConfig>,
    /// Where captures come from.
    pub(crate) captures: Vec<CaptureConfig>,
}

/// What history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History {
    /// How old an event, or a job that is final, may become.
    pub(crate) keep: Duration,
    /// How many events of one decoy are kept.
    pub(crate) events_per_decoy: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { keep: Duration::from_secs(90 * 86_400), events_per_decoy: 20_000 }
    }
}

/// How many things happen at once. `None` leaves what the engine starts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EngineNumbers {
    /// How many decoys are worked on at once.
    pub(crate) decoys_at_once: Option<usize>,
    /// How many captures are pushed to one destination at once.
    pub(crate) pushes_per_destination: Option<usize>,
    /// How long the end may take after SIGTERM.
    pub(crate) drain: Option<Duration>,
}

/// How decoys are found that are not declared.
#[derive(Debug, Clone)]
pub(crate) struct Discover {
    /// Whether somebody wrote that they shall be: then an engine that does not answer is worth a warning.
    pub(crate) is_asked_for: bool,
    /// Whether containers are looked through.
    pub(crate) docker: bool,
    /// Whether names alone make a decoy.
    pub(crate) naming: NamingRule,
    /// Where the engine listens.
    pub(crate) host: EngineAddress,
    /// Whether the configuration says so, and not the environment.
    pub(crate) has_host: bool,
    /// The way to the files of what is found; `None` lets the connector choose.
    pub(crate) reach: Option<Reach>,
    /// Who works on what is found and names nobody; where nobody does, people are invented.
    pub(crate) personas: Vec<PersonaName>,
    /// How many are invented for each decoy.
    pub(crate) people: u8,
    /// Where the invented ones live.
    pub(crate) time_zone: Zone,
}

/// One decoy.
#[derive(Debug, Clone)]
pub(crate) struct DecoyConfig {
    /// Its name.
    pub(crate) name: DecoyName,
    /// How it is reached.
    pub(crate) connector: ConnectorConfig,
    /// What it offers.
    pub(crate) services: Vec<String>,
    /// What it is for.
    pub(crate) role: String,
    /// Where other decoys reach it.
    pub(crate) address: Option<IpAddr>,
    /// The zone its clock and its logs show.
    pub(crate) time_zone: Zone,
    /// Who works on it.
    pub(crate) personas: Vec<PersonaName>,
}

/// How a decoy is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectorConfig {
    /// A directory that is, or becomes, its root; absolute.
    Rootfs(PathBuf),
    /// A container.
    Docker(DockerConfig),
    /// A host over SSH.
    Ssh(Box<SshConfig>),
}

/// A container as a decoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DockerConfig {
    /// Its name or id.
    pub(crate) container: ContainerName,
    /// Where its engine listens.
    pub(crate) host: EngineAddress,
    /// The way to its files; `None` lets the connector choose.
    pub(crate) reach: Option<Reach>,
    /// Whether commands may be run inside.
    pub(crate) exec: bool,
}

/// A host over SSH as a decoy. What is `None` here is as the user's own configuration of SSH says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshConfig {
    /// Its name or address, or what the user's configuration calls it.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: Option<u16>,
    /// Who we are there.
    pub(crate) user: Option<String>,
    /// The one private key that is offered; absolute.
    pub(crate) identity: Option<PathBuf>,
    /// The one file that host keys are checked against; absolute.
    pub(crate) known_hosts: Option<PathBuf>,
    /// How its files are reached.
    pub(crate) way: WayIn,
    /// Whether commands may be run there.
    pub(crate) exec: bool,
    /// Where the password is to be found that is given after the keys.
    pub(crate) password: Option<SecretSource>,
    /// Where the passphrase of encrypted keys is to be found.
    pub(crate) passphrase: Option<SecretSource>,
}

/// A private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshKey {
    /// Its file; absolute.
    pub(crate) file: PathBuf,
    /// Where what opens it is to be found, if it is encrypted.
    pub(crate) passphrase: Option<SecretSource>,
}

/// Where a secret is to be found; never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// A variable of the environment.
    Variable(String),
    /// A file that nobody else may read; absolute.
    File(PathBuf),
}

/// One destination.
#[derive(Debug, Clone)]
pub(crate) struct DestinationConfig {
    /// Its name.
    pub(crate) name: DestinationName,
    /// How captures get there.
    pub(crate) transport: TransportConfig,
    /// How fast it may be filled.
    pub(crate) bandwidth: Option<Bandwidth>,
}

/// How captures get to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransportConfig {
    /// Into a folder on this machine or on a mounted share; absolute.
    Native(PathBuf),
    /// To a host over SSH, by rsync.
    Rsync(Box<RsyncConfig>),
    /// To a host over SFTP, by our own client.
    Sftp(Box<SftpConfig>),
    /// To a remote of rclone.
    Rclone(Box<RcloneConfig>),
    /// To a store of objects.
    Object(Box<ObjectConfig>),
}

/// A folder of a store of objects as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectConfig {
    /// The store.
    pub(crate) store: StoreConfig,
    /// The folder in it; empty: all of it.
    pub(crate) path: String,
    /// How much of a capture is read back in one pass.
    pub(crate) read_back_max: Option<ByteCount>,
    /// The authority that vouches for the store; absolute.
    pub(crate) authority: Option<PathBuf>,
}

/// A store of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreConfig {
    /// S3, or what speaks like it.
    S3 {
        /// The bucket.
        bucket: String,
        /// Its region.
        region: String,
        /// Another server than Amazon's.
        endpoint: Option<String>,
        /// Whether the bucket is part of the server's name.
        virtual_host: bool,
        /// A file like `~/.aws/credentials`; absolute.
        credentials: Option<PathBuf>,
        /// The profile in it.
        profile: Option<String>,
    },
    /// Azure Blob Storage.
    Azblob {
        /// The container.
        container: String,
        /// The account.
        account: String,
        /// Its address.
        endpoint: String,
        /// Where the account's key is to be found.
        key: Option<SecretSource>,
    },
    /// Google Cloud Storage.
    Gcs {
        /// The bucket.
        bucket: String,
        /// Another server than Google's.
        endpoint: Option<String>,
        /// The service account's key file; absolute.
        credentials: Option<PathBuf>,
    },
    /// A WebDAV server.
    Webdav {
        /// Its address.
        endpoint: String,
        /// The user.
        user: Option<String>,
        /// Where the user's password is to be found.
        password: Option<SecretSource>,
    },
}

/// A host over SFTP as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SftpConfig {
    /// The host, and how one gets there.
    pub(crate) ssh: SshConfig,
    /// The folder there; absolute.
    pub(crate) path: String,
    /// How much of a capture is read back in one pass, where the far side cannot hash.
    pub(crate) read_back_max: Option<ByteCount>,
}

/// A remote of rclone as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RcloneConfig {
    /// The remote, by its name, and the folder there.
    pub(crate) remote: String,
    /// The configuration of rclone; absolute. `None`: where rclone itself looks.
    pub(crate) config: Option<PathBuf>,
    /// A hash that proves a file together with its size.
    pub(crate) hash: Option<String>,
    /// The program; absolute. `None`: the one that is found.
    pub(crate) program: Option<PathBuf>,
    /// How much of a capture is read back in one pass, where the remote cannot hash.
    pub(crate) read_back_max: Option<ByteCount>,
}

/// A host over SSH as a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RsyncConfig {
    /// The host, and how one gets there.
    pub(crate) ssh: SshConfig,
    /// The folder there; absolute.
    pub(crate) path: String,
    /// What rsync is called there.
    pub(crate) rsync_path: Option<String>,
    /// How much of a capture is read back in one pass, where the far side cannot hash.
    pub(crate) read_back_max: Option<ByteCount>,
}

/// How fast a destination may be filled, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bandwidth {
    /// Bytes per second.
    pub(crate) bytes_per_second: u64,
    /// When the limit holds, in the zone below; without windows it always does.
    pub(crate) windows: Option<WorkWeek>,
    /// The zone of the windows.
    pub(crate) time_zone: Zone,
}

impl Bandwidth {
    /// The limit that holds at an instant.
    pub(crate) fn at(&self, now: Timestamp) -> Option<BandwidthLimit> {
        let holds = self.windows.is_none_or(|windows| windows.covers(self.time_zone.local(now)));
        holds.then_some(BandwidthLimit { bytes_per_second: self.bytes_per_second })
    }
}

/// One folder in which captures appear.
#[derive(Debug, Clone)]
pub(crate) struct CaptureConfig {
    /// Its name.
    pub(crate) name: CaptureName,
    /// The folder; absolute.
    pub(crate) path: PathBuf,
    /// What one capture is.
    pub(crate) each: Each,
    /// When one is complete.
    pub(crate) complete: Complete,
    /// What a complete one must pass.
    pub(crate) gate: Arc<[verisim_sync::GateRule]>,
    /// Where it goes.
    pub(crate) destination: DestinationName,
    /// When the local files may go.
    pub(crate) cleanup: CleanupRule,
    /// When what was cleaned up is looked at again.
    pub(crate) audit: Option<verisim_sync::AuditRule>,
}

/// What one capture of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Each {
    /// Every sub-directory.
    Directory,
    /// The folder itself.
    Folder,
}

/// When a capture is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Complete {
    /// When nothing in it has changed for so long.
    Quiet(Duration),
    /// When this file is there.
    Sentinel(String),
    /// When every file that this manifest names has the size it says.
    Manifest(String),
}
