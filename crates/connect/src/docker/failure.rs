//! What an engine says when it does not do something, as kind and effect. The only place where its text is read.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;
use verisim_core::{Effect, Failure, FailureKind};

use super::EngineAddress;
use super::line::Unreached;

/// Turns what went wrong between us and the engine into a failure.
///
/// `effect` is what is known when the request may have reached the engine. Where it certainly did not, or the engine refused
/// it before it did anything, the failure says `NotApplied`.
///
/// | What happened | Kind | Effect |
/// |---|---|---|
/// | no socket, nobody listens, no name, no route | `Network` | not applied |
/// | the socket is not ours to open | `Denied` | not applied |
/// | certificates do not fit | `Auth` | not applied |
/// | certificates cannot be read, an address makes no sense | `Config` | not applied |
/// | the connection broke, or no answer came | `Network` | as given |
/// | 400: it does not take such a request | `Config` | not applied |
/// | 401 | `Auth` | not applied |
/// | 403: the root is read-only, a policy forbids it | `Denied` | not applied |
/// | 404: no such container or path | `NotFound` | not applied |
/// | 409: it does not run, is paused, or is being removed | `NotFound` | not applied |
/// | 500, by its text | `NoSpace`, `Denied`, `NotFound`, `Network`, else `Unknown` | as given |
/// | 502, 503, 504 | `Network` | as given |
/// | an answer that is none | `Unknown` | as given |
pub(super) fn failure(
    operation: &'static str,
    address: &EngineAddress,
    error: Error,
    effect: Effect,
) -> Failure {
    let (kind, effect, hint) = judge(&error, effect);
    let detail = format!("the engine at {address}: {}{hint}", explain(&error));
    Failure::new(kind, operation, detail).with_effect(effect).with_source(error)
}

fn judge(error: &Error, sent: Effect) -> (FailureKind, Effect, &'static str) {
    let not = Effect::NotApplied;
    match error {
        Error::IOError { err } if err.get_ref().is_some_and(|inner| inner.is::<Unreached>()) => {
            unreached(err.kind())
        }
        // What a TLS layer does not accept is invalid data, also when the other side says so after the handshake: then it
        // has not looked at the request. Without TLS no data are invalid.
        Error::HyperResponseError { .. } if io_cause(error) == Some(io::ErrorKind::InvalidData) => {
            (FailureKind::Auth, not, CERTIFICATES)
        }
        Error::HyperResponseError { .. } | Error::RequestTimeoutError | Error::IOError { .. } => {
            (FailureKind::Network, sent, "")
        }
        Error::DockerResponseServerError { status_code, message } => by_status(*status_code, message, sent),
        Error::DockerStreamError { error } => (by_text(error), sent, ""),
        Error::URLEncodedError { .. }
        | Error::URLParseError { .. }
        | Error::InvalidURIError { .. }
        | Error::InvalidURIPartsError { .. }
        | Error::HttpClientError { .. }
        | Error::UnsupportedURISchemeError { .. } => (FailureKind::Config, not, ""),
        // Some answers that are none: JSON that is not, headers that are missing or cannot be read.
        _ => (FailureKind::Unknown, sent, ""),
    }
}

const CERTIFICATES: &str = "; the certificates of the two sides do not fit";

/// There was no connection, and so nothing was asked.
fn unreached(kind: io::ErrorKind) -> (FailureKind, Effect, &'static str) {
    let (kind, hint) = match kind {
        io::ErrorKind::PermissionDenied => {
            (FailureKind::Denied, "; run Verisim as root, or as a member of the group that owns the socket")
        }
        io::ErrorKind::InvalidData => (FailureKind::Auth, CERTIFICATES),
        io::ErrorKind::InvalidInput => (FailureKind::Config, ""),
        _ => (FailureKind::Network, "; is it running?"),
    };
    (kind, Effect::NotApplied, hint)
}

fn by_status(status: u16, message: &str, sent: Effect) -> (FailureKind, Effect, &'static str) {
    let not = Effect::NotApplied;
    match status {
        400 => (FailureKind::Config, not, ""),
        401 => (FailureKind::Auth, not, ""),
        403 => (FailureKind::Denied, not, ""),
        404 | 409 => (FailureKind::NotFound, not, ""),
        502..=504 => (FailureKind::Network, sent, ""),
        // This an engine looks at before it unpacks anything.
        _ if message.contains("is marked read-only") => (FailureKind::Denied, not, ""),
        _ => match by_text(message) {
            // A path that is gone while it is unpacked is the doing of somebody inside, and not a container that is gone.
            FailureKind::NotFound if message.contains("processing tar file") => {
                (FailureKind::Unknown, sent, "")
            }
            kind => (kind, sent, ""),
        },
    }
}

/// What the kernel told the engine, by the kernel's own words: they are the same in every engine.
fn by_text(message: &str) -> FailureKind {
    let says = |words: &str| message.contains(words);
    if says("no space left on device") || says("disk quota exceeded") {
        FailureKind::NoSpace
    } else if says("read-only file system")
        || says("permission denied")
        || says("operation not permitted")
        || is_circle_by(message)
    {
        FailureKind::Denied
    } else if says("no such file or directory") || says("not a directory") {
        FailureKind::NotFound
    } else if says("context canceled") || says("unexpected EOF") || says("connection refused") {
        FailureKind::Network
    } else {
        FailureKind::Unknown
    }
}

/// Whether the engine went round in a circle of links.
pub(super) fn is_circle(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { message, .. } if is_circle_by(message))
}

/// In the kernel's words, and in those of Go's own walk.
fn is_circle_by(message: &str) -> bool {
    message.contains("too many levels of symbolic links") || message.contains("too many links")
}

fn io_cause(error: &Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(mut io) = error.downcast_ref::<io::Error>() {
            // One may stand in another, which does not tell of it as of its source.
            while let Some(inner) = io.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
                io = inner;
            }
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

/// The error with the causes beneath it that say more: hyper's own words are mostly "client error (Connect)".
fn explain(error: &Error) -> String {
    let mut text = match error {
        Error::DockerResponseServerError { status_code, message } if message.trim().is_empty() => {
            format!("it answered with status {status_code}")
        }
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        error => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_kind_and_effect() {
        let sent = Effect::Unknown;
        for (status, message, kind, effect) in [
            (400, "client version 1.20 is too old", FailureKind::Config, Effect::NotApplied),
            (401, "", FailureKind::Auth, Effect::NotApplied),
            (403, "container rootfs is marked read-only", FailureKind::Denied, Effect::NotApplied),
            (404, "No such container: x", FailureKind::NotFound, Effect::NotApplied),
            (409, "Container x is not running", FailureKind::NotFound, Effect::NotApplied),
            (500, "container rootfs is marked read-only", FailureKind::Denied, Effect::NotApplied),
            (500, "write /a: no space left on device", FailureKind::NoSpace, sent),
            (500, "open /a: read-only file system", FailureKind::Denied, sent),
            (500, "lstat /a/b: not a directory", FailureKind::NotFound, sent),
            (
                500,
                "Error processing tar file(exit status 1): lchown /a: no such file or directory",
                FailureKind::Unknown,
                sent,
            ),
            (
                500,
                "Error processing tar file(exit status 1): write /a: no space left on device",
                FailureKind::NoSpace,
                sent,
            ),
            (500, "context canceled", FailureKind::Network, sent),
            (500, "something else", FailureKind::Unknown, sent),
            (500, "", FailureKind::Unknown, sent),
            (503, "", FailureKind::Network, sent),
        ] {
            let error = Error::DockerResponseServerError { status_code: status, message: message.into() };
            let failure = failure("docker.test", &EngineAddress::default(), error, sent);
            assert_eq!((failure.kind, failure.effect), (kind, effect), "{status} {message}");
        }
        let broken = io::Error::from(io::ErrorKind::ConnectionReset);
        let failure = failure("docker.test", &EngineAddress::default(), Error::IOError { err: broken }, sent);
        assert_eq!((failure.kind, failure.effect), (FailureKind::Network, sent));
    }
}
