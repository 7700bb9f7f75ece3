//! What transports share that leave the carrying to a tool which reads for itself. The one over SFTP reads in the same pass that
//! sends, and does without step 3: [`Local::complete`] notes each file as it arrives.
//!
//! The order of a push, with what stands here for each step:
//!
//! 1. [`Local::open`]: the capture is listed, what must be refused is refused, and the journal says what is complete.
//! 2. [`Look`] and [`claim`]: whose the folder there is, judged from what the tool found out; nothing is changed by that.
//! 3. [`Local::hash`], beside step 2 or after it: what is not complete is hashed here, before the tool reads it. What was hashed is in the journal at
//!    once, and is not hashed again while the file is the same.
//! 4. The tool runs over [`Local::todo`], at the rate of its [`Share`], and [`Gauge`] tells how far it is. How it ended is
//!    said by [`ended`], which asks `explain` and nobody else.
//! 5. [`Local::require_unchanged`]: every size, time and inode is what it was before the first byte was hashed.
//! 6. What was sent is made durable there; then [`Local::finish`] notes it and writes the manifest.

mod claim;
mod desk;
mod ended;
mod gauge;
mod hash;
mod learnt;
mod local;
mod rate;

pub(crate) use claim::{Look, claim, ours, shown};
pub(crate) use desk::{Desk, on_desk};
pub(crate) use ended::{ended, output};
pub(crate) use gauge::{Gauge, Tally};
pub(crate) use hash::hash_file;
pub(crate) use learnt::Learnt;
pub use local::hash_capture;
pub(crate) use local::{Local, Lot, Room, write_list};
pub(crate) use rate::{Share, Shares};
