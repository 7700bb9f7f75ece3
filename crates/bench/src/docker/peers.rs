//! What files are brought into containers with today, and the engine by itself.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use verisim_testkit::{RealContainer, RealEngine};

use crate::files::{MODE, MTIME, Names, OWNER};
use crate::measure::Error;

/// A container, and where the peers put their files.
pub(super) struct Peers<'e> {
    pub(super) engine: &'e RealEngine,
    pub(super) container: &'e RealContainer<'e>,
    pub(super) names: Names,
}

impl Peers<'_> {
    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.engine.socket().display()));
        command
    }

    /// Today's way.
    pub(super) fn shell(&self, bytes: usize) -> Result<(), Error> {
        let at = format!("/shell/{}", self.names.next());
        let line = format!(
            "mkdir -p /shell && base64 -d > {at} && chmod {MODE:o} {at} && chown {OWNER}:{OWNER} {at} && \
             touch -d '@{MTIME}' {at}"
        );
        let name = self.container.name();
        let mut child =
            self.docker().args(["exec", "-i", name, "sh", "-c", &line]).stdin(Stdio::piped()).spawn()?;
        let text = base64::engine::general_purpose::STANDARD.encode(vec![b'x'; bytes]);
        child.stdin.take().ok_or("no input")?.write_all(text.as_bytes())?;
        if child.wait()?.success() { Ok(()) } else { Err("the shell line failed".into()) }
    }

    /// A file on this machine that is copied.
    fn sample(&self, bytes: usize) -> Result<PathBuf, Error> {
        let at = self.engine.folder().join(format!("sample-{bytes}"));
        if !at.exists() {
            fs::write(&at, vec![b'x'; bytes])?;
            std::os::unix::fs::chown(&at, Some(OWNER), Some(OWNER))?;
            fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(MODE))?;
            fs::File::open(&at)?.set_modified(UNIX_EPOCH + Duration::from_secs(MTIME.unsigned_abs()))?;
        }
        Ok(at)
    }

    /// `docker cp` of a file that has its mode, owner and time already; and back, as the only way to see it again.
    pub(super) fn copy(&self, bytes: usize, and_back: bool) -> Result<(), Error> {
        let at = format!("{}:/copied/{}", self.container.name(), self.names.next());
        let mut commands = vec![self.docker()];
        commands[0].args(["cp", "--archive"]).arg(self.sample(bytes)?).arg(&at);
        if and_back {
            let mut back = self.docker();
            back.arg("cp").arg(&at).arg(self.engine.folder().join("back"));
            commands.push(back);
        }
        for mut command in commands {
            if !command.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success() {
                return Err("docker cp failed".into());
            }
        }
        Ok(())
    }

    /// Today's way to read: a command inside, with base64 on its output.
    pub(super) fn shell_read(&self, at: &str, bytes: usize) -> Result<(), Error> {
        let output = self.docker().args(["exec", self.container.name(), "base64", "-w", "0", at]).output()?;
        let text = output.stdout.trim_ascii();
        let read = base64::engine::general_purpose::STANDARD.decode(text)?;
        if read.len() == bytes { Ok(()) } else { Err(format!("{} bytes were read", read.len()).into()) }
    }

    /// `docker cp` to standard output.
    pub(super) fn copy_read(&self, at: &str, bytes: usize) -> Result<(), Error> {
        let from = format!("{}:{at}", self.container.name());
        let output = self.docker().args(["cp", &from, "-"]).output()?;
        // An archive: a header before the content.
        if output.stdout.len() > bytes { Ok(()) } else { Err("not all was read".into()) }
    }

    /// The least that the engine must be asked for a confirmed batch: it unpacks one archive and packs another, without
    /// anything looked at before or afterwards.
    pub(super) fn bare(&self, bytes: usize, files: usize) -> Result<(), Error> {
        let folder = format!("bare/{}", self.names.next());
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |kind, size: usize, name: String| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(size as u64);
            header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { MODE });
            header.set_uid(u64::from(OWNER));
            header.set_gid(u64::from(OWNER));
            header.set_mtime(MTIME.unsigned_abs());
            archive.append_data(&mut header, name, &vec![b'x'; size][..])
        };
        add(tar::EntryType::Directory, 0, format!("{folder}/"))?;
        for number in 0..files {
            add(tar::EntryType::Regular, bytes, format!("{folder}/{number}"))?;
        }
        self.request("PUT", "/", &archive.into_inner()?)?;
        let back = self.request("GET", &format!("/{folder}"), &[])?;
        if back.len() > files * bytes { Ok(()) } else { Err("not all came back".into()) }
    }

    /// One request of the archive endpoint, and all of its answer.
    fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
        let mut stream = UnixStream::connect(self.engine.socket())?;
        let name = self.container.name();
        let head = format!(
            "{method} /v1.40/containers/{name}/archive?path={path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\
             Content-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        if answer.starts_with(b"HTTP/1.1 200") { Ok(answer) } else { Err("the engine refused".into()) }
    }
}
