//! Real rclones: the one that is installed, and a newer one, which also serves as S3 server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test prepares fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Names the newer one; `./test` sets it.
const NEWER: &str = "VERISIM_NEWER_RCLONE";
/// Where programs are.
const PLACES: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Which rclone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// What this machine has: 1.60 on Debian 12.
    Installed,
    /// What `VERISIM_NEWER_RCLONE` names: 1.65 or newer.
    Newer,
}

impl Generation {
    /// The program; `None`, said aloud, where there is none. With `CI` set that is an error.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "which tool is tested is said by the environment")]
    pub fn program(self) -> Option<PathBuf> {
        let found = match self {
            Self::Installed => {
                PLACES.iter().map(|place| Path::new(place).join("rclone")).find(|it| it.exists())
            }
            Self::Newer => std::env::var_os(NEWER).map(PathBuf::from).filter(|path| path.exists()),
        };
        if found.is_none() {
            skip(match self {
                Self::Installed => "rclone is not installed",
                Self::Newer => "VERISIM_NEWER_RCLONE names no rclone",
            });
        }
        found
    }
}

#[expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a check that does not run says so")]
fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("NOT CHECKED: {why}");
}

/// An S3 server over a folder whose sub-folders are its buckets. It ends when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    child: Child,
    port: u16,
}

impl S3Server {
    /// What it does not take in names, beside what no store of objects takes: control characters, over which it fails.
    pub const ENCODING: &str = "Slash,Ctl,Del,InvalidUtf8,Dot";
    /// The access key that it lets in.
    pub const ACCESS_KEY: &str = "AKIAVERISIMTEST";
    /// Its secret.
    pub const SECRET_KEY: &str = "secret-of-the-test-server";

    /// Starts one; `None`, said aloud, where there is no rclone that can serve.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the home of starting this server")]
    pub fn start(folder: &Path) -> Option<Self> {
        let program = Generation::Newer.program()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = std::process::Command::new(program)
            .args(["serve", "s3", "--config=/nonexistent", "--dir-cache-time=0s", "--poll-interval=0"])
            .arg(format!("--addr=127.0.0.1:{port}"))
            .arg(format!("--auth-key={},{}", Self::ACCESS_KEY, Self::SECRET_KEY))
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut this = Self { child, port };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(this);
            }
            assert!(this.child.try_wait().unwrap().is_none(), "the S3 server ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the S3 server did not come up");
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A section of `rclone.conf` that leads to it.
    #[must_use]
    pub fn section(&self, name: &str) -> String {
        format!(
            "[{name}]\ntype = s3\nprovider = Other\nregion = us-east-1\naccess_key_id = {}\nsecret_access_key = {}\n\
             endpoint = http://127.0.0.1:{}\nforce_path_style = true\nencoding = {}\n",
            Self::ACCESS_KEY,
            Self::SECRET_KEY,
            self.port,
            Self::ENCODING
        )
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
