//! A capture as malware would leave it: every name and kind of entry that has broken a tool which moves files.

#![expect(clippy::unwrap_used, reason = "test data fails by panicking")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// How long the sparse file is.
const SPARSE_BYTES: u64 = 1 << 20;

/// Names of regular files that a transport must carry byte for byte, each with why it is here.
#[must_use]
pub fn names() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("plain", b"plain.bin".to_vec()),
        ("newline", b"two\nlines".to_vec()),
        ("newline at the end", b"end\n".to_vec()),
        ("carriage return", b"a\rb".to_vec()),
        ("backslash", b"back\\slash\\n".to_vec()),
        ("leading dash", b"-rf".to_vec()),
        ("leading space", b" first".to_vec()),
        ("trailing space", b"last ".to_vec()),
        ("star", b"*?[a]{b}".to_vec()),
        ("quotes", b"'\"`$(id)".to_vec()),
        ("tab and escape", b"\t\x1b[31mred".to_vec()),
        ("line separator", "u\u{2028}u".as_bytes().to_vec()),
        ("right-to-left", "a\u{202e}gpj.exe".as_bytes().to_vec()),
        ("not UTF-8", b"\xff\xfe\x80".to_vec()),
        ("composed", "caf\u{e9}".as_bytes().to_vec()),
        ("decomposed", "cafe\u{301}".as_bytes().to_vec()),
        ("upper case", b"CASE".to_vec()),
        ("lower case", b"case".to_vec()),
        ("255 bytes", vec![b'n'; 255]),
        ("a colon, as remotes have", b"remote:path".to_vec()),
        ("trailing dot", b"dot.".to_vec()),
        ("a directory with a trailing space", b"dir /inside".to_vec()),
        ("as rsync names what is not whole", b".plain.bin.AbCdEf".to_vec()),
        ("as rsync names its temporary folder", b".~tmp~/plain.bin".to_vec()),
        ("as rsync names its partial folder", b".rsync-partial/plain.bin".to_vec()),
        ("as rclone names what is not whole", b"plain.bin.1a2b3c4d.partial".to_vec()),
        ("a comment", b"#comment".to_vec()),
        ("words that classifiers look for", b"permission denied assay.bin".to_vec()),
        ("a name of ours, but not at the top", b"sub/.verisim/owner".to_vec()),
        ("beside a directory of its own prefix", b"sub-file".to_vec()),
        ("deep", [b"d/".repeat(120), b"leaf".to_vec()].concat()),
    ]
}

/// Makes the capture at `root` and says what of it must arrive: path and content of every regular file.
///
/// Beside the names it holds an empty file, a sparse one, an empty directory, links that lead out, in circles and nowhere, hard links, a
/// pipe and a socket. The file that a link leads out to lies beside `root` and holds [`CANARY`].
#[must_use]
pub fn make(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::create_dir_all(root).unwrap();
    let mut expected = BTreeMap::new();
    for (why, name) in names() {
        let path = PathBuf::from(OsStr::from_bytes(&name));
        let full = root.join(&path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, why).unwrap();
        expected.insert(path, why.as_bytes().to_vec());
    }
    fs::write(root.join("empty"), b"").unwrap();
    expected.insert("empty".into(), Vec::new());
    // A hole, some bytes, and a hole at the end.
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"between holes", SPARSE_BYTES / 2).unwrap();
    sparse.set_len(SPARSE_BYTES).unwrap();
    expected.insert("sparse".into(), fs::read(root.join("sparse")).unwrap());
    fs::create_dir_all(root.join("hollow/inner")).unwrap();
    let outside = root.with_file_name("outside");
    fs::write(&outside, CANARY).unwrap();
    symlink(&outside, root.join("leads-out")).unwrap();
    symlink("/etc", root.join("leads-to-a-directory")).unwrap();
    symlink("circle", root.join("circle")).unwrap();
    symlink("loop-b", root.join("loop-a")).unwrap();
    symlink("loop-a", root.join("loop-b")).unwrap();
    symlink("..", root.join("sub/up")).unwrap();
    symlink("nowhere\nat all", root.join("broken")).unwrap();
    fs::hard_link(root.join("plain.bin"), root.join("second-name")).unwrap();
    expected.insert("second-name".into(), b"plain".to_vec());
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // The path of a socket must be short; it is made elsewhere and moved.
    let short = tempfile::Builder::new().prefix("s").tempdir_in(root.parent().unwrap()).unwrap();
    let socket = short.path().join("s");
    let node = rustix::fs::mknodat(rustix::fs::CWD, &socket, rustix::fs::FileType::Socket, mode, 0);
    node.unwrap();
    fs::rename(socket, root.join("socket")).unwrap();
    expected
}

/// What the file outside the capture holds: it must appear nowhere.
pub const CANARY: &[u8] = b"canary: this lies outside the capture";

/// Every regular file below `root` with its content, without the metadata folder at the top. Follows no link.
#[must_use]
pub fn read_tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() && path != root.join(".verisim") {
                open.push(path);
            } else if kind.is_file() {
                out.insert(path.strip_prefix(root).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    out
}
