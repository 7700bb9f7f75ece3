//! Stores of objects, as far as they were built in.

use std::sync::Arc;

use verisim_core::{Clock, DestinationName, SyncTransport};

use crate::config::ObjectConfig;
use crate::error::CliResult;
use crate::state::StateDir;

#[cfg(feature = "object")]
mod there {
    use verisim_ssh::Secret;
    use verisim_sync::{ObjectOptions, ObjectTransport, S3Bucket, Store};

    use super::{Arc, CliResult, Clock, DestinationName, ObjectConfig, StateDir};
    use crate::config::{SecretSource, StoreConfig};
    use crate::error::CliError;
    use crate::exit::Exit;
    use crate::wire::known_destination;

    /// What carries captures to a store. Touches nothing yet.
    pub(crate) fn object_to(
        object: &ObjectConfig,
        name: &DestinationName,
        state: &StateDir,
        clock: Arc<dyn Clock>,
    ) -> CliResult<ObjectTransport> {
        let ObjectConfig { store, path, read_back_max, authority } = object;
        let mut options = ObjectOptions::new(described(store)?, path.clone());
        options.read_back_max = read_back_max.unwrap_or(options.read_back_max);
        options.authority.clone_from(authority);
        Ok(ObjectTransport::new(options, known_destination(state, name)?, clock))
    }

    fn described(store: &StoreConfig) -> CliResult<Store> {
        let secret = |source: &Option<SecretSource>| {
            let found = source.as_ref().map(crate::secrets::text).transpose();
            let found = found.map_err(|why| CliError::new(Exit::Config, why))?;
            Ok::<_, CliError>(found.map(Secret::new))
        };
        Ok(match store.clone() {
            StoreConfig::S3 { bucket, region, endpoint, virtual_host, credentials, profile } => {
                Store::S3(S3Bucket { bucket, region, endpoint, virtual_host, credentials, profile })
            }
            StoreConfig::Azblob { container, account, endpoint, key } => {
                Store::Azblob { container, account, endpoint, key: secret(&key)? }
            }
            StoreConfig::Gcs { bucket, endpoint, credentials } => {
                Store::Gcs { bucket, endpoint, credentials }
            }
            StoreConfig::Webdav { endpoint, user, password } => {
                Store::Webdav { endpoint, user, password: secret(&password)? }
            }
        })
    }

    /// The kinds that were built in.
    pub(crate) fn built_in() -> Vec<&'static str> {
        Store::built_in()
    }
}

#[cfg(feature = "object")]
pub(crate) use there::{built_in, object_to};

/// The kinds that were built in.
#[cfg(not(feature = "object"))]
pub(crate) const fn built_in() -> Vec<&'static str> {
    Vec::new()
}

/// What carries captures to a store. Touches nothing yet.
#[cfg(feature = "object")]
pub(crate) fn transport(
    object: &ObjectConfig,
    name: &DestinationName,
    state: &StateDir,
    clock: Arc<dyn Clock>,
) -> CliResult<Arc<dyn SyncTransport>> {
    Ok(Arc::new(object_to(object, name, state, clock)?))
}

/// The configuration names no store where none was built in.
#[cfg(not(feature = "object"))]
pub(crate) fn transport(
    _: &ObjectConfig,
    _: &DestinationName,
    _: &StateDir,
    _: Arc<dyn Clock>,
) -> CliResult<Arc<dyn SyncTransport>> {
    let what = "this verisim was built without stores of objects";
    Err(crate::error::CliError::new(crate::exit::Exit::Config, what))
}
