//! Files into a container: the fast and the portable way, each read back, against `docker exec` with a shell line and
//! base64 on its input, which is today's way, and against `docker cp`.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use bytes::Bytes;
use clap::Args;
use verisim_connect::{DockerConnector, DockerOptions, Engine, EngineAddress, Reach};
use verisim_core::{
    ByteCount, ByteRange, Connector, DecoyPath, Digest, FileMode, FileTimes, FileWrite, JobId, Owner,
    OwnerPolicy, Staging, Timestamp, WriteMode, WriteOutcome,
};
use verisim_testkit::{RealContainer, RealEngine};

use crate::measure::{Bar, Contender, Error, NoClock, compare};
use crate::report::Report;

/// A small file, as most are: five bytes.
const SMALL: usize = 5;
/// A large one.
const LARGE: usize = 1 << 20;
/// Files that travel together.
const BATCH: usize = 100;
/// The name of the container.
const NAME: &str = "bench";

/// How often each contender has its turn.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

/// A container, and the ways into it.
struct Ground<'e> {
    engine: &'e RealEngine,
    container: &'e RealContainer<'e>,
    runtime: tokio::runtime::Runtime,
    fast: DockerConnector,
    portable: DockerConnector,
    number: Cell<usize>,
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let Some(engine) = RealEngine::start() else {
        println!("docker: NOT MEASURED, a real engine takes root and dockerd");
        return Ok(());
    };
    let container = engine.container(NAME, &[]);
    engine.docker(&["exec", NAME, "/bin/busybox", "--install", "-s", "/bin"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let make = |reach| {
        let options = DockerOptions { container: NAME.parse()?, reach: Some(reach), exec: false };
        let address = EngineAddress::Socket(engine.socket());
        Ok::<_, Error>(DockerConnector::new(Engine::at(address), options, Arc::new(NoClock)))
    };
    let (fast, portable) = (make(Reach::Fast)?, make(Reach::Portable)?);
    let number = Cell::new(0);
    let ground = Ground { engine: &engine, container: &container, runtime, fast, portable, number };
    for (bytes, factor, what) in [(SMALL, 150.0, "5 bytes"), (LARGE, 40.0, "1 MiB")] {
        ground.single(options, report, bytes, factor, what)?;
    }
    ground.batches(options, report)?;
    ground.one_portable(options, report)?;
    ground.reads(options, report)
}

impl Ground<'_> {
    /// One file by itself, many times in one turn, since it takes so little.
    fn single(
        &self,
        options: &Options,
        report: &mut Report,
        bytes: usize,
        factor: f64,
        what: &str,
    ) -> Result<(), Error> {
        let ours = Contender {
            name: format!("docker, fast way: one file of {what}"),
            run: Box::new(|| self.rate(50, || self.write(&self.fast, bytes, 1))),
        };
        let others = vec![
            Bar {
                contender: Contender {
                    name: "docker exec, a shell line, base64".into(),
                    run: Box::new(|| self.rate(3, || self.shell(bytes))),
                },
                factor,
            },
            Bar {
                contender: Contender {
                    name: "docker cp, no bar".into(),
                    run: Box::new(|| self.rate(3, || self.copy(bytes, false))),
                },
                factor: 0.0,
            },
        ];
        compare(report, "files/s", options.rounds, self.engine.folder(), ours, others)
    }

    fn batches(&self, options: &Options, report: &mut Report) -> Result<(), Error> {
        let ours = Contender {
            name: format!("docker, portable way: batches of {BATCH}"),
            run: Box::new(|| {
                self.rate(BATCH, || self.write(&self.portable, SMALL, BATCH)).map(|rate| rate * BATCH as f64)
            }),
        };
        let fast = Contender {
            name: format!("the fast way, batches of {BATCH}, no bar"),
            run: Box::new(|| {
                self.rate(BATCH, || self.write(&self.fast, SMALL, BATCH)).map(|rate| rate * BATCH as f64)
            }),
        };
        let shell = Contender {
            name: "docker exec, a shell line, base64".into(),
            run: Box::new(|| self.rate(3, || self.shell(SMALL))),
        };
        let others = vec![Bar { contender: shell, factor: 60.0 }, Bar { contender: fast, factor: 0.0 }];
        compare(report, "files/s", options.rounds, self.engine.folder(), ours, others)
    }

    fn one_portable(&self, options: &Options, report: &mut Report) -> Result<(), Error> {
        let ours = Contender {
            name: "docker, portable way: one file of 5 bytes".into(),
            run: Box::new(|| self.rate(3, || self.write(&self.portable, SMALL, 1))),
        };
        let others = vec![Bar {
            contender: Contender {
                name: "docker cp in and out again".into(),
                run: Box::new(|| self.rate(3, || self.copy(SMALL, true))),
            },
            factor: 1.0,
        }];
        compare(report, "files/s", options.rounds, self.engine.folder(), ours, others)
    }

    fn reads(&self, options: &Options, report: &mut Report) -> Result<(), Error> {
        fs::write(self.container.root().join("read"), vec![7; LARGE])?;
        let read = |connector: &DockerConnector| {
            let range = ByteRange::first(ByteCount(LARGE as u64));
            let read = self.runtime.block_on(connector.read(&DecoyPath::new("/read")?, range))?;
            if read.len() == LARGE { Ok(()) } else { Err("not all was read".into()) }
        };
        let ours = Contender {
            name: "docker, fast way: 1 MiB read".into(),
            run: Box::new(|| self.rate(50, || read(&self.fast))),
        };
        let exec = || -> Result<(), Error> {
            let output = self.docker().args(["exec", NAME, "cat", "/read"]).output()?;
            if output.stdout.len() == LARGE { Ok(()) } else { Err("not all was read".into()) }
        };
        let others = vec![
            Bar {
                contender: Contender {
                    name: "docker exec cat, no bar".into(),
                    run: Box::new(|| self.rate(3, exec)),
                },
                factor: 0.0,
            },
            Bar {
                contender: Contender {
                    name: "the portable way, no bar".into(),
                    run: Box::new(|| self.rate(3, || read(&self.portable))),
                },
                factor: 0.0,
            },
        ];
        compare(report, "reads/s", options.rounds, self.engine.folder(), ours, others)
    }

    /// How often in a second, once it was done so many times.
    fn rate(&self, times: usize, mut work: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
        // A batch counts once.
        let times = if times == BATCH { 1 } else { times };
        let start = Instant::now();
        for _ in 0..times {
            work()?;
        }
        Ok(times as f64 / start.elapsed().as_secs_f64())
    }

    fn next(&self) -> usize {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Files with mode, owner and time in a folder that is there, as one batch; what was read back must be what was sent.
    fn write(&self, connector: &DockerConnector, bytes: usize, files: usize) -> Result<(), Error> {
        let body = Bytes::from(vec![b'x'; bytes]);
        let mtime = Timestamp::new(1_700_000_000, 123_456_789)?;
        // A folder of its own for each batch, as a home has many: none grows without end.
        let folder = self.next();
        let batch = (0..files)
            .map(|_| {
                Ok::<_, Error>(FileWrite {
                    path: DecoyPath::new(format!("/bench/{folder}/{}", self.next()))?,
                    body: body.clone(),
                    how: WriteMode::Create,
                    mode: Some(FileMode::new(0o640)),
                    owner: OwnerPolicy::Set(Owner { uid: 1001, gid: 1001 }),
                    times: FileTimes::Past { mtime, atime: mtime },
                    make_parents: true,
                    durable: false,
                    staging: Staging::derive(&[1; 32], JobId(1)),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        for outcome in self.runtime.block_on(connector.write(&batch)) {
            match outcome? {
                WriteOutcome::Written(written) if written.sha256 == Digest::of(&body) => {}
                other => return Err(format!("{other:?}").into()),
            }
        }
        Ok(())
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.engine.socket().display()));
        command
    }

    /// Today's way.
    fn shell(&self, bytes: usize) -> Result<(), Error> {
        let at = format!("/bench/{}", self.next());
        let line = format!(
            "mkdir -p /bench && base64 -d > {at} && chmod 640 {at} && chown 1001:1001 {at} && \
             touch -d '2023-11-14 22:13:20' {at}"
        );
        let mut child =
            self.docker().args(["exec", "-i", NAME, "sh", "-c", &line]).stdin(Stdio::piped()).spawn()?;
        let text = base64::engine::general_purpose::STANDARD.encode(vec![b'x'; bytes]);
        child.stdin.take().ok_or("no input")?.write_all(text.as_bytes())?;
        if child.wait()?.success() { Ok(()) } else { Err("the shell line failed".into()) }
    }

    fn copy(&self, bytes: usize, and_back: bool) -> Result<(), Error> {
        let from = self.engine.folder().join("copied");
        if fs::metadata(&from).map(|meta| meta.len()).ok() != Some(bytes as u64) {
            fs::write(&from, vec![b'x'; bytes])?;
        }
        let at = format!("{NAME}:/bench/{}", self.next());
        let mut commands = vec![self.docker()];
        commands[0].arg("cp").arg(&from).arg(&at);
        if and_back {
            let mut back = self.docker();
            back.arg("cp").arg(&at).arg(self.engine.folder().join("back"));
            commands.push(back);
        }
        for mut command in commands {
            if !command.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success() {
                return Err("docker cp failed".into());
            }
        }
        Ok(())
    }
}
