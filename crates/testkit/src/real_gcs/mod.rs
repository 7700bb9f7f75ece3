//! Google Cloud Storage over a folder whose sub-folders are its buckets: a public emulator of its JSON interface, and before
//! it what the emulator does not have (`server.py`).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what a test prepares fails by panicking, and real servers are processes"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real_server::{Place, RealServer, program, skip};

/// Names the folder with the emulator's package; `./test` sets it.
const EMULATOR: &str = "VERISIM_GCS_EMULATOR";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Reads and writes.
    Writer,
    /// Only reads.
    Reader,
    /// Gets a token, which the store does not know.
    Nobody,
    /// Gets no token.
    Stranger,
}

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct GcsServer {
    server: RealServer,
}

impl GcsServer {
    /// Starts one over `folder`; `None`, said aloud, where the emulator is not there.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        let program = program("python3")?;
        let Some(emulator) = std::env::var_os(EMULATOR).filter(|path| Path::new(path).exists()) else {
            skip("VERISIM_GCS_EMULATOR names no emulator of Google Cloud Storage");
            return None;
        };
        let server = RealServer::start("gcs", &Place::here(), |held, port, _| {
            let script = held.join("server.py");
            fs::write(&script, include_str!("server.py")).unwrap();
            let mut command = Command::new(&program);
            command.env("PYTHONPATH", emulator).arg("-B").arg(script).arg(port.to_string()).arg(folder);
            command.arg(held.join("log"));
            command
        })?;
        Some(Self { server })
    }

    /// Its address, for clients.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// What it was asked so far: methods and paths.
    ///
    /// # Panics
    /// When its log cannot be read.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        fs::read_to_string(self.server.log()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Writes a credential file, as workload identity federation has it, into `folder`. It leads here for the token.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn credentials(&self, folder: &Path, caller: Caller) -> PathBuf {
        let name = format!("{caller:?}").to_lowercase();
        let (subject, file) = (folder.join(format!("{name}.subject")), folder.join(format!("{name}.json")));
        fs::write(&subject, format!("subject-of-{}", caller.subject())).unwrap();
        let text = format!(
            "{{\"type\": \"external_account\", \"audience\": \"the-laboratory\", \
             \"subject_token_type\": \"urn:ietf:params:oauth:token-type:jwt\", \"token_url\": \"{}/token\", \
             \"credential_source\": {{\"file\": \"{}\", \"format\": {{\"type\": \"text\"}}}}}}",
            self.endpoint(),
            subject.display()
        );
        fs::write(&file, text).unwrap();
        file
    }
}

impl Caller {
    const fn subject(self) -> &'static str {
        match self {
            Self::Writer => "the-writer",
            Self::Reader => "the-reader",
            Self::Nobody => "nobody",
            Self::Stranger => "a-stranger",
        }
    }
}
