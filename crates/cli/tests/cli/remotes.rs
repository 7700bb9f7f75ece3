//! Destinations that are remotes of rclone, and stores of objects.

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

/// From a store that cannot be used to a capture that `sha256sum` finds whole, with what `doctor` says on the way.
#[cfg(feature = "s3")]
#[test]
fn captures_reach_a_store_of_objects() {
    use verisim_testkit::real_store::StoreServer;

    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("buckets/evidence")).unwrap();
    let server = StoreServer::start(&sandbox.path("buckets"));
    let configure = |bucket: &str| {
        let text = format!(
            "state = \"state\"\n[[destination]]\nname = \"vault\"\n\
             s3 = {{ bucket = \"{bucket}\", endpoint = \"{}\", path = \"runs\", credentials = \"keys\" }}\n\
             [[capture]]\nname = \"sensor\"\npath = \"captures\"\ncomplete = {{ sentinel = \"done\" }}\ndestination = \"vault\"\n",
            server.endpoint()
        );
        sandbox.write("verisim.toml", &text);
    };
    configure("nobody");
    sandbox.write("keys", &StoreServer::credentials().replace("secret-of", "another"));
    let asked = run(&sandbox, &["--json", "doctor"]).exits(5);
    assert!(about_vault(&asked).contains("SignatureDoesNotMatch"), "{}", asked.stdout);
    assert!(!asked.stdout.contains("another-the"), "{}", asked.stdout);
    sandbox.write("keys", &StoreServer::credentials());
    let asked = run(&sandbox, &["--json", "doctor"]).exits(3);
    assert!(about_vault(&asked).contains("NoSuchBucket"), "{}", asked.stdout);
    configure("evidence");
    let asked = run(&sandbox, &["--json", "doctor"]).exits(0);
    let said = about_vault(&asked);
    for expected in ["/evidence/runs answers", "was not used yet", "not encrypted", "is read back"] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert_eq!(fs::read_dir(sandbox.path("buckets/evidence")).unwrap().count(), 0, "doctor changes nothing");
    sandbox.write("captures/c1/data/a file.bin", "data");
    sandbox.write("captures/c1/done", "");
    run(&sandbox, &["sync", "add", sandbox.path("captures/c1").to_str().unwrap(), "--wait"]).exits(0);
    let mut check = crate::sandbox::command("sha256sum");
    let there = sandbox.path("buckets/evidence/runs/sensor/c1");
    check.args(["--check", "--quiet", ".verisim/checksums.sha256"]).current_dir(&there);
    finish(check).exits(0);
    assert!(about_vault(&run(&sandbox, &["--json", "doctor"])).contains("that was used before"));
    run(&sandbox, &["sync", "trust", "vault", "--yes"]).exits(2);
}
