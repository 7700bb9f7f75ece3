//! Brings captures home: decides when one is complete, pushes it, proves that it arrived, and only then, where the
//! operator switched that on, deletes what is here.
//!
//! [`NativeTransport`] pushes to a directory; [`Courier`] carries out the steps of sync jobs with any transport.

mod bandwidth;
mod blocking;
mod cleanup;
mod completeness;
mod courier;
mod discover;
mod errno;
mod explain;
mod gate;
mod identity;
mod interlock;
mod journal;
mod late;
mod leftover;
mod lifecycle;
mod manifest_file;
mod native;
#[cfg(feature = "object")]
mod object;
mod operations;
mod private;
mod rclone;
mod reading;
mod rsync;
mod rule;
mod sending;
mod sftp;
mod shell;
mod source;
mod special;
mod stopping;
mod tool;
mod tree;
mod verify;
mod watch;

pub use courier::{Courier, CourierOptions, Destination};
pub use explain::{Explanation, Probe, Tool, ToolEnd, ToolOperation, ToolRun, decision_name, explain};
pub use gate::{
    GateAsks, GateCommand, GateRule, GateTools, Glob, NameProfile, Placeholder, Placeholders, SCAN_BYTES_MAX,
};
pub use identity::{KnownDestination, Recognised};
pub use interlock::{Evidence, Facts, Gate, Interlock, RemoteAnswer, RootNow, Writers, interlocks};
pub use native::{NativeOptions, NativeTransport, Reading};
#[cfg(feature = "object")]
pub use object::{ObjectFacts, ObjectOptions, ObjectTransport, S3Bucket, Store};
pub use rclone::{RcloneFacts, RcloneOptions, RcloneTransport, RcloneVersion};
pub use rsync::{FarFacts, RsyncOptions, RsyncTransport, RsyncVersion, SAFE_SINCE};
pub use rule::{AuditRule, CaptureRule, Completeness, Each};
pub use sftp::{SftpFacts, SftpOptions, SftpTransport};
pub use tool::hash_capture;
pub use watch::{Stirred, watch};
