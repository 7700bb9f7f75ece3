//! Packages: parts with names, compressed, in one file.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// The declaration that every part begins with.
pub(super) const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
/// How hard parts are compressed, of 9. Word and Excel take the quickest way, and say so in each entry's flags.
const LEVEL: i64 = 1;
/// No part of a package is larger, read or written.
const PART_BYTES_MAX: u64 = 4 << 20;
/// A package has no more parts.
const PARTS_MAX: usize = 64;

/// Names and contents of the parts, in their order.
pub(super) type Parts = Vec<(String, String)>;

/// The package of these parts. Its entries bear the first instant that the format knows, as those of office programs do, so
/// that the same parts are the same bytes.
pub(super) fn write(parts: &[(&str, String)]) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::default());
    let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(16 * 1024)));
    for (name, content) in parts {
        // A write into memory does not fail; were it to, the package would lack the part.
        if writer.start_file(*name, options).is_ok() {
            let _ = writer.write_all(content.as_bytes());
        }
    }
    writer.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// The parts of a package; `None` for bytes that are none, or one that is larger than any of ours.
pub(super) fn read(bytes: &[u8]) -> Option<Parts> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    if archive.len() > PARTS_MAX {
        return None;
    }
    let mut parts = Vec::with_capacity(archive.len());
    for place in 0..archive.len() {
        let file = archive.by_index(place).ok()?;
        let name = file.name().to_owned();
        let mut content = String::new();
        file.take(PART_BYTES_MAX).read_to_string(&mut content).ok()?;
        parts.push((name, content));
    }
    Some(parts)
}

/// The package of parts that were read.
pub(super) fn write_again(parts: &Parts) -> Vec<u8> {
    let parts: Vec<(&str, String)> =
        parts.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
    write(&parts)
}

/// Adds text with what means something in XML set apart; what XML cannot hold is left out.
pub(super) fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(letter),
            _ if letter < ' ' => {}
            _ => out.push(letter),
        }
    }
}

/// The same as a string.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    escape(text, &mut out);
    out
}

/// The types and relations of a package with these parts: `(name, type)` beside the properties.
pub(super) fn frame(main: &str, main_type: &str, others: &[(&str, &str)]) -> [(&'static str, String); 2] {
    const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
    const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const CORE: &str =
        "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties";
    let mut types = format!(
        "{XML}<Types xmlns=\"{TYPES}\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/{main}\" ContentType=\"{main_type}\"/>"
    );
    for (name, kind) in others {
        types.push_str(&format!("<Override PartName=\"/{name}\" ContentType=\"{kind}\"/>"));
    }
    types.push_str(
        "<Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>\
         <Override PartName=\"/docProps/app.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.extended-properties+xml\"/></Types>",
    );
    let relations = format!(
        "{XML}<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"rId3\" Type=\"{OFFICE}/extended-properties\" Target=\"docProps/app.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{CORE}\" Target=\"docProps/core.xml\"/>\
         <Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"{main}\"/></Relationships>"
    );
    [("[Content_Types].xml", types), ("_rels/.rels", relations)]
}
