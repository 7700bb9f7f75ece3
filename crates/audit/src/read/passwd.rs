//! Accounts, and which files a package brought.

use super::text;

/// How many accounts are read.
const ACCOUNTS_MAX: usize = 10_000;

/// One line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLine {
    /// The login.
    pub login: String,
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Who it is for people: the first part of the comment field.
    pub full_name: String,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
}

impl AccountLine {
    /// Whether a person may have it: the range of `login.defs`, and a shell that lets one in.
    #[must_use]
    pub fn is_person(&self) -> bool {
        (1000..60_000).contains(&self.uid) && !self.is_locked_out()
    }

    /// Whether its shell lets nobody in.
    #[must_use]
    pub fn is_locked_out(&self) -> bool {
        ["nologin", "false", "sync"].iter().any(|shell| self.shell.ends_with(shell))
    }
}

/// The accounts of a `passwd` file.
#[must_use]
pub fn passwd(bytes: &[u8]) -> Vec<AccountLine> {
    let line = |line: &[u8]| {
        let line = text(line, 1000);
        let fields: Vec<&str> = line.split(':').collect();
        let [login, _, uid, gid, comment, home, shell] = fields[..] else { return None };
        Some(AccountLine {
            login: (!login.is_empty()).then(|| login.to_owned())?,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            full_name: comment.split(',').next().unwrap_or_default().trim().to_owned(),
            home: home.to_owned(),
            shell: shell.trim().to_owned(),
        })
    };
    bytes.split(|byte| *byte == b'\n').filter_map(line).take(ACCOUNTS_MAX).collect()
}

/// The paths in a list of dpkg (`/var/lib/dpkg/info/*.list`), one a line.
pub fn dpkg_list(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|path| path.len() > 1 && path[0] == b'/')
}

/// The paths in the database of apk (`/lib/apk/db/installed`): `F:` names a folder, `R:` a file in it.
#[must_use]
pub fn apk_files(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut folder: &[u8] = b"";
    let mut out = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"F:") {
            folder = name;
        } else if let Some(name) = line.strip_prefix(b"R:") {
            let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
            out.push([b"/", folder, slash, name].concat());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_and_what_is_none_is_passed_over() {
        let bytes = b"root:x:0:0:root:/root:/bin/bash\n\nbroken\nx:y:z:1:::\nmkeller:x:1001:1001:Maria Keller,,,:/home/mkeller:/bin/bash\nsync:x:4:65534:sync:/bin:/bin/sync\n";
        let accounts = passwd(bytes);
        assert_eq!(
            accounts.iter().map(|a| a.login.as_str()).collect::<Vec<_>>(),
            ["root", "mkeller", "sync"]
        );
        assert_eq!(accounts[1].full_name, "Maria Keller");
        assert_eq!(accounts.iter().map(AccountLine::is_person).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn lists_of_packages_name_their_files() {
        assert_eq!(
            dpkg_list(b"/.\n/etc/a\n\nx\n/usr/b").collect::<Vec<_>>(),
            [&b"/."[..], b"/etc/a", b"/usr/b"]
        );
        let apk = b"P:musl\nF:lib\nR:ld.so\nF:\nR:top\nF:etc/x\nR:y\n";
        assert_eq!(apk_files(apk), [b"/lib/ld.so".to_vec(), b"/top".to_vec(), b"/etc/x/y".to_vec()]);
    }
}
