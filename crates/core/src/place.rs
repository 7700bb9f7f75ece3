//! What a directory on a Unix host looks like by the place where it stands.

use crate::{DecoyPath, FileMode, Owner};

/// The owner and mode that a missing directory `dir` is made with, on the way to an entry that belongs to `owner`.
///
/// Below a home, and below the world-writable scratch directories, a directory is its user's own; everything else belongs
/// to root. Modes are those of Debian 12: homes 0700 (`DIR_MODE` of adduser 3.134), `/root` 0700, `.ssh` and
/// `.gnupg` 0700 as their programs make them, scratch 1777, all else 0755.
#[must_use]
pub fn directory(dir: &DecoyPath, owner: Owner) -> (Owner, FileMode) {
    if dir.file_name().is_some_and(|name| name == b".ssh" || name == b".gnupg") {
        let is_root = dir.as_bytes().starts_with(b"/root/");
        return (if is_root { Owner::ROOT } else { owner }, FileMode::new(0o700));
    }
    let mut parts = dir.components();
    let (first, second, third) = (parts.next().unwrap_or(b""), parts.next(), parts.next());
    match (first, second, third) {
        (b"root", None, _) => (Owner::ROOT, FileMode::new(0o700)),
        (b"tmp", None, _) | (b"var", Some(b"tmp"), None) | (b"dev", Some(b"shm"), None) => {
            (Owner::ROOT, FileMode::new(0o1777))
        }
        (b"home", Some(_), None) => (owner, FileMode::new(0o700)),
        (b"home", Some(_), Some(_)) | (b"tmp", Some(_), _) | (b"var", Some(b"tmp"), Some(_)) => {
            (owner, FileMode::new(0o755))
        }
        (b"dev", Some(b"shm"), Some(_)) => (owner, FileMode::new(0o755)),
        _ => (Owner::ROOT, FileMode::new(0o755)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_belongs_to_whom_its_place_calls_for() {
        let user = Owner { uid: 1001, gid: 1001 };
        for (path, expected, mode) in [
            ("/home", Owner::ROOT, 0o755),
            ("/home/ann", user, 0o700),
            ("/home/ann/notes/2026", user, 0o755),
            ("/root", Owner::ROOT, 0o700),
            ("/root/x", Owner::ROOT, 0o755),
            ("/root/.ssh", Owner::ROOT, 0o700),
            ("/home/ann/.ssh", user, 0o700),
            ("/tmp", Owner::ROOT, 0o1777),
            ("/tmp/build", user, 0o755),
            ("/var/tmp", Owner::ROOT, 0o1777),
            ("/var/log/app", Owner::ROOT, 0o755),
            ("/srv/projects", Owner::ROOT, 0o755),
        ] {
            let got = directory(&DecoyPath::new(path).unwrap(), user);
            assert_eq!(got, (expected, FileMode::new(mode)), "{path}");
        }
    }
}
