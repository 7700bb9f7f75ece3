//! Objects as files. Each appears in one step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use md5::{Digest as _, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult,
    CopySource, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETag, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput,
    StreamingBlob, Timestamp, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

/// How much of a file is sent at once.
const PIECE_BYTES: usize = 64 << 10;
/// The largest file whose hash is told.
const HASHED_MAX: u64 = 1 << 20;

/// A folder of buckets, and one beside it for what is not whole.
pub(super) struct Shelf {
    buckets: PathBuf,
    parts: PathBuf,
    next: AtomicU64,
}

/// A file that is removed unless somebody takes it: a request that is dropped leaves nothing either.
struct Part {
    path: Option<PathBuf>,
}

impl Part {
    fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

type Answer<T> = S3Result<S3Response<T>>;

fn lost(error: &io::Error) -> s3s::S3Error {
    match error.kind() {
        io::ErrorKind::NotFound => s3_error!(NoSuchKey),
        io::ErrorKind::StorageFull => full(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => s3_error!(AccessDenied),
        _ => s3_error!(InternalError, "{error}"),
    }
}

/// As MinIO says it.
fn full() -> s3s::S3Error {
    let code = s3s::S3ErrorCode::Custom("XMinioStorageFull".into());
    let mut error = s3s::S3Error::with_message(code, "the disk is full");
    error.set_status_code(hyper::StatusCode::INSUFFICIENT_STORAGE);
    error
}

pub(super) fn number<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// The MD5 of a small file, as S3 has it of what came in one part; of others something with a dash in it, as it has of them.
pub(super) fn tag(path: &Path, found: &fs::Metadata) -> ETag {
    if found.len() <= HASHED_MAX
        && let Ok(content) = fs::read(path)
    {
        let hash = Md5::digest(&content);
        return ETag::Strong(hash.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    let changed = found.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    ETag::Strong(format!("{:032x}-{}", changed.unwrap_or_default().as_nanos(), found.len()))
}

pub(super) fn changed(found: &fs::Metadata) -> Option<Timestamp> {
    found.modified().ok().map(Timestamp::from)
}

impl Shelf {
    pub(super) fn new(buckets: &Path) -> Self {
        let parts = buckets.with_extension("parts");
        fs::create_dir_all(&parts).unwrap();
        Self { buckets: buckets.to_owned(), parts, next: AtomicU64::new(0) }
    }

    pub(super) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let path = self.buckets.join(bucket);
        if path.is_dir() { Ok(path) } else { Err(s3_error!(NoSuchBucket)) }
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let odd = |part: &str| matches!(part, "" | "." | "..");
        if key.split('/').any(odd) || key.contains('\0') {
            return Err(s3_error!(InvalidArgument, "no key that this server keeps"));
        }
        Ok(self.bucket(bucket)?.join(key))
    }

    fn new_part(&self) -> PathBuf {
        self.parts.join(format!("part-{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Gives a whole file its name.
    fn appear(&self, part: &Path, at: &Path) -> S3Result<fs::Metadata> {
        let placed = fs::create_dir_all(at.parent().unwrap_or(&self.buckets))
            .and_then(|()| fs::rename(part, at))
            .and_then(|()| fs::metadata(at));
        placed.map_err(|error| lost(&error))
    }

    /// Writes what comes into a file of its own. What is cut off leaves nothing.
    async fn receive(&self, body: Option<StreamingBlob>, length: Option<i64>) -> S3Result<PathBuf> {
        let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let mut part = Part { path: Some(self.new_part()) };
        let mut whole = 0_usize;
        let mut file = fs::File::create(part.path()).map_err(|error| lost(&error))?;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| s3_error!(IncompleteBody))?;
            whole += piece.len();
            io::Write::write_all(&mut file, &piece).map_err(|error| lost(&error))?;
        }
        if length.is_some_and(|length| length != number(whole)) {
            return Err(s3_error!(IncompleteBody));
        }
        Ok(part.path.take().unwrap_or_default())
    }

    fn upload(&self, id: &str) -> S3Result<PathBuf> {
        let folder = self.parts.join(format!("upload-{id}"));
        let is_plain = id.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain && folder.is_dir() { Ok(folder) } else { Err(s3_error!(NoSuchUpload)) }
    }

    fn source(&self, source: &CopySource) -> S3Result<PathBuf> {
        match source {
            CopySource::Bucket { bucket, key, .. } => self.object(bucket, key),
            CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(s3_error!(NotImplemented)),
        }
    }
}

/// An empty delimiter is none: rclone 1.60 asks so for everything below.
fn delimiter(asked: Option<&str>) -> Option<&str> {
    asked.filter(|delimiter| !delimiter.is_empty())
}

#[async_trait::async_trait]
impl S3 for Shelf {
    /// Some clients make sure of a bucket before they write to it.
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = request.input;
        let path = self.object(&input.bucket, &input.key)?;
        let found = fs::metadata(&path).map_err(|error| lost(&error))?;
        if !found.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        let all = 0..found.len();
        let range = match input.range {
            None => all.clone(),
            Some(range) => range.check(found.len())?,
        };
        let content_range = (range != all)
            .then(|| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), found.len()));
        let file = fs::File::open(&path).map_err(|error| lost(&error))?;
        let length = range.end - range.start;
        let pieces = stream::unfold((file, range), |(file, range)| async move {
            let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(PIECE_BYTES);
            if wanted == 0 {
                return None;
            }
            let mut piece = vec![0; wanted];
            let read = std::os::unix::fs::FileExt::read_exact_at(&file, &mut piece, range.start);
            let next = range.start + wanted as u64..range.end;
            Some((read.map(|()| Bytes::from(piece)), (file, next)))
        });
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(Box::pin(pieces))),
            content_length: Some(number(length)),
            content_range,
            last_modified: changed(&found),
            e_tag: Some(tag(&path, &found)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let path = self.object(&request.input.bucket, &request.input.key)?;
        let found = fs::metadata(&path).map_err(|error| lost(&error))?;
        if !found.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(number(found.len())),
            last_modified: changed(&found),
            e_tag: Some(tag(&path, &found)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let input = request.input;
        let at = self.object(&input.bucket, &input.key)?;
        let part = self.receive(input.body, input.content_length).await?;
        if input.if_none_match.is_some() && at.exists() {
            let _ = fs::remove_file(part);
            return Err(s3_error!(PreconditionFailed));
        }
        let found = self.appear(&part, &at)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(tag(&at, &found)), ..PutObjectOutput::default() }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let input = request.input;
        let (from, to) = (self.source(&input.copy_source)?, self.object(&input.bucket, &input.key)?);
        let part = self.new_part();
        fs::copy(from, &part).map_err(|error| lost(&error))?;
        let found = self.appear(&part, &to)?;
        let copied = CopyObjectResult {
            e_tag: Some(tag(&to, &found)),
            last_modified: changed(&found),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(copied),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        let path = self.object(&request.input.bucket, &request.input.key)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(lost(&error)),
            _ => Ok(S3Response::new(DeleteObjectOutput::default())),
        }
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.clone().or(input.start_after.clone()).unwrap_or_default();
        let asked = (input.bucket.as_str(), prefix.as_str(), delimiter(input.delimiter.as_deref()));
        let (objects, prefixes, next) = self.page(asked, &after, input.max_keys)?;
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(objects.len() + prefixes.len()).ok(),
            contents: Some(objects),
            common_prefixes: Some(prefixes),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            prefix: input.prefix,
            delimiter: input.delimiter,
            name: Some(input.bucket),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.marker.clone().unwrap_or_default();
        let asked = (input.bucket.as_str(), prefix.as_str(), delimiter(input.delimiter.as_deref()));
        let (objects, prefixes, next) = self.page(asked, &after, input.max_keys)?;
        Ok(S3Response::new(ListObjectsOutput {
            contents: Some(objects),
            common_prefixes: Some(prefixes),
            is_truncated: Some(next.is_some()),
            next_marker: next,
            prefix: input.prefix,
            delimiter: input.delimiter,
            name: Some(input.bucket),
            ..ListObjectsOutput::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let input = request.input;
        self.object(&input.bucket, &input.key)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        fs::create_dir(self.parts.join(format!("upload-{id}"))).map_err(|error| lost(&error))?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let input = request.input;
        let upload = self.upload(&input.upload_id)?;
        let part = self.receive(input.body, input.content_length).await?;
        let at = upload.join(input.part_number.to_string());
        let found = self.appear(&part, &at)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(tag(&at, &found)), ..UploadPartOutput::default() }))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        let input = request.input;
        let upload = self.upload(&input.upload_id)?;
        let from = fs::read(self.source(&input.copy_source)?).map_err(|error| lost(&error))?;
        let range = input.copy_source_range.as_deref().and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            from.get(first.parse().ok()?..=last.parse().ok()?)
        });
        let wanted = match &input.copy_source_range {
            None => from.as_slice(),
            Some(_) => range.ok_or_else(|| s3_error!(InvalidRange))?,
        };
        let part = self.new_part();
        fs::write(&part, wanted).map_err(|error| lost(&error))?;
        let at = upload.join(input.part_number.to_string());
        let found = self.appear(&part, &at)?;
        let copied = CopyPartResult { e_tag: Some(tag(&at, &found)), ..CopyPartResult::default() };
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(copied),
            ..UploadPartCopyOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let input = request.input;
        let (upload, at) = (self.upload(&input.upload_id)?, self.object(&input.bucket, &input.key)?);
        let whole = self.new_part();
        let mut file = fs::File::create(&whole).map_err(|error| lost(&error))?;
        for part in input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default() {
            let part = upload.join(part.part_number.unwrap_or(0).to_string());
            let mut part = fs::File::open(part).map_err(|_| s3_error!(InvalidPart))?;
            io::copy(&mut part, &mut file).map_err(|error| lost(&error))?;
        }
        let found = self.appear(&whole, &at)?;
        let _ = fs::remove_dir_all(upload);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(tag(&at, &found)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        let upload = self.upload(&request.input.upload_id)?;
        fs::remove_dir_all(upload).map_err(|error| lost(&error))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}
