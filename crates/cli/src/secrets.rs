//! The passwords of personas: looked up at the moment they are needed, and kept nowhere.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use verisim_core::{DecoyName, TrafficProtocol};
use verisim_drivers::{Password, Passwords};
use verisim_ssh::Secret;

use crate::config::{PersonaConfig, SecretSource};
use crate::error::show;

/// The longest password, in bytes.
const PASSWORD_BYTES_MAX: usize = 512;

/// Where the passwords of personas are to be found, by login: a persona has the same on every decoy.
#[derive(Debug, Default)]
pub(crate) struct Secrets(HashMap<String, SecretSource>);

impl Secrets {
    /// Those of a configuration.
    pub(crate) fn of(personas: &[PersonaConfig]) -> Self {
        let sources =
            personas.iter().filter_map(|persona| Some((persona.login.clone(), persona.password.clone()?)));
        Self(sources.collect())
    }

    /// The password behind a login, for SSH; `None` where none is configured, or it cannot be had, which `doctor` says.
    pub(crate) fn for_ssh(&self, login: &str) -> Option<Secret> {
        self.find(login).map(Secret::new)
    }

    fn find(&self, login: &str) -> Option<String> {
        self.0.get(login).and_then(|source| text(source).ok())
    }
}

impl Passwords for Secrets {
    fn password(&self, _: &DecoyName, _: TrafficProtocol, login: &str) -> Option<Password> {
        self.find(login).map(Password::new)
    }
}

/// Whether a password stands at a source; else why it cannot be used.
pub(crate) fn check(source: &SecretSource) -> Result<(), String> {
    text(source).map(drop)
}

/// What stands at a source, or why it cannot be used; the reason never shows what stands there (INV-8).
pub(crate) fn text(source: &SecretSource) -> Result<String, String> {
    let text = match source {
        SecretSource::Variable(name) => variable(name)?,
        SecretSource::File(path) => file(path).map_err(|why| format!("{} {why}", show(path)))?,
    };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let place = match source {
        SecretSource::Variable(name) => format!("the variable {name}"),
        SecretSource::File(path) => show(path),
    };
    if text.is_empty() {
        return Err(format!("{place} is empty"));
    }
    if text.len() > PASSWORD_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("{place} holds no password: one line of at most {PASSWORD_BYTES_MAX} bytes"));
    }
    Ok(text.to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the binary takes passwords from its environment"
)]
fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => format!("the variable {name} is not set"),
        std::env::VarError::NotUnicode(_) => format!("the variable {name} is not UTF-8"),
    })
}

/// Whether a file can be read, and by nobody else; else why it cannot be used.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    open(path).map(drop).map_err(|why| format!("{} {why}", show(path)))
}

fn trouble(error: &dyn std::fmt::Display) -> String {
    format!("cannot be read: {error}")
}

/// Opens a regular file that is for its owner alone.
fn open(path: &Path) -> Result<std::fs::File, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| trouble(&error))?;
    let open = std::fs::File::from(open);
    let meta = open.metadata().map_err(|error| trouble(&error))?;
    if !meta.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return Err("can be read by others: chmod 600".to_owned());
    }
    Ok(open)
}

/// The text of a small file.
fn file(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    // Two more bytes may be the end of the line; another one is too much.
    let most = PASSWORD_BYTES_MAX as u64 + 3;
    open(path)?.take(most).read_to_end(&mut bytes).map_err(|error| trouble(&error))?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn of(text: &str, mode: u32) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        super::text(&SecretSource::File(path))
    }

    #[test]
    fn a_file_holds_one_line_for_its_owner_alone() {
        for text in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(of(text, 0o600), Ok("correct horse".to_owned()), "{text:?}");
        }
        assert!(of("x", 0o640).unwrap_err().ends_with("can be read by others: chmod 600"));
        assert!(of("\n", 0o600).unwrap_err().contains("is empty"));
        assert!(text(&SecretSource::File("/nowhere/x".into())).unwrap_err().contains("cannot be read"));
        assert!(text(&SecretSource::File("/".into())).is_err());
    }

    #[test]
    fn inv_8_what_is_wrong_with_a_password_does_not_show_it() {
        for text in ["two\nlines", &"long".repeat(500), "bell\u{7}"] {
            let why = of(text, 0o600).unwrap_err();
            assert!(why.contains("holds no password"), "{why}");
            assert!(!why.contains("two") && !why.contains("long") && !why.contains("bell"), "{why}");
        }
    }
}
