//! Which store, and where in it.

use std::fmt;
use std::path::PathBuf;

use verisim_core::ByteCount;
use verisim_ssh::Secret;

use super::http::Manners;

/// How much of a capture is read back when nothing else is said: 16 GiB.
const READ_BACK_MAX: ByteCount = ByteCount(16 << 30);

/// From which size on a file goes in pieces when nothing else is said: 64 MiB, the loss of which is a nuisance on a slow line.
const PIECES_FROM: ByteCount = ByteCount(64 << 20);

/// A folder of a store of objects as a destination.
#[derive(Debug, Clone)]
pub struct ObjectOptions {
    /// The store.
    pub store: Store,
    /// The folder in it, without slashes at its ends; empty: all of it.
    pub path: String,
    /// How many bytes of a capture are read back in one pass.
    pub read_back_max: ByteCount,
    /// From which size on a file goes in pieces that outlive a cut, where the store can join them.
    pub pieces_from: ByteCount,
    /// The authority that vouches for the store, as a PEM file; otherwise those that this system trusts.
    pub authority: Option<PathBuf>,
}

impl ObjectOptions {
    /// A folder of a store, with everything else as it should be.
    #[must_use]
    pub fn new(store: Store, path: impl Into<String>) -> Self {
        Self {
            store,
            path: path.into(),
            read_back_max: READ_BACK_MAX,
            pieces_from: PIECES_FROM,
            authority: None,
        }
    }
}

/// A store. Every kind can be described; one that was not built in refuses by name.
#[derive(Debug, Clone)]
pub enum Store {
    /// A bucket of S3, or of what speaks like it.
    S3(S3Bucket),
    /// A container of Azure Blob Storage.
    Azblob {
        /// The container.
        container: String,
        /// The account.
        account: String,
        /// `https://<account>.blob.core.windows.net`, or what speaks like it.
        endpoint: String,
        /// The account's key; otherwise what the environment gives: a token, a managed identity.
        key: Option<Secret>,
    },
    /// A bucket of Google Cloud Storage.
    Gcs {
        /// The bucket.
        bucket: String,
        /// Another server than Google's.
        endpoint: Option<String>,
        /// The service account's key file; otherwise what the environment gives.
        credentials: Option<PathBuf>,
    },
    /// A folder of a WebDAV server.
    Webdav {
        /// Its address.
        endpoint: String,
        /// The user, where it asks for one.
        user: Option<String>,
        /// The user's password.
        password: Option<Secret>,
    },
}

/// A bucket of S3.
#[derive(Debug, Clone)]
pub struct S3Bucket {
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Another server than Amazon's: `https://minio.lab:9000`.
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the server's name.
    pub virtual_host: bool,
    /// A file like `~/.aws/credentials`; otherwise the environment, that very file, and the machine's role, in this order.
    pub credentials: Option<PathBuf>,
    /// The profile in it.
    pub profile: Option<String>,
}

impl Store {
    /// The kinds that were built in, by the names of their features.
    #[must_use]
    pub fn built_in() -> Vec<&'static str> {
        let all = [
            ("s3", cfg!(feature = "s3")),
            ("azblob", cfg!(feature = "azblob")),
            ("gcs", cfg!(feature = "gcs")),
            ("webdav", cfg!(feature = "webdav")),
        ];
        all.into_iter().filter(|(_, is_in)| *is_in).map(|(name, _)| name).collect()
    }

    /// Its kind, by the name of its feature.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::S3(_) => "s3",
            Self::Azblob { .. } => "azblob",
            Self::Gcs { .. } => "gcs",
            Self::Webdav { .. } => "webdav",
        }
    }

    /// Whether what goes there is not encrypted.
    pub(super) fn is_in_clear(&self) -> bool {
        let endpoint = match self {
            Self::S3(S3Bucket { endpoint, .. }) | Self::Gcs { endpoint, .. } => endpoint.as_deref(),
            Self::Azblob { endpoint, .. } | Self::Webdav { endpoint, .. } => Some(endpoint.as_str()),
        };
        endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
    }

    /// How it answers.
    pub(super) const fn manners(&self) -> Manners {
        let (understood, one_code_for_absent): (&[u16], bool) = match self {
            // What a server of files says of folders that are there, or not yet.
            Self::Webdav { .. } => (&[405, 409, 412], false),
            // An upload that goes on, and one that was given up.
            Self::Gcs { .. } => (&[308, 412, 499], true),
            Self::S3(_) | Self::Azblob { .. } => (&[412], false),
        };
        Manners { understood, one_code_for_absent }
    }

    /// Whether it is an ordinary network file system behind HTTP: it has folders, and an upload is seen while it lasts.
    pub(super) const fn has_folders(&self) -> bool {
        matches!(self, Self::Webdav { .. })
    }
}

/// The destination's root, for people.
impl fmt::Display for ObjectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            Store::S3(S3Bucket { bucket, endpoint: Some(endpoint), .. }) => write!(f, "{endpoint}/{bucket}")?,
            Store::S3(S3Bucket { bucket, .. }) => write!(f, "s3://{bucket}")?,
            Store::Azblob { container, endpoint, .. } => write!(f, "{endpoint}/{container}")?,
            Store::Gcs { bucket, .. } => write!(f, "gs://{bucket}")?,
            Store::Webdav { endpoint, .. } => f.write_str(endpoint)?,
        }
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}
