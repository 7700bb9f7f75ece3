//! What is refused before anything is dialled, and what is answered about the past.

use std::sync::Arc;

use async_trait::async_trait;
use verisim_core::{
    ActivityDriver as _, CancellationToken, Decoy, DriverKind, Effect, FailureKind, Fate, Intended, Stream,
    Traffic, TrafficProtocol,
};
use verisim_drivers::{SshLogin, SshRan, SshSeen, SshTrouble, SshVisit};
use verisim_testkit::doubles::DirectDial;
use verisim_testkit::{LOGIN, PASSWORD};

use crate::stage::{Stage, decoy, name, plan};

#[tokio::test]
async fn a_decoy_that_cannot_dial_says_so_and_is_never_dialled() {
    let stage = Stage::with(DirectDial::unable(), PASSWORD);
    assert!(!stage.driver.capabilities(&decoy("desk01")).traffic);
    assert!(!stage.driver.capabilities(&decoy("nobody")).traffic);
    let failure = stage.visit(plan(TrafficProtocol::Http, 80, &["/"])).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Unsupported, Effect::NotApplied));
    assert_eq!(stage.connector.dials(), 0);
    let able = Stage::new();
    assert!(able.driver.capabilities(&decoy("desk01")).traffic);
    assert_eq!(able.driver.kind(), DriverKind::Traffic);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_anything_is_dialled() {
    let stage = Stage::new();
    let web = TrafficProtocol::Http;
    let with = |change: fn(&mut Traffic)| {
        let mut visit = plan(web, 80, &["/"]);
        change(&mut visit);
        visit
    };
    let wrong = [
        plan(web, 80, &["no-slash"]),
        plan(web, 80, &["/a b"]),
        plan(web, 80, &["/\r\nHost: other"]),
        plan(TrafficProtocol::Smtp, 25, &["NOOP\r\nMAIL FROM:<>"]),
        plan(web, 80, &["/"; 17]),
        plan(web, 80, &[&format!("/{}", "x".repeat(2000))]),
        with(|visit| visit.agent = Some("a\r\nX: y".into())),
        with(|visit| visit.login = Some(String::new())),
        with(|visit| visit.to = name("elsewhere")),
        with(|visit| (visit.port, visit.protocol) = (None, TrafficProtocol::Tcp)),
    ];
    for visit in wrong {
        let failure = stage.prepare(visit.clone()).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Config, Effect::NotApplied), "{visit:?}");
    }
    assert_eq!(stage.prepare(plan(web, 80, &["/"])).await.unwrap().intended, Intended::Traffic);
    assert_eq!(stage.connector.dials(), 0);
}

#[tokio::test]
async fn inv_4_what_became_of_a_session_cannot_be_known() {
    let task = Stage::task(plan(TrafficProtocol::Http, 80, &["/"]));
    let fate = Stage::new().driver.probe(&task, &Intended::Traffic).await.unwrap();
    assert_eq!(fate, Fate::Unknowable);
}

#[tokio::test]
async fn a_decoy_that_went_is_not_visited() {
    let destinations = verisim_drivers::Destinations::new();
    destinations.put(&decoy("web01"));
    destinations.put(&Decoy { address: None, ..decoy("web01") });
    let clock = verisim_testkit::VirtualClock::new("2026-11-23T09:00:00Z".parse().unwrap());
    let dial: Arc<dyn verisim_core::Connector> = DirectDial::new();
    let connectors = [(name("desk01"), dial)].into_iter().collect();
    let driver = verisim_drivers::TrafficDriver::new(connectors, destinations.clone(), clock);
    let ready = async || {
        driver.prepare(vec![Stage::task(plan(TrafficProtocol::Http, 80, &["/"]))]).await.pop().unwrap()
    };
    assert!(ready().await.is_err());
    destinations.put(&decoy("web01"));
    assert!(ready().await.is_ok());
    destinations.remove(&name("web01"));
    assert!(ready().await.is_err());
}

/// A session that would go on for minutes says goodbye when the daemon ends, and is known to have happened; one that has met
/// nobody yet, and has sent nothing, may come again.
#[tokio::test]
async fn sessions_come_to_a_decent_end_when_the_daemon_does() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, heard) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        write.write_all(b"220 mail01\r\n").await.unwrap();
        let mut lines = tokio::io::BufReader::new(read).lines();
        let mut all = Vec::new();
        let mut told = Some(told);
        while let Ok(Some(line)) = lines.next_line().await {
            all.push(line);
            write.write_all(b"250 fine\r\n").await.unwrap();
            told.take().map(|told| told.send(()));
        }
        (all, listener)
    });
    let ending = CancellationToken::new();
    let mut stage = Stage::new();
    stage.driver = stage.driver.until(ending.clone());
    let mut visit = plan(TrafficProtocol::Smtp, port, &["NOOP", "NOOP"]);
    visit.asks.iter_mut().for_each(|ask| ask.pause_ms = 60_000);
    let end = async {
        heard.await.unwrap();
        ending.cancel();
    };
    let began = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        tokio::join!(stage.visit(visit.clone()), end).0
    });
    let seen = began.await.unwrap().unwrap();
    assert_eq!(seen.requests, Some(2), "{seen:?}");
    assert!(seen.spoken.contains(&"nothing more is asked: the daemon ends".to_owned()), "{seen:?}");
    let (lines, _listener) = server.await.unwrap();
    assert_eq!(lines.last().unwrap(), "QUIT");
    // From now on nothing is begun.
    let failure = stage.visit(visit).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::NotApplied));
}

/// An SSH client that behaves as it is told to.
struct Client {
    ends: Result<(), SshTrouble>,
    hangs: bool,
}

#[async_trait]
impl SshLogin for Client {
    fn knows(&self, _: &verisim_core::DecoyName, login: &str) -> bool {
        login == LOGIN
    }

    async fn visit(
        &self,
        mut stream: Box<dyn Stream>,
        visit: &SshVisit<'_>,
        seen: &mut SshSeen,
    ) -> Result<(), SshTrouble> {
        use tokio::io::AsyncWriteExt as _;
        stream.write_all(b"SSH-2.0-test\r\n").await.unwrap();
        seen.banner = Some(b"SSH-2.0-real".to_vec());
        self.ends.clone()?;
        seen.logged_in = true;
        seen.ran.extend(visit.commands.iter().map(|_| SshRan { code: Some(0), output_bytes: 7 }));
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn an_ssh_session_is_told_as_far_as_it_came() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut visit = plan(TrafficProtocol::Ssh, listener.local_addr().unwrap().port(), &["uptime", "df -h"]);
    visit.login = Some(LOGIN.into());
    for hangs in [false, true] {
        let mut stage = Stage::new().hasty();
        stage.driver = stage.driver.with_ssh(Arc::new(Client { ends: Ok(()), hangs }));
        let seen = stage.visit(visit.clone()).await.unwrap();
        assert_eq!(
            (seen.login.as_deref(), seen.requests, seen.status),
            (Some(LOGIN), Some(2), Some(0)),
            "{seen:?}"
        );
        assert_eq!(seen.spoken[1], "df -h: 0, 7 bytes");
        assert_eq!(seen.spoken.len(), if hangs { 3 } else { 2 });
    }
    for (trouble, kind, effect) in [(SshTrouble::Refused("no".into()), FailureKind::Auth, Effect::NotApplied)]
    {
        let mut stage = Stage::new();
        stage.driver = stage.driver.with_ssh(Arc::new(Client { ends: Err(trouble), hangs: false }));
        let failure = stage.visit(visit.clone()).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (kind, effect));
    }
}
