//! Archives as an engine takes them.

use std::io;

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use verisim_core::{DecoyPath, FileMode, Owner, Timestamp};

/// The longest name that a plain header holds.
const PLAIN_NAME_BYTES_MAX: usize = 100;
/// The largest number that seven octal digits hold.
const PLAIN_NUMBER_MAX: u32 = 0o777_7777;

/// From how many bytes on a file's content is sent as it lies in memory, instead of being copied beside its header.
const OWN_PIECE_BYTES_MIN: usize = 16 * 1024;
/// Every content is filled up to a multiple of this.
const BLOCK_BYTES: usize = 512;

/// An archive in the making, in memory: in pieces, so that a large content is not there twice.
pub(super) struct Pack {
    done: Vec<Bytes>,
    last: Builder<Vec<u8>>,
}

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
        Self { done: Vec::new(), last: Builder::new(Vec::new()) }
    }

    pub(super) fn file(&mut self, path: &DecoyPath, dress: Dress, body: &Bytes) -> io::Result<()> {
        self.head(path.relative(), EntryType::Regular, dress, body.len())?;
        if body.len() < OWN_PIECE_BYTES_MIN {
            self.last.get_mut().extend_from_slice(body);
        } else {
            self.done.push(std::mem::take(self.last.get_mut()).into());
            self.done.push(body.clone());
        }
        let end = self.last.get_mut();
        end.resize(end.len() + body.len().next_multiple_of(BLOCK_BYTES) - body.len(), 0);
        Ok(())
    }

    pub(super) fn directory(&mut self, path: &DecoyPath, dress: Dress) -> io::Result<()> {
        let mut name = path.relative().to_vec();
        if name.is_empty() {
            name.push(b'.');
        }
        name.push(b'/');
        self.head(&name, EntryType::Directory, dress, 0)
    }

    /// The pieces, in order.
    pub(super) fn finish(self) -> io::Result<Vec<Bytes>> {
        let mut pieces = self.done;
        pieces.push(self.last.into_inner()?.into());
        Ok(pieces)
    }

    /// What a plain header cannot hold goes before it as a record: times to the nanosecond always.
    fn head(&mut self, name: &[u8], kind: EntryType, dress: Dress, size: usize) -> io::Result<()> {
        let mut records = vec![("mtime", seconds(dress.mtime)), ("atime", seconds(dress.atime))];
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(dress.mode.bits());
        header.set_size(size as u64);
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
        self.last.append_pax_extensions(records.chain(long))?;
        self.last.get_mut().extend_from_slice(header.as_bytes());
        Ok(())
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
    fn an_archive_in_pieces_holds_what_was_put_in() {
        let dress = Dress {
            mode: FileMode::new(0o640),
            owner: Owner { uid: 3_000_000_000, gid: 7 },
            mtime: Timestamp::new(5, 7).unwrap(),
            atime: Timestamp::new(6, 7).unwrap(),
        };
        let path = |name: &str| DecoyPath::new(name).unwrap();
        let sizes = [0, 1, 511, 512, 513, OWN_PIECE_BYTES_MIN - 1, OWN_PIECE_BYTES_MIN, 100_001];
        let mut pack = Pack::new();
        pack.directory(&path("/d"), dress).unwrap();
        for size in sizes {
            pack.file(&path(&format!("/d/{size}")), dress, &vec![7; size].into()).unwrap();
        }
        let pieces = pack.finish().unwrap();
        assert!(pieces.len() > 3, "large contents are pieces of their own");
        let whole = pieces.concat();
        let mut archive = tar::Archive::new(&whole[..]);
        let mut entries = archive.entries().unwrap();
        assert_eq!(&*entries.next().unwrap().unwrap().path_bytes(), b"d/");
        for size in sizes {
            let mut entry = entries.next().unwrap().unwrap();
            let mut body = Vec::new();
            io::Read::read_to_end(&mut entry, &mut body).unwrap();
            assert_eq!((&*entry.path_bytes(), body), (format!("d/{size}").as_bytes(), vec![7; size]));
        }
        assert!(entries.next().is_none());
    }

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
