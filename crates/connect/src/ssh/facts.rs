//! What can be learnt of a decoy from its files.

use verisim_core::{ByteCount, ByteRange, DecoyPath, FileStat, HostFacts, Timestamp};

use super::look;
use super::problem::{Outcome, at};
use super::remote::Remote;
use crate::tree::{self, FACT_BYTES_MAX};

/// Its inode is made when it is first looked at, and bears the time of that moment: the one way to a clock that SFTP has.
/// Only the first look of a process counts, so it takes an SFTP session of its own.
const CLOCK: &str = "/proc/self/status";

pub(super) async fn facts(
    remote: &dyn Remote,
    fresh: Option<&dyn Remote>,
    host_key: Option<&str>,
) -> Outcome<HostFacts> {
    let root = DecoyPath::root();
    let (space, release, other, hostname, passwd, now) = tokio::join!(
        remote.space(root.as_bytes()),
        text(remote, "/etc/os-release"),
        text(remote, "/usr/lib/os-release"),
        text(remote, "/etc/hostname"),
        text(remote, "/etc/passwd"),
        shown(fresh),
    );
    let space = space.map_err(at(&root))?;
    // `/etc/os-release` is mostly a link, and a final link is not followed.
    let release = release.or(other);
    Ok(HostFacts {
        os: release.as_deref().and_then(tree::pretty_name),
        hostname: hostname.as_deref().and_then(tree::first_word),
        clock: now,
        accounts: passwd.as_deref().map(tree::accounts).unwrap_or_default(),
        // A server that does not tell is not taken for a full one.
        free_bytes: space.map(|space| space.available_bytes),
        writable: space.is_none_or(|space| !space.read_only),
        // A host that was set up anew has another key.
        identity: host_key.map(|key| format!("ssh {key}")),
    })
}

/// What the decoy's clock shows, where it can be seen.
async fn shown(fresh: Option<&dyn Remote>) -> Option<Timestamp> {
    let found: FileStat = look::file_stat(&fresh?.lstat(CLOCK.as_bytes()).await.ok()??, None);
    Some(found.mtime)
}

/// A small file as text. What cannot be had is no fact; it is not a failure.
async fn text(remote: &dyn Remote, path: &str) -> Option<String> {
    let path = DecoyPath::new(path).ok()?;
    let bytes = look::read(remote, &path, ByteRange::first(ByteCount(FACT_BYTES_MAX))).await.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
