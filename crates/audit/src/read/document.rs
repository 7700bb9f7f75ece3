//! What office documents and PDF files say of themselves.

use std::io::{Cursor, Read as _};

use quick_xml::Reader;
use quick_xml::events::Event;
use verisim_core::Timestamp;
use zip::ZipArchive;

use super::text;

/// How much of one part of an archive is read.
const PART_BYTES_MAX: u64 = 256 << 10;
/// How much of a PDF is looked through at each of its ends.
const PDF_BYTES_MAX: usize = 512 << 10;

/// What a document says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Who wrote it.
    pub author: String,
    /// Who saved it last.
    pub last_author: String,
    /// The program.
    pub program: String,
    /// When it was begun.
    pub created: Option<Timestamp>,
    /// When it was saved last.
    pub modified: Option<Timestamp>,
}

/// Reads the metadata of a document; `None` where it is none that is known.
#[must_use]
pub fn document(bytes: &[u8]) -> Option<Document> {
    if bytes.starts_with(b"%PDF-") {
        return Some(pdf(bytes));
    }
    bytes.starts_with(b"PK\x03\x04").then(|| office(bytes)).flatten()
}

fn office(bytes: &[u8]) -> Option<Document> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut found = Document::default();
    let mut is_known = false;
    for part in ["docProps/core.xml", "docProps/app.xml", "meta.xml"] {
        let Ok(file) = archive.by_name(part) else { continue };
        let mut xml = Vec::new();
        // What is torn is read as far as it goes.
        let _ = file.take(PART_BYTES_MAX).read_to_end(&mut xml);
        is_known = true;
        fields(&xml, &mut found);
    }
    is_known.then_some(found)
}

fn fields(xml: &[u8], found: &mut Document) {
    let mut reader = Reader::from_reader(xml);
    let mut name = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => name = text(start.local_name().as_ref().as_bytes(), 40),
            Ok(Event::End(_)) => name.clear(),
            Ok(Event::Text(value)) => {
                let value = text(value.as_bytes(), 200);
                match name.as_str() {
                    "creator" | "initial-creator" => found.author = value,
                    "lastModifiedBy" => found.last_author = value,
                    "Application" | "generator" => found.program = value,
                    "created" | "creation-date" => found.created = value.parse().ok(),
                    "modified" | "date" => found.modified = value.parse().ok(),
                    _ => {}
                }
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn pdf(bytes: &[u8]) -> Document {
    let tail = &bytes[bytes.len().saturating_sub(PDF_BYTES_MAX)..];
    let head = &bytes[..bytes.len().min(PDF_BYTES_MAX)];
    let value = |key: &str| pdf_value(tail, key).or_else(|| pdf_value(head, key)).unwrap_or_default();
    let program = [value("/Creator"), value("/Producer")].into_iter().filter(|name| !name.is_empty());
    Document {
        author: value("/Author"),
        last_author: String::new(),
        program: program.collect::<Vec<_>>().join(", "),
        created: pdf_time(&value("/CreationDate")),
        modified: pdf_time(&value("/ModDate")),
    }
}

/// The string after a key: in brackets, or in digits of base 16; big-endian UTF-16 where it begins so.
fn pdf_value(bytes: &[u8], key: &str) -> Option<String> {
    let key = key.as_bytes();
    let at = bytes.windows(key.len()).rposition(|window| window == key)?;
    let rest = bytes[at + key.len()..].trim_ascii_start();
    let raw: Vec<u8> = match rest.first()? {
        b'(' => {
            let mut out = Vec::new();
            let mut escaped = false;
            for byte in rest[1..].iter().take(1000) {
                match byte {
                    b'\\' if !escaped => escaped = true,
                    b')' if !escaped => break,
                    byte => {
                        out.push(*byte);
                        escaped = false;
                    }
                }
            }
            out
        }
        b'<' => {
            let digits: Vec<u8> = rest[1..].iter().take(2000).take_while(|c| **c != b'>').copied().collect();
            let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            digits.chunks(2).map_while(pair).collect()
        }
        _ => return None,
    };
    Some(match raw.strip_prefix(&[0xfe, 0xff]) {
        Some(wide) => {
            let units = wide.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).take(200).collect()
        }
        None => text(&raw, 200),
    })
}

/// `D:20261122030843+01'00'`, of which everything after the year may be left out.
fn pdf_time(value: &str) -> Option<Timestamp> {
    let value = value.strip_prefix("D:").unwrap_or(value);
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    let number = |from: usize, to: usize, other: i8| -> Option<i8> {
        digits.get(from..to).map_or(Some(other), |part| part.parse().ok())
    };
    let year: i16 = digits.get(..4)?.parse().ok()?;
    let date = jiff::civil::Date::new(year, number(4, 6, 1)?, number(6, 8, 1)?).ok()?;
    let time = jiff::civil::Time::new(number(8, 10, 0)?, number(10, 12, 0)?, number(12, 14, 0)?, 0).ok()?;
    let zone = value.get(digits.len()..)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let mut parts =
        zone.trim_start_matches(['+', '-', 'Z']).split('\'').map(|part| part.parse::<i64>().unwrap_or(0));
    let (hours, minutes) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let utc = jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    let offset =
        jiff::SignedDuration::from_secs(sign * (hours.clamp(0, 24) * 3600 + minutes.clamp(0, 59) * 60));
    utc.checked_sub(offset).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pdf_tells_who_made_it_and_when() {
        let found = document(
            b"%PDF-1.7\n1 0 obj <</Author(M\\(a\\)ria) /Producer <FEFF0041> /CreationDate(D:20261122030843+01'00')>>\n",
        )
        .unwrap();
        assert_eq!((found.author.as_str(), found.program.as_str()), ("M(a)ria", "A"));
        assert_eq!(found.created.unwrap().to_string(), "2026-11-22T02:08:43Z");
        assert_eq!(document(b"hello"), None);
        assert_eq!(document(b"PK\x03\x04 and no more"), None);
    }

    #[test]
    fn an_office_document_tells_who_made_it() {
        use std::io::Write as _;
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("docProps/core.xml", options).unwrap();
        zip.write_all(b"<cp:coreProperties><dc:creator>Maria</dc:creator><dcterms:created>2026-11-22T02:08:43Z</dcterms:created></cp:coreProperties>").unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        let found = document(&bytes).unwrap();
        assert_eq!((found.author.as_str(), found.created.unwrap().as_second()), ("Maria", 1_795_313_323));
    }
}
