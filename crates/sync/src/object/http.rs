//! How requests reach a store: the one HTTP client of all kinds.
//!
//! It follows no redirection, since evidence goes to no host that the configuration does not name. A request whose fate is
//! known, or that does no harm when it is repeated, is tried again a few times, after as long as the store asks for; everything
//! beyond that is the queue's to decide.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, RANGE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Uri};
use opendal_core::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};

use super::body::{Answer, Coming, IDLE_MAX, Pace, Paced};
use super::line::{Line, Lines, Server};
use super::refusal::{Broken, Refusal};
use crate::explain::store::Answer as Meaning;

/// The waits between tries of one request, where the store names none.
const WAITS: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];
/// The longest that a store is waited for in the middle of an operation; beyond it, the operation ends.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The longest refusal that is read.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// The longest answer beside that: a page of a listing has a thousand keys of at most 1,024 bytes, escapes on top.
const PAGE_BYTES_MAX: u64 = 16 << 20;
/// How often it is asked whether anything moves.
const GLANCE: Duration = Duration::from_secs(5);

/// How a kind of store answers, where that is not a matter of course.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// Answers that its service understands by itself, though they are no success.
    pub(super) understood: &'static [u16],
    /// Whether a bucket that is not there has the same code as an object that is not there, as at Google: then the request tells which.
    pub(super) one_code_for_absent: bool,
}

/// The client of one operation.
#[derive(Clone)]
pub(super) struct Http {
    pub(super) lines: Arc<Lines>,
    pub(super) pace: Option<Pace>,
    pub(super) manners: Manners,
    /// What the one object holds that this client is for.
    coming: Arc<Mutex<Option<Coming>>>,
}

impl Http {
    pub(super) fn new(lines: Arc<Lines>, pace: Option<Pace>, manners: Manners) -> Self {
        Self { lines, pace, manners, coming: Arc::default() }
    }

    /// The same for one object whose content comes while it is sent, in place of the empty body that its request has. It is
    /// sent once: what was read is gone.
    pub(super) fn of_one(&self, coming: Coming) -> Self {
        Self { coming: Arc::new(Mutex::new(Some(coming))), ..self.clone() }
    }

    fn coming(&self, method: &Method) -> Option<Coming> {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        coming.take_if(|_| *method == Method::PUT)
    }
}

impl HttpTransport for Http {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let (mut parts, body) = request.into_parts();
        let server = server(&parts.uri)?;
        let host = parts.uri.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(host).map_err(|error| unusable(&parts.uri).set_source(error))?;
        parts.headers.insert(HOST, host);
        let uri = std::mem::take(&mut parts.uri);
        // Over a connection a request names only the path.
        parts.uri = uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        parts.version = hyper::Version::HTTP_11;
        let mut waits = WAITS.into_iter();
        let mut coming = self.coming(&parts.method);
        let is_once = coming.is_some();
        if let Some(coming) = &coming {
            parts.headers.insert(CONTENT_LENGTH, coming.bytes.into());
        }
        loop {
            let tried = self.once(&server, &parts, (&body, coming.take())).await;
            let next = waits.next().filter(|_| !is_once);
            let wait = match (&tried, next) {
                (Err(Failed::Broken(broken)), Some(wait)) if may_repeat(&parts.method, broken) => wait,
                (Err(Failed::Refused(refusal)), Some(wait)) if is_passing(refusal) => {
                    refusal.retry_after.unwrap_or(wait)
                }
                _ => return tried.map(|response| named(response, uri)).map_err(Failed::told),
            };
            if wait > WAIT_MAX {
                return tried.map(|response| named(response, uri)).map_err(Failed::told);
            }
            self.rest(wait).await.map_err(|broken| Failed::Broken(broken).told())?;
        }
    }
}

/// What one try came to.
enum Failed {
    Broken(Broken),
    Refused(Refusal),
}

impl Failed {
    fn told(self) -> Error {
        match self {
            Self::Broken(broken) => {
                Error::new(ErrorKind::Unexpected, "the store was not reached").set_source(broken)
            }
            Self::Refused(refusal) => {
                Error::new(ErrorKind::Unexpected, "the store refused").set_source(refusal)
            }
        }
    }
}

impl Http {
    /// Waits, unless everything is stopped.
    async fn rest(&self, wait: Duration) -> std::result::Result<(), Broken> {
        let Some(pace) = &self.pace else {
            tokio::time::sleep(wait).await;
            return Ok(());
        };
        tokio::select! {
            biased;
            () = pace.cancel.cancelled() => Err(Broken::Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    async fn once(
        &self,
        server: &Server,
        parts: &Parts,
        (body, coming): (&Buffer, Option<Coming>),
    ) -> std::result::Result<Response<HttpBody>, Failed> {
        // An answer may come before all of the content went: what goes on over such a connection is for nobody.
        let is_kept = coming.is_none();
        let exchanged = self.exchange(server, parts, (body, coming)).await;
        let (response, line) = exchanged.map_err(Failed::Broken)?;
        let status = response.status();
        let is_success = status.is_success();
        let (mut head, incoming) = response.into_parts();
        let home = (Arc::clone(&self.lines), server.clone(), line);
        let answer = Answer::new(incoming, (home, is_kept), (self.pace.clone(), answer_bytes_max(parts)));
        if is_success {
            let size = match parts.method == Method::HEAD || head.headers.contains_key(CONTENT_ENCODING) {
                true => None,
                false => length(&head.headers),
            };
            let body = HttpBody::new(answer, size);
            return Ok(Response::from_parts(head, body));
        }
        let said = answer.whole(REFUSAL_BYTES_MAX).await.map_err(Failed::Broken)?;
        let mut refusal = Refusal::read(status.as_u16(), &head.headers, &said);
        refusal.is_of_bucket = self.manners.one_code_for_absent && is_of_bucket(parts.uri.path());
        // A bucket that is absent is no absent object, and a lease no marker that is there already.
        let meaning = Meaning::of_code(&refusal.code);
        let is_range = parts.headers.contains_key(RANGE) && status.as_u16() == 416;
        let is_absent = status.as_u16() == 404 && meaning != Some(Meaning::NoBucket) && !refusal.is_of_bucket;
        let is_understood = meaning != Some(Meaning::Kept)
            && (self.manners.understood.contains(&status.as_u16()) || is_there_already(&refusal.code));
        if is_absent || is_range || is_understood {
            head.headers.remove(CONTENT_LENGTH);
            return Ok(Response::from_parts(head, whole(said)));
        }
        Err(Failed::Refused(refusal))
    }

    /// One request and the head of its answer.
    async fn exchange(
        &self,
        server: &Server,
        parts: &Parts,
        (body, mut coming): (&Buffer, Option<Coming>),
    ) -> std::result::Result<(Response<hyper::body::Incoming>, Line), Broken> {
        loop {
            // One that may have ended meanwhile is good for what can be sent twice.
            let used = if coming.is_some() { None } else { self.lines.used(server) };
            let (mut line, was_used) = match used {
                Some(line) => (line, true),
                None => (self.lines.connect(server).await?, false),
            };
            let ready = tokio::time::timeout(GLANCE, line.sender.ready());
            if !matches!(ready.await, Ok(Ok(()))) {
                match was_used {
                    true => continue,
                    false => return Err(Broken::Silent),
                }
            }
            let moved = Arc::new(AtomicU64::new(0));
            let paced = Paced::new(body.clone(), self.pace.clone(), Arc::clone(&moved)).with(coming.take());
            let request = Request::from_parts(parts.clone(), paced);
            let answer = line.sender.try_send_request(request);
            tokio::pin!(answer);
            let (mut seen, mut idle) = (0, Duration::ZERO);
            let answered = loop {
                tokio::select! {
                    biased;
                    () = self.stopped() => return Err(Broken::Stopped),
                    answered = &mut answer => break answered,
                    () = tokio::time::sleep(GLANCE) => {
                        let now = moved.load(Ordering::Relaxed);
                        idle = if now == seen { idle + GLANCE } else { Duration::ZERO };
                        seen = now;
                        if idle >= IDLE_MAX {
                            return Err(Broken::Silent);
                        }
                    }
                }
            };
            match answered {
                Ok(response) => return Ok((response, line)),
                // The server had ended it meanwhile: nothing of the request left this machine.
                Err(error) if was_used && error.message().is_some() => {}
                Err(error) => return Err(Broken::Cut(error.into_error())),
            }
        }
    }

    async fn stopped(&self) {
        match &self.pace {
            Some(pace) => pace.cancel.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

/// How long an answer may be. What an object holds is bounded by who reads it.
fn answer_bytes_max(parts: &Parts) -> u64 {
    let is_object = parts.uri.query().is_none_or(|query| query.contains("alt=media"));
    if parts.method == Method::GET && is_object { u64::MAX } else { PAGE_BYTES_MAX }
}

/// The response as the services take it: they look for the address that was asked.
fn named(mut response: Response<HttpBody>, uri: Uri) -> Response<HttpBody> {
    response.extensions_mut().insert(uri);
    response
}

fn whole(bytes: Bytes) -> HttpBody {
    let size = bytes.len() as u64;
    let pieces: Vec<Result<Buffer>> = if bytes.is_empty() { Vec::new() } else { vec![Ok(bytes.into())] };
    HttpBody::new(futures_util::stream::iter(pieces), Some(size))
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn unusable(uri: &Uri) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("{uri} is no address of a server"))
}

fn server(uri: &Uri) -> Result<Server> {
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(unusable(uri)),
    };
    let host = uri.host().ok_or_else(|| unusable(uri))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Server { is_tls, host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }) })
}

/// Whether nothing was done, or doing it twice is as good as once.
fn may_repeat(method: &Method, broken: &Broken) -> bool {
    match broken {
        Broken::Unreached(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        Broken::Cut(_) => *method != Method::POST,
        Broken::NoSuchHost(_) | Broken::Untrusted(_) | Broken::Silent | Broken::TooMuch | Broken::Stopped => {
            false
        }
    }
}

/// Whether the store asks to be asked again.
fn is_passing(refusal: &Refusal) -> bool {
    matches!(refusal.status, 429 | 500 | 502 | 503 | 504)
}

/// Whether a condition was not met, which Azure tells with a status that has other meanings too.
fn is_there_already(code: &str) -> bool {
    code == "BlobAlreadyExists"
}

/// Whether a request to Google names a bucket and no object in it: a list of what is there, or an upload, whose object its query
/// names. An object's name is one segment of the path, and no bucket has a name of one letter.
fn is_of_bucket(path: &str) -> bool {
    let mut segments = path.rsplit('/');
    segments.next() == Some("o") && segments.next().is_some() && segments.next() == Some("b")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_a_bucket_is_told_from_one_for_an_object() {
        for (path, is_bucket) in [
            ("/storage/v1/b/evidence/o", true),
            ("/upload/storage/v1/b/evidence/o", true),
            ("/storage/v1/b/evidence/o/o", false),
            ("/storage/v1/b/evidence/o/b%2Fx%2Fo", false),
            ("/storage/v1/b/evidence", false),
            ("/evidence/o", false),
            ("/token", false),
        ] {
            assert_eq!(is_of_bucket(path), is_bucket, "{path}");
        }
    }
}
