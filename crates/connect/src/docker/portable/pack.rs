//! Archives as an engine takes them.

use std::io;

use tar::{Builder, EntryType, Header};
use verisim_core::{DecoyPath, FileMode, Owner, Timestamp};

/// The longest name that a plain header holds.
const PLAIN_NAME_BYTES_MAX: usize = 100;
/// The largest number that seven octal digits hold.
const PLAIN_NUMBER_MAX: u32 = 0o777_7777;

/// An archive in the making, in memory.
pub(super) struct Pack(Builder<Vec<u8>>);

/// How an entry shall be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dress {
    pub(super) mode: FileMode,
    pub(super) owner: Owner,
    pub(super) mtime: Timestamp,
    pub(super) atime: Timestamp,
}

impl Pack {
    pub(super) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(super) fn file(&mut self, path: &DecoyPath, dress: Dress, body: &[u8]) -> io::Result<()> {
        self.entry(path.relative(), EntryType::Regular, dress, body)
    }

    pub(super) fn directory(&mut self, path: &DecoyPath, dress: Dress) -> io::Result<()> {
        let mut name = path.relative().to_vec();
        if name.is_empty() {
            name.push(b'.');
        }
        name.push(b'/');
        self.entry(&name, EntryType::Directory, dress, &[])
    }

    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        self.0.into_inner()
    }

    /// What a plain header cannot hold goes before it as a record: times to the nanosecond always.
    fn entry(&mut self, name: &[u8], kind: EntryType, dress: Dress, body: &[u8]) -> io::Result<()> {
        let mut records = vec![("mtime", seconds(dress.mtime)), ("atime", seconds(dress.atime))];
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(dress.mode.bits());
        header.set_size(body.len() as u64);
        header.set_mtime(u64::try_from(dress.mtime.as_second()).unwrap_or(0));
        for (key, id) in [("uid", dress.owner.uid), ("gid", dress.owner.gid)] {
            if id > PLAIN_NUMBER_MAX {
                records.push((key, id.to_string()));
            }
        }
        header.set_uid(u64::from(dress.owner.uid.min(PLAIN_NUMBER_MAX)));
        header.set_gid(u64::from(dress.owner.gid.min(PLAIN_NUMBER_MAX)));
        let plain = name.len().min(PLAIN_NAME_BYTES_MAX);
        header.as_old_mut().name[..plain].copy_from_slice(&name[..plain]);
        header.set_cksum();
        let records = records.iter().map(|(key, value)| (*key, value.as_bytes()));
        let long = (name.len() > plain).then_some(("path", name));
        self.0.append_pax_extensions(records.chain(long))?;
        self.0.append(&header, body)
    }
}

/// Seconds since 1970 with nine digits behind the point. A time before it counts down to the nanosecond, as a decimal does.
fn seconds(time: Timestamp) -> String {
    let (second, nanosecond) = (time.as_second(), time.subsec_nanosecond());
    let sign = if second < 0 || nanosecond < 0 { "-" } else { "" };
    format!("{sign}{}.{:09}", second.unsigned_abs(), nanosecond.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimals_to_the_nanosecond() {
        for (second, nanosecond, text) in [
            (5, 7, "5.000000007"),
            (0, 0, "0.000000000"),
            (-5, -250, "-5.000000250"),
            (0, -1, "-0.000000001"),
        ] {
            assert_eq!(seconds(Timestamp::new(second, nanosecond).unwrap()), text);
        }
    }
}
