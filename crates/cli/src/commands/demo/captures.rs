//! The captures of the demonstration: what a sensor would have recorded, made up on the spot.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::SplitMix64;

/// How large the network recording of a capture is, in pieces of [`PIECE_BYTES`].
const PIECES: usize = 192;
const PIECE_BYTES: usize = 128 * 1024;
/// How many small files a capture has beside it.
const SESSIONS: usize = 240;

/// The next capture that is not there yet.
pub(super) fn next_dir(captures: &Path) -> PathBuf {
    (1..10_000)
        .map(|number| captures.join(format!("run-{number:04}")))
        .find(|dir| !dir.exists())
        .unwrap_or_else(|| captures.join("run-last"))
}

/// Writes a capture as a sensor would: piece by piece, and the sentinel last. Blocks; calls `pause` between pieces.
pub(super) fn record(dir: &Path, seed: u64, pause: impl Fn()) -> io::Result<()> {
    let mut draw = SplitMix64::seed_from_u64(seed);
    fs::create_dir_all(dir.join("sessions"))?;
    let mut traffic = fs::File::create(dir.join("traffic.pcap"))?;
    let mut piece = vec![0; PIECE_BYTES];
    for number in 0..PIECES {
        draw.fill_bytes(&mut piece);
        traffic.write_all(&piece)?;
        if number % 8 == 0 {
            pause();
        }
        let first = number * SESSIONS / PIECES;
        for session in first..(number + 1) * SESSIONS / PIECES {
            fs::write(dir.join(format!("sessions/{session:04}.log")), session_log(session, &mut draw))?;
        }
    }
    fs::write(
        dir.join("summary.json"),
        format!("{{\"sessions\": {SESSIONS}, \"bytes\": {}}}\n", PIECES * PIECE_BYTES),
    )?;
    fs::write(dir.join("run_complete"), b"")
}

fn session_log(session: usize, draw: &mut SplitMix64) -> String {
    const TRIED: [&str; 8] = ["admin", "root", "oracle", "test", "ubuntu", "postgres", "git", "backup"];
    const TYPED: [&str; 8] = [
        "uname -a",
        "cat /proc/cpuinfo",
        "w",
        "ls -la /home",
        "crontab -l",
        "id",
        "free -m",
        "cat /etc/passwd",
    ];
    let mut log = format!("session {session} from 198.51.100.{}\n", draw.next_u64() % 254 + 1);
    for _ in 0..draw.next_u64() % 30 + 3 {
        let word = draw.next_u64();
        let pick = |list: [&'static str; 8]| list[usize::try_from(word % 8).unwrap_or(0)];
        log.push_str(if word & 256 == 0 { "login tried: " } else { "command: " });
        log.push_str(pick(if word & 256 == 0 { TRIED } else { TYPED }));
        log.push('\n');
    }
    log
}
