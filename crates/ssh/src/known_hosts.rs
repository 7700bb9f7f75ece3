//! Which host key belongs to which host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{Algorithm, HashAlg, PublicKey, PublicKeyBase64 as _};

use crate::{Error, Result, pattern};

/// The most that is read of one file, in bytes: some hundred thousand hosts.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What is known of host keys, from several files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    file: PathBuf,
    line: usize,
    marker: Marker,
    hosts: Hosts,
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

#[derive(Debug, Clone)]
enum Hosts {
    Plain(Vec<String>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// A key that is known of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The fingerprint, in the form in which `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Its algorithm, for instance `ssh-ed25519`.
    pub algorithm: String,
    /// Where it is written.
    pub file: PathBuf,
    /// The line in it.
    pub line: usize,
}

/// What is known of one host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's.
    Known,
    /// Nothing is known of the host, but perhaps an authority that would vouch for certificates of it.
    Unknown {
        /// Whether there is one.
        authority: bool,
    },
    /// The host has another key.
    Changed {
        /// Where that is written.
        file: PathBuf,
        /// The line in it.
        line: usize,
    },
    /// The key is revoked.
    Revoked {
        /// Where that is written.
        file: PathBuf,
        /// The line in it.
        line: usize,
    },
}

impl KnownHosts {
    /// Reads the files; one that is not there knows nothing.
    ///
    /// # Errors
    /// When a file is there and cannot be read, or is far too long.
    pub fn load(files: &[PathBuf]) -> Result<Self> {
        let mut out = Self::default();
        for file in files {
            let failed = |detail: String| Error::File { file: file.clone(), detail };
            match std::fs::metadata(file) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error.to_string())),
                Ok(meta) if !meta.is_file() && meta.len() == 0 => continue,
                Ok(meta) if meta.len() > FILE_BYTES_MAX => return Err(failed("it is too long".into())),
                Ok(_) => {}
            }
            let text = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
            out.add(file, &String::from_utf8_lossy(&text));
        }
        Ok(out)
    }

    /// Adds the lines of one file. What is no entry is passed over, as OpenSSH does.
    pub fn add(&mut self, file: &Path, text: &str) {
        for (at, line) in text.lines().enumerate() {
            if let Some(entry) = parse(line, file, at + 1) {
                self.entries.push(entry);
            }
        }
    }

    /// What is known of the key that `host` (as [`crate::Target::known_as`] has it) showed.
    #[must_use]
    pub fn verdict(&self, host: &str, key: &PublicKey) -> Verdict {
        let shown = key.public_key_base64();
        let of_host: Vec<&Entry> = self.entries.iter().filter(|entry| entry.hosts.name(host)).collect();
        let is = |entry: &Entry, marker| entry.marker == marker;
        if let Some(entry) = of_host.iter().find(|entry| is(entry, Marker::Revoked) && entry.key == shown) {
            return Verdict::Revoked { file: entry.file.clone(), line: entry.line };
        }
        let mut plain = of_host.iter().filter(|entry| is(entry, Marker::None)).peekable();
        let first = plain.peek().copied();
        if plain.any(|entry| entry.key == shown) {
            return Verdict::Known;
        }
        match first {
            Some(entry) => Verdict::Changed { file: entry.file.clone(), line: entry.line },
            None => Verdict::Unknown { authority: of_host.iter().any(|entry| is(entry, Marker::Authority)) },
        }
    }

    /// The keys that are known of a host.
    #[must_use]
    pub fn keys(&self, host: &str) -> Vec<KnownKey> {
        let of_host =
            self.entries.iter().filter(|entry| entry.marker == Marker::None && entry.hosts.name(host));
        of_host
            .filter_map(|entry| {
                let key = russh::keys::parse_public_key_base64(&entry.key).ok()?;
                let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
                let (algorithm, file) = (key.algorithm().to_string(), entry.file.clone());
                Some(KnownKey { fingerprint, algorithm, file, line: entry.line })
            })
            .collect()
    }

    /// The algorithms of the keys that are known of a host, so that it is asked for one of these.
    #[must_use]
    pub fn algorithms(&self, host: &str) -> Vec<Algorithm> {
        let of_host =
            self.entries.iter().filter(|entry| entry.marker == Marker::None && entry.hosts.name(host));
        of_host
            .filter_map(|entry| russh::keys::parse_public_key_base64(&entry.key).ok())
            .map(|key| key.algorithm())
            .collect()
    }
}

impl Hosts {
    fn name(&self, host: &str) -> bool {
        match self {
            Self::Plain(patterns) => pattern::list_matches(patterns.iter().map(String::as_str), host),
            Self::Hashed { salt, hash } => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                ring::hmac::verify(&key, host.as_bytes(), hash).is_ok()
            }
        }
    }
}

/// The text without what it says of the keys of a host; `None` where it says nothing of them.
///
/// # Errors
/// With the number of a line, where a pattern names the host together with others.
pub(crate) fn without(text: &[u8], host: &str) -> std::result::Result<Option<Vec<u8>>, usize> {
    let mut out = Vec::with_capacity(text.len());
    let mut changed = false;
    for (at, raw) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(raw);
        let names_it = parse(&line, Path::new(""), at + 1)
            .is_some_and(|entry| entry.marker == Marker::None && entry.hosts.name(host));
        if !names_it {
            out.extend_from_slice(raw);
            continue;
        }
        changed = true;
        let (names, rest) = line.trim_start().split_once([' ', '\t']).ok_or(at + 1)?;
        if names.starts_with("|1|") {
            continue;
        }
        let others: Vec<&str> = names.split(',').filter(|name| !name.eq_ignore_ascii_case(host)).collect();
        if pattern::list_matches(others.iter().copied(), host) {
            return Err(at + 1);
        }
        if others.iter().any(|name| !name.starts_with('!')) {
            out.extend_from_slice(format!("{} {rest}", others.join(",")).as_bytes());
        }
    }
    Ok(changed.then_some(out))
}

fn parse(line: &str, file: &Path, number: usize) -> Option<Entry> {
    let mut words = line.split_ascii_whitespace();
    let mut first = words.next().filter(|word| !word.starts_with('#'))?;
    let marker = match first {
        "@revoked" => Marker::Revoked,
        "@cert-authority" => Marker::Authority,
        other if other.starts_with('@') => return None,
        _ => Marker::None,
    };
    if marker != Marker::None {
        first = words.next()?;
    }
    let hosts = match first.strip_prefix("|1|") {
        Some(hashed) => {
            let (salt, hash) = hashed.split_once('|')?;
            Hosts::Hashed { salt: STANDARD.decode(salt).ok()?, hash: STANDARD.decode(hash).ok()? }
        }
        None => Hosts::Plain(first.split(',').map(str::to_owned).collect()),
    };
    let _algorithm = words.next()?;
    let key = words.next()?.to_owned();
    Some(Entry { file: file.to_path_buf(), line: number, marker, hosts, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn known(text: &str) -> KnownHosts {
        let mut out = KnownHosts::default();
        out.add(Path::new("known"), text);
        out
    }

    fn key(base64: &str) -> PublicKey {
        russh::keys::parse_public_key_base64(base64).unwrap()
    }

    fn changed(line: usize) -> Verdict {
        Verdict::Changed { file: "known".into(), line }
    }

    #[test]
    fn a_key_is_known_changed_revoked_or_unknown() {
        let text = format!(
            "# a comment\n\nweb.lan,10.0.0.7 ssh-ed25519 {ONE} somebody\n*.dmz,!bad.dmz ssh-ed25519 {ONE}\n\
             [odd.lan]:2222 ssh-ed25519 {ONE}\n@revoked * ssh-ed25519 {OTHER}\n\
             @cert-authority *.corp ssh-ed25519 {OTHER}\nbroken\n@unheard web.lan ssh-ed25519 {OTHER}\n"
        );
        let known = known(&text);
        let unknown = Verdict::Unknown { authority: false };
        for (host, expected) in [
            ("web.lan", Verdict::Known),
            ("10.0.0.7", Verdict::Known),
            ("a.dmz", Verdict::Known),
            ("bad.dmz", unknown.clone()),
            ("odd.lan", unknown),
            ("[odd.lan]:2222", Verdict::Known),
            ("x.corp", Verdict::Unknown { authority: true }),
        ] {
            assert_eq!(known.verdict(host, &key(ONE)), expected, "{host}");
        }
        let revoked = Verdict::Revoked { file: "known".into(), line: 6 };
        assert_eq!(known.verdict("web.lan", &key(OTHER)), revoked, "also where another is known");
    }

    #[test]
    fn a_changed_key_is_told_with_its_line() {
        let known = known(&format!("\nweb.lan ssh-ed25519 {ONE}\n"));
        assert_eq!(known.verdict("web.lan", &key(OTHER)), changed(2));
        assert_eq!(known.algorithms("web.lan").len(), 1);
    }

    /// Made by `ssh-keygen -H`.
    #[test]
    fn a_hashed_name_is_found() {
        let key_of = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"salt salt salt salt!");
        let hash = STANDARD.encode(ring::hmac::sign(&key_of, b"web.lan"));
        let line = format!("|1|{}|{hash} ssh-ed25519 {ONE}\n", STANDARD.encode("salt salt salt salt!"));
        let known = known(&line);
        assert_eq!(known.verdict("web.lan", &key(ONE)), Verdict::Known);
        assert_eq!(known.verdict("web.lan", &key(OTHER)), changed(1));
        assert_eq!(known.verdict("other.lan", &key(ONE)), Verdict::Unknown { authority: false });
    }

    #[test]
    fn a_host_is_taken_out_and_nothing_else() {
        let text = format!(
            "# web.lan\nweb.lan ssh-ed25519 {ONE}\nWEB.lan,10.0.0.7 ssh-ed25519 {OTHER} note\nother ssh-ed25519 {ONE}\n\
             @revoked web.lan ssh-ed25519 {ONE}\n[web.lan]:22 ssh-ed25519 {ONE}"
        );
        let left = without(text.as_bytes(), "web.lan").unwrap().unwrap();
        let left = String::from_utf8(left).unwrap();
        assert_eq!(
            left,
            format!(
                "# web.lan\n10.0.0.7 ssh-ed25519 {OTHER} note\nother ssh-ed25519 {ONE}\n\
                 @revoked web.lan ssh-ed25519 {ONE}\n[web.lan]:22 ssh-ed25519 {ONE}"
            )
        );
        assert_eq!(without(left.as_bytes(), "web.lan"), Ok(None));
        assert_eq!(without(format!("\n*.lan ssh-ed25519 {ONE}\n").as_bytes(), "web.lan"), Err(2));
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        known("|1|||\n|1|a|b c d\n@revoked\n@cert-authority x\n\u{0}\n,,, , ,\n!x ssh-rsa AAAA\n");
    }
}
