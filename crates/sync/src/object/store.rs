//! The operator of each kind of store.

use opendal_core::{Builder, HttpTransporter, OperationContext, Operator};
use verisim_core::Failure;

use super::http::Http;
use super::options::{ObjectOptions, Store};
use super::problem::failed;

/// The operator of the whole store, reached by `http`. The destination's folder is no root of it: its services cut that off from what a
/// store lists without a look, and a store that lies would end this process.
pub(super) fn operator(
    options: &ObjectOptions,
    http: Http,
    operation: &'static str,
) -> Result<Operator, Failure> {
    match &options.store {
        #[cfg(feature = "s3")]
        Store::S3(bucket) => made(s3(bucket), http, operation),
        #[cfg(feature = "azblob")]
        Store::Azblob { container, account, endpoint, key } => {
            let azblob = opendal_service_azblob::Azblob::default().container(container);
            let azblob = azblob.account_name(account).endpoint(endpoint);
            let azblob = match key {
                Some(key) => azblob.account_key(key.reveal()),
                None => azblob,
            };
            made(azblob, http, operation)
        }
        #[cfg(feature = "gcs")]
        Store::Gcs { bucket, endpoint, credentials } => {
            let mut gcs = opendal_service_gcs::Gcs::default().bucket(bucket);
            if let Some(endpoint) = endpoint {
                gcs = gcs.endpoint(endpoint);
            }
            if let Some(file) = credentials {
                // Nobody else's are taken where those that are named cannot be used.
                gcs = gcs.credential_path(&file.to_string_lossy());
                gcs = gcs.disable_config_load().disable_vm_metadata();
            }
            made(gcs, http, operation)
        }
        #[cfg(feature = "webdav")]
        Store::Webdav { endpoint, user, password } => {
            let mut webdav = opendal_service_webdav::Webdav::default().endpoint(endpoint);
            if let Some(user) = user {
                webdav = webdav.username(user);
            }
            if let Some(password) = password {
                webdav = webdav.password(password.reveal());
            }
            made(webdav, http, operation)
        }
        #[cfg(not(all(feature = "s3", feature = "azblob", feature = "gcs", feature = "webdav")))]
        absent => {
            let what = format_args!("this verisim was built without the kind of store `{}`", absent.kind());
            Err(Failure::new(verisim_core::FailureKind::Unsupported, operation, what))
        }
    }
}

#[cfg_attr(
    not(any(feature = "s3", feature = "azblob", feature = "gcs", feature = "webdav")),
    expect(dead_code, reason = "a build without any kind")
)]
fn made(builder: impl Builder, http: Http, operation: &'static str) -> Result<Operator, Failure> {
    let operator = Operator::new(builder);
    let operator = operator.map_err(|error| failed(operation, "describing the store", &error))?;
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(http));
    Ok(operator.with_context(context))
}

#[cfg(feature = "s3")]
fn s3(bucket: &super::options::S3Bucket) -> opendal_service_s3::S3 {
    use reqsign_aws_v4::{DefaultCredentialProvider, ProfileCredentialProvider};
    use reqsign_core::ProvideCredentialChain;

    let mut s3 = opendal_service_s3::S3::default().bucket(&bucket.bucket).region(&bucket.region);
    if let Some(endpoint) = &bucket.endpoint {
        s3 = s3.endpoint(endpoint);
    }
    if bucket.virtual_host {
        s3 = s3.enable_virtual_host_style();
    }
    let chain = ProvideCredentialChain::new();
    let chain = match &bucket.credentials {
        Some(file) => {
            let file = file.to_string_lossy();
            let keys =
                ProfileCredentialProvider::new().with_credentials_file(&*file).with_config_file(&*file);
            chain.push(match &bucket.profile {
                Some(profile) => keys.with_profile(profile),
                None => keys.with_profile("default"),
            })
        }
        None => {
            // Nothing of ours starts a program that a file names.
            let found = DefaultCredentialProvider::builder().no_process().no_sso();
            let found = match &bucket.profile {
                Some(profile) => found.with_profile(profile),
                None => found,
            };
            chain.push(found.build())
        }
    };
    s3.credential_provider_chain(chain).disable_config_load()
}
