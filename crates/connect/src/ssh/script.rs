//! Command lines, and what their output means.

use bytes::Bytes;
use verisim_core::{Digest, FileKind, Owner, printable};
use verisim_ssh::sftp::{Attributes, SetAttributes, Space, Status};
use verisim_ssh::{Error, Result, quote};

use super::remote::{Content, Fetched, Path, Wanted};
use crate::tree::FILE_BYTES_MAX;

/// Type and mode, size, owner, times, number of names.
pub(super) const STAT: &str = "'%f %s %u %g %X %Y %h'";
/// Blocks, free ones, those for others than root, their size, inodes, free ones.
pub(super) const SPACE: &str = "'%b %f %a %S %c %d'";

/// A command line in the making.
pub(super) struct Script(pub(super) Vec<u8>);

impl Script {
    pub(super) fn new() -> Self {
        Self(b"LC_ALL=C; export LC_ALL; ".to_vec())
    }

    pub(super) fn word(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn path(mut self, path: &[u8]) -> Self {
        self.0.extend(quote(path));
        self
    }
}

/// Adds to a script what reads a file: a look at it, its file system, the content, and another look.
pub(super) fn reading(script: Script, path: &Path, wanted: Wanted, quietly: bool) -> Script {
    let flags = if quietly { ",noatime" } else { "" };
    let limit =
        wanted.hash_max.map_or_else(|| "-1".to_owned(), |limit| limit.min(FILE_BYTES_MAX).to_string());
    // What a shell can count with; no file is longer.
    let offset = wanted.offset.min(i64::MAX.unsigned_abs());
    let length = wanted.length.min(FILE_BYTES_MAX);
    script
        .word("s=$(stat -c ")
        .word(STAT)
        .word(" -- ")
        .path(path)
        .word(") || exit; echo \"$s\"; set -- $s; case $1 in 8???) ;; *) exit 0;; esac; f=$(stat -f -c ")
        .word(SPACE)
        .word(" -- ")
        .path(path)
        .word(") || exit; echo \"$f\"; case $f in '0 '*) exit 0;; esac; ")
        .word(&format!("n={length}; [ \"$2\" -le {limit} ] && n=$2; m=$(($2 - {offset})); "))
        .word("[ $m -lt 0 ] && m=0; [ $m -lt $n ] && n=$m; [ $n = 0 ] || dd if=")
        .path(path)
        .word(&format!(
            " iflag=nonblock,nofollow,skip_bytes,count_bytes,fullblock{flags} bs=65536 skip={offset} count=$n \
             status=none || exit; stat -c {STAT} -- "
        ))
        .path(path)
}

/// The most bytes of content that a reading brings.
pub(super) fn content_max(wanted: Wanted) -> u64 {
    wanted.length.max(wanted.hash_max.unwrap_or(0)).min(FILE_BYTES_MAX)
}

/// What [`OverCommands::reading`] came to; `None` when the file changed meanwhile.
pub(super) fn fetched(said: &Bytes, wanted: Wanted) -> Result<Option<Fetched>> {
    let (head, rest) = line(said)?;
    let (seen, _) = attributes(&head)?;
    if seen.kind() != Some(FileKind::Regular) {
        return Ok(Some(Fetched::NotFile(seen)));
    }
    let (head, rest) = line(&rest)?;
    if space(&head)?.blocks == 0 {
        return Ok(Some(Fetched::NotReal(seen)));
    }
    let Some(body) = rest.strip_suffix(b"\n") else { return Err(garbled()) };
    // The last line is the second look. The content before it need not end its own last line: then the two are one,
    // and are told apart by the length that the file has.
    let size = seen.size.unwrap_or(0);
    let hashed = wanted.offset == 0 && wanted.hash_max.is_some_and(|limit| size <= limit);
    let length =
        if hashed { size } else { wanted.length.min(FILE_BYTES_MAX).min(size.saturating_sub(wanted.offset)) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Some((bytes, last)) = body.split_at_checked(length) else { return Ok(None) };
    let Ok((after, _)) = attributes(last) else { return Ok(None) };
    if after.kind() != Some(FileKind::Regular) || (hashed && after.size != seen.size) {
        return Ok(None);
    }
    let digest = hashed.then(|| Digest::of(bytes));
    let keep = usize::try_from(wanted.length).unwrap_or(usize::MAX).min(bytes.len());
    Ok(Some(Fetched::File(Content { attributes: after, digest, bytes: rest.slice(..keep) })))
}

pub(super) fn garbled() -> Error {
    Error::Status {
        doing: "understand a command",
        status: Status::Failure,
        said: "its output is garbled".into(),
    }
}

/// What a command said when it failed, as a status.
pub(super) fn failure(doing: &'static str, stderr: &[u8]) -> Error {
    const ENDINGS: [(&str, Status); 13] = [
        ("No such file or directory", Status::NoSuchFile),
        ("Not a directory", Status::NoSuchFile),
        ("Permission denied", Status::PermissionDenied),
        ("Operation not permitted", Status::PermissionDenied),
        ("Read-only file system", Status::PermissionDenied),
        ("Too many levels of symbolic links", Status::PermissionDenied),
        ("File name too long", Status::BadMessage),
        ("No space left on device", Status::NoSpace),
        ("Disk quota exceeded", Status::NoSpace),
        ("File exists", Status::Failure),
        ("Is a directory", Status::Failure),
        ("not found", Status::Unsupported),
        ("Operation not supported", Status::Unsupported),
    ];
    let text = String::from_utf8_lossy(stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let known = ENDINGS.iter().find(|(ending, _)| last.ends_with(&format!(": {ending}")));
    let status = known.map_or(Status::Failure, |(_, status)| *status);
    Error::Status { doing, status, said: printable(last) }
}

pub(super) fn line(said: &Bytes) -> Result<(Bytes, Bytes)> {
    let end = memchr::memchr(b'\n', said).ok_or_else(garbled)?;
    Ok((said.slice(..end), said.slice(end + 1..)))
}

fn numbers<const N: usize>(said: &[u8], first_radix: u32) -> Result<[i128; N]> {
    let text = std::str::from_utf8(said).map_err(|_| garbled())?;
    let mut out = [0; N];
    let mut words = text.split_ascii_whitespace();
    for (at, number) in out.iter_mut().enumerate() {
        let word = words.next().ok_or_else(garbled)?;
        let radix = if at == 0 { first_radix } else { 10 };
        *number = i128::from_str_radix(word, radix).map_err(|_| garbled())?;
    }
    if words.next().is_some() { Err(garbled()) } else { Ok(out) }
}

/// The attributes, and the number of names.
pub(super) fn attributes(said: &[u8]) -> Result<(Attributes, u64)> {
    let [mode, size, uid, gid, atime, mtime, links] = numbers(said, 16)?;
    let whole = |number: i128| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
    let found = Attributes {
        size: u64::try_from(size).ok(),
        owner: Some(Owner { uid: whole(uid), gid: whole(gid) }),
        st_mode: Some(whole(mode)),
        times: Some((whole(atime), whole(mtime))),
    };
    Ok((found, u64::try_from(links).unwrap_or(0)))
}

pub(super) fn space(said: &[u8]) -> Result<Space> {
    let [blocks, free, available, block, inodes, free_inodes] = numbers(said, 10)?;
    let whole = |number: i128| u64::try_from(number.max(0)).unwrap_or(u64::MAX);
    Ok(Space {
        blocks: whole(blocks),
        free_bytes: whole(free.saturating_mul(block)),
        available_bytes: whole(available.saturating_mul(block)),
        free_inodes: (inodes != 0).then(|| whole(free_inodes)),
        // A command says so itself, when it fails for it.
        read_only: false,
    })
}

/// Dressing as a command: what fails for want of the right to set an owner says `noowner`.
pub(super) fn dressing(set: &SetAttributes, path: &Path) -> Script {
    let mut script = Script(Vec::new());
    if let Some(owner) = set.owner {
        script = script.word(&format!("{{ chown -h {}:{} -- ", owner.uid, owner.gid)).path(path);
        script = script.word(" 2>&- || echo noowner; } && ");
    }
    if let Some(mode) = set.mode {
        script = script.word(&format!("chmod {:04o} -- ", mode.bits())).path(path).word(" && ");
    }
    if let Some((atime, mtime)) = set.times {
        for (which, time) in [("-a", atime), ("-m", mtime)] {
            script = script.word(&format!("touch -c -h {which} -d @{time} -- ")).path(path).word(" && ");
        }
    }
    script.word("true")
}

/// A new name for something. A directory has one name only; its renaming is checked afterwards, since it does not fail on
/// what is there.
pub(super) fn renaming(from: &Path, to: &Path) -> Script {
    Script::new()
        .word("if [ -d ")
        .path(from)
        .word(" ] && [ ! -L ")
        .path(from)
        .word(" ]; then mv -nT -- ")
        .path(from)
        .word(" ")
        .path(to)
        .word(" && { [ ! -e ")
        .path(from)
        .word(" ] || { echo 'rename: File exists' >&2; false; }; }; else ln -T -- ")
        .path(from)
        .word(" ")
        .path(to)
        .word(" && rm -f -- ")
        .path(from)
        .word("; fi")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_from_the_end_of_what_was_said() {
        for (said, status) in [
            ("stat: cannot statx '/a': No such file or directory\n", Status::NoSuchFile),
            (
                "dd: failed to open '/x: No space left on device': Permission denied\n",
                Status::PermissionDenied,
            ),
            ("dd: error writing '/x': No space left on device\n\n", Status::NoSpace),
            ("mv: cannot move '/No such file or directory' to '/b'\n", Status::Failure),
            ("sh: 1: stat: not found\n", Status::Unsupported),
            ("", Status::Failure),
        ] {
            assert_eq!(failure("test", said.as_bytes()).status(), Some(status), "{said}");
        }
    }

    #[test]
    fn any_output_is_understood_or_refused() {
        for said in
            ["", "\n", "81a4", "zz 1 2 3 4 5 6", "81a4 1 2 3 4 5 6 7", "81a4 -1 -1 -1 -1 -1 99999999999999"]
        {
            let _ = attributes(said.as_bytes());
            let _ = space(said.as_bytes());
        }
        let (found, links) = attributes(b"81a4 7 1000 100 5 6 2").unwrap();
        assert_eq!((found.kind(), found.size, links), (Some(FileKind::Regular), Some(7), 2));
    }
}
