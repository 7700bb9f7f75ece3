//! Parsers of what lies on a host. They take any bytes: nothing panics, nothing is unbounded, and what makes no sense is
//! passed over and counted where that matters.

mod document;
mod gzip;
mod history;
mod log;
mod mail;
mod passwd;
mod processes;
mod utmp;

pub use document::{Document, document};
pub use gzip::{Unzipped, gunzip};
pub use history::{Command, History, history};
pub use log::{Log, LogLine, log};
pub use mail::{Message, mbox, message};
pub use passwd::{AccountLine, apk_files, dpkg_list, passwd};
pub use processes::{Process, processes};
pub use utmp::{LastLogin, Login, LoginKind, lastlog, utmp};

use verisim_core::Timestamp;

/// A time in seconds since 1970; `None` where no calendar holds it.
pub(crate) fn second(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// The first line, bounded.
pub(crate) fn line(bytes: &[u8]) -> String {
    text(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default(), 100)
}

/// Text up to the first NUL, bounded, with what is not UTF-8 replaced.
pub(crate) fn text(bytes: &[u8], chars_max: usize) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let end = end.min(chars_max.saturating_mul(4));
    String::from_utf8_lossy(&bytes[..end]).chars().take(chars_max).collect()
}
