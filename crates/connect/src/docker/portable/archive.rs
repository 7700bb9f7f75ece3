//! Archives as they come from an engine, entry by entry, within bounds. An engine passes on what an intruder made, and may
//! itself be one that lies: nothing here trusts a name, a size or an end.

use std::pin::Pin;

use bollard::errors::Error;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tar::{EntryType, Header, PaxExtensions};
use verisim_core::{Digest, FileKind, FileMode, Hasher, Owner, Timestamp};

/// The unit of an archive, in bytes.
const BLOCK_BYTES: usize = 512;
/// The most that one extended header may have: a path, a link's target and some numbers.
const EXTENSION_BYTES_MAX: u64 = 64 * 1024;
/// How many extended headers may stand before one entry.
const EXTENSIONS_MAX: usize = 8;

/// Why an archive could not be read to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The engine, or the way to it.
    Engine(Error),
    /// It is no archive, or breaks off.
    Nonsense(&'static str),
}

/// One entry, before its content.
#[derive(Debug, Clone)]
pub(super) struct EntryHead {
    /// Its name as it stands there, without a slash at its end.
    pub(super) name: Vec<u8>,
    pub(super) kind: FileKind,
    pub(super) mode: FileMode,
    pub(super) owner: Owner,
    /// To the second: engines cut the rest off.
    pub(super) mtime: Timestamp,
    /// The length of its content.
    pub(super) size: u64,
    /// Whether it is only a second name of what stands further up, with no content here.
    pub(super) is_second_name: bool,
}

/// An archive that is being received.
pub(super) struct Archive {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
    buffer: BytesMut,
    /// How much of the current entry is still to come, its padding included.
    rest: u64,
    /// How much of that is content.
    content: u64,
}

/// What extended headers say of the entry that follows.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Archive {
    pub(super) fn new(stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self { stream: Box::pin(stream), buffer: BytesMut::new(), rest: 0, content: 0 }
    }

    /// The next entry; what was not read of the one before is passed over. `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<EntryHead>, Broken> {
        let mut extension = Extension::default();
        for _ in 0..=EXTENSIONS_MAX {
            while self.rest > 0 {
                self.piece(self.rest).await?;
            }
            let Some(header) = self.header().await? else { return Ok(None) };
            let size = header.entry_size().map_err(|_| Broken::Nonsense("a size that is none"))?;
            match header.entry_type() {
                EntryType::XHeader | EntryType::GNULongName => {
                    let is_name = header.entry_type() == EntryType::GNULongName;
                    let body = self.extension_body(size).await?;
                    extension.take(&body, is_name);
                }
                EntryType::XGlobalHeader | EntryType::GNULongLink => {
                    self.extension_body(size).await?;
                }
                _ => return self.begin(&header, size, extension).map(Some),
            }
        }
        Err(Broken::Nonsense("headers without an entry"))
    }

    fn begin(&mut self, header: &Header, size: u64, extension: Extension) -> Result<EntryHead, Broken> {
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Link => {
                FileKind::Regular
            }
            EntryType::Directory => FileKind::Directory,
            EntryType::Symlink => FileKind::Symlink,
            _ => FileKind::Special,
        };
        let is_second_name = header.entry_type() == EntryType::Link;
        let has_content = kind == FileKind::Regular && !is_second_name;
        let size = if has_content { extension.size.unwrap_or(size) } else { 0 };
        self.content = size;
        self.rest = size.div_ceil(BLOCK_BYTES as u64).saturating_mul(BLOCK_BYTES as u64);
        let number = |said: std::io::Result<u64>| said.ok().and_then(|number| u32::try_from(number).ok());
        let id = |extended: Option<u32>, said| extended.or_else(|| number(said)).unwrap_or(u32::MAX);
        let mut name = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
        while name.len() > 1 && name.last() == Some(&b'/') {
            name.pop();
        }
        let second = header.mtime().ok().and_then(|second| i64::try_from(second).ok()).unwrap_or(0);
        Ok(EntryHead {
            name,
            kind,
            mode: FileMode::new(header.mode().unwrap_or(0)),
            owner: Owner { uid: id(extension.uid, header.uid()), gid: id(extension.gid, header.gid()) },
            mtime: Timestamp::new(second, 0).unwrap_or(Timestamp::MAX),
            size,
            is_second_name,
        })
    }

    /// At most `limit` bytes of the current entry's content from `offset` on, and no more of the stream than that takes.
    pub(super) async fn read(&mut self, offset: u64, limit: usize) -> Result<Vec<u8>, Broken> {
        let mut skip = offset.min(self.content);
        while skip > 0 {
            skip -= self.content_piece(skip).await?.len() as u64;
        }
        let mut out = Vec::new();
        while out.len() < limit && self.content > 0 {
            let piece = self.content_piece((limit - out.len()) as u64).await?;
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }

    /// The hash of the current entry's content, and its first bytes.
    pub(super) async fn hash(&mut self, head_bytes: usize) -> Result<(Digest, Vec<u8>), Broken> {
        let (mut hasher, mut head) = (Hasher::default(), Vec::new());
        while self.content > 0 {
            let piece = self.content_piece(self.content).await?;
            hasher.update(&piece);
            let room = head_bytes - head.len();
            head.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Ok((hasher.finish(), head))
    }

    async fn content_piece(&mut self, most: u64) -> Result<Bytes, Broken> {
        let piece = self.piece(most.min(self.content)).await?;
        self.content -= piece.len() as u64;
        Ok(piece)
    }

    /// Some bytes of the current entry, at least one and at most `most`.
    async fn piece(&mut self, most: u64) -> Result<Bytes, Broken> {
        self.fill(1).await?;
        let most = usize::try_from(most.min(self.rest)).unwrap_or(usize::MAX);
        let piece = self.buffer.split_to(self.buffer.len().min(most)).freeze();
        self.rest -= piece.len() as u64;
        Ok(piece)
    }

    async fn header(&mut self) -> Result<Option<Header>, Broken> {
        self.content = 0;
        self.fill(BLOCK_BYTES).await?;
        let block = self.buffer.split_to(BLOCK_BYTES);
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        let sum: u32 =
            block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        if header.cksum().ok() != Some(sum) {
            return Err(Broken::Nonsense("a header's checksum is wrong"));
        }
        Ok(Some(header.clone()))
    }

    async fn extension_body(&mut self, size: u64) -> Result<Vec<u8>, Broken> {
        if size > EXTENSION_BYTES_MAX {
            return Err(Broken::Nonsense("an extended header without end"));
        }
        self.content = size;
        self.rest = size.div_ceil(BLOCK_BYTES as u64) * BLOCK_BYTES as u64;
        self.read(0, usize::try_from(size).unwrap_or(0)).await
    }

    /// Waits until so many bytes are there.
    async fn fill(&mut self, bytes: usize) -> Result<(), Broken> {
        while self.buffer.len() < bytes {
            match self.stream.next().await {
                Some(Ok(piece)) => self.buffer.extend_from_slice(&piece),
                Some(Err(error)) => return Err(Broken::Engine(error)),
                None => return Err(Broken::Nonsense("it breaks off before its end")),
            }
        }
        Ok(())
    }
}

impl Extension {
    fn take(&mut self, body: &[u8], is_name: bool) {
        if is_name {
            let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
            self.path = Some(body[..end].to_vec());
            return;
        }
        for record in PaxExtensions::new(body).flatten() {
            let value = record.value_bytes();
            let text = std::str::from_utf8(value).unwrap_or_default();
            match record.key_bytes() {
                b"path" => self.path = Some(value.to_vec()),
                b"size" => self.size = text.parse().ok(),
                b"uid" => self.uid = text.parse().ok(),
                b"gid" => self.gid = text.parse().ok(),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn archive(bytes: &[u8], piece: usize) -> Archive {
        let pieces: Vec<_> = bytes.chunks(piece.max(1)).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
        Archive::new(futures_util::stream::iter(pieces))
    }

    fn packed(name: &str, body: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o4640);
        header.set_uid(3_000_000_000);
        header.set_gid(7);
        header.set_mtime(99);
        builder.append_data(&mut header, name, body).unwrap();
        builder.into_inner().unwrap()
    }

    #[tokio::test]
    async fn an_entry_is_read_however_the_bytes_arrive() {
        let name = "n".repeat(180);
        let bytes = packed(&name, &[7; 1300]);
        for piece in [1, 511, 512, 100_000] {
            let mut archive = archive(&bytes, piece);
            let head = archive.next().await.unwrap().unwrap();
            assert_eq!((head.name, head.size), (name.clone().into_bytes(), 1300));
            assert_eq!(
                (head.mode, head.owner),
                (FileMode::new(0o4640), Owner { uid: 3_000_000_000, gid: 7 })
            );
            assert_eq!(archive.read(1290, 100).await.unwrap(), [7; 10]);
            assert!(archive.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_broken_or_endless_archive_is_an_error_within_bounds() {
        let whole = packed("a", &[7; 1300]);
        let mut torn = archive(&whole[..1000], 100);
        torn.next().await.unwrap();
        assert!(torn.hash(0).await.is_err());
        let mut bent = whole.clone();
        bent[0] ^= 1;
        assert!(archive(&bent, 512).next().await.is_err());
        assert!(archive(&[], 1).next().await.is_err());
        // What the engine says instead is passed on.
        let refused = Error::DockerResponseServerError { status_code: 404, message: "no".into() };
        let instead = Archive::new(futures_util::stream::iter([Err(refused)])).next().await;
        assert!(matches!(instead, Err(Broken::Engine(_))), "the engine's own words");
        // A header that announces more than there is room for, and one extended header after the other.
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(1 << 33);
        header.set_cksum();
        let endless = futures_util::stream::repeat_with(|| Ok(Bytes::from_static(&[0; 4096])));
        let first = futures_util::stream::iter([Ok(Bytes::copy_from_slice(header.as_bytes()))]);
        assert!(Archive::new(first.chain(endless)).next().await.is_err());
        header.set_size(0);
        header.set_cksum();
        let block = Bytes::copy_from_slice(header.as_bytes());
        let endless = futures_util::stream::repeat_with(move || Ok(block.clone()));
        assert!(Archive::new(endless).next().await.is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000), piece in 1_usize..700) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut archive = archive(&bytes, piece);
                while let Ok(Some(_)) = archive.next().await {
                    let _ = archive.read(3, 1000).await;
                }
            });
        }
    }
}
