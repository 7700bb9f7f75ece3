//! Packets: what is put into one, and what is taken out of one that nobody vouches for.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::{Error, Result};

/// The longest packet that is taken from a server: the limit of OpenSSH's own client.
pub(super) const PACKET_BYTES_MAX: usize = 256 * 1024;

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
pub(super) const NAME: u8 = 104;
pub(super) const ATTRS: u8 = 105;
pub(super) const EXTENDED: u8 = 200;
pub(super) const EXTENDED_REPLY: u8 = 201;

/// What stands before the body of a request: its length, its type and its id.
const HEAD_BYTES: usize = 9;

/// A request in the making: everything behind the id, with room before it for the rest, so that megabytes of data are copied once.
#[derive(Debug)]
pub(super) struct Body(BytesMut);

impl Default for Body {
    fn default() -> Self {
        Self(BytesMut::zeroed(HEAD_BYTES))
    }
}

impl Body {
    pub(super) fn string(mut self, bytes: &[u8]) -> Self {
        // What is sent is bounded far below 4 GiB.
        self.0.reserve(4 + bytes.len());
        self.0.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.put_slice(bytes);
        self
    }

    pub(super) fn u32(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    pub(super) fn u64(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    pub(super) fn len(&self) -> usize {
        self.0.len() - HEAD_BYTES
    }

    /// The whole packet.
    pub(super) fn finish(mut self, kind: u8, id: u32) -> Bytes {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        let mut head = &mut self.0[..HEAD_BYTES];
        head.put_u32(length);
        head.put_u8(kind);
        head.put_u32(id);
        self.0.freeze()
    }
}

/// An answer that is taken apart.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) kind: u8,
    rest: Bytes,
}

impl Answer {
    pub(super) const fn new(kind: u8, rest: Bytes) -> Self {
        Self { kind, rest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.rest.try_get_u32().map_err(|_| short())
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.rest.try_get_u64().map_err(|_| short())
    }

    pub(super) fn string(&mut self) -> Result<Bytes> {
        let length = usize::try_from(self.u32()?).map_err(|_| short())?;
        if length > self.rest.len() {
            return Err(short());
        }
        Ok(self.rest.split_to(length))
    }
}

fn short() -> Error {
    broken("an answer is shorter than it says")
}

pub(super) fn broken(detail: impl Into<String>) -> Error {
    Error::Protocol { detail: detail.into() }
}

/// Takes the next whole packet out of what has come so far: its kind, and the rest.
pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<(u8, Bytes)>> {
    let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
    if length == 0 || length > PACKET_BYTES_MAX {
        return Err(broken(format!("a packet of {length} bytes")));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    buffer.advance(4);
    let mut packet = buffer.split_to(length).freeze();
    Ok(Some((packet.get_u8(), packet)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some((kind, rest))) = next(&mut buffer) {
                let mut answer = Answer::new(kind, rest);
                let _ = super::super::attributes::Attributes::take(&mut answer);
                let _ = answer.string();
                let _ = answer.u64();
            }
        }

        #[test]
        fn a_packet_survives_being_cut(cut in 0_usize..30, name in proptest::collection::vec(any::<u8>(), 0..20)) {
            let packet = Body::default().string(&name).u64(7).finish(OPEN, 9);
            let mut buffer = BytesMut::from(&packet[..cut.min(packet.len() - 1)]);
            prop_assert!(next(&mut buffer).unwrap().is_none());
            let had = buffer.len();
            buffer.extend_from_slice(&packet[had..]);
            let (kind, rest) = next(&mut buffer).unwrap().unwrap();
            let mut answer = Answer::new(kind, rest);
            prop_assert_eq!((kind, answer.u32().unwrap()), (OPEN, 9));
            prop_assert_eq!(&answer.string().unwrap()[..], &name[..]);
            prop_assert_eq!(answer.u64().unwrap(), 7);
        }
    }

    #[test]
    fn a_packet_that_claims_to_be_endless_is_refused() {
        let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 101][..]);
        assert!(matches!(next(&mut buffer), Err(Error::Protocol { .. })));
    }
}
