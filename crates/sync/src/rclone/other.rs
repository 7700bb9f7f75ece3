//! A proof that is none of SHA-256: a hash that both sides know, and the size. It is taken where the operator chose it.
//!
//! The hash is computed here by rclone, from the files that were pushed, while they are known to be what was hashed by SHA-256;
//! it is kept in the work folder beside that. What is there is then asked for its hash alone.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use verisim_core::{CancellationToken, Digest, Failure, FailureKind, TransportError};

use super::call::{Call, Rclone};
use super::far::write_list;
use super::hashes::{Each, Lines};
use super::names::{Naming, show};
use super::push::HERE;
use super::there::There;
use crate::errno::{Side, failure};
use crate::explain::{Tool, ToolOperation};
use crate::private;
use crate::tool::{Local, ended};

const OPERATION: &str = "rclone.push";
/// What was hashed, in the work folder.
const SUMS: &str = "other-sums";
/// What is to be hashed, in the work folder.
const LIST: &str = "other-list";

/// What is known of a file that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) sum: String,
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
}

/// Hashes what was pushed and is not hashed yet, and notes it.
pub(super) async fn note(
    rclone: &Rclone,
    there: &There,
    local: &Local,
    hash: &str,
    cancel: &CancellationToken,
) -> Result<(), TransportError> {
    let lost = |error| failure(Side::State, OPERATION, "noting hashes", &error);
    let known = read(local.work_dir(), hash).map_err(lost)?;
    let is_new = |path: &[u8], sha256: Digest| known.get(path).is_none_or(|known| known.sha256 != sha256);
    let list = {
        let wanted = local.hashed().filter(|(item, sha256)| is_new(item.path.as_bytes(), *sha256));
        write_list(&local.work_dir().join(LIST), wanted.map(|(item, _)| item.path.as_bytes()))
            .map_err(lost)?
    };
    let mut found = Sums { naming: &there.here, sums: HashMap::new() };
    if list.metadata().map_err(lost)?.len() > 0 {
        let mut call = Call::new(["hashsum", hash, HERE]).list(list);
        call.folder = Some(local.folder());
        call.is_long = true;
        let mut lines = Lines::new(found);
        let ran = rclone.run(call, OPERATION, &mut lines, cancel).await?;
        ended(&ran, Tool::Rclone, ToolOperation::Push, OPERATION, None)?;
        found = lines.each;
    }
    let mut text = format!("{hash}\n").into_bytes();
    for (item, sha256) in local.hashed() {
        let path = item.path.as_bytes();
        let sum = found.sums.get(path).or_else(|| Some(&known.get(path)?.sum));
        let Some(sum) = sum else {
            let what = format_args!("rclone said no {hash} of {}", item.path);
            return Err(Failure::new(FailureKind::Unknown, OPERATION, what).into());
        };
        text.extend(format!("{sum} {} {sha256} ", { item.stamp.size }).into_bytes());
        text.extend(show(path));
        text.push(b'\n');
    }
    let new = local.work_dir().join("other-sums.new");
    let mut file = private::create(&new).map_err(lost)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(lost)?;
    Ok(fs::rename(&new, local.work_dir().join(SUMS)).map_err(lost)?)
}

/// What was noted, by path; nothing of another hash.
pub(super) fn read(work_dir: &Path, hash: &str) -> io::Result<HashMap<Vec<u8>, Known>> {
    let mut out = HashMap::new();
    let file = match fs::File::open(work_dir.join(SUMS)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(out),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file).split(b'\n');
    if lines.next().transpose()?.as_deref() != Some(hash.as_bytes()) {
        return Ok(out);
    }
    for line in lines {
        let line = line?;
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let mut text = || words.next().and_then(|word| std::str::from_utf8(word).ok());
        let (sum, bytes, sha256) = (text().map(str::to_owned), text().and_then(|it| it.parse().ok()), text());
        let sha256 = sha256.and_then(|hex| Digest::from_hex(hex.as_bytes()).ok());
        if let (Some(sum), Some(bytes), Some(sha256), Some(path)) = (sum, bytes, sha256, words.next()) {
            out.insert(super::names::unshow(path), Known { sum, bytes, sha256 });
        }
    }
    Ok(out)
}

/// `hash  path`, of any hash.
pub(super) struct Sums<'a> {
    pub(super) naming: &'a Naming,
    pub(super) sums: HashMap<Vec<u8>, String>,
}

impl Each for Sums<'_> {
    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        if let Some(at) = memchr::memmem::find(line, b"  ") {
            let (sum, name) = line.split_at(at);
            let is_sum = sum.len() >= 8 && sum.iter().all(u8::is_ascii_hexdigit);
            if is_sum && self.sums.len() < crate::tree::ENTRIES_MAX {
                let name = name.split_at(2).1;
                let sum = String::from_utf8_lossy(sum).to_ascii_lowercase();
                self.sums.insert(self.naming.native(name), sum);
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read_again_and_only_of_the_same_hash() {
        let dir = tempfile::tempdir().unwrap();
        let sha256 = Digest::of(b"x");
        let text = format!("md5\n0123456789abcdef 5 {sha256} two\u{240a}lines with blanks \nnoise\n");
        fs::write(dir.path().join(SUMS), text).unwrap();
        let known = read(dir.path(), "md5").unwrap();
        assert_eq!(known.len(), 1);
        let expected = Known { sum: "0123456789abcdef".into(), bytes: 5, sha256 };
        assert_eq!(known.get(b"two\nlines with blanks ".as_slice()), Some(&expected));
        assert!(read(dir.path(), "sha1").unwrap().is_empty());
        assert!(read(Path::new("/nowhere"), "md5").unwrap().is_empty());
    }

    #[test]
    fn only_hashes_are_taken_for_hashes() {
        let mut sums = Sums { naming: &Naming::Literal, sums: HashMap::new() };
        for line in ["d41d8cd98f00b204  a  b", "     ERROR  c", "UNSUPPORTED  d", "                  e", "x"]
        {
            let _ = sums.line(line.as_bytes());
        }
        assert_eq!(sums.sums, HashMap::from([(b"a  b".to_vec(), "d41d8cd98f00b204".to_owned())]));
    }
}
