//! Connections to a store: made over TCP and TLS, used again while they are good, and ended with whoever used them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use verisim_core::{Clock, Stream};

use super::body::Paced;
use super::refusal::Broken;

/// How long it may take until a connection is there, its name looked up and TLS agreed on.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// How long a connection is kept that nobody uses. Servers end theirs after 60 s and more.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// How many of them are kept for one server.
const KEPT_MAX: usize = 64;
/// Where systems keep the authorities that they trust.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where a server is: what makes two requests use one connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) is_tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

/// A connection. With it ends what drives it.
pub(super) struct Line {
    pub(super) sender: SendRequest<Paced>,
    _driving: AbortOnDropHandle<()>,
}

/// The connections of one destination.
pub(super) struct Lines {
    tls: Mutex<Option<TlsConnector>>,
    authority: Option<PathBuf>,
    idle: Mutex<HashMap<Server, Vec<(Line, Duration)>>>,
    clock: Arc<dyn Clock>,
}

impl Lines {
    /// None yet. Certificates are judged by `authority`, or by what this system trusts.
    pub(super) fn new(authority: Option<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { tls: Mutex::default(), authority, idle: Mutex::default(), clock }
    }

    /// A connection that was used before and is still good, so far as this side knows.
    pub(super) fn used(&self, server: &Server) -> Option<Line> {
        let now = self.clock.monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = idle.get_mut(server)?;
        while let Some((line, since)) = lines.pop() {
            if now.saturating_sub(since) < IDLE_MAX && !line.sender.is_closed() {
                return Some(line);
            }
        }
        None
    }

    /// Keeps a connection for whoever comes next.
    pub(super) fn keep(&self, server: Server, line: Line) {
        if line.sender.is_closed() {
            return;
        }
        let now = self.clock.monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = idle.entry(server).or_default();
        lines.retain(|(line, since)| now.saturating_sub(*since) < IDLE_MAX && !line.sender.is_closed());
        if lines.len() < KEPT_MAX {
            lines.push((line, now));
        }
    }

    /// A new connection.
    pub(super) async fn connect(&self, server: &Server) -> Result<Line, Broken> {
        let connecting = async {
            let stream = self.stream(server).await?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Broken::Cut)?;
            let driving = tokio::spawn(async move {
                // What breaks it is told to who waits for an answer.
                let _ = connection.await;
            });
            Ok(Line { sender, _driving: AbortOnDropHandle::new(driving) })
        };
        tokio::time::timeout(CONNECT_MAX, connecting).await.unwrap_or(Err(Broken::Silent))
    }

    async fn stream(&self, server: &Server) -> Result<Box<dyn Stream>, Broken> {
        let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
        let addresses: Vec<_> = found.map_err(Broken::NoSuchHost)?.collect();
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(Broken::Unreached)?;
        stream.set_nodelay(true).map_err(Broken::Unreached)?;
        if !server.is_tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(server.host.clone())
            .map_err(|error| Broken::Untrusted(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let tls = self.tls()?.connect(name, stream).await.map_err(|error| {
            let is_distrust = error.get_ref().is_some_and(|cause| {
                matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
            });
            if is_distrust { Broken::Untrusted(error) } else { Broken::Unreached(error) }
        })?;
        Ok(Box::new(tls))
    }

    /// Reads the authorities, once.
    fn tls(&self) -> Result<TlsConnector, Broken> {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = &*tls {
            return Ok(tls.clone());
        }
        let config = match &self.authority {
            Some(file) => trusting(file),
            None => match AUTHORITIES.iter().map(Path::new).find(|file| file.exists()) {
                Some(file) => trusting(file),
                None => Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "this machine has no list of trusted authorities (apt install ca-certificates)",
                )),
            },
        };
        let made = TlsConnector::from(Arc::new(config.map_err(Broken::Untrusted)?));
        *tls = Some(made.clone());
        Ok(made)
    }
}

fn trusting(file: &Path) -> io::Result<ClientConfig> {
    let unusable = |why: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|error| unusable(&error))?;
    // A system's list may hold one that nobody can read any more.
    roots.add_parsable_certificates(found.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(unusable(&"no certificate of an authority stands there"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| unusable(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
