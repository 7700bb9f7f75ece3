//! How ssh is asked: keys alone, a host key that is known, and an end when the other side is silent.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::RsyncOptions;

/// What is asked in any case. The first value counts, and the command line comes before every file.
const ALWAYS: [&str; 15] = [
    // Nobody sits here who could answer.
    "BatchMode=yes",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "NumberOfPasswordPrompts=0",
    // A key that is not known is a person's matter.
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    // A silent way is found out within a minute and a quarter.
    "ConnectTimeout=15",
    "ConnectionAttempts=1",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    // Banners may say anything.
    "LogLevel=ERROR",
    // Nothing beside what is asked.
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    // Evidence is mostly compressed already, and the processor is needed for hashing.
    "Compression=no",
];

/// The arguments before the host.
pub(super) fn arguments(options: &RsyncOptions) -> Vec<OsString> {
    let mut out: Vec<OsString> = vec!["-T".into()];
    let mut option = |value: OsString| out.extend(["-o".into(), value]);
    ALWAYS.iter().for_each(|value| option(value.into()));
    if !options.known_hosts.is_empty() {
        option(files("UserKnownHostsFile=", options.known_hosts.iter().map(PathBuf::as_path)));
        option("GlobalKnownHostsFile=/dev/null".into());
    }
    if let Some(key) = &options.key {
        option("IdentitiesOnly=yes".into());
        option(files("IdentityFile=", [key.as_path()]));
    }
    if let Some(port) = options.port {
        option(format!("Port={port}").into());
    }
    if let Some(user) = &options.user {
        out.extend(["-l".into(), user.into()]);
    }
    out
}

/// What is added for a run: by the connection at this socket, or by its own, which ends with it. Whatever is configured, no other
/// is used, and none is left behind.
pub(super) fn by(socket: Option<&Path>) -> Vec<OsString> {
    control("no", socket)
}

/// What is added to hold a connection for others at this socket, and to do nothing else.
pub(super) fn holding(socket: &Path) -> Vec<OsString> {
    let mut out = control("yes", Some(socket));
    out.push("-N".into());
    out
}

fn control(master: &str, socket: Option<&Path>) -> Vec<OsString> {
    let socket = match socket {
        Some(socket) => files("ControlPath=", [socket]),
        None => "ControlPath=none".into(),
    };
    let master = format!("ControlMaster={master}").into();
    vec!["-o".into(), master, "-o".into(), socket, "-o".into(), "ControlPersist=no".into()]
}

/// A list of files as ssh_config(5) takes it: each in double quotes, with `%` doubled.
fn files<'f>(keyword: &str, files: impl IntoIterator<Item = &'f Path>) -> OsString {
    let mut out = keyword.as_bytes().to_vec();
    for (at, file) in files.into_iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\"" } else { b" \"" });
        for byte in file.as_os_str().as_bytes() {
            match byte {
                b'%' => out.extend_from_slice(b"%%"),
                b'"' | b'\\' => out.extend([b'\\', *byte]),
                byte => out.push(*byte),
            }
        }
        out.push(b'"');
    }
    OsString::from_vec(out)
}

/// The whole of it as one value of rsync's `-e`: words in single quotes, in which a doubled one stands for itself (rsync(1)).
pub(super) fn remote_shell(ssh: &Path, arguments: &[OsString]) -> OsString {
    let mut out = Vec::new();
    for word in std::iter::once(ssh.as_os_str()).chain(arguments.iter().map(OsString::as_os_str)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'\'');
        for byte in word.as_bytes() {
            out.push(*byte);
            if *byte == b'\'' {
                out.push(b'\'');
            }
        }
        out.push(b'\'');
    }
    OsString::from_vec(out)
}

/// The host as rsync takes it before a colon: an address with colons stands in brackets.
pub(super) fn host_of(options: &RsyncOptions) -> OsString {
    match options.host.contains(':') {
        true => format!("[{}]", options.host).into(),
        false => OsStr::new(&options.host).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> RsyncOptions {
        RsyncOptions {
            port: Some(2222),
            user: Some("lab".into()),
            key: Some("/k/it's 50%".into()),
            known_hosts: vec!["/a b".into(), "/c".into()],
            ..RsyncOptions::new("::1", "/runs", "/scratch".into())
        }
    }

    /// What today's flow leaves to chance is set.
    #[test]
    fn defect_19_ssh_is_told_never_to_ask_never_to_believe_and_never_to_wait_for_ever() {
        let said: Vec<String> =
            arguments(&options()).iter().map(|word| word.to_string_lossy().into_owned()).collect();
        for expected in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "ConnectTimeout=15",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            "LogLevel=ERROR",
            "UserKnownHostsFile=\"/a b\" \"/c\"",
            "IdentityFile=\"/k/it's 50%%\"",
            "Port=2222",
        ] {
            assert!(said.iter().any(|word| word == expected), "{expected} is not in {said:?}");
        }
        assert_eq!(host_of(&options()), "[::1]");
        let holding = holding(Path::new("/s 50%/s"));
        for expected in ["ControlMaster=yes", "ControlPath=\"/s 50%%/s\"", "ControlPersist=no", "-N"] {
            assert!(holding.iter().any(|word| word == expected), "{expected} is not in {holding:?}");
        }
        assert!(
            by(None).iter().any(|word| word == "ControlPath=none"),
            "a connection of somebody else's is used"
        );
    }

    #[test]
    fn rsync_takes_the_words_of_its_shell_apart_again() {
        let shell = remote_shell(Path::new("/usr/bin/ssh"), &["-i".into(), "/k/it's 50%".into()]);
        assert_eq!(shell, "'/usr/bin/ssh' '-i' '/k/it''s 50%'");
    }
}
