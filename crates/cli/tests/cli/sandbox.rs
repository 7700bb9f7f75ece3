//! A folder of its own for each test, with a configuration, and the binary.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The lines of standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }
}

#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The time that it is.
#[expect(clippy::disallowed_methods, reason = "files are dated by the clock of the machine")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A folder with decoys, captures, a vault and a state folder.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

/// The binary, ready to be run; also whatever else a test runs.
#[expect(clippy::disallowed_methods, reason = "tests run the binary itself")]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("NO_COLOR").env_remove("VERISIM_CONFIG").env_remove("VERISIM_LOG");
    // No test looks through the containers of this machine unless it says which.
    command.env("DOCKER_HOST", "unix:///nonexistent/engine.sock");
    command
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        for folder in ["files01/etc", "files01/home/mkeller", "files01/tmp", "captures", "vault"] {
            fs::create_dir_all(sandbox.path(folder)).unwrap();
        }
        let uid =
            fs::metadata(sandbox.dir.path()).map(|meta| std::os::unix::fs::MetadataExt::uid(&meta)).unwrap();
        let passwd = format!(
            "root:x:0:0:root:/root:/bin/bash\nmkeller:x:{uid}:{uid}:Maria Keller:/home/mkeller:/bin/bash\n"
        );
        fs::write(sandbox.path("files01/etc/passwd"), passwd).unwrap();
        sandbox.configure("");
        sandbox
    }

    /// Writes the configuration: one decoy without personas, one capture folder, one vault, and `more`.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!(
            "state = \"state\"\nseed = 7\n{more}\n\
             [[decoy]]\nname = \"files01\"\nconnector = {{ rootfs = {{ path = \"files01\" }} }}\n\n\
             [[destination]]\nname = \"vault\"\nnative = {{ path = \"vault\" }}\n\n\
             [[capture]]\nname = \"sensor\"\npath = \"captures\"\ncomplete = {{ sentinel = \"done\" }}\ndestination = \"vault\"\n"
        );
        self.write("verisim.toml", &text);
    }

    /// The same with a persona who never rests.
    pub(crate) fn configure_busy(&self) {
        let text = "state = \"state\"\nseed = 7\n[life]\nbusy = true\npace = 10000\n\
             [[decoy]]\nname = \"files01\"\nconnector = { rootfs = { path = \"files01\" } }\npersonas = [\"maria-keller\", \"ines-duarte\", \"erik-holm\"]\n\
             [[persona]]\nname = \"maria-keller\"\nfull_name = \"Maria Keller\"\nlogin = \"mkeller\"\n\
             [[persona]]\nname = \"ines-duarte\"\nfull_name = \"Ines Duarte\"\nlogin = \"iduarte\"\nrole = \"developer\"\n\
             [[persona]]\nname = \"erik-holm\"\nfull_name = \"Erik Holm\"\nlogin = \"eholm\"\n\
             [[destination]]\nname = \"vault\"\nnative = { path = \"vault\" }\n\
             [[capture]]\nname = \"sensor\"\npath = \"captures\"\ncomplete = { sentinel = \"done\" }\ndestination = \"vault\"\n";
        self.write("verisim.toml", text);
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A capture with some files, complete.
    pub(crate) fn capture(&self, name: &str) {
        for file in 0..5 {
            self.write(
                &format!("captures/{name}/logs/{file}.log"),
                &format!("log {file} of {name}\n").repeat(50),
            );
        }
        self.write(&format!("captures/{name}/done"), "");
    }

    /// The binary with its configuration.
    pub(crate) fn verisim(&self, args: &[&str]) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_verisim"));
        command.arg("--config").arg(self.path("verisim.toml")).args(args).current_dir(self.dir.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        finish(self.verisim(args))
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.verisim(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        ran(output)
    }

    /// Starts `verisim up`, and waits until it answers.
    pub(crate) fn up(&self) -> Daemon {
        let mut command = self.verisim(&["up", "--log-format", "json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let socket = self.path("state/control.sock");
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            for line in log.lines().map_while(Result::ok) {
                text.push_str(&line);
                text.push('\n');
            }
            text
        });
        let daemon = Daemon { child, log: Some(log) };
        eventually("the daemon answers", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        daemon
    }

    /// The jobs about captures, newest first.
    pub(crate) fn captures(&self) -> Vec<Value> {
        self.run(&["--json", "sync", "ls"]).exits(0).json()
    }
}

pub(crate) fn finish(mut command: Command) -> Ran {
    ran(command.stdin(Stdio::null()).output().unwrap())
}

pub(crate) fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits for something that happens soon; the bound is wide, because the machine may be busy.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    within(Duration::from_secs(60), what, is_so);
}

/// Waits for what people do. Their pauses have no end that is certain, even when they are busy.
#[track_caller]
pub(crate) fn in_their_time(what: &str, is_so: impl FnMut() -> bool) {
    within(Duration::from_secs(300), what, is_so);
}

/// Waits for what happens within `bound`, on a busy machine too.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test that waits for another process has no other clock")]
pub(crate) fn within(bound: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < bound, "it never came to pass that {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running daemon; killed when the test is over.
pub(crate) struct Daemon {
    child: Child,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Daemon {
    /// Asks it to end, as a service manager does; answers its exit code and its log.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(
            finish({
                let mut kill = command("kill");
                kill.args(["-TERM", &id]);
                kill
            })
            .code
                == Some(0)
        );
        let code = self.child.wait().unwrap().code();
        (code, self.log.take().unwrap().join().unwrap())
    }

    /// Waits until it ends by itself; answers its exit code and its log.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut code = None;
        eventually("the daemon ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        (code.and_then(|code| code.code()), self.log.take().unwrap().join().unwrap())
    }

    /// Ends it at this instant.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The SHA-256 of a file.
pub(crate) fn sha256(path: &Path) -> String {
    let mut bytes = Vec::new();
    fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    verisim_core::Digest::of(&bytes).to_string()
}

/// Asserts that `sha256sum -c` accepts what is at the destination.
#[track_caller]
pub(crate) fn assert_clean(folder: &Path) {
    let mut check = command("sha256sum");
    check.args(["-c", "--quiet", "--strict", ".verisim/checksums.sha256"]).current_dir(folder);
    let ran = finish(check).exits(0);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
}

/// Sends a signal to a process by its number.
pub(crate) fn signal(name: &str, id: u32) {
    let mut kill = command("kill");
    kill.args([name, &id.to_string()]);
    finish(kill).exits(0);
}
