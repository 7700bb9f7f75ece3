//! Which names a store of objects keeps as they are.
//!
//! A key is text of at most 1,024 bytes, and what is there is told in XML, which has no control characters and whose readers
//! drop blanks at the end. A name that would be stored under another one is refused before anything is sent.

use verisim_core::RelPath;

/// The longest key of S3, Azure and Google, in bytes.
const KEY_BYTES_MAX: usize = 1024;

/// The most segments that a name of Azure has, by its rules for naming blobs.
const AZURE_SEGMENTS_MAX: usize = 254;

/// Why a path below `folder` cannot be a key; `None`: it can. Azure takes a backslash for a slash, and wants no segment to end with a dot.
pub(super) fn refused(folder: &str, path: &[u8], is_azure: bool) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(path) else { return Some("it is no UTF-8") };
    let is_special = |c: char| c.is_ascii_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    if text.contains(is_special) {
        return Some("it has a control character");
    }
    if text.ends_with(char::is_whitespace) {
        return Some("it ends with a blank");
    }
    if folder.len() + 1 + text.len() > KEY_BYTES_MAX {
        return Some("it is longer than 1,024 bytes with the folder there");
    }
    let whole = if is_azure { format!("{folder}/{text}") } else { String::new() };
    if whole.contains('\\') {
        return Some("it has a backslash, of which Azure makes a slash");
    }
    if whole.split('/').any(|segment| segment.ends_with('.')) {
        return Some("a part of it ends with a dot, which Azure does not promise to keep");
    }
    if whole.split('/').count() > AZURE_SEGMENTS_MAX {
        return Some("it has more than 254 parts with the folder there");
    }
    None
}

/// A path as text; one that is none is refused before it gets here.
pub(super) fn text(path: &RelPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_stored_under_another_name_is_refused() {
        for good in ["a", "a b/ c", " a", "\u{fc}ber/\u{1f600}", "..a", "a\\b", "-x", "a%2Fb", "#?&+"] {
            assert_eq!(refused("lab/run", good.as_bytes(), false), None, "{good}");
        }
        let long = "x".repeat(1020);
        for bad in [&b"\xff"[..], b"a\nb", b"a\x7f", b"a ", "a\u{a0}".as_bytes(), long.as_bytes()] {
            assert!(refused("lab/run", bad, false).is_some(), "{bad:?}");
        }
        let deep = "d/".repeat(252) + "f";
        for (path, is_kept) in
            [("..a/b.c", true), ("a\\b", false), ("a./b", false), (&deep, false), (&deep[2..], true)]
        {
            assert_eq!(refused("lab/run", path.as_bytes(), true).is_none(), is_kept, "{path}");
        }
        assert!(refused("lab/run.", b"a", true).is_some());
    }
}
