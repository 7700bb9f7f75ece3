//! A response, bounded in every part.

use super::super::limits::{BODY_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, LINE_BYTES_MAX};
use super::super::trouble::Trouble;
use super::super::wire::Wire;

/// How many provisional answers may come before the real one.
const PROVISIONAL_MAX: u32 = 4;
/// The longest value of a header that is kept.
const VALUE_BYTES_MAX: usize = 2048;

/// What was answered.
pub(super) struct Response {
    pub(super) status: u16,
    /// The server's name for itself.
    pub(super) server: Option<Vec<u8>>,
    /// Where to look instead, of a redirect.
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
    /// Whether all of the body is there.
    pub(super) whole: bool,
    /// Whether the connection takes another request.
    pub(super) keeps: bool,
    is_html: bool,
}

/// How the end of a body is known.
#[derive(Clone, Copy)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilEnd,
}

struct Head {
    response: Response,
    framing: Framing,
}

impl Response {
    /// Reads the answer to a GET.
    pub(super) async fn read(wire: &mut Wire) -> Result<Self, Trouble> {
        for _ in 0..=PROVISIONAL_MAX {
            let head = parse(&wire.head(HEAD_BYTES_MAX).await?)?;
            if (100..200).contains(&head.response.status) {
                continue;
            }
            let Head { mut response, framing } = head;
            (response.body, response.whole) = match framing {
                Framing::None => (Vec::new(), true),
                Framing::Length(length) => match usize::try_from(length) {
                    Ok(length) if length <= BODY_BYTES_MAX => (wire.exact(length).await?, true),
                    _ => (wire.exact(BODY_BYTES_MAX).await?, false),
                },
                Framing::Chunked => chunked(wire).await?,
                Framing::UntilEnd => wire.rest(BODY_BYTES_MAX).await?,
            };
            response.keeps &= response.whole && !matches!(framing, Framing::UntilEnd);
            return Ok(response);
        }
        Err(Trouble::garbled("it never comes to an answer"))
    }

    /// The page, where it is one and is not packed in a way that we did not ask for.
    pub(super) fn page(&self) -> Option<&[u8]> {
        (self.is_html && (200..300).contains(&self.status)).then_some(&self.body)
    }
}

fn parse(bytes: &[u8]) -> Result<Head, Trouble> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Trouble::garbled("half a head")),
        Err(error) => return Err(Trouble::garbled(error)),
    }
    let status = parsed.code.unwrap_or_default();
    let value = |name: &str| {
        let header = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(&header.value[..header.value.len().min(VALUE_BYTES_MAX)])
    };
    let has = |name: &str, word: &[u8]| {
        value(name).is_some_and(|value| {
            value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word))
        })
    };
    let length = value("content-length")
        .map(|value| {
            let number = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse::<u64>().ok());
            number.ok_or_else(|| Trouble::garbled("a length that is no number"))
        })
        .transpose()?;
    let framing = if matches!(status, 100..=199 | 204 | 304) {
        Framing::None
    } else if has("transfer-encoding", b"chunked") {
        Framing::Chunked
    } else {
        length.map_or(Framing::UntilEnd, Framing::Length)
    };
    let is_html = value("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"text/html"))
        && value("content-encoding").is_none();
    let location = value("location").filter(|_| (300..400).contains(&status));
    let response = Response {
        status,
        server: value("server").map(<[u8]>::to_vec),
        location: location.map(|to| String::from_utf8_lossy(to).into_owned()),
        body: Vec::new(),
        whole: false,
        keeps: parsed.version == Some(1) && !has("connection", b"close"),
        is_html,
    };
    Ok(Head { response, framing })
}

/// A body in chunks; `false` when there was more than is taken.
async fn chunked(wire: &mut Wire) -> Result<(Vec<u8>, bool), Trouble> {
    let mut body = Vec::new();
    loop {
        let line = wire.line(LINE_BYTES_MAX).await?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| Trouble::garbled("a chunk without a length"))?;
        if size == 0 {
            // Trailers end with an empty line; nobody sends many.
            for _ in 0..HEADERS_MAX {
                if wire.line(LINE_BYTES_MAX).await?.is_empty() {
                    return Ok((body, true));
                }
            }
            return Err(Trouble::garbled("trailers without an end"));
        }
        if size > BODY_BYTES_MAX - body.len() {
            return Ok((body, false));
        }
        body.extend_from_slice(&wire.exact(size).await?);
        if !wire.line(LINE_BYTES_MAX).await?.is_empty() {
            return Err(Trouble::garbled("a chunk that is longer than it says"));
        }
    }
}
