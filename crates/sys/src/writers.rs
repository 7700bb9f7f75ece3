//! Who has files open for writing.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The access mode among the flags of an open file, and what stands for reading alone (open(2)).
const ACCESS_MODE: u32 = 0o3;
const READ_ONLY: u32 = 0;
/// Nobody reads or writes through such a descriptor (open(2)).
const PATH_ONLY: u32 = 0o10_000_000;

/// Which of the files `wanted`, by inode number, of the file system `device` some process has open for writing, as far as we
/// may see: the processes of others only as root, and none in another pid namespace that we are not above.
///
/// Descriptors are judged by what the kernel tells of them, and only those with a wanted number are asked for their file: to
/// ask all would wait for every dead mount of the machine.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn written_to(device: u64, wanted: &HashSet<u64>) -> io::Result<HashSet<u64>> {
    let mut found = HashSet::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // What ends meanwhile, or is none of ours, tells nothing.
        let Ok(open) = fs::read_dir(process.path().join("fdinfo")) else { continue };
        for descriptor in open.flatten() {
            let Ok(told) = fs::read_to_string(descriptor.path()) else { continue };
            let Some(inode) = writes(&told) else { continue };
            if inode.is_some_and(|inode| !wanted.contains(&inode)) {
                continue;
            }
            if let Some(file) = file(&process.path(), &descriptor.file_name(), device)
                && wanted.contains(&file)
            {
                found.insert(file);
            }
        }
    }
    Ok(found)
}

/// The inode number of the file that an open descriptor may write to; `Some(None)` where an older kernel (before 5.14) does
/// not say which, `None` where it may not.
fn writes(told: &str) -> Option<Option<u64>> {
    let field = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = u32::from_str_radix(field("flags:")?, 8).ok()?;
    let may = flags & ACCESS_MODE != READ_ONLY && flags & PATH_ONLY == 0;
    may.then(|| field("ino:").and_then(|inode| inode.parse().ok()))
}

fn file(process: &Path, descriptor: &std::ffi::OsStr, device: u64) -> Option<u64> {
    let meta = fs::metadata(process.join("fd").join(descriptor)).ok()?;
    (meta.is_file() && meta.dev() == device).then(|| meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_may_write_counts() {
        assert_eq!(writes("pos:\t0\nflags:\t0100001\nmnt_id:\t29\nino:\t77\n"), Some(Some(77)));
        assert_eq!(writes("pos:\t0\nflags:\t0100002\n"), Some(None), "an older kernel");
        assert_eq!(writes("pos:\t0\nflags:\t0100000\nino:\t77\n"), None, "reading");
        assert_eq!(writes("pos:\t0\nflags:\t012000001\nino:\t77\n"), None, "a mere path");
        assert_eq!((writes(""), writes("flags: x"), writes("flags:\t1\nino: -3")), (None, None, Some(None)));
    }

    #[test]
    fn a_file_is_seen_for_as_long_as_it_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, read) = (dir.path().join("kept"), dir.path().join("read"));
        fs::write(&read, "x").unwrap();
        let writer = fs::File::create(&kept).unwrap();
        let reader = fs::File::open(&read).unwrap();
        let meta = writer.metadata().unwrap();
        let wanted = HashSet::from([meta.ino(), reader.metadata().unwrap().ino()]);
        assert_eq!(written_to(meta.dev(), &wanted).unwrap(), HashSet::from([meta.ino()]));
        assert!(written_to(meta.dev() + 1, &wanted).unwrap().is_empty(), "another file system");
        drop(writer);
        assert!(written_to(meta.dev(), &wanted).unwrap().is_empty());
    }
}
