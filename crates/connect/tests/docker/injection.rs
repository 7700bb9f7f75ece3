//! A way to the engine on which something happens at a chosen point.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use verisim_connect::{DockerConnector, DockerOptions, Engine, EngineAddress, Reach};
use verisim_testkit::RealEngine;

use crate::decoys::OwnClock;

/// Where it happens, on one connection: each is one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before anything is sent.
    AtOnce,
    /// In the middle of what we send: after so many bytes, if there are as many.
    Sending(usize),
    /// When the answer is about to come: what was asked for has happened.
    Answering,
    /// In the middle of the answer.
    HalfAnswered,
}

/// What happens there, instead of the connection being cut.
pub(crate) type Blow = Arc<dyn Fn() + Send + Sync>;

/// What is injected: on which connection, at which point, and what. Without a blow the connection is cut.
#[derive(Clone)]
pub(crate) struct Injection {
    pub(crate) step: usize,
    pub(crate) point: Point,
    pub(crate) blow: Option<Blow>,
}

/// Passes connections on to an engine, and injects something into one of them.
pub(crate) struct Way {
    socket: PathBuf,
    connections: Arc<AtomicUsize>,
    was_hit: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Way {
    pub(crate) fn start(engine: &RealEngine, injection: Option<Injection>) -> Self {
        let socket = engine.folder().join("way.sock");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let (connections, was_hit) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, hit, behind) = (Arc::clone(&connections), Arc::clone(&was_hit), engine.socket());
        let task = tokio::spawn(async move {
            loop {
                let (front, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let here = injection.clone().filter(|injection| injection.step == number);
                tokio::spawn(pass(front, behind.clone(), here, Arc::clone(&hit)));
            }
        });
        Self { socket, connections, was_hit, task }
    }

    /// A connector that takes this way.
    pub(crate) fn connector(&self, reach: Reach) -> DockerConnector {
        let options = DockerOptions { container: "decoy".parse().unwrap(), reach: Some(reach), exec: false };
        let engine = Engine::at(EngineAddress::Socket(self.socket.clone()));
        DockerConnector::new(engine, options, Arc::new(OwnClock))
    }

    /// Whether what was injected has happened: a test that injects must see that.
    pub(crate) fn was_hit(&self) -> bool {
        self.was_hit.load(Ordering::SeqCst)
    }

    /// How many requests there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the connection goes on after what happens.
async fn strike(injection: &mut Option<Injection>, was_hit: &AtomicBool) -> bool {
    let Some(injection) = injection.take() else { return true };
    was_hit.store(true, Ordering::SeqCst);
    match injection.blow {
        Some(blow) => {
            tokio::task::spawn_blocking(move || blow()).await.unwrap();
            true
        }
        None => false,
    }
}

async fn pass(front: UnixStream, behind: PathBuf, injection: Option<Injection>, was_hit: Arc<AtomicBool>) {
    let point = injection.as_ref().map(|injection| injection.point);
    let (mut outwards, mut inwards) = match point {
        Some(Point::AtOnce | Point::Sending(_)) => (injection, None),
        _ => (None, injection),
    };
    if point == Some(Point::AtOnce) && !strike(&mut outwards, &was_hit).await {
        return;
    }
    let Ok(behind) = UnixStream::connect(behind).await else { return };
    let ((mut from_us, mut to_us), (mut from_engine, mut to_engine)) =
        (front.into_split(), behind.into_split());
    let was_hit = &was_hit;
    let sending = async {
        let mut buffer = vec![0; 16 * 1024];
        let mut sent = 0;
        while let Ok(got @ 1..) = from_us.read(&mut buffer).await {
            let mut begin = 0;
            if let (Some(Point::Sending(most)), Some(_)) = (point, &outwards)
                && sent + got > most
            {
                begin = most - sent;
                let _ = to_engine.write_all(&buffer[..begin]).await;
                if !strike(&mut outwards, was_hit).await {
                    return;
                }
            }
            sent += got;
            if to_engine.write_all(&buffer[begin..got]).await.is_err() {
                return;
            }
        }
        let _ = to_engine.shutdown().await;
        // What is answered decides when it is over.
        std::future::pending::<()>().await;
    };
    let answering = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(got @ 1..) = from_engine.read(&mut buffer).await {
            let mut begin = 0;
            if inwards.is_some() {
                begin = if point == Some(Point::HalfAnswered) { got.min(40) } else { 0 };
                let _ = to_us.write_all(&buffer[..begin]).await;
                if !strike(&mut inwards, was_hit).await {
                    return;
                }
            }
            if to_us.write_all(&buffer[begin..got]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = answering => {}
    }
}
