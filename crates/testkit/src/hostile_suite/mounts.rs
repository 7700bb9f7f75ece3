//! File systems that are full, read-only, or none. Mounting takes root; where that is wanting it is said aloud.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use verisim_core::{ByteCount, ByteRange, Effect, FailureKind, FileWrite, Removal, StatRequest, WriteMode};

use super::attacks::call_everything;
use crate::decoy_under_test::{
    DecoyUnderTest, addition, answer, names_in, new_file, on_host, path, replacement, staging, write_one,
    written,
};

/// A mount that ends with the test.
struct Mounted<'d> {
    decoy: &'d dyn DecoyUnderTest,
    at: &'static str,
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let at = self.at;
        let _ = self.decoy.with_mounts(Box::new(move |root| unmount(root.join(at), UnmountFlags::DETACH)));
    }
}

/// Mounts at a place below the decoy's root. Says so when a mount cannot be had: as an ordinary user, or in a container
/// without the right.
#[expect(clippy::print_stderr, reason = "a check that does not run says so")]
fn mounted<'d>(
    decoy: &'d dyn DecoyUnderTest,
    at: &'static str,
    attempt: impl FnOnce(&Path) -> rustix::io::Result<()> + Send,
) -> Option<Mounted<'d>> {
    fs::create_dir_all(decoy.host_root().join(at)).unwrap();
    match decoy.with_mounts(Box::new(move |root| attempt(&root.join(at)))) {
        Ok(()) => Some(Mounted { decoy, at }),
        Err(error) => {
            let root = rustix::process::geteuid().is_root();
            assert!(!root || error == rustix::io::Errno::PERM, "root may mount, but: {error}");
            eprintln!("NOT CHECKED: mounting at {at} takes a right that is wanting here: {error}");
            None
        }
    }
}

fn tmpfs<'d>(
    decoy: &'d dyn DecoyUnderTest,
    at: &'static str,
    options: &'static std::ffi::CStr,
) -> Option<Mounted<'d>> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mounted(decoy, at, move |at| mount("tmpfs", at, "tmpfs", flags, options))
}

/// "Regular" files of procfs block, lie and act.
pub async fn inv_7_what_procfs_and_dev_hold_is_not_read(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let Some(_proc) = mounted(decoy, "proc", |at| mount("proc", at, "proc", MountFlags::empty(), None))
    else {
        return;
    };
    // Devices on a file system that takes them; the machine's own stay out of it.
    let Some(_dev) = mounted(decoy, "dev", |at| mount("tmpfs", at, "tmpfs", MountFlags::NOSUID, None)) else {
        return;
    };
    for (name, minor) in [("null", 3), ("zero", 5)] {
        let at = on_host(decoy, "/dev").join(name);
        let device = rustix::fs::makedev(1, minor);
        rustix::fs::mknodat(CWD, at, FileType::CharacterDevice, Mode::RWXU, device).unwrap();
    }
    let range = ByteRange::first(ByteCount(100));
    let own = format!("/proc/{}/status", std::process::id());
    for at in ["/proc/uptime", "/proc/sys/kernel/hostname", "/proc/kmsg", &own, "/dev/zero", "/dev/null"] {
        let failure = answer(connector.read(&path(at), range)).await.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Denied | FailureKind::NotFound), "{at}: {failure}");
        call_everything(&*connector, &path(at)).await;
    }
    let failure = answer(connector.stat(&path("/proc/uptime"), StatRequest::Hash(ByteCount(9)))).await;
    assert_eq!(failure.unwrap_err().kind, FailureKind::Denied);
    assert_eq!(answer(connector.list(&path("/proc"), 5)).await.unwrap_err().kind, FailureKind::Denied);
    // The way through a magic link is closed, also where procfs is really there.
    for at in ["/proc/self/root/etc/passwd", "/proc/self/cwd/Cargo.toml", "/proc/self/fd/0"] {
        assert!(answer(connector.read(&path(at), range)).await.is_err(), "{at}");
    }
}

/// A disk without space for one more file.
pub async fn a_full_file_system_is_said_to_be_full(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let at = on_host(decoy, "/full");
    let Some(_mount) = tmpfs(decoy, "full", c"size=256k,nr_inodes=20,mode=755") else { return };
    fs::write(at.join("a"), b"old").unwrap();
    fs::write(at.join("log"), b"one\n").unwrap();
    fs::write(at.join("ballast"), vec![0; 200 * 1024]).unwrap();
    let large = vec![1; 128 * 1024];
    for file in [
        new_file("/full/b", large.clone()),
        new_file("/full/d/e/b", large.clone()),
        replacement("/full/a", b"old", large.clone()),
        addition("/full/log", large),
    ] {
        let what = format!("{:?} {}", file.how, file.path);
        let failure = write_one(&*connector, file).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::NoSpace, Effect::NotApplied), "{what}");
    }
    assert_eq!(fs::read(at.join("a")).unwrap(), b"old");
    assert_eq!(fs::read(at.join("log")).unwrap(), b"one\n");
    assert_eq!(names_in(&at), ["a", "ballast", "log"], "nothing is left behind");
    // What is small still fits, and removing needs no space.
    written(&*connector, new_file("/full/b", "x")).await;
    let removal =
        Removal { path: path("/full/b"), expected: verisim_core::Digest::of(b"x"), staging: staging(1) };
    answer(connector.remove(&removal)).await.unwrap();
}

/// A disk that takes no writes.
pub async fn a_read_only_file_system_is_left_alone(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let at = on_host(decoy, "/still");
    let Some(_mount) = tmpfs(decoy, "still", c"size=256k,mode=755") else { return };
    fs::write(at.join("a"), b"old").unwrap();
    let remount = |root: &Path| mount_remount(root.join("still"), MountFlags::RDONLY, c"");
    decoy.with_mounts(Box::new(remount)).unwrap();
    for file in [
        new_file("/still/b", "x"),
        new_file("/still/d/b", "x"),
        replacement("/still/a", b"old", "new"),
        FileWrite { how: WriteMode::Append, ..new_file("/still/a", "x") },
    ] {
        let what = format!("{:?} {}", file.how, file.path);
        let failure = write_one(&*connector, file).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Denied, Effect::NotApplied), "{what}");
    }
    let removal =
        Removal { path: path("/still/a"), expected: verisim_core::Digest::of(b"old"), staging: staging(1) };
    assert_eq!(answer(connector.remove(&removal)).await.unwrap_err().kind, FailureKind::Denied);
    let range = ByteRange::first(ByteCount(9));
    assert_eq!(&answer(connector.read(&path("/still/a"), range)).await.unwrap()[..], b"old");
}
