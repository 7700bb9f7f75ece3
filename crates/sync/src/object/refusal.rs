//! Why a request came to nothing: what broke on the way, or what the store answered. Read here once; from here on it is data.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, RETRY_AFTER};
use verisim_core::printable;

/// The longest text of a store that is kept.
const SAID_CHARS_MAX: usize = 200;

/// What broke on the way.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The store's name leads nowhere.
    #[error("its name cannot be looked up: {0}")]
    NoSuchHost(#[source] io::Error),
    /// No connection came about: nothing was sent.
    #[error("{0}")]
    Unreached(#[source] io::Error),
    /// Its certificate is not to be trusted: nothing was sent.
    #[error("it is not known to be who it says: {0}")]
    Untrusted(#[source] io::Error),
    /// The connection ended before the answer did.
    #[error("the connection was cut: {0}")]
    Cut(#[source] hyper::Error),
    /// Nothing moved for too long.
    #[error("it says nothing any more")]
    Silent,
    /// More came than such an answer can have.
    #[error("its answer is longer than any should be")]
    TooMuch,
    /// It was stopped from here.
    #[error("stopped")]
    Stopped,
}

/// What a store answered instead of doing what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.shown())]
pub(super) struct Refusal {
    /// The status of HTTP.
    pub(super) status: u16,
    /// The store's own word for it: `SlowDown`, `AuthenticationFailed`, `storageQuotaExceeded`; empty where it has none.
    pub(super) code: String,
    /// What it says to people. Never the fields beside it, among which are tokens.
    said: String,
    /// How long it asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Where it says that the bucket is.
    pub(super) region: Option<String>,
    /// Whether what was asked for is the bucket, where the code does not tell.
    pub(super) is_of_bucket: bool,
}

impl Refusal {
    /// Reads an answer with a status that is no success.
    pub(super) fn read(status: u16, headers: &HeaderMap, body: &Bytes) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = String::from_utf8_lossy(body);
        let (code, said) = match text.trim_start().starts_with('{') {
            true => of_json(body),
            false => (element(&text, "Code"), element(&text, "Message")),
        };
        let code = code.or_else(|| header("x-ms-error-code")).unwrap_or_default();
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let cut = |text: String| printable(&text.chars().take(SAID_CHARS_MAX).collect::<String>());
        Self {
            status,
            code: cut(code),
            said: cut(said.unwrap_or_default()),
            retry_after: seconds.map(Duration::from_secs),
            region: header("x-amz-bucket-region").map(cut),
            is_of_bucket: false,
        }
    }

    fn shown(&self) -> String {
        let Self { status, code, said, .. } = self;
        let code = if code.is_empty() { String::new() } else { format!(" {code}") };
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        format!("HTTP {status}{code}{said}")
    }
}

/// The text of the first element of this name, as stores of objects write their errors: no attributes, no nesting.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inside.trim().to_owned()).filter(|inside| !inside.contains('<'))
}

/// `{"error": {"message": .., "errors": [{"reason": ..}]}}`, as Google writes it.
fn of_json(body: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else { return (None, None) };
    let text = |at: &str| value.pointer(at).and_then(serde_json::Value::as_str).map(str::to_owned);
    let reason = text("/error/errors/0/reason").or_else(|| text("/error/status")).or_else(|| text("/error"));
    (reason, text("/error/message").or_else(|| text("/error_description")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_8_of_an_error_only_its_code_and_its_words_are_kept() {
        let body = Bytes::from_static(
            b"<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code><Message>The provided token has \
              expired.</Message><Token-0>sesame-sesame</Token-0></Error>",
        );
        let read = Refusal::read(400, &HeaderMap::new(), &body);
        assert_eq!(read.code, "ExpiredToken");
        assert!(!format!("{read} {read:?}").contains("sesame"), "{read:?}");
        assert_eq!(read.to_string(), "HTTP 400 ExpiredToken: The provided token has expired.");
    }

    #[test]
    fn every_kind_of_store_is_understood() {
        let google = br#"{"error":{"code":403,"message":"no","errors":[{"reason":"quotaExceeded"}]}}"#;
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-error-code", "ServerBusy".parse().unwrap());
        headers.insert("retry-after", "7".parse().unwrap());
        for (headers, body, code) in [
            (HeaderMap::new(), &google[..], "quotaExceeded"),
            (headers.clone(), b"", "ServerBusy"),
            (HeaderMap::new(), b"<html>Bad Gateway</html>", ""),
            (HeaderMap::new(), b"<Error><Code>a<b></Code>", ""),
            (HeaderMap::new(), b"{", ""),
        ] {
            let read = Refusal::read(503, &headers, &Bytes::copy_from_slice(body));
            assert_eq!(read.code, code, "{read}");
        }
        assert_eq!(Refusal::read(503, &headers, &Bytes::new()).retry_after, Some(Duration::from_secs(7)));
    }
}
