//! Captures that come in while the daemon is being killed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Makes a capture every ten seconds: in turn many small files, a few large ones, and odd names.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU32>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Load {
    pub(crate) fn start(folder: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let made = Arc::new(AtomicU32::new(0));
        let (folder, stopping, count) = (folder.to_owned(), Arc::clone(&stop), Arc::clone(&made));
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !stopping.load(Ordering::SeqCst) {
                make(&folder, number)?;
                number += 1;
                count.store(number, Ordering::SeqCst);
                for _ in 0..100 {
                    if !stopping.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(100));
                    }
                }
            }
            Ok(())
        });
        Self { stop, made, thread }
    }

    pub(crate) fn made(&self) -> u32 {
        self.made.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self.thread.join().map_err(|_| "the load panicked".to_owned())?;
        ended.map_err(|error| format!("cannot make captures: {error}"))
    }
}

/// How many captures in `folder` are complete.
pub(crate) fn complete(folder: &Path) -> Result<u32, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let complete = entries.flatten().filter(|entry| entry.path().join("run_complete").exists()).count();
    u32::try_from(complete).map_err(|error| error.to_string())
}

fn make(folder: &Path, number: u32) -> std::io::Result<()> {
    let root: PathBuf = folder.join(format!("run-{number:05}"));
    fs::create_dir(&root)?;
    let mut noise = Noise(u64::from(number) + 1);
    match number % 3 {
        0 => {
            for file in 0..1500_usize {
                let dir = root.join(format!("plate-{:02}", file % 20));
                fs::create_dir_all(&dir)?;
                fs::write(dir.join(format!("well-{file:04}.dat")), noise.bytes(file * 4))?;
            }
        }
        1 => {
            for file in 0..3 {
                let mut out = fs::File::create(root.join(format!("image-{file}.raw")))?;
                for _ in 0..64 {
                    out.write_all(&noise.bytes(1 << 20))?;
                }
            }
        }
        _ => {
            use std::os::unix::ffi::OsStrExt as _;
            let names: [&[u8]; 7] = [
                b"new\nline",
                b"back\\slash",
                b"-rf",
                b"trailing ",
                b"\xff\xfe",
                "é e\u{301}".as_bytes(),
                b"empty",
            ];
            for name in names {
                fs::write(root.join(std::ffi::OsStr::from_bytes(name)), noise.bytes(name.len() * 999))?;
            }
            fs::create_dir(root.join("no files here"))?;
            std::os::unix::fs::symlink("/etc/passwd", root.join("link"))?;
        }
    }
    // The sentinel comes last: before it, the capture is not complete.
    fs::write(root.join("run_complete"), "")
}

/// Bytes that do not compress and differ from capture to capture (xorshift64*).
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 8);
        while out.len() < length {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            out.extend(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        out.truncate(length);
        out
    }
}
