//! A process's number comes to stand for another one.

use std::fs;
use std::process::{Child, Command};

use verisim_connect::Reach;
use verisim_core::{Effect, FailureKind};
use verisim_testkit::RealEngine;
use verisim_testkit::decoy_under_test::{new_file, write_one, written};

use crate::decoys::connector;

/// Where the kernel is told after which number it shall look for the next free one.
const NEXT_NUMBER: &str = "/proc/sys/kernel/ns_last_pid";
/// How often it is tried to get a number that somebody else may take first.
const ATTEMPTS_MAX: usize = 2_000;

/// A process of this machine, outside of any container, with a root of its own and the given number.
fn take_number(wanted: u32, root: &std::path::Path) -> Child {
    for _ in 0..ATTEMPTS_MAX {
        fs::write(NEXT_NUMBER, (wanted - 1).to_string()).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "the process whose number is taken for the container's"
        )]
        let mut child = Command::new("busybox")
            .arg("chroot")
            .arg(root)
            .args(["/busybox", "sleep", "1000"])
            .spawn()
            .unwrap();
        if child.id() == wanted {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("the number {wanted} could not be had");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_a_process_that_took_the_number_is_never_written_to() {
    let Some(engine) = RealEngine::start() else { return };
    if fs::OpenOptions::new().write(true).open(NEXT_NUMBER).is_err() {
        #[expect(clippy::disallowed_methods, reason = "what is not checked must not go unseen there")]
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "continuous integration needs a kernel with {NEXT_NUMBER}");
        eprintln!("NOT CHECKED: this kernel does not let a number be chosen ({NEXT_NUMBER})");
        return;
    }
    let container = engine.container("decoy", &[]);
    let connector = connector(&engine, "decoy", Reach::Fast);
    written(&connector, new_file("/srv/before", "x")).await;
    let number = container.pid();

    // The victim has all that a container's root has, so that nothing but the checks stands in the way.
    let victim = engine.folder().join("victim");
    fs::create_dir_all(victim.join("srv")).unwrap();
    fs::copy(engine.folder().join("image/bin/busybox"), victim.join("busybox")).unwrap();
    container.change(&["kill"]);
    let mut taker = take_number(number, &victim);

    // What is held is dead, and the engine knows that the container is.
    let failure = write_one(&connector, new_file("/srv/after", "x")).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::NotFound, Effect::NotApplied));
    assert_eq!(fs::read_dir(victim.join("srv")).unwrap().count(), 0, "it was written to the wrong process");

    // Started again it is another process, and it is found.
    container.change(&["start"]);
    assert_ne!(container.pid(), number);
    written(&connector, new_file("/srv/after", "x")).await;
    assert!(container.root().join("srv/before").exists() && container.root().join("srv/after").exists());
    assert_eq!(fs::read_dir(victim.join("srv")).unwrap().count(), 0);
    taker.kill().unwrap();
    taker.wait().unwrap();
}
