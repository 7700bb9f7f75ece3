//! The login records of glibc: `utmp`, `wtmp` and `btmp` (utmp(5)), and `lastlog`. The widths are those of 64-bit Linux,
//! where glibc keeps times in 32 bits so that both word sizes share the files.

use verisim_core::Timestamp;

use super::{second, text};

/// The length of a record, in bytes.
const RECORD: usize = 384;
/// The length of a record of `lastlog`: a time, a line of 32 and a host of 256.
const LAST: usize = 292;
/// How many records are read, the newest.
const RECORDS_MAX: usize = 200_000;

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginKind {
    /// The machine was started.
    Boot,
    /// The run level changed; `shutdown` is one too.
    RunLevel,
    /// A login.
    Login,
    /// The end of what ran on a line.
    Logout,
    /// A process that waits for a login, a change of the clock, and whatever else.
    Other,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What it tells.
    pub kind: LoginKind,
    /// When.
    pub at: Timestamp,
    /// Of whom.
    pub user: String,
    /// On which line, as `pts/0`.
    pub line: String,
    /// From where.
    pub host: String,
    /// The process.
    pub pid: i32,
}

/// Reads whole records; a torn one at the end is left out, and one without a sensible time too.
#[must_use]
pub fn utmp(bytes: &[u8]) -> Vec<Login> {
    let (records, _) = bytes.as_chunks::<RECORD>();
    let records = &records[records.len().saturating_sub(RECORDS_MAX)..];
    records.iter().filter_map(record).collect()
}

fn number(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, i32::from_le_bytes)
}

fn record(bytes: &[u8; RECORD]) -> Option<Login> {
    let kind = match i16::from_le_bytes([bytes[0], bytes[1]]) {
        0 => return None,
        1 => LoginKind::RunLevel,
        2 => LoginKind::Boot,
        7 => LoginKind::Login,
        8 => LoginKind::Logout,
        _ => LoginKind::Other,
    };
    let micros = number(bytes, 344).clamp(0, 999_999);
    let at = Timestamp::new(i64::from(number(bytes, 340)), micros * 1000).ok()?;
    Some(Login {
        kind,
        at,
        user: text(&bytes[44..76], 32),
        line: text(&bytes[8..40], 32),
        host: text(&bytes[76..332], 256),
        pid: number(bytes, 4),
    })
}

/// The last login of a user, as `lastlog` keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLogin {
    /// The user.
    pub uid: u32,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub host: String,
}

/// The users who ever logged in; the file has a place for each uid, most of them empty.
#[must_use]
pub fn lastlog(bytes: &[u8]) -> Vec<LastLogin> {
    let (records, _) = bytes.as_chunks::<LAST>();
    let last = |(uid, record): (usize, &[u8; LAST])| {
        let at = number(record, 0);
        (at != 0).then_some(())?;
        let uid = u32::try_from(uid).ok()?;
        Some(LastLogin { uid, at: second(i64::from(at))?, host: text(&record[36..], 256) })
    };
    records.iter().enumerate().filter_map(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_field_by_field_and_a_torn_one_is_not() {
        let mut bytes = vec![0_u8; RECORD * 2];
        bytes[RECORD] = 7;
        bytes[RECORD + 4..RECORD + 8].copy_from_slice(&4321_i32.to_le_bytes());
        bytes[RECORD + 8..RECORD + 13].copy_from_slice(b"pts/0");
        bytes[RECORD + 44..RECORD + 51].copy_from_slice(b"mkeller");
        bytes[RECORD + 76..RECORD + 84].copy_from_slice(b"10.0.0.5");
        bytes[RECORD + 340..RECORD + 344].copy_from_slice(&1_700_000_000_i32.to_le_bytes());
        bytes.extend_from_slice(b"torn");
        let found = utmp(&bytes);
        assert_eq!(found.len(), 1, "the empty one says nothing");
        let login = &found[0];
        assert_eq!(
            (login.kind, login.user.as_str(), login.line.as_str()),
            (LoginKind::Login, "mkeller", "pts/0")
        );
        assert_eq!((login.host.as_str(), login.pid, login.at.as_second()), ("10.0.0.5", 4321, 1_700_000_000));
        let mut last = vec![0_u8; LAST * 3];
        last[LAST * 2..LAST * 2 + 4].copy_from_slice(&1_700_000_000_i32.to_le_bytes());
        assert_eq!(lastlog(&last).iter().map(|last| last.uid).collect::<Vec<_>>(), [2]);
    }
}
