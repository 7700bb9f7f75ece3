//! Listing a bucket, page by page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use s3s::S3Result;
use s3s::dto::{CommonPrefix, Object};

use super::shelf::{Shelf, changed, number, tag};

impl Shelf {
    /// Every key of a bucket that begins with `prefix`, in their order; with a delimiter, folded at it.
    fn keys(&self, bucket: &str, prefix: &str, delimiter: Option<&str>) -> S3Result<BTreeSet<String>> {
        let root = self.bucket(bucket)?;
        // No need to look where nothing begins like this.
        let from = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let (mut keys, mut open) = (BTreeSet::new(), vec![root.join(from)]);
        while let Some(folder) = open.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let path = entry.path();
                let Some(key) = path.strip_prefix(&root).ok().and_then(Path::to_str) else { continue };
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(path);
                } else if let Some(rest) = key.strip_prefix(prefix) {
                    let folded = delimiter.and_then(|at| rest.find(at).map(|end| end + at.len()));
                    let end = folded.map_or(key.len(), |end| prefix.len() + end);
                    keys.insert(key.split_at(end).0.to_owned());
                }
            }
        }
        Ok(keys)
    }

    /// A page of a listing: objects, prefixes, and where the next one begins.
    pub(super) fn page(
        &self,
        (bucket, prefix, delimiter): (&str, &str, Option<&str>),
        after: &str,
        most: Option<i32>,
    ) -> S3Result<(Vec<Object>, Vec<CommonPrefix>, Option<String>)> {
        let most = usize::try_from(most.unwrap_or(1000)).unwrap_or(0).min(1000);
        let keys = self.keys(bucket, prefix, delimiter)?;
        let mut keys = keys.into_iter().skip_while(|key| key.as_str() <= after).peekable();
        let (mut objects, mut prefixes, mut last) = (Vec::new(), Vec::new(), String::new());
        while objects.len() + prefixes.len() < most
            && let Some(key) = keys.next()
        {
            last.clone_from(&key);
            if delimiter.is_some_and(|delimiter| key.ends_with(delimiter)) {
                prefixes.push(CommonPrefix { prefix: Some(key) });
                continue;
            }
            let path = self.object(bucket, &key)?;
            if let Ok(found) = fs::metadata(&path) {
                objects.push(Object {
                    key: Some(key),
                    size: Some(number(found.len())),
                    last_modified: changed(&found),
                    e_tag: Some(tag(&path, &found)),
                    ..Object::default()
                });
            }
        }
        Ok((objects, prefixes, keys.peek().is_some().then_some(last)))
    }
}
