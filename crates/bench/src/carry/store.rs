//! Verified push to a store of objects: an S3 server in this very process, by our own client and by rclone.
//!
//! The server takes its share of the processors in every flow alike, and is no product: the ratios count, and only they.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use verisim_sync::{ObjectOptions, ObjectTransport, S3Bucket, Store};
use verisim_testkit::real_store::StoreServer;

use super::flows::same;
use super::{Options, contender};
use crate::measure::{Contender, Error, Pair};
use crate::push::{Errand, RealClock, known, sha256sum, timed, tool};
use crate::report::Report;

/// What the bucket is called.
const BUCKET: &str = "vault";
/// What the store is called in the configuration of rclone.
const REMOTE: &str = "store";

/// A server over the folder that each run finds empty.
struct Ground<'a> {
    server: StoreServer,
    dir: &'a Path,
}

/// Both captures.
pub(super) fn rows(
    options: &Options,
    report: &mut Report,
    dir: &Path,
    captures: &[(&Path, String)],
) -> Result<(), Error> {
    let ground = Ground { server: StoreServer::start(&dir.join("target")), dir };
    std::fs::write(dir.join("store.conf"), ground.server.section(REMOTE))?;
    std::fs::write(dir.join("store.keys"), StoreServer::credentials())?;
    captures.iter().try_for_each(|(source, name)| ground.row(options, report, source, name))
}

impl Ground<'_> {
    fn row(&self, options: &Options, report: &mut Report, source: &Path, name: &str) -> Result<(), Error> {
        let dir = self.dir;
        let ours = move || timed(dir, |target| self.ours(source, target));
        let mut contenders: Vec<Contender<'_>> = vec![contender(format!("{name}: s3"), ours)];
        let mut pairs: Vec<Pair> = Vec::new();
        if !options.only_ours {
            let flow = move || timed(dir, |target| self.rclone_flow(source, target));
            let what = "rclone copy --checksum, sha256sum, rclone hashsum --download";
            contenders.push(contender(format!("{name}: {what}"), flow));
            let copy = move || timed(dir, |target| self.rclone_copy(source, target, &[]));
            contenders.push(contender(format!("{name}: rclone copy as it comes, nothing verified"), copy));
            pairs.extend([(0, 1, 0.0), (0, 2, 0.0)]);
        }
        options.contest(report, dir, contenders, &pairs)
    }

    fn ours(&self, source: &Path, target: &Path) -> Result<(), Error> {
        std::fs::create_dir(target.join(BUCKET))?;
        let bucket = S3Bucket {
            bucket: BUCKET.into(),
            region: "us-east-1".into(),
            endpoint: Some(self.server.endpoint()),
            virtual_host: false,
            credentials: Some(self.dir.join("store.keys")),
            profile: None,
        };
        let clock = Arc::new(RealClock(Instant::now()));
        let options = ObjectOptions::new(Store::S3(bucket), "");
        let transport = Arc::new(ObjectTransport::new(options, known(self.dir), clock));
        Errand::new(source, self.dir, transport)?.push()
    }

    /// rclone without what this machine says of its own stores.
    fn rclone(&self, arguments: &[&str]) -> Result<Command, Error> {
        let program =
            ["/usr/local/bin/rclone", "/usr/bin/rclone"].into_iter().find(|at| Path::new(at).exists());
        let mut command = Command::new(program.ok_or("rclone is not installed")?);
        command.args(arguments).arg("--config").arg(self.dir.join("store.conf"));
        command.env_clear().env("HOME", self.dir);
        Ok(command)
    }

    fn rclone_copy(&self, source: &Path, target: &Path, flags: &[&str]) -> Result<(), Error> {
        std::fs::create_dir(target.join(BUCKET))?;
        tool(self.rclone(&["copy"])?.args(flags).arg(source).arg(format!("{REMOTE}:{BUCKET}")))
    }

    fn rclone_flow(&self, source: &Path, target: &Path) -> Result<(), Error> {
        self.rclone_copy(source, target, &["--checksum"])?;
        let (here, there) = (self.dir.join("sums.here"), self.dir.join("sums.there"));
        sha256sum(source, &here)?;
        let mut hash = self.rclone(&["hashsum", "sha256", "--download"])?;
        tool(hash.arg(format!("{REMOTE}:{BUCKET}")).stdout(File::create(&there)?))?;
        same(&here, &there, "rclone")
    }
}
