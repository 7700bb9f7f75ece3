//! `ssh_config`: what of it says where a host is and how to get there (ssh_config(5)).
//!
//! What is understood: `Host`, `Include`, `HostName`, `Port`, `User`, `IdentityFile`, `IdentitiesOnly`, `IdentityAgent`,
//! `ProxyJump`, `UserKnownHostsFile`, `GlobalKnownHostsFile`, `StrictHostKeyChecking`, `HostKeyAlias` and `ConnectTimeout`.
//! `Match` blocks and `ProxyCommand` would run commands or depend on what is not known here; they are left out, and
//! [`ClientConfig::warnings`] says so. Other keywords do not matter to us.

mod parse;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use parse::ConfigError;
use parse::{Line, Place};

use crate::{HostKeyPolicy, Target, pattern};

/// How deep hosts on the way may have hosts on the way.
const JUMP_DEPTH_MAX: usize = 8;
/// The names that OpenSSH gives keys, in the order in which it tries them.
const DEFAULT_IDENTITIES: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

/// A parsed `ssh_config`, and for whom it was read.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    lines: Vec<Line>,
    home: PathBuf,
    login: String,
    warnings: Vec<String>,
    agent: Option<PathBuf>,
}

/// What is said of one host: the first value of each keyword counts, and every identity.
#[derive(Debug, Default)]
struct Said {
    first: HashMap<&'static str, (String, Place)>,
    identities: Vec<String>,
}

impl ClientConfig {
    /// Nothing is configured: every host is what its name says.
    #[must_use]
    pub fn empty(home: &Path, login: &str) -> Self {
        Self { lines: Vec::new(), home: home.into(), login: login.into(), warnings: Vec::new(), agent: None }
    }

    /// Reads a file and what it includes, for the user `login` with this home. A file that is not there says nothing.
    ///
    /// # Errors
    /// When a file cannot be read or a line does not parse.
    pub fn load(file: &Path, home: &Path, login: &str) -> Result<Self, ConfigError> {
        let mut reader = parse::Reader::new(home);
        let lines = reader.file(file)?;
        Ok(Self { lines, home: home.into(), login: login.into(), warnings: reader.warnings, agent: None })
    }

    /// The same of several files, of which the first that says something counts.
    ///
    /// # Errors
    /// As [`ClientConfig::load`].
    pub fn load_all(files: &[PathBuf], home: &Path, login: &str) -> Result<Self, ConfigError> {
        let mut reader = parse::Reader::new(home);
        let mut lines = Vec::new();
        for file in files {
            lines.push(Line::Include(reader.file(file)?));
        }
        Ok(Self { lines, home: home.into(), login: login.into(), warnings: reader.warnings, agent: None })
    }

    /// The same for somebody with this agent, whom every host is offered of which `IdentityAgent` says nothing else.
    #[must_use]
    pub fn with_agent(self, agent: Option<PathBuf>) -> Self {
        Self { agent, ..self }
    }

    /// What was left out, for people.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The hosts that are named without a pattern, in the order of the file.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        named(&self.lines, &mut out);
        out
    }

    /// Where a host is and how to get there. Secrets are for the caller to add, who may read the environment.
    ///
    /// # Errors
    /// When a value makes no sense.
    pub fn target(&self, name: &str) -> Result<Target, ConfigError> {
        self.resolve(name, 0)
    }

    fn resolve(&self, name: &str, depth: usize) -> Result<Target, ConfigError> {
        if depth > JUMP_DEPTH_MAX {
            return Err(ConfigError::new(&Place::default(), format!("{name}: hosts on the way without end")));
        }
        let mut said = Said::default();
        gather(&self.lines, name, true, &mut said);
        let mut host = said.get("hostname").map_or_else(|| name.to_owned(), |value| expand_name(value, name));
        if host.is_empty() {
            host = name.to_owned();
        }
        let user = said.get("user").unwrap_or(&self.login).to_owned();
        let mut target = Target::new(host, user);
        target.port = said.number("port")?.unwrap_or(target.port);
        if let Some(seconds) = said.number::<u32>("connecttimeout")? {
            target.connect_time_max = Duration::from_secs(u64::from(seconds.max(1)));
        }
        target.host_key_alias = said.get("hostkeyalias").map(str::to_owned);
        target.identities_only = said.get("identitiesonly") == Some("yes");
        let path = |text: &str| self.path(text, &target);
        let ssh = self.home.join(".ssh");
        let known = said.get("userknownhostsfile").map_or_else(
            || vec![ssh.join("known_hosts"), ssh.join("known_hosts2")],
            |files| files.split('\0').filter(|file| *file != "none").map(path).collect(),
        );
        let global = said.get("globalknownhostsfile").map_or_else(
            || vec!["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()],
            |files| files.split('\0').filter(|file| *file != "none").map(path).collect::<Vec<_>>(),
        );
        let identities: Vec<PathBuf> = match said.identities.is_empty() {
            true => DEFAULT_IDENTITIES.iter().map(|name| ssh.join(name)).filter(|key| key.exists()).collect(),
            false => said.identities.iter().filter(|file| *file != "none").map(|file| path(file)).collect(),
        };
        let agent = match said.get("identityagent") {
            None | Some("SSH_AUTH_SOCK" | "$SSH_AUTH_SOCK") => self.agent.clone(),
            Some("none") => None,
            Some(socket) => Some(path(socket)),
        };
        target.agent = agent;
        target.known_hosts = known.into_iter().chain(global).collect();
        target.identities = identities;
        target.host_keys = match said.get("stricthostkeychecking") {
            Some("accept-new") => HostKeyPolicy::AcceptNew,
            _ => HostKeyPolicy::Strict,
        };
        target.jumps = self.jumps(&said, depth)?;
        Ok(target)
    }

    fn jumps(&self, said: &Said, depth: usize) -> Result<Vec<Target>, ConfigError> {
        let Some((value, place)) = said.first.get("proxyjump").filter(|(value, _)| value != "none") else {
            return Ok(Vec::new());
        };
        let mut out: Vec<Target> = Vec::new();
        for hop in value.split(',') {
            let (user, name, port) = parse::hop(hop, place)?;
            let mut target = self.resolve(name, depth + 1)?;
            // Only the first may have hosts on the way of its own; the others are reached through the one before.
            let before = std::mem::take(&mut target.jumps);
            if out.is_empty() {
                out.extend(before);
            }
            target.user = user.map_or(target.user, str::to_owned);
            target.port = port.unwrap_or(target.port);
            out.push(target);
        }
        Ok(out)
    }

    fn path(&self, text: &str, target: &Target) -> PathBuf {
        let mut out = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match (c, c == '%') {
                (_, true) => match rest.next() {
                    Some('h') => out.push_str(&target.host),
                    Some('r') => out.push_str(&target.user),
                    Some('p') => out.push_str(&target.port.to_string()),
                    Some('d') => out.push_str(&self.home.to_string_lossy()),
                    Some('u') => out.push_str(&self.login),
                    Some('%') | None => out.push('%'),
                    Some(other) => out.extend(['%', other]),
                },
                (c, false) => out.push(c),
            }
        }
        parse::absolute(&out, &self.home, &self.home)
    }
}

impl Said {
    fn get(&self, keyword: &str) -> Option<&str> {
        self.first.get(keyword).map(|(value, _)| value.as_str())
    }

    fn number<T: std::str::FromStr>(&self, keyword: &str) -> Result<Option<T>, ConfigError> {
        let Some((value, place)) = self.first.get(keyword) else { return Ok(None) };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(ConfigError::new(place, format!("{keyword}: {value} is no number of this kind"))),
        }
    }
}

fn gather(lines: &[Line], host: &str, outer: bool, said: &mut Said) {
    let mut active = outer;
    for line in lines {
        match line {
            Line::Host(patterns) => {
                active = outer && pattern::list_matches(patterns.iter().map(String::as_str), host);
            }
            Line::Match => active = false,
            Line::Include(lines) => gather(lines, host, active, said),
            Line::Identity(file) if active => said.identities.push(file.clone()),
            Line::Value(keyword, value, place) if active => {
                said.first.entry(keyword).or_insert_with(|| (value.clone(), place.clone()));
            }
            Line::Identity(_) | Line::Value(..) => {}
        }
    }
}

fn named(lines: &[Line], out: &mut Vec<String>) {
    for line in lines {
        match line {
            Line::Host(patterns) => {
                for name in patterns {
                    if !name.contains(['*', '?', '!']) && !out.contains(name) {
                        out.push(name.clone());
                    }
                }
            }
            Line::Include(lines) => named(lines, out),
            Line::Match | Line::Identity(_) | Line::Value(..) => {}
        }
    }
}

fn expand_name(value: &str, name: &str) -> String {
    value.replace("%%", "\0").replace("%h", name).replace('\0', "%")
}

#[cfg(test)]
mod tests;
