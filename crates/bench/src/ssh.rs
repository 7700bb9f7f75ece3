//! Files to a host over SSH and from it, each read back, against what people use: a shell line over a warm ControlMaster,
//! `sftp` in batch mode, Ansible's copy module, and an archive on the input of a remote `tar`.

mod peers;

use std::fs;

use clap::Args;
use verisim_connect::{SshConnector, SshOptions, WayIn};
use verisim_ssh::Target;
use verisim_testkit::sshd::{Sshd, SshdOptions};

use self::peers::Peers;
use crate::files::{BATCH, LARGE, Names, SMALL, plant, rate, read};
use crate::measure::{Contender, Error, Pair, contest};
use crate::report::Report;

/// How many calls are timed together: of ours, and of a peer that takes some ten times as long.
const MANY: usize = 50;
const FEW: usize = 5;

/// How often each contender has its turn.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// A host, and the ways to it.
struct Ground<'s> {
    peers: Peers<'s>,
    runtime: tokio::runtime::Runtime,
    sftp: SshConnector,
    names: Names,
}

/// How one gets to the server of the test kit at a port.
pub(crate) fn target(sshd: &Sshd, port: u16) -> Target {
    let mut target = Target::new("127.0.0.1", "root");
    target.port = port;
    target.identities = vec![sshd.key()];
    target.known_hosts = vec![sshd.known_hosts()];
    target
}

/// A decoy over SFTP, where no command is ever run.
pub(crate) fn over_sftp(target: Target) -> SshConnector {
    SshConnector::new(SshOptions { target, way: WayIn::Sftp, commands: false })
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else {
        report.missing("ssh: root, sshd", "all".into());
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let sftp = over_sftp(target(&sshd, sshd.port()));
    runtime.block_on(sftp.connect())?;
    let peers = Peers::new(&sshd)?;
    let ground = Ground { peers, runtime, sftp, names: Names::default() };
    for (size, bytes) in [("5 bytes", SMALL), ("1 MiB", LARGE)] {
        ground.writes(options, report, size, bytes)?;
        ground.reads(options, report, size, bytes)?;
    }
    Ok(())
}

impl Ground<'_> {
    fn contender<'a>(
        &'a self,
        what: &str,
        size: &str,
        times: usize,
        weight: usize,
        work: impl FnMut() -> Result<(), Error> + 'a,
    ) -> Contender<'a> {
        let mut work = work;
        let run = move || {
            self.empty()?;
            rate(times, weight, &mut work)
        };
        Contender { name: format!("ssh, {size}: {what}"), run: Box::new(run) }
    }

    fn writes<'a>(
        &'a self,
        options: &Options,
        report: &mut Report,
        size: &str,
        bytes: usize,
    ) -> Result<(), Error> {
        let small = bytes == SMALL;
        let peer = |what, times, weight, work: Box<dyn FnMut() -> Result<(), Error> + 'a>| {
            self.contender(what, size, times, weight, work)
        };
        let peers = &self.peers;
        let mut contenders = vec![
            peer("one file", MANY, 1, Box::new(move || self.write(bytes, 1))),
            peer("batches of 100", 1, BATCH, Box::new(move || self.write(bytes, BATCH))),
            peer("ssh over a warm ControlMaster, a shell line", FEW, 1, Box::new(move || peers.shell(bytes))),
            peer("sftp in batch mode over it", FEW, 1, Box::new(move || peers.sftp(bytes, 1))),
            peer(
                "sftp in batch mode over it, 100 files",
                1,
                BATCH,
                Box::new(move || peers.sftp(bytes, BATCH)),
            ),
            peer("tar to ssh over it, 100 files", 1, BATCH, Box::new(move || peers.tar(bytes, BATCH))),
        ];
        let bar = |factor: f64| if small { factor } else { 0.0 };
        let mut pairs = vec![(0, 2, bar(8.0)), (0, 3, 0.0), (1, 2, bar(40.0)), (1, 4, 0.0), (1, 5, 0.0)];
        if peers.has_ansible() {
            // Its start counts a tenth for each file.
            contenders.push(peer(
                "Ansible's copy",
                1,
                FEW * 2,
                Box::new(move || peers.ansible(bytes, FEW * 2)),
            ));
            pairs.push((0, 6, bar(200.0)));
        } else if small {
            report.missing(format!("ssh, {size}: one file / Ansible's copy"), "200.00 x".into());
        }
        self.rows(options, report, contenders, &pairs)
    }

    fn reads(&self, options: &Options, report: &mut Report, size: &str, bytes: usize) -> Result<(), Error> {
        let at = self.peers.folder().join(format!("read-{bytes}"));
        fs::write(&at, vec![7; bytes])?;
        let at = at.display().to_string();
        let size = format!("{size} read");
        let contenders = vec![
            self.contender("one file", &size, MANY, 1, || {
                self.runtime.block_on(read(&self.sftp, &at, bytes))
            }),
            self.contender("ssh over a warm ControlMaster, base64", &size, FEW, 1, || {
                self.peers.shell_read(&at, bytes)
            }),
            self.contender("sftp in batch mode over it", &size, FEW, 1, || self.peers.sftp_read(&at, bytes)),
        ];
        self.rows(options, report, contenders, &[(0, 1, 0.0), (0, 2, 0.0)])
    }

    fn rows(
        &self,
        options: &Options,
        report: &mut Report,
        contenders: Vec<Contender<'_>>,
        pairs: &[Pair],
    ) -> Result<(), Error> {
        contest(report, "/s", options.rounds, self.peers.folder(), contenders, pairs)
    }

    fn write(&self, bytes: usize, files: usize) -> Result<(), Error> {
        let top = self.peers.folder().join("ours").display().to_string();
        self.runtime.block_on(plant(&self.sftp, &self.names.batch(&top, bytes, files)?))
    }

    /// Takes away what was written, before the kernel writes it to the disk in somebody else's turn.
    fn empty(&self) -> Result<(), Error> {
        for name in ["ours", "theirs"] {
            let dir = self.peers.folder().join(name);
            if dir.exists() {
                fs::remove_dir_all(&dir)?;
            }
            fs::create_dir(&dir)?;
        }
        Ok(())
    }
}
