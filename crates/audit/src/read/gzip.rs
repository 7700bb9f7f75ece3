//! Rotated logs.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// What is in a file that calls itself `.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unzipped {
    /// It is gzip; these are its first bytes, up to the limit.
    Whole(Vec<u8>),
    /// It begins like gzip and is damaged, or cut because only its beginning was read; these bytes came out.
    Damaged(Vec<u8>),
    /// It is no gzip at all.
    Not,
}

/// Decompresses at most `limit` bytes.
#[must_use]
pub fn gunzip(bytes: &[u8], limit: u64) -> Unzipped {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Unzipped::Not;
    }
    let mut out = Vec::new();
    match MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut out) {
        Ok(_) => Unzipped::Whole(out),
        Err(_) => Unzipped::Damaged(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    #[test]
    fn a_bomb_is_cut_and_what_is_no_gzip_is_told() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::default());
        bomb.write_all(&vec![b'x'; 1 << 20]).unwrap();
        let bomb = bomb.finish().unwrap();
        assert_eq!(gunzip(&bomb, 1000), Unzipped::Whole(vec![b'x'; 1000]));
        assert_eq!(gunzip(b"Nov 22 03:08:43 host x: y\n", 1000), Unzipped::Not);
        assert!(matches!(gunzip(&bomb[..bomb.len() / 2], 1 << 22), Unzipped::Damaged(_)));
    }
}
