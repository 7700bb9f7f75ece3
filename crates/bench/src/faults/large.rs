//! One large capture, interrupted at random: what was there already is not sent again where the way goes on.

use std::time::{Duration, Instant};

use super::home::Home;
use super::{CALM_MAX, Way};
use crate::measure::Error;
use crate::push::Noise;

const MIB: u64 = 1 << 20;
/// How large it is.
const LARGE_BYTES: u64 = 256 * MIB;
/// How often it is interrupted.
const CUTS: u64 = 3;
/// After how much, at least, and how much more at most.
const AFTER_BYTES: (u64, u64) = (48 * MIB, 32 * MIB);
/// What every way may need beside the content: the tongue of the protocol, and the questions of a verification.
const BESIDE: u64 = LARGE_BYTES / 33;

/// What one interruption may cost: the overlap that is sent again on purpose, and what was under way. `None` where the way
/// begins anew.
const fn lost_max(way: Way) -> Option<u64> {
    match way {
        Way::Native => Some(8 * MIB),
        Way::Sftp | Way::Rsync => Some(16 * MIB),
        // Four pieces of 8 MiB, and what the kernel holds.
        Way::S3 => Some(40 * MIB),
        Way::Rclone => None,
    }
}

/// Answers what is wrong.
pub(super) fn run(home: &mut Home, random: &mut Noise, way: Way) -> Result<Vec<String>, Error> {
    let before = home.moved()?;
    home.capture("large", LARGE_BYTES..LARGE_BYTES + 1, random)?;
    let mut cuts = 0;
    while cuts < CUTS && !home.is_all_home() {
        let (least, more) = AFTER_BYTES;
        let (since, wanted) = (home.moved()?, least + random.below(more));
        let begun = Instant::now();
        while home.moved()? < since + wanted && !home.is_all_home() {
            if begun.elapsed() > CALM_MAX {
                return Err(format!("a large capture does not move:\n{}", home.list()?).into());
            }
            if begun.elapsed() > Duration::from_secs(2) && home.moved()? < since + MIB {
                home.hurry()?;
            }
            home.pause(20)?;
        }
        if home.is_all_home() {
            break;
        }
        cuts += 1;
        match way {
            Way::Native => {
                home.kill()?;
                home.up()?;
            }
            _ => home.far.cut(),
        }
    }
    home.calm()?;
    let sent = home.moved()? - before;
    let again = sent.saturating_sub(LARGE_BYTES);
    println!(
        "a file of {} MiB, interrupted {cuts} times: {:.1} MiB were sent, {:.1} of them beside or again",
        LARGE_BYTES / MIB,
        sent as f64 / MIB as f64,
        again as f64 / MIB as f64
    );
    let is_too_much = lost_max(way).is_some_and(|lost| again > BESIDE + cuts * lost);
    Ok(is_too_much.then(|| format!("{again} bytes of a large file were sent again")).into_iter().collect())
}
