//! What became of effects that were begun and not recorded (INV-4).

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use verisim_core::{
    BurnFate, BurnFile, BurnHow, ByteCount, ByteRange, Connector, Digest, Failure, FileKind, FileTimes,
    FileWrite, OwnerPolicy, StatRequest, WriteMode, WriteOutcome,
};

use super::{BurnResult, Burner, QUESTIONS_AT_ONCE};

/// What a file shall be once it is written; `None` where its content is not known any more, because it was.
pub(super) fn whole(file: &BurnFile) -> Option<Bytes> {
    let body = file.body.as_ref()?;
    match (file.facts.how, &file.before) {
        (BurnHow::Append, Some(before)) => Some([before.body.as_bytes(), body.as_bytes()].concat().into()),
        _ => Some(body.0.clone()),
    }
}

/// The write that gives a file of a past everything it shall have.
pub(super) fn as_write(file: &BurnFile, secret: &[u8; 32]) -> Option<FileWrite> {
    let facts = &file.facts;
    let body = file.body.as_ref()?.0.clone();
    let how = match (facts.how, &file.before) {
        (BurnHow::New, _) => WriteMode::Create,
        (BurnHow::Append, _) => WriteMode::Append,
        (BurnHow::Rewrite, Some(before)) => {
            WriteMode::Replace { expected: Digest::of(before.body.as_bytes()) }
        }
        (BurnHow::Rewrite, None) => return None,
    };
    let is_new = facts.how == BurnHow::New;
    Some(FileWrite {
        path: file.path.clone(),
        body,
        how,
        mode: (is_new || facts.how == BurnHow::Rewrite).then_some(facts.dress.mode),
        owner: if is_new { OwnerPolicy::Set(facts.dress.owner) } else { OwnerPolicy::Keep },
        times: FileTimes::Past { mtime: facts.dress.mtime, atime: facts.dress.atime },
        make_parents: is_new,
        durable: true,
        staging: Burner::staging(secret, file.number),
    })
}

impl Burner {
    /// Finds out which of these files are there, and mends those that are torn. Planned is what did not happen.
    pub(super) async fn probe(&self, files: &[&BurnFile]) -> BurnResult<Vec<(u32, BurnFate)>> {
        let secret = self.store.secret().await?;
        let asking = files.iter().map(|file| {
            let secret = &secret;
            async move { Ok((file.number, fate(&*self.connector, file, secret).await?)) }
        });
        let answers: Vec<BurnResult<_>> = stream::iter(asking).buffered(QUESTIONS_AT_ONCE).collect().await;
        answers.into_iter().collect()
    }
}

async fn fate(connector: &dyn Connector, file: &BurnFile, secret: &[u8; 32]) -> Result<BurnFate, Failure> {
    let before = file.before.as_ref().map(|before| Digest::of(before.body.as_bytes()));
    let after = file.facts.sha256;
    let ours: Vec<Digest> = std::iter::once(after).chain(before).collect();
    let staging = Burner::staging(secret, file.number);
    if connector.settle(&file.path, staging, &ours).await?.is_some() {
        return Ok(BurnFate::Taken);
    }
    let limit = connector.capabilities().file_bytes_max;
    let Some(stat) = connector.stat(&file.path, StatRequest::Hash(limit)).await? else {
        return Ok(if file.facts.how == BurnHow::New { BurnFate::Planned } else { BurnFate::Taken });
    };
    match stat.sha256 {
        Some(found) if found == after => {
            let facts = &file.facts;
            let is_dressed = facts.how != BurnHow::New
                || connector.capabilities().atomic_replace
                || (stat.mode == facts.dress.mode && stat.owner == facts.dress.owner);
            if is_dressed { Ok(BurnFate::Planted) } else { mend(connector, file, secret, found).await }
        }
        Some(found) if Some(found) == before => Ok(BurnFate::Planned),
        Some(found) if stat.kind == FileKind::Regular && is_torn(connector, file, stat.size).await? => {
            mend(connector, file, secret, found).await
        }
        _ => Ok(BurnFate::Taken),
    }
}

/// Whether what stands there is the beginning of what was to be written: what a killed append leaves, and what a killed plant
/// leaves where a file does not appear in one step.
async fn is_torn(connector: &dyn Connector, file: &BurnFile, size: u64) -> Result<bool, Failure> {
    let Some(whole) = whole(file) else { return Ok(false) };
    let least = file.before.as_ref().map_or(0, |before| before.body.as_bytes().len());
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let may_be = match file.facts.how {
        BurnHow::New => !connector.capabilities().atomic_replace,
        BurnHow::Append => true,
        BurnHow::Rewrite => false,
    };
    if !may_be || size < least || size >= whole.len() {
        return Ok(false);
    }
    let found = connector.read(&file.path, ByteRange::first(ByteCount(size as u64))).await?;
    Ok(whole.starts_with(&found) && found.len() == size)
}

/// Writes the whole over what is torn, if it is still that.
async fn mend(
    connector: &dyn Connector,
    file: &BurnFile,
    secret: &[u8; 32],
    torn: Digest,
) -> Result<BurnFate, Failure> {
    let (Some(write), Some(body)) = (as_write(file, secret), whole(file)) else { return Ok(BurnFate::Taken) };
    let write = FileWrite { body, how: WriteMode::Replace { expected: torn }, ..write };
    match connector.write(&[write]).await.pop() {
        Some(Ok(WriteOutcome::Written(written))) if written.sha256 == file.facts.sha256 => {
            Ok(BurnFate::Planted)
        }
        Some(Err(failure)) => Err(failure),
        _ => Ok(BurnFate::Taken),
    }
}
