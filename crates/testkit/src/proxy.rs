//! A TCP proxy that delays, and that cuts a connection when a test says so.

#![expect(clippy::unwrap_used, reason = "what a test prepares fails by panicking")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::doubles::Phase;

/// How long a server has to act on what it got after its answers are cut off.
const ACT_TIME: Duration = Duration::from_millis(150);

/// Forwards connections to one address.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    to: SocketAddr,
    /// What else happens at the cut.
    at_cut: Mutex<Option<Box<dyn Fn() + Send>>>,
    delay: Duration,
    /// How many more pieces go to the server before the cut; negative when none is wanted.
    left: AtomicI64,
    after: AtomicBool,
    hits: AtomicU64,
    pieces: AtomicU64,
    bytes: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("to", &self.to).finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// A proxy to `to` that holds every piece back for `delay`, each way.
    pub async fn start(to: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to,
            at_cut: Mutex::default(),
            delay,
            left: AtomicI64::new(-1),
            after: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            pieces: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, `pieces` more go to the server. Then everything is cut: at once, or after the server had the next piece
    /// too but before its answers come through. It happens once.
    pub fn cut_after(&self, pieces: u32, phase: Phase) {
        self.shared.after.store(phase == Phase::After, Ordering::SeqCst);
        self.shared.left.store(i64::from(pieces), Ordering::SeqCst);
    }

    /// The same, but what ends the connection is `act`, at the moment at which the server has the next piece: for instance
    /// that the server is killed.
    pub fn act_after(&self, pieces: u32, act: impl Fn() + Send + 'static) {
        *self.shared.at_cut.lock().unwrap() = Some(Box::new(act));
        self.cut_after(pieces, Phase::After);
    }

    /// No cut any more.
    pub fn disarm(&self) {
        self.shared.left.store(-1, Ordering::SeqCst);
        *self.shared.at_cut.lock().unwrap() = None;
    }

    /// How many cuts there were: a test that injects must see that it was hit.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.shared.hits.load(Ordering::SeqCst)
    }

    /// How many pieces went to the server so far: about the number of times that a client spoke.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.shared.pieces.load(Ordering::SeqCst)
    }

    /// How many bytes went to the server so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(shared.to).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            // What the server says is dropped once this is true.
            let (mute, muted) = watch::channel(false);
            let up = tokio::spawn(up(from_client, to_server, Arc::clone(&shared), mute));
            let down = tokio::spawn(down(from_server, to_client, shared.delay, muted));
            let _ = up.await;
            down.abort();
        });
    }
}

async fn up(mut from: OwnedReadHalf, to: OwnedWriteHalf, shared: Arc<Shared>, mute: watch::Sender<bool>) {
    let line = delayed(to, shared.delay);
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(got @ 1..) = from.read(&mut buffer).await {
        shared.pieces.fetch_add(1, Ordering::SeqCst);
        shared.bytes.fetch_add(got as u64, Ordering::SeqCst);
        let armed = shared.left.load(Ordering::SeqCst) >= 0;
        if armed && shared.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            shared.hits.fetch_add(1, Ordering::SeqCst);
            if shared.after.load(Ordering::SeqCst) {
                let _ = mute.send(true);
                let _ = line.send(buffer[..got].to_vec());
                let act = shared.at_cut.lock().unwrap().take();
                if let Some(act) = act {
                    // The piece is on its way: it is met in the middle of it, or before, or after.
                    tokio::task::yield_now().await;
                    act();
                    return;
                }
                tokio::time::sleep(ACT_TIME + shared.delay).await;
            }
            return;
        }
        if line.send(buffer[..got].to_vec()).is_err() {
            return;
        }
    }
}

async fn down(mut from: OwnedReadHalf, to: OwnedWriteHalf, delay: Duration, muted: watch::Receiver<bool>) {
    let line = delayed(to, delay);
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(got @ 1..) = from.read(&mut buffer).await {
        if !*muted.borrow() && line.send(buffer[..got].to_vec()).is_err() {
            return;
        }
    }
}

/// Writes each piece `delay` after it came; those behind it do not wait longer.
fn delayed(mut to: OwnedWriteHalf, delay: Duration) -> Line {
    let (sender, mut queue) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((at, piece)) = queue.recv().await {
            if !delay.is_zero() {
                tokio::time::sleep_until(at + delay).await;
            }
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    Line(sender)
}

/// Stamps what is sent with the time.
struct Line(mpsc::UnboundedSender<(Instant, Vec<u8>)>);

impl Line {
    #[expect(clippy::disallowed_methods, reason = "what is delayed is a real connection")]
    fn send(&self, piece: Vec<u8>) -> Result<(), ()> {
        self.0.send((Instant::now(), piece)).map_err(|_| ())
    }
}
