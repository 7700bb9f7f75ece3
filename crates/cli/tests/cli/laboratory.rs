//! A laboratory without decoys: two instruments, and a NAS over SSH.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::sandbox::{Ran, Sandbox, eventually, finish, ran, signal, within};

struct Laboratory {
    sandbox: Sandbox,
    sshd: Sshd,
    way: &'static str,
}

impl Laboratory {
    fn new(way: &'static str) -> Option<Self> {
        Self::with(way, SshdOptions::default())
    }

    fn with(way: &'static str, options: SshdOptions) -> Option<Self> {
        let sshd = Sshd::start(options)?;
        let sandbox = Sandbox::new();
        for folder in ["sequencer", "microscope", "nas/runs"] {
            fs::create_dir_all(sandbox.path(folder)).unwrap();
        }
        let laboratory = Self { sandbox, sshd, way };
        laboratory.configure("");
        Some(laboratory)
    }

    fn configure(&self, more: &str) {
        let (way, port, key) = (self.way, self.sshd.port(), self.sshd.key());
        let text = format!(
            "state = \"state\"\n[[destination]]\nname = \"nas\"\n\
             {way} = {{ host = \"127.0.0.1\", path = \"{}\", user = \"root\", port = {port}, identity = \"{}\", known_hosts = \"known_hosts\"{more} }}\n\
             bandwidth = {{ mbit = 900, windows = [{{ days = \"mon-fri\", from = \"22:00\", to = \"06:00\" }}] }}\n\
             [[capture]]\nname = \"sequencer\"\npath = \"sequencer\"\ncomplete = {{ sentinel = \"run_complete\" }}\ndestination = \"nas\"\n\
             cleanup = {{ enabled = true, min_passes = 2, min_age = \"24h\" }}\n\
             [[capture]]\nname = \"microscope\"\npath = \"microscope\"\ncomplete = {{ quiet = \"1s\" }}\ndestination = \"nas\"\n",
            self.sandbox.path("nas/runs").display(),
            key.display()
        );
        self.sandbox.write("verisim.toml", &text);
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.sandbox.verisim(args);
        command.env("HOME", self.sandbox.path("home")).env_remove("SSH_AUTH_SOCK");
        finish(command)
    }
}

/// Every word that `doctor` has about the destination.
fn about_nas(ran: &Ran) -> String {
    let findings = ran.json();
    let of_nas = findings.iter().filter(|finding| finding["subject"] == "destination nas");
    of_nas
        .map(|finding| format!("{} {} {}\n", finding["check"], finding["severity"], finding["found"]))
        .collect()
}

#[test]
fn two_instruments_reach_a_nas_over_ssh_by_rsync() {
    two_instruments_reach_a_nas("rsync_ssh", &["rsync 3."]);
}

#[test]
fn two_instruments_reach_a_nas_over_sftp() {
    two_instruments_reach_a_nas("sftp", &["127.0.0.1 answers"]);
}

fn two_instruments_reach_a_nas(way: &'static str, said_by_doctor: &[&str]) {
    let Some(laboratory) = Laboratory::new(way) else { return };
    let sandbox = &laboratory.sandbox;
    for (run, marker) in
        [("sequencer/run-1", "run_complete"), ("sequencer/run-2", "run_complete"), ("microscope/m1", "image")]
    {
        sandbox.write(&format!("{run}/data/two\nlines.bin"), "data");
        sandbox.write(&format!("{run}/{marker}"), "");
    }
    // Nobody has accepted the host yet.
    let asked = laboratory.run(&["--json", "doctor"]);
    assert_eq!(asked.code, Some(5));
    assert!(about_nas(&asked).contains("nobody has accepted"), "{}", asked.stdout);
    let refused =
        laboratory.run(&["sync", "add", sandbox.path("sequencer/run-1").to_str().unwrap(), "--wait"]);
    assert_ne!(refused.code, Some(0), "{}", refused.stderr);
    assert!(fs::read_dir(sandbox.path("nas/runs")).unwrap().next().is_none());
    laboratory.run(&["sync", "trust", "nas", "--fingerprint", "SHA256:nonsense"]).exits(2);
    laboratory.run(&["sync", "trust", "nas", "--yes"]).exits(0);
    let asked = laboratory.run(&["--json", "doctor"]).exits(0);
    let said = about_nas(&asked);
    let of_both = ["shows the key that is known", "hashed there, by", "are free in", "was not used yet"];
    for expected in of_both.iter().chain(said_by_doctor) {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    laboratory.run(&["sync", "retry", "--all"]).exits(0);
    for run in ["sequencer/run-1", "sequencer/run-2", "microscope/m1"] {
        laboratory.run(&["sync", "add", sandbox.path(run).to_str().unwrap(), "--wait"]).exits(0);
        let there = sandbox.path("nas/runs").join(run);
        assert_eq!(fs::read_to_string(there.join("data/two\nlines.bin")).unwrap(), "data");
        let mut check = crate::sandbox::command("sha256sum");
        check.args(["--check", "--quiet", ".verisim/checksums.sha256"]).current_dir(&there);
        finish(check).exits(0);
    }
    let listed = laboratory.run(&["sync", "ls"]).exits(0);
    let rows = listed.stdout.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(rows.filter(|row| row.contains(" verified ")).count(), 3, "{}", listed.stdout);
    assert!(about_nas(&laboratory.run(&["--json", "doctor"])).contains("that was used before"));
    // A volume that is not mounted any more is not the destination.
    fs::rename(sandbox.path("nas/runs"), sandbox.path("nas/away")).unwrap();
    fs::create_dir(sandbox.path("nas/runs")).unwrap();
    let asked = laboratory.run(&["--json", "doctor"]).exits(5);
    assert!(about_nas(&asked).contains("has lost its marker"), "{}", asked.stdout);
    assert!(fs::read_dir(sandbox.path("nas/runs")).unwrap().next().is_none());
}

#[test]
fn inv_8_a_password_is_rejected_with_the_reason_and_never_shown() {
    let Some(laboratory) = Laboratory::new("rsync_ssh") else { return };
    laboratory.configure(", password = \"hunter2\", path_of_rsync = \"x\", rsync_path = \"rm -rf /; rsync\"");
    let refused = laboratory.run(&["doctor"]).exits(3);
    for expected in
        ["a password is not taken", "ssh-keygen", "no key `path_of_rsync`", "not the path of a program"]
    {
        assert!(refused.stderr.contains(expected), "{expected} is not in {}", refused.stderr);
    }
    assert!(!refused.stderr.contains("hunter2") && !refused.stdout.contains("hunter2"));
}

#[test]
fn an_old_rsync_and_an_account_that_runs_nothing_else_are_told() {
    let Some(laboratory) = Laboratory::new("rsync_ssh") else { return };
    let sandbox = &laboratory.sandbox;
    let old = sandbox.path("old-rsync");
    sandbox.write(
        "old-rsync",
        "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'rsync  version 3.2.7  protocol version 31'; exit 0; }\nexec /usr/bin/rsync \"$@\"\n",
    );
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    laboratory.configure(&format!(", rsync_path = \"{}\"", old.display()));
    laboratory.run(&["sync", "trust", "nas", "--yes"]).exits(0);
    let said = about_nas(&laboratory.run(&["--json", "doctor"]).exits(0));
    assert!(said.contains("rsync 3.2.7 there has security holes that 3.5.0 closed"), "{said}");
    laboratory.configure(", rsync_path = \"no-such-rsync\"");
    let said = about_nas(&laboratory.run(&["--json", "doctor"]).exits(1));
    assert!(said.contains("there is no rsync there"), "{said}");
    laboratory.configure("");
    let key = fs::read_to_string(laboratory.sshd.key().with_extension("pub")).unwrap();
    let alone = format!("command=\"/usr/bin/rrsync {}\",restrict {key}", sandbox.path("nas/runs").display());
    fs::write(laboratory.sshd.folder().join("authorized"), alone).unwrap();
    sandbox.write(
        "verisim.toml",
        &fs::read_to_string(sandbox.path("verisim.toml")).unwrap().replace(
            &format!("path = \"{}\", user", sandbox.path("nas/runs").display()),
            "path = \"/\", user",
        ),
    );
    let said = about_nas(&laboratory.run(&["--json", "doctor"]).exits(0));
    assert!(said.contains("runs rsync alone"), "{said}");
    assert!(!sandbox.path("state").exists(), "whoever only looks makes nothing");
}

/// Whoever ends a verification hears that it was ended, and not that the destination does not answer; what was looked at by then
/// counts, and a daemon goes on.
#[test]
fn a_verification_that_is_ended_says_so_and_at_once() {
    let bin = tempfile::tempdir().unwrap();
    let path = format!("SetEnv SHLVL=5 PATH={}:/usr/bin:/bin", bin.path().display());
    let options = SshdOptions { lines: vec![path], ..SshdOptions::default() };
    let Some(laboratory) = Laboratory::with("sftp", options) else { return };
    let sandbox = &laboratory.sandbox;
    // It hashes what it has to prove itself by, and waits over the files of one run while it is told to.
    let (openssl, [wait, waits]) =
        (bin.path().join("openssl"), ["wait", "waits"].map(|name| bin.path().join(name)));
    let text = format!(
        "#!/bin/sh\ncase $# in 0|1|2|3) ;; *) case $PWD$* in *run-2*) [ ! -e {0} ] || : > {1}\n\
         while [ -e {0} ]; do sleep 0.1; done ;; esac ;; esac\nexec /usr/bin/openssl \"$@\"\n",
        wait.display(),
        waits.display()
    );
    fs::write(&openssl, text).unwrap();
    fs::set_permissions(&openssl, fs::Permissions::from_mode(0o755)).unwrap();
    laboratory.run(&["sync", "trust", "nas", "--yes"]).exits(0);
    for run in ["run-1", "run-2"] {
        sandbox.write(&format!("sequencer/{run}/data"), "data");
        sandbox.write(&format!("sequencer/{run}/run_complete"), "");
        let run = sandbox.path("sequencer").join(run);
        laboratory.run(&["sync", "add", run.to_str().unwrap(), "--wait"]).exits(0);
    }
    // Verifies until the one run is waited for and `so_far` holds, and is ended by this signal then.
    let ended_by = |name: &str, args: &[&str], so_far: &dyn Fn() -> bool| {
        let _ = fs::remove_file(&waits);
        fs::write(&wait, "").unwrap();
        let mut command = sandbox.verisim(args);
        command.env("HOME", sandbox.path("home")).env_remove("SSH_AUTH_SOCK");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("a hasher waits", || waits.exists() && so_far());
        signal(name, child.id());
        within(Duration::from_secs(10), "it ends", || child.try_wait().unwrap().is_some());
        ran(child.wait_with_output().unwrap()).exits(1)
    };
    let result = |ran: &Ran, run: &str| {
        let of_run =
            |line: &&Value| line["type"] == "verification" && line["capture"] == *format!("sequencer/{run}");
        ran.json().iter().find(of_run).unwrap()["result"].clone()
    };
    let said = ended_by("-INT", &["sync", "verify"], &|| true).stderr;
    assert!(said.contains("not looked at to the end, and") && !said.contains("could"), "{said}");
    let said = ended_by("-TERM", &["--json", "sync", "verify"], &|| true);
    assert_eq!(result(&said, "run-2"), "stopped", "{said:?}");
    fs::remove_file(&wait).unwrap();
    laboratory.run(&["sync", "verify"]).exits(0);

    let daemon = sandbox.up();
    let passes = |run: &str| {
        let subject = format!("sequencer/{run}");
        let job = sandbox.captures().into_iter().find(|job| job["subject"] == *subject).unwrap();
        job["progress"]["passes_total"].as_u64().unwrap()
    };
    let before = passes("run-1");
    let said = ended_by("-TERM", &["--json", "sync", "verify"], &|| passes("run-1") > before);
    let results = ["run-1", "run-2"].map(|run| result(&said, run));
    assert_eq!(results, ["verified", "left_to_daemon"], "{said:?}");
    let before = passes("run-1");
    let said = ended_by("-TERM", &["sync", "verify"], &|| passes("run-1") > before).stderr;
    assert!(said.contains("1 of 2") && said.contains("1 not looked at to the end yet"), "{said}");
    let before = passes("run-2");
    fs::remove_file(&wait).unwrap();
    eventually("the daemon has gone on", || passes("run-2") > before);
    assert_eq!(daemon.terminate().0, Some(0));
}
