//! Destinations that are remotes of rclone.

use std::path::PathBuf;

use super::model::{RcloneConfig, TransportConfig};
use super::read::Reader;
use super::section::{At, Section};
use super::{check, units};

pub(super) const EXAMPLE: &str = "{ remote = \"nas:evidence\" }";

/// Reads which remote is filled.
pub(super) fn read_rclone(rclone: Section<'_>, name: &str, reader: &Reader<'_>) -> Option<TransportConfig> {
    if let Some(value) = rclone.value("password") {
        rclone.mistake(
            value.span(),
            "a password is not taken: rclone keeps those of its remotes itself",
            "`rclone config` writes it into rclone.conf; what opens an encrypted one stands in RCLONE_CONFIG_PASS",
        );
    }
    if rclone.value("remote").is_none() {
        rclone.missing("remote", "\"nas:evidence\"");
    }
    let remote = rclone.parse_with("remote", "nas:evidence", remote);
    let file = |key, example| {
        rclone
            .parse_with(key, example, |text| check::folder(text).map(|()| reader.absolute(text)))
            .map(|file| file.value)
    };
    let config = file("config", "/etc/rclone.conf");
    let program = file("program", "/opt/rclone/rclone");
    let read_back_max = rclone.parse_with("read_back_max", "16GiB", units::size).map(|bytes| bytes.value);
    let hash = rclone.parse_with("hash", "md5", hash).map(|hash| hash.value);
    let config = remote.map(|remote| {
        note_place(reader, &remote, config.as_ref(), name, &rclone);
        TransportConfig::Rclone(Box::new(RcloneConfig {
            remote: remote.value,
            config,
            hash,
            program,
            read_back_max,
        }))
    });
    rclone.finish();
    config
}

/// Notes a folder of a remote that lies inside another destination's.
fn note_place(
    reader: &Reader<'_>,
    remote: &At<String>,
    config: Option<&PathBuf>,
    name: &str,
    section: &Section<'_>,
) {
    let (host, path) = remote.value.split_once(':').unwrap_or((&remote.value, ""));
    // No host is called like this.
    let known = format!("{host}: {}", config.map(|config| config.display().to_string()).unwrap_or_default());
    check::note_evidence(reader, section, remote.span.clone(), (known, path), name);
}

/// A remote of rclone's configuration, by its name, and a folder there.
fn remote(text: &str) -> Result<String, String> {
    let Some((name, path)) = text.split_once(':') else {
        return Err(format!(
            "{text:?} names no remote, which ends with a colon; for a folder of this machine write native = ..."
        ));
    };
    if name.is_empty() || name.contains(',') || path.contains(':') {
        return Err(
            "a remote described on the spot is not taken, since secrets would stand where others see \
                    them: give it a name in rclone.conf"
                .into(),
        );
    }
    let fits = |c: char| c.is_alphanumeric() || "_-.+@ ".contains(c);
    if !name.chars().all(fits) || name.starts_with(['-', ' ']) || name.ends_with(' ') {
        return Err(format!("{name:?} is no name of a remote"));
    }
    if path.split('/').any(|part| part == ".." || part == ".") || path.chars().any(char::is_control) {
        return Err("write its folder without `.`, `..` and control characters".into());
    }
    let end = path.trim_end_matches('/');
    Ok(if end.is_empty() && path.starts_with('/') { format!("{name}:/") } else { format!("{name}:{end}") })
}

/// A hash of which rclone knows the name. SHA-256 is asked for in any case.
fn hash(text: &str) -> Result<String, String> {
    let known = ["md5", "sha1", "whirlpool", "crc32", "dropbox", "hidrive", "mailru", "quickxor"];
    match known.contains(&text) {
        true => Ok(text.to_owned()),
        false if text == "sha256" => {
            Err("sha256 proves in any case, where the remote knows it: leave it away".into())
        }
        false => Err(format!("{text:?} is none of {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests fail by panicking")]

    use std::path::Path;

    use crate::config::{ConfigError, TransportConfig, parse};

    fn read(way: &str) -> Result<String, String> {
        let text = format!(
            "state = \"/nowhere/state\"\nseed = 1\n[[destination]]\nname = \"other\"\nrclone = {{ remote = \"nas:runs/other\" }}\n\
             [[destination]]\nname = \"v\"\n{way}\n"
        );
        match parse(&text, Path::new("/nowhere/verisim.toml"), None) {
            Ok(config) => match config.destinations.last().map(|last| &last.transport) {
                Some(TransportConfig::Rclone(rclone)) => Ok(rclone.remote.clone()),
                other => panic!("{other:?}"),
            },
            Err(ConfigError::Mistakes { mistakes, .. }) => {
                Err(mistakes.iter().map(|mistake| format!("{}: {}\n", mistake.line, mistake.what)).collect())
            }
            Err(ConfigError::Unreadable(error)) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_remote_is_checked_as_a_whole() {
        for (good, kept) in [
            ("rclone = { remote = \"nas:evidence/\" }", "nas:evidence"),
            ("rclone = { remote = \"nas:/\", config = \"/etc/other.conf\" }", "nas:/"),
            (
                "rclone = { remote = \"my nas:\", config = \"rclone.conf\", read_back_max = \"1GiB\" }",
                "my nas:",
            ),
            ("rclone = { remote = \"s3:bucket/runs\", program = \"/opt/rclone\" }", "s3:bucket/runs"),
        ] {
            assert_eq!(read(good).as_deref(), Ok(kept), "{good}");
        }
        for (bad, said) in [
            ("rclone = {}", "has no `remote`"),
            ("rclone = { remote = \"/mnt/nas\" }", "names no remote"),
            ("rclone = { remote = \":sftp,pass=hunter2:x\" }", "described on the spot"),
            ("rclone = { remote = \"nas,pass=hunter2:x\" }", "described on the spot"),
            ("rclone = { remote = \"-nas:x\" }", "is no name of a remote"),
            ("rclone = { remote = \"nas:a/../b\" }", "without `.`"),
            ("rclone = { remote = \"nas:runs\" }", "lie inside each other"),
            ("rclone = { remote = \"n:x\", hash = \"sha256\" }", "leave it away"),
            ("rclone = { remote = \"n:x\", hash = \"--x\" }", "is none of"),
            ("rclone = { remote = \"n:x\", password = \"x\" }", "a password is not taken"),
            ("rclone = { remote = \"n:x\" }\nnative = { path = \"/nowhere/v\" }", "more than one way"),
        ] {
            let found = read(bad).unwrap_err();
            assert!(found.contains(said) && !found.contains("hunter2"), "{bad}: {found}");
        }
        let all =
            read("rclone = { remote = \"x\", password = \"\", config = \"~/x\", colour = 1 }").unwrap_err();
        assert_eq!(all.lines().count(), 4, "all mistakes at once: {all}");
    }
}
