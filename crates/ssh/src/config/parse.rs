//! Lines of `ssh_config`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::pattern;

/// How deep files may include each other; the bound of OpenSSH.
const INCLUDE_DEPTH_MAX: usize = 16;
/// The most that is read of one file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most files that are read in all.
const FILES_MAX: usize = 256;

/// The keywords whose first value counts.
const KEYWORDS: [&str; 11] = [
    "hostname",
    "port",
    "user",
    "identitiesonly",
    "identityagent",
    "proxyjump",
    "userknownhostsfile",
    "globalknownhostsfile",
    "stricthostkeychecking",
    "hostkeyalias",
    "connecttimeout",
];

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    file: PathBuf,
    line: usize,
}

/// A line that makes no sense, or a file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} line {line}: {what}", .file.display())]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl ConfigError {
    pub(super) fn new(place: &Place, what: String) -> Self {
        Self { file: place.file.clone(), line: place.line, what }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Line {
    Host(Vec<String>),
    /// A block whose condition is not evaluated, and which therefore says nothing.
    Match,
    Include(Vec<Line>),
    Identity(String),
    /// A keyword with its value; several values stand one behind the other with a NUL in between.
    Value(&'static str, String, Place),
}

pub(super) struct Reader<'h> {
    home: &'h Path,
    depth: usize,
    files: usize,
    pub(super) warnings: Vec<String>,
}

impl<'h> Reader<'h> {
    pub(super) const fn new(home: &'h Path) -> Self {
        Self { home, depth: 0, files: 0, warnings: Vec::new() }
    }

    pub(super) fn file(&mut self, file: &Path) -> Result<Vec<Line>, ConfigError> {
        let whole = Place { file: file.to_path_buf(), line: 0 };
        let failed = |what: String| ConfigError::new(&whole, what);
        self.files += 1;
        if self.files > FILES_MAX || self.depth > INCLUDE_DEPTH_MAX {
            return Err(failed("too many files include each other".into()));
        }
        let text = match std::fs::metadata(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error.to_string())),
            Ok(meta) if !meta.is_file() || meta.len() > FILE_BYTES_MAX => {
                return Err(failed("it is no file, or far too long".into()));
            }
            Ok(_) => std::fs::read(file).map_err(|error| failed(error.to_string()))?,
        };
        let text = String::from_utf8_lossy(&text);
        let mut out = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let place = Place { file: file.to_path_buf(), line: at + 1 };
            if let Some(line) = self.line(line, &place)? {
                out.push(line);
            }
        }
        Ok(out)
    }

    fn line(&mut self, line: &str, place: &Place) -> Result<Option<Line>, ConfigError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        let keyword = keyword.to_ascii_lowercase();
        let values = words(rest).ok_or_else(|| ConfigError::new(place, "a quote is not closed".into()))?;
        let Some(first) = values.first() else {
            return Err(ConfigError::new(place, format!("{keyword}: its value is missing")));
        };
        Ok(match keyword.as_str() {
            "host" => Some(Line::Host(values)),
            "match" => {
                self.warn(place, "a Match block is left out");
                Some(Line::Match)
            }
            "include" => Some(Line::Include(self.include(&values)?)),
            "identityfile" => Some(Line::Identity(first.clone())),
            "proxycommand" if first != "none" => {
                self.warn(place, "ProxyCommand is left out; ProxyJump does the same without a command");
                None
            }
            keyword => KEYWORDS.iter().find(|known| **known == keyword).map(|known| {
                if *known == "stricthostkeychecking" && matches!(first.as_str(), "no" | "off") {
                    self.warn(place, "StrictHostKeyChecking stays on");
                }
                Line::Value(known, values.join("\0"), place.clone())
            }),
        })
    }

    fn warn(&mut self, place: &Place, what: &str) {
        self.warnings.push(format!("{} line {}: {what}", place.file.display(), place.line));
    }

    fn include(&mut self, patterns: &[String]) -> Result<Vec<Line>, ConfigError> {
        self.depth += 1;
        let mut out = Vec::new();
        for pattern in patterns {
            for file in found(&absolute(pattern, self.home, &self.home.join(".ssh"))) {
                out.extend([Line::Include(self.file(&file)?)]);
            }
        }
        self.depth -= 1;
        Ok(out)
    }
}

/// The files that a pattern names, in order; patterns may stand in the last component only.
fn found(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !name.contains(['*', '?']) {
        return vec![pattern.to_path_buf()];
    }
    let Some(Ok(entries)) = pattern.parent().map(std::fs::read_dir) else { return Vec::new() };
    let mut out: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let entry = path.file_name().unwrap_or_default().to_string_lossy();
            pattern::matches(name.as_bytes(), entry.as_bytes()) && !entry.starts_with('.')
        })
        .collect();
    out.sort();
    out
}

/// A path with `~` for the home; a relative one is seen from `base`.
pub(super) fn absolute(text: &str, home: &Path, base: &Path) -> PathBuf {
    match text.strip_prefix("~/") {
        Some(below) => home.join(below),
        None => base.join(text),
    }
}

/// The words of a line; a word may stand in double quotes. `None` when a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        out.push(word.to_owned());
        rest = behind.trim_start();
    }
    Some(out)
}

/// One hop of `ProxyJump`: `[user@]host[:port]`, also as `ssh://..`.
pub(super) fn hop<'t>(
    text: &'t str,
    place: &Place,
) -> Result<(Option<&'t str>, &'t str, Option<u16>), ConfigError> {
    let text = text.trim();
    let text = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let wrong = || ConfigError::new(place, format!("ProxyJump: {text} is no [user@]host[:port]"));
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, behind) = bracketed.split_once(']').ok_or_else(wrong)?;
            (host, behind.strip_prefix(':'))
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
    if host.is_empty() { Err(wrong()) } else { Ok((user, host, port)) }
}
