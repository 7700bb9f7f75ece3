//! Destinations that are hosts over SSH, filled by rsync or over SFTP.

use verisim_connect::WayIn;
use verisim_core::ByteCount;

use super::model::{RsyncConfig, SftpConfig, SshConfig, TransportConfig};
use super::read::Reader;
use super::section::{At, Section};
use super::{check, ssh, units};

pub(super) const EXAMPLE: &str = "{ host = \"nas\", path = \"/volume1/runs\" }";

/// Keys that somebody may look for, and why they are not there.
const NOT_THERE: [(&str, &str, &str); 3] = [
    (
        "password",
        "a password is not taken: it would have to stand where others can read it, and a NAS is asked by itself at night",
        "make a key and let it in: ssh-keygen -t ed25519 -f keys/nas, ssh-copy-id -i keys/nas host; then identity = \"keys/nas\"",
    ),
    (
        "passphrase",
        "a passphrase is not taken: nobody is there at night to type it",
        "give the daemon a key of its own without one, or load it into the agent that SSH_AUTH_SOCK names",
    ),
    (
        "key",
        "the private key is called `identity` here, as it is for decoys",
        "write identity = \"keys/nas\"",
    ),
];

/// A host, a folder there, and how much of a capture is read back at the most.
struct Far {
    ssh: SshConfig,
    path: String,
    read_back_max: Option<ByteCount>,
}

/// Reads how a host is filled by rsync.
pub(super) fn read_rsync(rsync: Section<'_>, name: &str, reader: &Reader<'_>) -> Option<TransportConfig> {
    let rsync_path = rsync.parse_with("rsync_path", "/opt/bin/rsync", program_there).map(|path| path.value);
    let far = read_far(&rsync, name, reader);
    rsync.finish();
    let Far { ssh, path, read_back_max } = far?;
    Some(TransportConfig::Rsync(Box::new(RsyncConfig { ssh, path, rsync_path, read_back_max })))
}

/// Reads how a host is filled over SFTP.
pub(super) fn read_sftp(sftp: Section<'_>, name: &str, reader: &Reader<'_>) -> Option<TransportConfig> {
    let far = read_far(&sftp, name, reader);
    sftp.finish();
    let Far { ssh, path, read_back_max } = far?;
    Some(TransportConfig::Sftp(Box::new(SftpConfig { ssh, path, read_back_max })))
}

fn read_far(section: &Section<'_>, name: &str, reader: &Reader<'_>) -> Option<Far> {
    for (key, what, mend) in NOT_THERE {
        if let Some(value) = section.value(key) {
            section.mistake(value.span(), what, mend);
        }
    }
    for (key, example) in [("host", "\"nas\""), ("path", "\"/volume1/runs\"")] {
        if section.value(key).is_none() {
            section.missing(key, example);
        }
    }
    let host = section.parse_with("host", "nas", ssh::host);
    let path = section.parse_with("path", "/volume1/runs", folder_there);
    let named_port = section.value("port").is_some();
    let port = section.number("port", 1..=65_535).and_then(|port| u16::try_from(port.value).ok());
    let user = section.parse_with("user", "lab", ssh::user).map(|user| user.value);
    let file = |key, example| {
        section
            .parse_with(key, example, |text| check::folder(text).map(|()| reader.absolute(text)))
            .map(|file| file.value)
    };
    let identity = file("identity", "keys/nas");
    let known_hosts = file("known_hosts", "known_hosts");
    let read_back_max = section.parse_with("read_back_max", "16GiB", units::size).map(|bytes| bytes.value);
    host.zip(path).filter(|_| port.is_some() || !named_port).map(|(host, path)| {
        note_place(reader, &host, &path, name, section);
        let ssh = SshConfig {
            host: host.value,
            port,
            user,
            identity,
            known_hosts,
            way: WayIn::Auto,
            exec: false,
            password: None,
            passphrase: None,
        };
        Far { ssh, path: path.value, read_back_max }
    })
}

/// Notes a host of evidence that is a decoy, and a folder there that lies inside another destination's.
fn note_place(reader: &Reader<'_>, host: &At<String>, path: &At<String>, name: &str, section: &Section<'_>) {
    let known = host.value.to_ascii_lowercase();
    let decoys = reader.hosts.borrow();
    if let Some((_, decoy)) = decoys.iter().find(|((decoy, _), _)| *decoy == known) {
        let what = format!("the host `{}` is the decoy `{decoy}`", host.value);
        section.mistake(host.span.clone(), what, "an intruder would find the evidence: take another host");
    }
    check::note_evidence(reader, section, path.span.clone(), (known, &path.value), name);
}

/// A folder on another machine, taken as it stands.
fn folder_there(text: &str) -> Result<String, String> {
    check::folder(text)?;
    if !text.starts_with('/') {
        return Err("a folder on another machine begins with /, also where a key is locked into one".into());
    }
    if text.split('/').any(|part| part == ".." || part == ".") {
        return Err("write it without `.` and `..`".into());
    }
    if text.chars().any(char::is_control) {
        return Err("it has a control character".into());
    }
    let path = text.trim_end_matches('/');
    Ok(if path.is_empty() { "/".to_owned() } else { path.to_owned() })
}

/// What a shell there takes for a program: words that mean nothing else to it.
fn program_there(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./,:+=@% ".contains(&byte);
    let fits = !text.trim().is_empty() && text.trim() == text && text.bytes().all(is_plain);
    if fits && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not the path of a program, or words before it such as sudo"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests fail by panicking")]

    use std::path::Path;

    use crate::config::{ConfigError, parse};

    /// What is wrong with a destination, each on a line of its own.
    fn about_destination(way: &str) -> String {
        let text = format!(
            "state = \"/nowhere/state\"\nseed = 1\n[[decoy]]\nname = \"web01\"\nconnector = {{ ssh = {{ host = \"web01\" }} }}\n\
             [[destination]]\nname = \"other\"\nrsync_ssh = {{ host = \"nas\", path = \"/runs/other\" }}\n\
             [[destination]]\nname = \"v\"\n{way}\n"
        );
        match parse(&text, Path::new("/nowhere/verisim.toml"), None) {
            Ok(_) => String::new(),
            Err(ConfigError::Mistakes { mistakes, .. }) => {
                mistakes.iter().map(|mistake| format!("{}: {}\n", mistake.line, mistake.what)).collect()
            }
            Err(ConfigError::Unreadable(error)) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_destination_over_ssh_is_checked_as_a_whole() {
        for good in [
            "rsync_ssh = { host = \"nas\", path = \"/volume1/runs/\" }",
            "rsync_ssh = { host = \"nas2\", path = \"/\", user = \"lab\", port = 2222, identity = \"keys/nas\", known_hosts = \"known\" }",
            "sftp = { host = \"nas2\", path = \"/runs\", user = \"lab\", port = 2222, identity = \"keys/nas\", read_back_max = \"1GiB\" }",
            "rsync_ssh = { host = \"fd00::7\", path = \"/runs\", rsync_path = \"sudo /opt/bin/rsync\", read_back_max = \"1GiB\" }",
        ] {
            assert_eq!(about_destination(good), "", "{good}");
        }
        for (bad, said) in [
            ("sftp = { path = \"/runs\" }", "has no `host`"),
            ("sftp = { host = \"nas2\", path = \"runs\" }", "begins with /"),
            ("sftp = { host = \"nas2\", path = \"/r\", password = \"x\" }", "a password is not taken"),
            ("sftp = { host = \"nas2\", path = \"/r\", passphrase = \"x\" }", "a passphrase is not taken"),
            ("sftp = { host = \"nas2\", path = \"/r\", rsync_path = \"x\" }", "rsync_path"),
            ("sftp = { host = \"nas\", path = \"/runs/other/below\" }", "lie inside each other"),
            ("sftp = { host = \"web01\", path = \"/runs\" }", "is the decoy `web01`"),
            (
                "sftp = { host = \"nas2\", path = \"/a\" }\nrsync_ssh = { host = \"nas2\", path = \"/r\" }",
                "more than one way",
            ),
            ("rsync_ssh = { path = \"/runs\" }", "has no `host`"),
            ("rsync_ssh = { host = \"nas2\" }", "has no `path`"),
            ("rsync_ssh = { host = \"lab@nas2\", path = \"/runs\" }", "the user has a key of its own"),
            ("rsync_ssh = { host = \"-oProxyCommand=x\", path = \"/runs\" }", "is no name of a host"),
            ("rsync_ssh = { host = \"nas2\", path = \"runs\" }", "begins with /"),
            ("rsync_ssh = { host = \"nas2\", path = \"/runs/../etc\" }", "without `.` and `..`"),
            ("rsync_ssh = { host = \"nas2\", path = \"/r\", port = 70000 }", "out of range"),
            ("rsync_ssh = { host = \"nas2\", path = \"/r\", password = \"x\" }", "a password is not taken"),
            ("rsync_ssh = { host = \"nas2\", path = \"/r\", key = \"x\" }", "called `identity`"),
            (
                "rsync_ssh = { host = \"nas2\", path = \"/r\", rsync_path = \"rsync; id\" }",
                "is not the path of a program",
            ),
            ("rsync_ssh = { host = \"NAS\", path = \"/runs\" }", "lie inside each other"),
            ("rsync_ssh = { host = \"web01\", path = \"/runs\" }", "is the decoy `web01`"),
            (
                "native = { path = \"/nowhere/v\" }\nrsync_ssh = { host = \"nas2\", path = \"/r\" }",
                "more than one way",
            ),
            ("", "no way there"),
        ] {
            assert!(about_destination(bad).contains(said), "{bad}: {}", about_destination(bad));
        }
        let all = about_destination(
            "rsync_ssh = { host = \"a b\", path = \"x\", port = 0, password = \"\", colour = 1 }",
        );
        assert_eq!(all.lines().count(), 5, "all mistakes at once: {all}");
    }
}
