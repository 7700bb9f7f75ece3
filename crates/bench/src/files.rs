//! Files through any connector, each confirmed by what the connector read back.

use std::cell::Cell;
use std::time::Instant;

use bytes::Bytes;
use verisim_core::{
    ByteCount, ByteRange, Connector, DecoyPath, Digest, FileMode, FileTimes, FileWrite, JobId, Owner,
    OwnerPolicy, Staging, Timestamp, WriteMode, WriteOutcome,
};

use crate::measure::Error;

/// A small file, as most are: five bytes.
pub(crate) const SMALL: usize = 5;
/// A large one.
pub(crate) const LARGE: usize = 1 << 20;
/// Files that travel together.
pub(crate) const BATCH: usize = 100;
/// The mode, the owner (and its group) and the time of all files.
pub(crate) const MODE: u32 = 0o640;
pub(crate) const OWNER: u32 = 1001;
pub(crate) const MTIME: i64 = 1_700_000_000;

/// Names that were not used before.
#[derive(Debug, Default)]
pub(crate) struct Names(Cell<usize>);

impl Names {
    pub(crate) fn next(&self) -> usize {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    /// Files with mode, owner and time: one goes into `top`, more go together into a new folder there. None grows without
    /// end, as no home does.
    pub(crate) fn batch(&self, top: &str, bytes: usize, files: usize) -> Result<Vec<FileWrite>, Error> {
        let body = Bytes::from(vec![b'x'; bytes]);
        let mtime = Timestamp::new(MTIME, 123_456_789)?;
        let folder = if files == 1 { top.to_owned() } else { format!("{top}/{}", self.next()) };
        (0..files)
            .map(|_| {
                let number = self.next();
                Ok(FileWrite {
                    path: DecoyPath::new(format!("{folder}/{number}"))?,
                    body: body.clone(),
                    how: WriteMode::Create,
                    mode: Some(FileMode::new(MODE)),
                    owner: OwnerPolicy::Set(Owner { uid: OWNER, gid: OWNER }),
                    times: FileTimes::Past { mtime, atime: mtime },
                    make_parents: true,
                    durable: false,
                    // Each file is a job of its own.
                    staging: Staging::derive(&[1; 32], JobId(i64::try_from(number)?)),
                })
            })
            .collect()
    }
}

/// Writes a batch; what was read back must be what was sent.
pub(crate) async fn plant(connector: &dyn Connector, batch: &[FileWrite]) -> Result<(), Error> {
    for (file, outcome) in batch.iter().zip(connector.write(batch).await) {
        match outcome? {
            WriteOutcome::Written(written) if written.sha256 == Digest::of(&file.body) => {}
            other => return Err(format!("{}: {other:?}", file.path).into()),
        }
    }
    Ok(())
}

/// Reads a file that has so many bytes.
pub(crate) async fn read(connector: &dyn Connector, at: &str, bytes: usize) -> Result<(), Error> {
    let range = ByteRange::first(ByteCount(LARGE as u64));
    let read = connector.read(&DecoyPath::new(at)?, range).await?;
    if read.len() == bytes { Ok(()) } else { Err(format!("{at}: {} bytes were read", read.len()).into()) }
}

/// How often in a second something is done, if so many times are timed together and each counts as `weight`.
pub(crate) fn rate(
    times: usize,
    weight: usize,
    mut work: impl FnMut() -> Result<(), Error>,
) -> Result<f64, Error> {
    let start = Instant::now();
    for _ in 0..times {
        work()?;
    }
    Ok((times * weight) as f64 / start.elapsed().as_secs_f64())
}
