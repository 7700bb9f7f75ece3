//! The line to an engine: a connection for each request, over which no more comes than its answer may have.
//!
//! The client collects most answers whole before it looks at them, and some engines are not ours: one that sends without
//! end would fill our memory. So the bytes are counted where they come in. Archives are read piece by piece by who bounds
//! them, and so they are not counted here.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use verisim_core::Stream;

use super::{EngineAddress, TlsFiles};

/// The most that an answer may have: the facts of 10,000 containers are less, and so is what a command prints that is
/// worth reading. Beyond that an engine is believed to be lying.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most that one event may have, of which a stream has any number.
const EVENT_BYTES_MAX: u64 = 1024 * 1024;
/// The most that a refusal may have.
const REFUSAL_BYTES_MAX: u64 = 1024 * 1024;

/// The line to one engine.
#[derive(Clone)]
pub(super) struct Line {
    address: EngineAddress,
    tls: Option<TlsConnector>,
}

/// Nobody was reached, so that nothing was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreached(#[source] io::Error);

impl Line {
    /// Reads the certificates, if it takes any.
    pub(super) fn new(address: EngineAddress) -> Result<Self, Error> {
        let tls = match &address {
            EngineAddress::Tls(_, files) => {
                Some(TlsConnector::from(Arc::new(certificates(files).map_err(unreached)?)))
            }
            EngineAddress::Socket(_) | EngineAddress::Tcp(_) => None,
        };
        Ok(Self { address, tls })
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn request(self, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let stream = self.connect().await.map_err(unreached)?;
        let (bytes_max, is_events) = answer_bytes_max(request.method(), request.uri().path());
        let left = Arc::new(AtomicU64::new(bytes_max));
        // Over a connection of its own a request names only the path, and the host apart from it.
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
        request.headers_mut().insert(HOST, HeaderValue::from_static("engine"));
        let counted = Counted { stream, left: Arc::clone(&left), is_events, last: 0 };
        let (mut sender, connection) = http1::handshake(TokioIo::new(counted)).await?;
        // It ends with the answer, or when nobody waits for that any more.
        let driving = tokio::spawn(connection.with_upgrades());
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            // It broke before it took the request: why, only the connection knows.
            Err(error) if error.is_canceled() => {
                return Err(match driving.await {
                    Ok(Err(cause)) => cause.into(),
                    _ => error.into(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            left.fetch_min(REFUSAL_BYTES_MAX, Ordering::Relaxed);
        }
        Ok(response)
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let host = match &self.address {
            EngineAddress::Socket(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            EngineAddress::Tcp(host) | EngineAddress::Tls(host, _) => host,
        };
        let stream = TcpStream::connect(host.as_str()).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name =
            ServerName::try_from(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

/// How many bytes may be received before somebody looks at them, and whether that is for each event.
fn answer_bytes_max(method: &Method, path: &str) -> (u64, bool) {
    match (method, path) {
        (&Method::GET, path) if path.ends_with("/archive") => (u64::MAX, false),
        (&Method::GET, path) if path.ends_with("/events") => (EVENT_BYTES_MAX, true),
        _ => (ANSWER_BYTES_MAX, false),
    }
}

/// Only what descends from the given authority is an engine's certificate; no other is asked.
fn certificates(files: &TlsFiles) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in chain(&files.authority)? {
        roots.add(authority).map_err(|error| unusable(&files.authority, error))?;
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable(&files.key, error))?;
    let own = chain(&files.certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_root_certificates(roots).with_client_auth_cert(own, key))
        .map_err(|error| unusable(&files.certificate, error))
}

fn chain(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, error))?;
    found.collect::<Result<_, _>>().map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", path.display()))
}

/// Says that nothing was asked.
fn unreached(error: io::Error) -> Error {
    Error::IOError { err: io::Error::new(error.kind(), Unreached(error)) }
}

/// A stream from which only so much can be read.
struct Counted {
    stream: Box<dyn Stream>,
    left: Arc<AtomicU64>,
    /// Whether each line is an event, after which the count begins anew.
    is_events: bool,
    /// The byte that was read last.
    last: u8,
}

impl Counted {
    /// Whether an event ended among these bytes. The lines of HTTP itself end with a carriage return before the line feed.
    fn ends_event(&mut self, bytes: &[u8]) -> bool {
        let mut ends = false;
        for byte in bytes {
            ends |= *byte == b'\n' && self.last != b'\r';
            self.last = *byte;
        }
        ends
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the engine's answer is larger than any should be",
            )));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let got = (buf.filled().len() - before) as u64;
        if self.is_events && self.ends_event(&buf.filled()[before..]) {
            self.left.store(EVENT_BYTES_MAX, Ordering::Relaxed);
            return Poll::Ready(Ok(()));
        }
        // Who lowers the limit meanwhile means what is still to come.
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(got)))
            .ok();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
