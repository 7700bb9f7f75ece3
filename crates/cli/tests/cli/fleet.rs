//! Decoys that nobody wrote down, in a real engine.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use verisim_testkit::RealEngine;

use crate::sandbox::{Ran, command, eventually, finish, in_their_time};

/// A state folder and an engine, and nothing that was configured.
struct Bare<'e> {
    engine: &'e RealEngine,
    dir: tempfile::TempDir,
}

/// A daemon; killed when the test is over.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Bare<'_> {
    fn verisim(&self, args: &[&str]) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_verisim"));
        command.arg("--state").arg(self.path("state")).args(args).current_dir(self.dir.path());
        command.env("DOCKER_HOST", format!("unix://{}", self.engine.socket().display()));
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Ran {
        finish(self.verisim(args))
    }

    fn up(&self) -> Up {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.verisim(&["up", "--busy", "--log-format", "json"]);
        let up = Up(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let socket = self.path("state/control.sock");
        eventually("the daemon answers", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        up
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    fn events(&self, topic: &str) -> Vec<Value> {
        self.run(&["--json", "events", "--topic", topic]).exits(0).json()
    }

    /// How much was done on a decoy and confirmed.
    fn done(&self, decoy: &str) -> usize {
        let all = self.events(&format!("orchestrator.file.{decoy}"));
        all.iter().filter(|event| event["success"] == true).count()
    }

    /// How often it joined and left.
    fn moves(&self, decoy: &str) -> (usize, usize) {
        let count = |what| self.events(&format!("decoy.{decoy}.{what}")).len();
        (count("joined"), count("left"))
    }

    fn terminate(&self, mut up: Up) {
        finish({
            let mut kill = command("kill");
            kill.args(["-TERM", &up.0.id().to_string()]);
            kill
        })
        .exits(0);
        assert_eq!(up.0.wait().unwrap().code(), Some(0), "{}", self.log());
    }
}

/// In the naming of decoy frameworks: one container that has the network, one that people log in to.
#[test]
fn a_decoy_of_two_containers_is_found_lived_in_and_removed_without_a_configuration() {
    let Some(engine) = RealEngine::start() else { return };
    let bare = Bare { engine: &engine, dir: tempfile::tempdir().unwrap() };
    let ordinary = engine.container("db-backup", &[]);
    let up = bare.up();
    let base = engine.container("decky-01", &[]);
    let login = engine.container("decky-01-ssh", &["--network", "container:decky-01"]);
    eventually("it joins", || bare.moves("decky-01") == (1, 0));
    let joined = &bare.events("decoy.decky-01.joined")[0];
    assert!(joined["detail"].as_str().unwrap().contains("decky-01-ssh"), "{joined}");
    assert_eq!(joined["payload"]["joined"]["personas"].as_array().unwrap().len(), 2, "{joined}");
    in_their_time("people work there", || bare.done("decky-01") >= 3);
    assert!(login.root().join("home").is_dir(), "files go where people log in");
    assert!(!base.root().join("home").exists() && !ordinary.root().join("home").exists());
    // Nobody sees a process of ours.
    let seen = engine.docker(&["top", "decky-01-ssh"]);
    assert_eq!(seen.lines().count(), 2, "{seen}");
    // Commands know it though no configuration does, and by name.
    bare.run(&["--json", "ledger", "decky-01"]).exits(0);
    assert!(!bare.run(&["--json", "plan", "-n", "3"]).exits(0).json().is_empty());

    login.change(&["stop"]);
    eventually("it leaves", || bare.moves("decky-01") == (1, 1));
    let left = &bare.events("decoy.decky-01.left")[0];
    assert_eq!(left["payload"]["left"]["reason"], "stopped", "{left}");
    let status = &bare.run(&["--json", "status"]).exits(0).json()[0];
    assert!(!status["decoys"][0]["left_since"].is_null(), "{status}");
    eventually("nothing is queued for it", || {
        bare.run(&["--json", "jobs", "-n", "1000", "--in", "queued"]).exits(0).stdout.is_empty()
    });

    // The same container: it is recognised, and life goes on from where it was.
    let before = bare.done("decky-01");
    login.change(&["start"]);
    eventually("it is back", || bare.moves("decky-01") == (2, 1));
    in_their_time("people work there again", || bare.done("decky-01") >= before + 2);

    // The daemon ends and comes back while it is there: that is no news.
    bare.terminate(up);
    let up = bare.up();
    let before = bare.done("decky-01");
    in_their_time("people work there after a restart", || bare.done("decky-01") > before);
    assert_eq!(bare.moves("decky-01"), (2, 1));

    drop(login);
    drop(base);
    eventually("it is gone", || bare.moves("decky-01") == (2, 2));
    assert_eq!(bare.events("decoy.decky-01.left")[1]["payload"]["left"]["reason"], "removed");
    bare.terminate(up);
    let failed = bare.run(&["--json", "jobs", "-n", "1000", "--in", "failed"]).exits(0);
    assert!(failed.stdout.is_empty(), "{}", failed.stdout);
    assert!(bare.events("decoy.*.tampered").is_empty());
    let cancelled = bare.run(&["--json", "jobs", "-n", "1000", "--in", "cancelled"]).exits(0).json();
    // What met the container in the moment before its end was known may have been tried, and then no more.
    let is_fair = |job: &Value| job["failure"].is_null() || job["failure"][0] == "not_found";
    assert!(cancelled.iter().all(is_fair), "{cancelled:?}");
    drop(ordinary);
}

/// What is declared stays as it is declared, a label joins beside it, and what is queued while the daemon is down is kept.
#[test]
fn a_label_joins_what_is_declared_and_what_cannot_be_told_is_remarked_on() {
    let Some(engine) = RealEngine::start() else { return };
    let bare = Bare { engine: &engine, dir: tempfile::tempdir().unwrap() };
    let _declared = engine.container("declared-ssh", &["--label", "verisim.decoy=declared"]);
    let config = "seed = 7\n[discover]\nnaming = false\n\
                  [[decoy]]\nname = \"mine\"\nconnector = { docker = { container = \"declared-ssh\" } }\n";
    // The engine of the environment is where containers are looked for; a declared one names its own.
    let host = format!("container = \"declared-ssh\", host = \"unix://{}\"", engine.socket().display());
    let config = config.replace("container = \"declared-ssh\"", &host);
    std::fs::write(bare.path("verisim.toml"), config).unwrap();
    let up = bare.up();
    let _other = engine.container("anything", &["--label", "verisim.decoy=files01"]);
    let _one = engine.container("one", &["--label", "verisim.decoy=two"]);
    let _two = engine.container("two", &["--label", "verisim.decoy=two"]);
    eventually("it joins", || bare.moves("files01") == (1, 0));
    in_their_time("people work there", || bare.done("files01") >= 1);
    assert_eq!(bare.moves("declared"), (0, 0), "its container is declared under another name");
    let status = &bare.run(&["--json", "status"]).exits(0).json()[0];
    let names: Vec<&str> =
        status["decoys"].as_array().unwrap().iter().map(|decoy| decoy["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["files01", "mine"]);
    eventually("what is unclear is said", || bare.log().contains("verisim.files"));
    assert_eq!(bare.log().matches("verisim.files").count(), 1, "once: {}", bare.log());
    bare.terminate(up);
}
