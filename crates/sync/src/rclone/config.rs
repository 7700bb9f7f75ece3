//! The configuration that rclone gets: a private copy of the operator's. rclone writes new tokens, and what it found out about
//! servers, into the file that it is given; the operator's own stays as it is.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use verisim_core::{Digest, Failure, FailureKind};
use verisim_sys::Secrets;

use super::RcloneOptions;
use crate::errno::{Side, failure};
use crate::private;

/// A configuration is read up to this size.
const BYTES_MAX: u64 = 16 << 20;
/// Words in the name of a setting whose value is a secret.
const SECRET_WORDS: [&str; 6] = ["pass", "secret", "token", "key", "credentials", "auth"];
const OPERATION: &str = "rclone.config";

/// The copy, and what of it must never be shown.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) file: PathBuf,
    pub(super) secrets: Secrets,
}

/// Makes the copy anew where the operator's file is another than the one it was made from.
pub(super) fn prepare(options: &RcloneOptions) -> Result<Prepared, Failure> {
    let state = |error| failure(Side::State, OPERATION, "copying the configuration of rclone", &error);
    let text = match &options.config {
        Some(path) => read(path).map_err(|error| unreadable(path, &error))?,
        None => Vec::new(),
    };
    fs::create_dir_all(&options.scratch).map_err(state)?;
    let (file, origin) = (options.scratch.join("rclone.conf"), options.scratch.join("rclone.conf.origin"));
    let known = Digest::of(&text).to_string();
    let is_it = file.is_file() && fs::read_to_string(&origin).is_ok_and(|origin| origin == known);
    if !is_it {
        let new = options.scratch.join("rclone.conf.new");
        private::write(&new, &text).map_err(state)?;
        fs::rename(&new, &file).map_err(state)?;
        private::write(&origin, known.as_bytes()).map_err(state)?;
    }
    let mut secrets = secrets_in(&text);
    // Tokens that rclone has renewed.
    secrets.extend(secrets_in(&read(&file).map_err(state)?));
    for (name, value) in &options.environment {
        let name = name.to_string_lossy().to_ascii_lowercase();
        if SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.ends_with("sock") {
            secrets.push(value.as_encoded_bytes().to_vec());
        }
    }
    Ok(Prepared { file, secrets: Secrets::new(secrets) })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => "`rclone config` makes it; is the path right?",
        io::ErrorKind::PermissionDenied => "let this user read it",
        _ => "is it a configuration of rclone?",
    };
    let what = format_args!("{} cannot be read ({error}): {mend}", path.display());
    Failure::new(FailureKind::Config, OPERATION, what)
}

/// The values of settings that are secrets, and the words within those that are JSON, as tokens are.
fn secrets_in(text: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let mut out = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let is_path = name.ends_with("_file") || name.ends_with("_command") || value.starts_with('/');
        if is_path || !SECRET_WORDS.iter().any(|word| name.contains(word)) {
            continue;
        }
        // `true` and the like are found everywhere.
        if value.len() >= 6 {
            out.push(value.as_bytes().to_vec());
        }
        out.extend(value.split('"').filter(|word| word.len() >= 16).map(|word| word.as_bytes().to_vec()));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const CONF: &str = "[nas]\ntype = sftp\nhost = nas\npass = obscured-password\nkey_file = /keys/nas\n\
        [drive]\ntoken = {\"access_token\":\"ya29.a0AfH6SMBx-long\",\"expiry\":\"2026\"}\nenv_auth = true\n";

    #[test]
    fn inv_8_every_secret_of_a_configuration_is_known() {
        let secrets = Secrets::new(secrets_in(CONF.as_bytes()));
        let said = secrets.mask(b"obscured-password at /keys/nas with ya29.a0AfH6SMBx-long, true");
        assert_eq!(said, b"[secret] at /keys/nas with [secret], true");
    }

    #[test]
    fn rclone_gets_a_private_copy_that_follows_the_operators_file() {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("rclone.conf");
        fs::write(&conf, CONF).unwrap();
        let options = RcloneOptions::new("nas:x", Some(conf.clone()), dir.path().join("scratch"));
        let prepared = prepare(&options).unwrap();
        assert_ne!(prepared.file, conf);
        assert_eq!(fs::metadata(&prepared.file).unwrap().permissions().mode() & 0o777, 0o600);
        // What rclone wrote stays for as long as the operator's file is the same.
        fs::write(&prepared.file, "renewed").unwrap();
        prepare(&options).unwrap();
        assert_eq!(fs::read(&prepared.file).unwrap(), b"renewed");
        fs::write(&conf, "[nas]\n").unwrap();
        prepare(&options).unwrap();
        assert_eq!(fs::read(&prepared.file).unwrap(), b"[nas]\n");
        fs::remove_file(&conf).unwrap();
        let failed = prepare(&options).unwrap_err();
        assert_eq!(failed.kind, FailureKind::Config);
    }
}
