//! Paths of any bytes in the engine's query strings.

use bollard::BollardRequest;

/// Where a byte that is no UTF-8 stands for the time that a path must be text: in a corner of Unicode's private area.
const CORNER: u32 = 0xf700;

/// A path as text in which every byte that is not plain ASCII may stand as a character of the private corner: those of a
/// path that is not UTF-8, or that holds such a character itself, so that nothing is mistaken for another.
pub(super) fn as_text(path: &[u8]) -> String {
    let is_corner = |c: char| (CORNER..=CORNER + 0xff).contains(&u32::from(c));
    match std::str::from_utf8(path) {
        Ok(text) if !text.contains(is_corner) => text.to_owned(),
        _ => path
            .iter()
            .map(|byte| match byte {
                byte if byte.is_ascii() => char::from(*byte),
                byte => char::from_u32(CORNER + u32::from(*byte)).unwrap_or(char::REPLACEMENT_CHARACTER),
            })
            .collect(),
    }
}

/// Puts the bytes themselves back into a request's query, where the characters of the corner stand percent-encoded.
pub(in crate::docker) fn raw_query(mut request: BollardRequest) -> BollardRequest {
    let uri = request.uri().to_string();
    if let Some((before, query)) = uri.split_once('?')
        && let Some(raw) = with_raw_bytes(query)
        && let Ok(uri) = format!("{before}?{raw}").parse()
    {
        *request.uri_mut() = uri;
    }
    request
}

/// `None` when there is nothing to put back. U+F780 to U+F7FF are EF 9E 80 to EF 9F BF.
fn with_raw_bytes(query: &str) -> Option<String> {
    let mut out = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(at) = rest.find("%EF%9") {
        let byte = rest.get(at + 5..at + 9).and_then(|tail| {
            let high = match tail.as_bytes()[0] {
                b'E' => 0x00,
                b'F' => 0x40,
                _ => return None,
            };
            let low = u8::from_str_radix(tail.get(2..4)?, 16).ok().filter(|_| tail.as_bytes()[1] == b'%')?;
            Some(high + low)
        });
        match byte {
            Some(byte) => {
                out.push_str(&rest[..at]);
                out.push_str(&format!("%{byte:02X}"));
                rest = &rest[at + 9..];
            }
            None => {
                out.push_str(&rest[..at + 5]);
                rest = &rest[at + 5..];
            }
        }
    }
    (!out.is_empty()).then(|| out + rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the HTTP client makes of a query's value.
    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    fn decoded(query: &str) -> Vec<u8> {
        query.split('%').skip(1).map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn any_path_reaches_the_engine_as_it_is(
            path in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                "[\u{f6f0}-\u{f80f}a%]{0,20}".prop_map(String::into_bytes),
            ]
        ) {
            let query = encoded(&as_text(&path));
            let sent = with_raw_bytes(&query).unwrap_or(query);
            prop_assert_eq!(decoded(&sent), path);
        }
    }
}
