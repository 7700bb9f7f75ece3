//! A root whose process has users of its own.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a process is started, and what fails fails the test"
)]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command};

use verisim_core::{DecoyPath, FileMode, Owner};
use verisim_sys::{HeldProcess, Root, Staged};

/// A process with a root and users of its own: user 0 inside is 100000 on this machine, and so on.
struct Contained {
    child: Child,
    dir: tempfile::TempDir,
}

impl Contained {
    /// `None` where that takes more than is there, which is said aloud, but never under continuous integration.
    #[expect(clippy::print_stderr, reason = "a check that does not run says so")]
    fn start() -> Option<Self> {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|at| fs::exists(at).unwrap());
        let allowed =
            || Command::new("unshare").args(["--user", "true"]).status().is_ok_and(|done| done.success());
        let (Some(busybox), true) = (busybox, rustix::process::geteuid().is_root() && allowed()) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "continuous integration needs root and a static busybox"
            );
            eprintln!("NOT CHECKED: a user namespace of a test takes root and a static busybox");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        fs::copy(busybox, dir.path().join("busybox")).unwrap();
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let child = Command::new("unshare")
            .args(["--user", "--kill-child", "--fork", "--root"])
            .arg(dir.path())
            .args(["/busybox", "sleep", "1000"])
            .spawn()
            .unwrap();
        let contained = Self { child, dir };
        let pid = contained.pid();
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{pid}/{map}"), "0 100000 65536\n").unwrap();
        }
        contained.until(|| {
            fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|root| root == contained.dir.path())
        });
        Some(contained)
    }

    /// The process in the namespace: the only child of the one that made it.
    fn pid(&self) -> u32 {
        let parent = self.child.id();
        let mut pid = None;
        self.until(|| {
            let children =
                fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
            pid = children.split_whitespace().next().map(|pid| pid.parse().unwrap());
            pid.is_some()
        });
        pid.unwrap()
    }

    fn until(&self, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if is_so() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        unreachable!("it does not come to be so");
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        // Its child goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn owner_of(root: &Root, at: &str) -> Owner {
    let path = DecoyPath::new(at).unwrap();
    let (dir, name) = root.parent_of(&path).unwrap();
    dir.entry(name).unwrap().unwrap().meta().owner
}

#[test]
fn owners_are_those_that_the_decoy_sees() {
    let Some(contained) = Contained::start() else { return };
    let process = HeldProcess::open(contained.pid()).unwrap();
    let root = process.root().unwrap();
    let top = root.directory(&DecoyPath::root()).unwrap();
    let outside = |at: &str| {
        let meta = fs::metadata(contained.dir.path().join(at)).unwrap();
        (meta.uid(), meta.gid())
    };
    // Who makes something is the superuser of this machine; in the decoy it belongs to the decoy's.
    let made = top.make_directory(b"made").unwrap();
    let staged = Staged::begin(&made, b"partial").unwrap();
    let owner = Owner { uid: 1001, gid: 1002 };
    assert!(staged.file().set_owner(owner).unwrap());
    assert_eq!(staged.file().meta().unwrap().owner, owner);
    staged.appear(b"file").unwrap();
    Staged::begin(&made, b"partial").unwrap().appear(b"plain").unwrap();
    assert_eq!((outside("made"), outside("made/file")), ((100_000, 100_000), (101_001, 101_002)));
    assert_eq!((owner_of(&root, "/made"), owner_of(&root, "/made/file")), (Owner::ROOT, owner));
    assert_eq!(owner_of(&root, "/made/plain"), Owner::ROOT);
    assert!(made.dress(Some(owner), FileMode::new(0o755)).unwrap());
    assert_eq!(outside("made"), (101_001, 101_002));
    // One that the decoy cannot have is not made up, neither way.
    let nobody = Owner { uid: 65_534, gid: 65_534 };
    let strange = Owner { uid: 70_000, gid: 1 };
    let staged = Staged::begin(&made, b"partial").unwrap();
    assert!(!staged.file().set_owner(strange).unwrap());
    assert!(!made.dress(Some(strange), FileMode::new(0o755)).unwrap());
    fs::write(contained.dir.path().join("theirs"), "x").unwrap();
    assert_eq!(owner_of(&root, "/theirs"), nobody);
}
