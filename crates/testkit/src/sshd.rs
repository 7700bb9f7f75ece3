//! A real sshd on this machine, for one test: its own port, configuration, host key and authorised key, and on request
//! locked into a directory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test prepares fails by panicking")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::real_server::skip;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Where Debian keeps it; it has to be started by its full path.
const PROGRAM: &str = "/usr/sbin/sshd";
/// Places in which a directory may stand that sshd locks somebody into: every directory above it must belong to root, and
/// be writable by nobody else.
const HOLDERS: [&str; 2] = ["/run", "/var/lib"];
/// How often another port is tried when somebody else took the first.
const PORTS_MAX: usize = 5;

/// How an sshd is configured.
#[derive(Debug, Clone, Default)]
pub struct SshdOptions {
    /// Who logs in is locked into [`Sshd::root`] and has SFTP there, nothing else.
    pub locked_in: bool,
    /// Whether there is no SFTP.
    pub without_sftp: bool,
    /// Further lines of `sshd_config`.
    pub lines: Vec<String>,
}

/// A running sshd. It ends, with everything that it started, when it is dropped.
#[derive(Debug)]
pub struct Sshd {
    held: TempDir,
    port: u16,
    child: Child,
    options: SshdOptions,
}

impl Sshd {
    /// Starts one; `None`, said aloud, where there is none or we may not. With `CI` set that is an error.
    #[must_use]
    pub fn start(options: SshdOptions) -> Option<Self> {
        if let Some(why) = wanting() {
            skip(&why);
            return None;
        }
        let _ = fs::create_dir_all("/run/sshd");
        let held = HOLDERS.iter().find_map(|at| holder(Path::new(at))).unwrap();
        fs::set_permissions(held.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for dir in ["root", "outside"] {
            fs::create_dir(held.path().join(dir)).unwrap();
            fs::set_permissions(held.path().join(dir), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for key in ["host", "user", "other"] {
            make_key(&held.path().join(key));
        }
        fs::copy(held.path().join("user.pub"), held.path().join("authorized")).unwrap();
        for _ in 0..PORTS_MAX {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            fs::write(held.path().join("config"), configuration(held.path(), port, &options)).unwrap();
            if let Some(child) = launch(held.path(), port) {
                let this = Self { held, port, child, options };
                fs::write(this.known_hosts(), this.known_line()).unwrap();
                return Some(this);
            }
        }
        panic!("no sshd came up: {}", fs::read_to_string(held.path().join("log")).unwrap_or_default());
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The private key that it lets in.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.held.path().join("user")
    }

    /// A private key that it does not know.
    #[must_use]
    pub fn stranger(&self) -> PathBuf {
        self.held.path().join("other")
    }

    /// A `known_hosts` that knows it.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.held.path().join("known_hosts")
    }

    /// The line by which it is known.
    #[must_use]
    pub fn known_line(&self) -> String {
        let key = fs::read_to_string(self.held.path().join("host.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// The directory into which it locks.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.held.path().join("root")
    }

    /// A directory beside that, on the same file system.
    #[must_use]
    pub fn outside(&self) -> PathBuf {
        self.held.path().join("outside")
    }

    /// A folder for whatever else a test needs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.held.path()
    }

    /// The processes that serve connections now, and what these started.
    #[must_use]
    pub fn serving(&self) -> Vec<Pid> {
        let mut out = Vec::new();
        let mut parents = vec![self.child.id()];
        while let Some(parent) = parents.pop() {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
            for child in children.unwrap_or_default().split_ascii_whitespace() {
                let child: u32 = child.parse().unwrap();
                parents.push(child);
                out.extend(Pid::from_raw(i32::try_from(child).unwrap()));
            }
        }
        out
    }

    /// Sends a signal to all that serve connections now.
    pub fn signal_serving(&self, signal: Signal) {
        for pid in self.serving() {
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it with everything that it started.
    pub fn stop(&mut self) {
        // A process that was stopped does not end before it goes on.
        self.signal_serving(Signal::CONT);
        let serving = self.serving();
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in serving {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Starts it again, on the same port with the same key.
    pub fn start_again(&mut self) {
        self.stop();
        fs::write(self.held.path().join("config"), configuration(self.held.path(), self.port, &self.options))
            .unwrap();
        self.child = launch(self.held.path(), self.port).unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn wanting() -> Option<String> {
    if !Path::new(PROGRAM).exists() {
        return Some(format!("{PROGRAM} is not installed"));
    }
    (!rustix::process::geteuid().is_root()).then(|| "an sshd that locks in takes root".to_owned())
}

fn holder(at: &Path) -> Option<TempDir> {
    let meta = fs::metadata(at).ok()?;
    (meta.uid() == 0 && meta.mode() & 0o022 == 0)
        .then(|| TempDir::with_prefix_in("verisim-sshd-", at).ok())?
}

#[expect(clippy::disallowed_methods, reason = "a key is made by the tool that makes keys")]
fn make_key(at: &Path) {
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(at)
        .status()
        .unwrap();
    assert!(made.success());
}

fn configuration(held: &Path, port: u16, options: &SshdOptions) -> String {
    let held = held.display();
    // A login shell that seems to be nested does not read the start-up files of whoever runs the test.
    let mut out = format!(
        "SetEnv SHLVL=5\nPort {port}\nListenAddress 127.0.0.1\nHostKey {held}/host\nPidFile none\nAuthorizedKeysFile {held}/authorized\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\n\
         LogLevel VERBOSE\nMaxStartups 500\nPrintMotd no\nPrintLastLog no\n"
    );
    if !options.without_sftp {
        out.push_str("Subsystem sftp internal-sftp\n");
    }
    if options.locked_in {
        out.push_str(&format!("ChrootDirectory {held}/root\nForceCommand internal-sftp\n"));
    }
    // The first value counts in sshd_config, so what a test asks for comes first.
    options.lines.iter().map(|line| format!("{line}\n")).collect::<String>() + &out
}

#[expect(clippy::disallowed_methods, reason = "the home of starting an sshd")]
fn launch(held: &Path, port: u16) -> Option<Child> {
    let log = fs::File::options().create(true).append(true).open(held.join("log")).unwrap();
    let mut child = std::process::Command::new(PROGRAM)
        .args(["-D", "-e", "-f"])
        .arg(held.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    for _ in 0..500 {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
