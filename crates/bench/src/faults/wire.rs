//! A line to a server of this machine, which can be cut or closed, and which counts what goes over it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub(super) struct Wire {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    to: SocketAddr,
    closed: AtomicBool,
    /// What went to the server.
    bytes: AtomicU64,
    /// Both ends of every connection.
    held: Mutex<HashMap<u64, [TcpStream; 2]>>,
}

impl Wire {
    pub(super) fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (closed, bytes) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Arc::new(Shared { to, closed, bytes, held: Mutex::default() });
        let accepting = Some(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, accepting })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// How many bytes went to the server so far.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    /// Cuts every connection.
    pub(super) fn cut(&self) {
        for (_, ends) in self.shared.held().drain() {
            for end in ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }

    /// Cuts every connection, and refuses new ones.
    pub(super) fn close(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes who waits for a connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.cut();
    }

    /// Takes connections again.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?;
        self.shared.closed.store(false, Ordering::SeqCst);
        self.accepting = Some(accept(listener, Arc::clone(&self.shared)));
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<u64, [TcpStream; 2]>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(self: &Arc<Self>, id: u64, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.to)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        self.held().insert(id, [client.try_clone()?, server.try_clone()?]);
        let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || {
            let _ = io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            shared.send(client, server);
            shared.held().remove(&id);
        });
        Ok(())
    }

    fn send(&self, mut client: TcpStream, mut server: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            self.bytes.fetch_add(read as u64, Ordering::SeqCst);
            if server.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
    }
}

fn accept(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            if shared.closed.load(Ordering::SeqCst) {
                return;
            }
            // A client that finds no server is hung up on.
            let _ = shared.carry(NEXT.fetch_add(1, Ordering::Relaxed), client);
        }
    })
}
