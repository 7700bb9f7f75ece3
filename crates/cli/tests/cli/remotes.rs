//! A destination that is a remote of rclone.

use std::fs;

use verisim_testkit::real_rclone::Generation;

use crate::sandbox::{Ran, Sandbox, finish};

fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let mut command = sandbox.verisim(args);
    command.env("HOME", sandbox.path("home")).env_remove("SSH_AUTH_SOCK").env_remove("RCLONE_CONFIG");
    finish(command)
}

/// Every word that `doctor` has about the destination.
fn about_vault(ran: &Ran) -> String {
    let findings = ran.json();
    let of_vault = findings.iter().filter(|finding| finding["subject"] == "destination vault");
    of_vault
        .map(|finding| format!("{} {} {}\n", finding["check"], finding["severity"], finding["found"]))
        .collect()
}

#[test]
fn captures_reach_a_remote_of_rclone() {
    if Generation::Installed.program().is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let configure = |remote: &str| {
        let text = format!(
            "state = \"state\"\n[[destination]]\nname = \"vault\"\nrclone = {{ remote = \"{remote}\", config = \"rclone.conf\" }}\n\
             [[capture]]\nname = \"sensor\"\npath = \"captures\"\ncomplete = {{ sentinel = \"done\" }}\ndestination = \"vault\"\n"
        );
        sandbox.write("verisim.toml", &text);
    };
    configure("nowhere:runs");
    let alias = format!("[nas]\ntype = alias\nremote = {}\n", sandbox.path("vault").display());
    sandbox.write("rclone.conf", &alias);
    let asked = run(&sandbox, &["--json", "doctor"]).exits(3);
    assert!(about_vault(&asked).contains("not in this rclone.conf"), "{}", asked.stdout);
    configure("nas:runs");
    let asked = run(&sandbox, &["--json", "doctor"]).exits(0);
    let said = about_vault(&asked);
    for expected in ["rclone 1.", "nas:runs answers (local)", "was not used yet", "through the cache"] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert_eq!(fs::read_dir(sandbox.path("vault")).unwrap().count(), 0, "doctor changes nothing");
    sandbox.write("captures/c1/data/two\nlines.bin", "data");
    sandbox.write("captures/c1/done", "");
    run(&sandbox, &["sync", "add", sandbox.path("captures/c1").to_str().unwrap(), "--wait"]).exits(0);
    let there = sandbox.path("vault/runs/sensor/c1");
    let mut check = crate::sandbox::command("sha256sum");
    check.args(["--check", "--quiet", ".verisim/checksums.sha256"]).current_dir(&there);
    finish(check).exits(0);
    assert!(about_vault(&run(&sandbox, &["--json", "doctor"])).contains("that was used before"));
    assert_eq!(fs::read_to_string(sandbox.path("rclone.conf")).unwrap(), alias);
    run(&sandbox, &["sync", "trust", "vault", "--yes"]).exits(2);
}
