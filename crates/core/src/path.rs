//! Paths on a decoy and paths inside a capture. Neither is a path of this machine, and both are bytes: a decoy or a
//! capture may use any name that its file system allows.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::failure::is_deceptive;

/// The longest path that Linux takes in one system call, the final NUL not counted (`PATH_MAX` - 1).
const PATH_BYTES_MAX: usize = 4095;
/// The longest name of one directory entry (`NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// An absolute, normalised path on a decoy: begins with `/`, has no empty, `.` or `..` component, no NUL and no final
/// slash (but `/` itself). It says nothing about where links lead: that is for the connector to contain (INV-7).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecoyPath(Box<[u8]>);

impl DecoyPath {
    /// Normalises and checks a path. Doubled slashes, `.` components and a final slash are dropped; `..` is refused, since
    /// behind a link it does not mean what it seems to mean.
    ///
    /// # Errors
    /// When the path is not absolute, has a `..` or a NUL, or is longer than Linux allows.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, InvalidPath> {
        let path = path.as_ref();
        if path.first() != Some(&b'/') {
            return Err(InvalidPath::new(path, "it is not absolute"));
        }
        check_length(path)?;
        let mut out = Vec::with_capacity(path.len());
        for part in path.split(|byte| *byte == b'/') {
            if is_component(path, part)? {
                out.push(b'/');
                out.extend_from_slice(part);
            }
        }
        if out.is_empty() {
            out.push(b'/');
        }
        Ok(Self(out.into()))
    }

    /// The root of the decoy.
    #[must_use]
    pub fn root() -> Self {
        Self([b'/'].into())
    }

    /// The bytes, beginning with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes without the leading `/`; empty for the root.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        &self.0[1..]
    }

    /// The components from the root downwards; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        self.0.split(|b| *b == b'/').filter(|part| !part.is_empty())
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The directory that holds this path; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let slash = self.file_name().map(|name| self.0.len() - name.len() - 1)?;
        Some(if slash == 0 { Self::root() } else { Self(self.0[..slash].into()) })
    }

    /// This directory's entry `name`.
    ///
    /// # Errors
    /// When `name` is not one legal component, or the whole becomes too long.
    pub fn join(&self, name: &[u8]) -> Result<Self, InvalidPath> {
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return Err(InvalidPath::new(name, "it is not the name of one entry"));
        }
        let mut whole = self.0.to_vec();
        whole.push(b'/');
        whole.extend_from_slice(name);
        Self::new(whole)
    }

    /// Whether this path is `dir` or lies below it.
    #[must_use]
    pub fn starts_with(&self, dir: &Self) -> bool {
        let prefix = dir.relative();
        prefix.is_empty()
            || self.relative().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

/// A normalised path inside a capture: relative, with no empty, `.` or `..` component and no NUL. Ordered by its bytes, as
/// a manifest is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Box<[u8]>);

impl RelPath {
    /// Checks a relative path as it stands: nothing is normalised away, because two spellings of one file would be two
    /// lines of a manifest.
    ///
    /// # Errors
    /// When it is empty, absolute, has an empty, `.` or `..` component or a NUL, or is too long.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, InvalidPath> {
        let path = path.as_ref();
        if path.is_empty() {
            return Err(InvalidPath::new(path, "it is empty"));
        }
        if path.split(|b| *b == b'/').any(|part| part.is_empty() || part == b".") {
            return Err(InvalidPath::new(path, "it is absolute or has an empty or '.' component"));
        }
        check_length(path)?;
        path.split(|byte| *byte == b'/').try_for_each(|part| is_component(path, part).map(drop))?;
        Ok(Self(path.into()))
    }

    /// The bytes, never beginning with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components, at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        self.0.split(|b| *b == b'/')
    }

    /// This directory's entry `name`.
    ///
    /// # Errors
    /// As [`RelPath::new`].
    pub fn join(&self, name: &[u8]) -> Result<Self, InvalidPath> {
        let mut whole = self.0.to_vec();
        whole.push(b'/');
        whole.extend_from_slice(name);
        Self::new(whole)
    }

    /// Whether the path is Verisim's own metadata folder at the top of a capture, or lies in it.
    #[must_use]
    pub fn is_metadata(&self) -> bool {
        self.components().next() == Some(crate::manifest::METADATA_DIR.as_bytes())
    }
}

fn check_length(path: &[u8]) -> Result<(), InvalidPath> {
    let fits = path.len() <= PATH_BYTES_MAX;
    if fits { Ok(()) } else { Err(InvalidPath::new(path, "it is longer than 4095 bytes")) }
}

/// Whether a part of `path` between slashes is a component: not where it says nothing.
fn is_component(path: &[u8], part: &[u8]) -> Result<bool, InvalidPath> {
    match part {
        b"" | b"." => Ok(false),
        b".." => Err(InvalidPath::new(path, "it has a '..' component")),
        _ if part.len() > NAME_BYTES_MAX => {
            Err(InvalidPath::new(path, "a component is longer than 255 bytes"))
        }
        _ if part.contains(&0) => Err(InvalidPath::new(path, "it has a NUL byte")),
        _ => Ok(true),
    }
}

/// A path that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path} cannot be used: {reason}")]
pub struct InvalidPath {
    path: String,
    reason: &'static str,
}

impl InvalidPath {
    fn new(path: &[u8], reason: &'static str) -> Self {
        Self { path: escape(&path[..path.len().min(200)]).into_owned(), reason }
    }
}

/// Bytes as printable text, without loss: bytes that are not UTF-8, control characters and direction marks become `\xNN`,
/// a backslash becomes `\\`. Borrowed when nothing has to change.
fn escape(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(|c| c == '\\' || is_deceptive(c))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if is_deceptive(c) => {
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        let _ = write!(out, "\\x{byte:02x}");
                    }
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// The inverse of [`escape`]. A backslash that begins no escape is an error.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'\\' {
            out.push(first);
            rest = tail;
        } else if let Some(tail) = tail.strip_prefix(b"\\") {
            out.push(b'\\');
            rest = tail;
        } else {
            let digits = tail.strip_prefix(b"x")?.get(..2)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &tail[3..];
        }
    }
    Some(out)
}

/// Serialises a path of this machine as [`RelPath`] is: a name that somebody else chose need not be UTF-8, and must not
/// keep the record that holds it from being written.
pub(crate) mod local_path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use super::{Cow, Deserialize, Deserializer, Serializer, escape, unescape};

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&escape(path.as_os_str().as_bytes()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let bytes = unescape(&text)
            .ok_or_else(|| serde::de::Error::custom("a backslash must begin \\\\ or \\xNN"))?;
        Ok(OsString::from_vec(bytes).into())
    }
}

macro_rules! path_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            /// Escaped without loss: see the serialised form.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&escape(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), escape(&self.0))
            }
        }

        /// A string in which bytes that are not UTF-8, control characters and direction marks stand as `\xNN`, a backslash as `\\`.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&escape(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <Cow<'de, str>>::deserialize(deserializer)?;
                let bytes = unescape(&text)
                    .ok_or_else(|| serde::de::Error::custom("a backslash must begin \\\\ or \\xNN"))?;
                Self::new(bytes).map_err(serde::de::Error::custom)
            }
        }
    };
}

path_text!(DecoyPath);
path_text!(RelPath);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decoy_path_is_absolute_and_normal() {
        assert_eq!(DecoyPath::new("//home/./a//b/").unwrap().as_bytes(), b"/home/a/b");
        assert_eq!(DecoyPath::new("/").unwrap(), DecoyPath::root());
        for bad in ["", "a", "./a", "/a/../b", "/..", "/a\0b"] {
            assert!(DecoyPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(DecoyPath::new(format!("/{}", "a".repeat(256))).is_err());
        assert!(DecoyPath::new("/a".repeat(2048)).is_err());
    }

    #[test]
    fn parents_lead_to_the_root() {
        let path = DecoyPath::new("/home/a/b").unwrap();
        assert_eq!(path.parent().unwrap().as_bytes(), b"/home/a");
        assert_eq!(DecoyPath::new("/home").unwrap().parent(), Some(DecoyPath::root()));
        assert_eq!(DecoyPath::root().parent(), None);
        assert!(path.starts_with(&DecoyPath::new("/home").unwrap()));
        assert!(path.starts_with(&DecoyPath::root()));
        assert!(!path.starts_with(&DecoyPath::new("/hom").unwrap()));
    }

    #[test]
    fn a_relative_path_is_taken_as_it_stands_or_refused() {
        for bad in ["", "/a", "a/", "a//b", "./a", "a/./b", "..", "a/../b", "a\0"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(RelPath::new(".verisim/x").unwrap().is_metadata());
        assert!(!RelPath::new("a/.verisim").unwrap().is_metadata());
    }

    #[test]
    fn a_name_that_would_turn_the_text_around_is_escaped() {
        let path = RelPath::new("a\u{202e}gnp.exe").unwrap();
        assert_eq!(path.to_string(), r"a\xe2\x80\xaegnp.exe");
        assert_eq!(serde_json::from_str::<RelPath>(&serde_json::to_string(&path).unwrap()).unwrap(), path);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_survive_json(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut absolute = vec![b'/'];
            absolute.extend(&bytes);
            if let Ok(path) = DecoyPath::new(&absolute) {
                let json = serde_json::to_string(&path).unwrap();
                prop_assert!(!path.to_string().contains(char::is_control));
                prop_assert!(path.components().all(|part| part != b".." && part != b"." && !part.contains(&0)));
                prop_assert_eq!(serde_json::from_str::<DecoyPath>(&json).unwrap(), path);
            }
            if let Ok(path) = RelPath::new(&bytes) {
                let json = serde_json::to_string(&path).unwrap();
                prop_assert_eq!(serde_json::from_str::<RelPath>(&json).unwrap(), path);
            }
        }

        #[test]
        fn any_text_is_refused_or_parsed(text in ".*") {
            let _ = unescape(&text);
        }
    }
}
