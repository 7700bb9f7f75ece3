//! Many decoys at once, against one after the other, all behind a line that delays.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::future::try_join_all;
use tokio::net::{TcpListener, UnixStream};
use verisim_connect::{DockerConnector, DockerOptions, Engine, EngineAddress};
use verisim_core::Connector;
use verisim_testkit::sshd::{Sshd, SshdOptions};
use verisim_testkit::{Proxy, RealEngine};

use crate::files::{Names, SMALL, plant, rate};
use crate::measure::{Contender, Error, NoClock, contest};
use crate::report::Report;
use crate::ssh::{over_sftp, target};

/// How long the line holds every piece back, each way.
const DELAY: Duration = Duration::from_millis(20);
/// How many containers the decoys of one engine are spread over: more would be memory and nothing else.
const CONTAINERS: usize = 10;

/// How many decoys, and how often each contender has its turn.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 200)]
    decoys: usize,
    /// One after the other takes most of a minute.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    ssh(options, &runtime, report)?;
    docker(options, &runtime, report)
}

fn ssh(options: &Options, runtime: &tokio::runtime::Runtime, report: &mut Report) -> Result<(), Error> {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else {
        report.missing("decoys at once over ssh: root, sshd", "10.00 x".into());
        return Ok(());
    };
    let proxy = runtime.block_on(Proxy::start(([127, 0, 0, 1], sshd.port()).into(), DELAY));
    // The proxy shows the same key at another port.
    let known = format!("[127.0.0.1]:{}", proxy.address().port());
    let line = sshd.known_line().replace(&format!("[127.0.0.1]:{}", sshd.port()), &known);
    fs::write(sshd.known_hosts(), line)?;
    let decoys: Vec<_> =
        (0..options.decoys).map(|_| over_sftp(target(&sshd, proxy.address().port()))).collect();
    // As many as the daemon's own bound connect at once.
    for some in decoys.chunks(32) {
        runtime.block_on(try_join_all(some.iter().map(verisim_connect::SshConnector::connect)))?;
    }
    let dir = sshd.root().display().to_string();
    let decoys: Vec<&dyn Connector> = decoys.iter().map(|decoy| decoy as &dyn Connector).collect();
    let tops: Vec<String> = (0..decoys.len()).map(|number| format!("{dir}/{number}")).collect();
    for top in &tops {
        fs::create_dir(top)?;
    }
    contest_of(options, runtime, report, "ssh", sshd.folder(), &decoys, &tops, 10.0)
}

/// An engine that is far away, and so reached the portable way. It begins two processes for each file, which is what it
/// then spends its time on.
fn docker(options: &Options, runtime: &tokio::runtime::Runtime, report: &mut Report) -> Result<(), Error> {
    let Some(real) = RealEngine::start() else {
        report.missing("decoys at once over docker: root, dockerd", String::new());
        return Ok(());
    };
    let containers: Vec<_> =
        (0..CONTAINERS).map(|number| real.container(&format!("decoy{number}"), &[])).collect();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let at = listener.local_addr()?;
    let socket = real.socket();
    let passing = runtime.spawn(async move {
        while let Ok((mut front, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut behind = UnixStream::connect(&socket).await?;
                tokio::io::copy_bidirectional(&mut front, &mut behind).await
            });
        }
    });
    let proxy = runtime.block_on(Proxy::start(at, DELAY));
    let decoys = (0..options.decoys)
        .map(|number| {
            let engine = Engine::at(EngineAddress::Tcp(proxy.address().to_string()));
            let container = containers[number % CONTAINERS].name().parse()?;
            let options = DockerOptions { container, reach: None, exec: false };
            Ok(DockerConnector::new(engine, options, Arc::new(NoClock)))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let decoys: Vec<&dyn Connector> = decoys.iter().map(|decoy| decoy as &dyn Connector).collect();
    let tops: Vec<String> = (0..decoys.len()).map(|number| format!("/{number}")).collect();
    let done = contest_of(options, runtime, report, "docker", real.folder(), &decoys, &tops, 0.0);
    passing.abort();
    done
}

/// One file for each decoy, in turns all at once and one decoy after the other.
#[expect(clippy::too_many_arguments, reason = "both kinds of decoys are measured alike")]
fn contest_of(
    options: &Options,
    runtime: &tokio::runtime::Runtime,
    report: &mut Report,
    way: &str,
    dir: &std::path::Path,
    decoys: &[&dyn Connector],
    tops: &[String],
    factor: f64,
) -> Result<(), Error> {
    let names = Names::default();
    let work = || {
        decoys
            .iter()
            .zip(tops)
            .map(|(decoy, top)| Ok((*decoy, names.batch(top, SMALL, 1)?)))
            .collect::<Result<Vec<_>, Error>>()
    };
    // The first contact is neither's.
    runtime.block_on(async {
        let work = work()?;
        try_join_all(work.iter().map(|(decoy, batch)| plant(*decoy, batch))).await
    })?;
    let count = decoys.len();
    let at_once = Contender {
        name: format!("{way}, {count} decoys at once, 20 ms away"),
        run: Box::new(|| {
            rate(1, count, || {
                runtime.block_on(async {
                    let work = work()?;
                    try_join_all(work.iter().map(|(decoy, batch)| plant(*decoy, batch))).await.map(|_| ())
                })
            })
        }),
    };
    let in_turn = Contender {
        name: "one after the other".into(),
        run: Box::new(|| {
            rate(1, count, || {
                runtime.block_on(async {
                    for (decoy, batch) in work()? {
                        plant(decoy, &batch).await?;
                    }
                    Ok(())
                })
            })
        }),
    };
    contest(report, "/s", options.rounds, dir, vec![at_once, in_turn], &[(0, 1, factor)])
}
