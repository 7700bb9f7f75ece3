//! Files into a container and out of it: the fast and the portable way, each read back, against `docker exec` with a shell
//! line and base64 on its input, which is today's way, and against `docker cp`.

mod peers;

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use verisim_connect::{DockerConnector, DockerOptions, Engine, EngineAddress, Reach};
use verisim_testkit::RealEngine;

use self::peers::Peers;
use crate::files::{BATCH, LARGE, Names, SMALL, plant, rate, read};
use crate::measure::{Contender, Error, NoClock, Pair, contest};
use crate::report::Report;

/// The name of the container.
const NAME: &str = "bench";
/// How many calls are timed together where one takes well under a millisecond, and where it takes a tenth of a second.
const MANY: usize = 50;
const FEW: usize = 3;

/// How often each contender has its turn.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

/// A container, and the ways into it.
struct Ground<'e> {
    peers: Peers<'e>,
    runtime: tokio::runtime::Runtime,
    fast: DockerConnector,
    portable: DockerConnector,
    /// The container's root, as this machine sees it.
    root: PathBuf,
    names: Names,
    /// What was written and not yet taken away again.
    written: RefCell<Vec<PathBuf>>,
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let Some(engine) = RealEngine::start() else {
        report.missing("docker: root, dockerd", "all".into());
        return Ok(());
    };
    let container = engine.container(NAME, &[]);
    engine.docker(&["exec", NAME, "/bin/busybox", "--install", "-s", "/bin"]);
    let root = container.root();
    fs::create_dir(root.join("copied"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let make = |reach| {
        let options = DockerOptions { container: NAME.parse()?, reach: Some(reach), exec: false };
        let address = EngineAddress::Socket(engine.socket());
        Ok::<_, Error>(DockerConnector::new(Engine::at(address), options, Arc::new(NoClock)))
    };
    let (fast, portable) = (make(Reach::Fast)?, make(Reach::Portable)?);
    let peers = Peers { engine: &engine, container: &container, names: Names::default() };
    let (names, written) = (Names::default(), RefCell::default());
    let ground = Ground { peers, runtime, fast, portable, root, names, written };
    ground.small(options, report)?;
    ground.large(options, report)?;
    ground.reads(options, report)
}

impl Ground<'_> {
    fn contender<'a>(
        &'a self,
        what: &str,
        size: &str,
        times: usize,
        weight: usize,
        mut work: impl FnMut() -> Result<(), Error> + 'a,
    ) -> Contender<'a> {
        let run = move || {
            self.empty()?;
            rate(times, weight, &mut work)
        };
        Contender { name: format!("docker, {size}: {what}"), run: Box::new(run) }
    }

    /// Ours and the peers for files of one size; the order is what the pairs below refer to.
    fn contenders(&self, size: &'static str, bytes: usize) -> Vec<Contender<'_>> {
        let ours = |what, times, files, connector, top| {
            let work = move || self.write(connector, top, bytes, files);
            self.contender(what, size, times, files, work)
        };
        let peer = |what, work: Box<dyn Fn() -> Result<(), Error>>| self.contender(what, size, FEW, 1, work);
        let batches = "portable way, batches of 100";
        vec![
            ours("fast way", MANY, 1, &self.fast, "/fast"),
            ours("fast way, batches of 100", 1, BATCH, &self.fast, "/fast"),
            ours("portable way", FEW, 1, &self.portable, "/portable"),
            ours(batches, 1, BATCH, &self.portable, "/portable"),
            peer("docker exec, a shell line, base64", Box::new(move || self.peers.shell(bytes))),
            peer("docker cp", Box::new(move || self.peers.copy(bytes, false))),
            peer("docker cp in and out again", Box::new(move || self.peers.copy(bytes, true))),
            self.contender("the engine alone, an archive of 100 in and out", size, 1, BATCH, move || {
                self.peers.bare(bytes, BATCH)
            }),
            // The shell writes there too, so that the directory is never as we left it.
            ours("portable way, batches of 100 beside others", 1, BATCH, &self.portable, "/shell"),
        ]
    }

    fn small(&self, options: &Options, report: &mut Report) -> Result<(), Error> {
        let pairs =
            [(0, 4, 150.0), (0, 5, 0.0), (1, 4, 0.0), (2, 6, 1.0), (3, 4, 60.0), (3, 7, 0.0), (8, 4, 0.0)];
        self.rows(options, report, self.contenders("5 bytes", SMALL), &pairs)
    }

    fn large(&self, options: &Options, report: &mut Report) -> Result<(), Error> {
        let pairs = [(0, 4, 40.0), (0, 5, 0.0), (1, 4, 0.0), (2, 6, 1.0), (3, 4, 0.0), (3, 7, 0.0)];
        let mut contenders = self.contenders("1 MiB", LARGE);
        contenders.truncate(8);
        self.rows(options, report, contenders, &pairs)
    }

    fn reads(&self, options: &Options, report: &mut Report) -> Result<(), Error> {
        for (size, bytes) in [("5 bytes read", SMALL), ("1 MiB read", LARGE)] {
            let at = format!("/read-{bytes}");
            fs::write(self.root.join(at.trim_start_matches('/')), vec![7; bytes])?;
            let at = &at;
            let ours = |what, times, connector| {
                let work = move || self.runtime.block_on(read(connector, at, bytes));
                self.contender(what, size, times, 1, work)
            };
            let contenders = vec![
                ours("fast way", MANY, &self.fast),
                ours("portable way", FEW, &self.portable),
                self.contender("docker exec, base64", size, FEW, 1, || self.peers.shell_read(at, bytes)),
                self.contender("docker cp", size, FEW, 1, || self.peers.copy_read(at, bytes)),
            ];
            self.rows(options, report, contenders, &[(0, 2, 0.0), (0, 3, 0.0), (1, 2, 0.0), (1, 3, 0.0)])?;
        }
        Ok(())
    }

    fn rows(
        &self,
        options: &Options,
        report: &mut Report,
        contenders: Vec<Contender<'_>>,
        pairs: &[Pair],
    ) -> Result<(), Error> {
        contest(report, "/s", options.rounds, self.peers.engine.folder(), contenders, pairs)
    }

    /// Files with mode, owner and time, as one batch, in a new folder.
    fn write(&self, connector: &DockerConnector, top: &str, bytes: usize, files: usize) -> Result<(), Error> {
        let batch = self.names.batch(top, bytes, files)?;
        self.runtime.block_on(plant(connector, &batch))?;
        if bytes >= LARGE {
            let at = batch.iter().map(|file| self.root.join(file.path.to_string().trim_start_matches('/')));
            self.written.borrow_mut().extend(at);
        }
        Ok(())
    }

    /// Takes large files away again before the kernel writes them to the disk, which it would do in somebody else's turn.
    fn empty(&self) -> Result<(), Error> {
        for at in self.written.borrow_mut().drain(..) {
            fs::remove_file(at)?;
        }
        Ok(())
    }
}
