//! What can be learnt of a decoy from its files, without leaving a trace.

use verisim_core::{Account, ByteCount, ByteRange, DecoyPath, HostFacts, Owner, Timestamp, printable};
use verisim_sys::Root;

use super::look;
use super::problem::{Outcome, Problem};

/// The most that is read of any of the files, in bytes.
pub(crate) const FACT_BYTES_MAX: u64 = 256 * 1024;
/// The most accounts that are told of; what the port promises.
const ACCOUNTS_MAX: usize = 1_000;

pub(crate) fn facts(root: &Root, clock: Timestamp) -> Outcome<HostFacts> {
    let failed = |error| Problem::at(&DecoyPath::root(), error);
    let (free_bytes, writable) = root.space().map_err(failed)?;
    let (inode, born) = root.lasting_identity().map_err(failed)?;
    // `/etc/os-release` is mostly a link, and a final link is not followed.
    let release = text(root, "/etc/os-release").or_else(|| text(root, "/usr/lib/os-release"));
    Ok(HostFacts {
        os: release.as_deref().and_then(pretty_name),
        hostname: text(root, "/etc/hostname").as_deref().and_then(first_word),
        clock: Some(clock),
        accounts: text(root, "/etc/passwd").as_deref().map(accounts).unwrap_or_default(),
        free_bytes: Some(free_bytes),
        writable,
        identity: Some(
            born.map_or_else(|| format!("inode {inode}"), |born| format!("inode {inode} born {born}")),
        ),
    })
}

/// A small file as text. What cannot be had is no fact; it is not a failure.
fn text(root: &Root, path: &str) -> Option<String> {
    let path = DecoyPath::new(path).ok()?;
    let bytes = look::read(root, &path, ByteRange::first(ByteCount(FACT_BYTES_MAX))).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of `PRETTY_NAME`, without its quotes (os-release(5)).
pub(crate) fn pretty_name(release: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?.trim();
    let bare = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .or_else(|| value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')))
        .unwrap_or(value);
    (!bare.is_empty()).then(|| printable(bare))
}

pub(crate) fn first_word(hostname: &str) -> Option<String> {
    hostname.split_whitespace().next().map(printable)
}

/// The accounts of a passwd(5); lines that are none are passed over.
pub(crate) fn accounts(passwd: &str) -> Vec<Account> {
    passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let login = fields.next().filter(|login| !login.is_empty())?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            let home = fields.nth(1)?;
            Some(Account { login: printable(login), owner: Owner { uid, gid }, home: printable(home) })
        })
        .take(ACCOUNTS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_out_of_the_usual_files() {
        assert_eq!(
            pretty_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n").as_deref(),
            Some("Debian GNU/Linux 12 (bookworm)")
        );
        assert_eq!(pretty_name("ID=debian\n"), None);
        assert_eq!(first_word("files01\n").as_deref(), Some("files01"));
        let found =
            accounts("root:x:0:0:root:/root:/bin/bash\n\nbroken:x\nann:x:1001:1002:,,,:/home/ann:/bin/sh\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].login, "ann");
        assert_eq!(found[1].owner, Owner { uid: 1001, gid: 1002 });
        assert_eq!(found[1].home, "/home/ann");
    }

    #[test]
    fn what_a_decoy_says_of_itself_is_bounded_and_printable() {
        let hostile = format!("PRETTY_NAME=\"\x1b[31m{}\"\n", "x".repeat(9000));
        let name = pretty_name(&hostile).unwrap();
        assert!(name.chars().count() < 600 && !name.contains('\x1b'));
        let many = "a:x:1:1::/:/bin/sh\n".repeat(5000);
        assert_eq!(accounts(&many).len(), ACCOUNTS_MAX);
    }
}
