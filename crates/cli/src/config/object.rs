//! Destinations that are stores of objects.

use std::path::PathBuf;

use verisim_core::ByteCount;

use super::model::{ObjectConfig, StoreConfig, TransportConfig};
use super::read::Reader;
use super::section::Section;
use super::traffic::read_secret;
use super::{check, units};

/// Each kind, by its key, with an example.
pub(super) const KINDS: [(&str, &str); 4] = [
    ("s3", "{ bucket = \"evidence\", region = \"eu-central-1\" }"),
    ("azblob", "{ container = \"evidence\", account = \"lab\" }"),
    ("gcs", "{ bucket = \"evidence\" }"),
    ("webdav", "{ endpoint = \"https://nas.lab/dav\" }"),
];

/// Keys that somebody may look for, and why they are not there.
const SECRETS: [&str; 6] =
    ["access_key_id", "secret_access_key", "access_key", "secret_key", "session_token", "token"];

/// Reads which store is filled; `None` where none is named, or it cannot be read.
pub(super) fn read_object(section: &Section<'_>, name: &str, reader: &Reader<'_>) -> Option<TransportConfig> {
    let mut found = None;
    for (kind, example) in KINDS {
        if let Some(store) = section.table(kind, kind, example) {
            found = read_store(kind, store, name, reader).or(found);
        }
    }
    found
}

fn read_store(
    kind: &'static str,
    section: Section<'_>,
    name: &str,
    reader: &Reader<'_>,
) -> Option<TransportConfig> {
    if !crate::object::built_in().contains(&kind) {
        let what = format!("this verisim was built without the kind of store `{kind}`");
        let mend = format!("build it with `cargo build --release --features {kind}`, or let rclone carry it");
        section.mistake(section.span.clone(), what, mend);
    }
    for key in SECRETS {
        if let Some(value) = section.value(key) {
            section.mistake(
                value.span(),
                format!("`{key}` does not belong into this file, where everybody reads it"),
                "put it into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or into a file like \
                 ~/.aws/credentials, which `credentials` names",
            );
        }
    }
    let path = section.parse_with("path", "runs", folder);
    let read_back_max = section.parse_with("read_back_max", "16GiB", units::size).map(|bytes| bytes.value);
    let authority = file(&section, "authority", "lab-ca.pem", reader);
    let store = match kind {
        "s3" => read_s3(&section, reader),
        "azblob" => read_azblob(&section, reader),
        "gcs" => read_gcs(&section, reader),
        _ => read_webdav(&section, reader),
    };
    let path = path.map(|path| path.value).unwrap_or_default();
    if let Some(store) = &store {
        note_place(reader, store, &path, name, &section);
    }
    section.finish();
    Some(made(store?, path, read_back_max, authority))
}

fn made(
    store: StoreConfig,
    path: String,
    read_back_max: Option<ByteCount>,
    authority: Option<PathBuf>,
) -> TransportConfig {
    TransportConfig::Object(Box::new(ObjectConfig { store, path, read_back_max, authority }))
}

fn file(section: &Section<'_>, key: &'static str, example: &str, reader: &Reader<'_>) -> Option<PathBuf> {
    let file = section.parse_with(key, example, |text| check::folder(text).map(|()| reader.absolute(text)));
    file.map(|file| file.value)
}

fn word(section: &Section<'_>, key: &'static str, example: &str) -> Option<String> {
    section.parse_with(key, example, plain).map(|word| word.value)
}

fn needed(section: &Section<'_>, key: &'static str, example: &str) -> Option<String> {
    if section.value(key).is_none() {
        section.missing(key, &format!("\"{example}\""));
    }
    word(section, key, example)
}

fn endpoint_of(section: &Section<'_>, example: &str) -> Option<String> {
    section.parse_with("endpoint", example, endpoint).map(|endpoint| endpoint.value)
}

fn read_s3(section: &Section<'_>, reader: &Reader<'_>) -> Option<StoreConfig> {
    let bucket = needed(section, "bucket", "evidence");
    let endpoint = endpoint_of(section, "https://minio.lab:9000");
    let region = word(section, "region", "eu-central-1");
    if region.is_none() && section.value("region").is_none() && section.value("endpoint").is_none() {
        section.missing("region", "\"eu-central-1\"");
        return None;
    }
    Some(StoreConfig::S3 {
        bucket: bucket?,
        // What speaks like S3 is seldom anywhere else.
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        endpoint,
        virtual_host: section.flag("virtual_host").unwrap_or(false),
        credentials: file(section, "credentials", "/etc/verisim/s3-credentials", reader),
        profile: word(section, "profile", "verisim"),
    })
}

fn read_azblob(section: &Section<'_>, reader: &Reader<'_>) -> Option<StoreConfig> {
    let container = needed(section, "container", "evidence");
    let account = needed(section, "account", "lab");
    let endpoint = endpoint_of(section, "https://lab.blob.core.windows.net");
    let key = read_secret(section, "key", reader);
    let account = account?;
    let endpoint = endpoint.unwrap_or_else(|| format!("https://{account}.blob.core.windows.net"));
    Some(StoreConfig::Azblob { container: container?, account, endpoint, key })
}

fn read_gcs(section: &Section<'_>, reader: &Reader<'_>) -> Option<StoreConfig> {
    let bucket = needed(section, "bucket", "evidence");
    let endpoint = endpoint_of(section, "https://storage.googleapis.com");
    let credentials = file(section, "credentials", "/etc/verisim/gcs.json", reader);
    Some(StoreConfig::Gcs { bucket: bucket?, endpoint, credentials })
}

fn read_webdav(section: &Section<'_>, reader: &Reader<'_>) -> Option<StoreConfig> {
    if section.value("endpoint").is_none() {
        section.missing("endpoint", "\"https://nas.lab/dav\"");
    }
    let endpoint = endpoint_of(section, "https://nas.lab/dav");
    let user = word(section, "user", "lab");
    let password = read_secret(section, "password", reader);
    Some(StoreConfig::Webdav { endpoint: endpoint?, user, password })
}

/// Notes a folder of a store that lies inside another destination's.
fn note_place(reader: &Reader<'_>, store: &StoreConfig, path: &str, name: &str, section: &Section<'_>) {
    // No host is called like this.
    let known = match store {
        StoreConfig::S3 { bucket, endpoint, .. } => {
            format!("s3: {} {bucket}", endpoint.as_deref().unwrap_or_default())
        }
        StoreConfig::Azblob { container, endpoint, .. } => format!("azblob: {endpoint} {container}"),
        StoreConfig::Gcs { bucket, .. } => format!("gcs: {bucket}"),
        StoreConfig::Webdav { endpoint, .. } => format!("webdav: {endpoint}"),
    };
    check::note_evidence(reader, section, section.span.clone(), (known, path), name);
}

/// A name of a bucket, an account, a region, a profile, a user.
fn plain(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
    match !text.is_empty() && text.len() <= 255 && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no such name")),
    }
}

/// An address without secrets, path parameters and blanks.
fn endpoint(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return Err("an address begins with https:// or http://".into()) };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err("a user and a password in an address would stand where everybody reads them".into());
    }
    let fits = |c: char| c.is_ascii_graphic() && !"?#\"'<>\\".contains(c);
    match !host.is_empty() && rest.chars().all(fits) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(format!("{text:?} is no address of a server")),
    }
}

/// A folder in a store: text that stays what it is as part of a key.
fn folder(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    let is_odd = |part: &str| matches!(part, "" | "." | "..");
    if path.is_empty() || path.split('/').any(is_odd) {
        return Err("write it without `.`, `..` and double slashes, or leave it away".into());
    }
    if path.chars().any(char::is_control) || path.trim() != path || path.len() > 512 {
        return Err("it has a control character or a blank at its end, or is longer than 512 bytes".into());
    }
    Ok(path.to_owned())
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    #![allow(clippy::panic, reason = "tests fail by panicking")]

    use std::path::Path;

    use crate::config::{ConfigError, TransportConfig, parse};

    fn read(way: &str) -> Result<TransportConfig, String> {
        let text = format!(
            "state = \"/nowhere/state\"\nseed = 1\n[[destination]]\nname = \"other\"\n\
             s3 = {{ bucket = \"evidence\", region = \"eu-central-1\", path = \"runs/other\" }}\n\
             [[destination]]\nname = \"v\"\n{way}\n"
        );
        match parse(&text, Path::new("/nowhere/verisim.toml"), None) {
            Ok(config) => match config.destinations.last() {
                Some(last) => Ok(last.transport.clone()),
                None => panic!("no destination was read"),
            },
            Err(ConfigError::Mistakes { mistakes, .. }) => {
                Err(mistakes.iter().map(|mistake| format!("{}: {}\n", mistake.line, mistake.what)).collect())
            }
            Err(ConfigError::Unreadable(error)) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_store_is_checked_as_a_whole() {
        for good in [
            "s3 = { bucket = \"evidence\", region = \"eu-central-1\" , path = \"elsewhere/\" }",
            "s3 = { bucket = \"evidence\", endpoint = \"https://minio.lab:9000/\", credentials = \"keys/s3\", profile = \"lab\" }",
            "s3 = { bucket = \"b\", region = \"r\", virtual_host = true, read_back_max = \"1GiB\", authority = \"ca.pem\" }",
        ] {
            assert!(matches!(read(good), Ok(TransportConfig::Object(_))), "{good}: {:?}", read(good));
        }
        for (bad, said) in [
            ("s3 = { region = \"r\" }", "has no `bucket`"),
            ("s3 = { bucket = \"b\" }", "has no `region`"),
            ("s3 = { bucket = \"b/c\", region = \"r\" }", "no such name"),
            ("s3 = { bucket = \"b\", endpoint = \"minio.lab\" }", "begins with https://"),
            ("s3 = { bucket = \"b\", endpoint = \"https://a:hunter2@minio\" }", "everybody reads"),
            ("s3 = { bucket = \"b\", region = \"r\", path = \"a/../b\" }", "without `.`"),
            (
                "s3 = { bucket = \"b\", region = \"r\", secret_access_key = \"hunter2\" }",
                "everybody reads it",
            ),
            ("s3 = { bucket = \"b\", region = \"r\", access_key_id = \"hunter2\" }", "everybody reads it"),
            (
                "s3 = { bucket = \"evidence\", region = \"eu-central-1\", path = \"runs\" }",
                "lie inside each other",
            ),
            (
                "s3 = { bucket = \"b\", region = \"r\" }\nnative = { path = \"/nowhere/v\" }",
                "more than one way",
            ),
        ] {
            let found = read(bad).unwrap_err();
            assert!(found.contains(said) && !found.contains("hunter2"), "{bad}: {found}");
        }
    }

    /// What was not built in is named; what was is read.
    #[test]
    fn a_kind_that_was_not_built_in_is_refused_by_name() {
        for (kind, way) in [
            ("azblob", "azblob = { container = \"c\", account = \"lab\", key = { env = \"KEY\" } }"),
            ("gcs", "gcs = { bucket = \"b\", credentials = \"gcs.json\" }"),
            (
                "webdav",
                "webdav = { endpoint = \"https://nas/dav\", user = \"lab\", password = { file = \"p\" } }",
            ),
        ] {
            let found = read(way);
            match crate::object::built_in().contains(&kind) {
                true => assert!(matches!(found, Ok(TransportConfig::Object(_))), "{way}"),
                false => assert!(found.unwrap_err().contains(&format!("without the kind of store `{kind}`"))),
            }
        }
    }
}
