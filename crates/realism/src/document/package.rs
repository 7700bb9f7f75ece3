//! Packages: parts with names, compressed, in one file.

use std::io::{Cursor, Read as _, Write as _};
use std::sync::Arc;

use zip::result::ZipResult;
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

/// A package of which some parts are read and replaced; the others stay compressed as they are.
#[derive(Clone)]
pub(super) struct Package(ZipArchive<Cursor<Arc<[u8]>>>);

impl Package {
    /// A package of these parts, in their order.
    pub(super) fn new(parts: &[(&str, String)]) -> Option<Self> {
        let mut writer = writer();
        for (name, content) in parts {
            put(&mut writer, name, content).ok()?;
        }
        Self::open(&writer.finish().ok()?.into_inner())
    }

    /// `None` for bytes that are none, or one with more parts than any of ours.
    pub(super) fn open(bytes: &[u8]) -> Option<Self> {
        let archive = ZipArchive::new(Cursor::new(Arc::from(bytes))).ok()?;
        (archive.len() <= PARTS_MAX).then_some(Self(archive))
    }

    /// The text of a part; `None` where there is none, or it is no text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let file = self.0.by_name(name).ok()?;
        let mut content = String::new();
        file.take(PART_BYTES_MAX).read_to_string(&mut content).ok()?;
        Some(content)
    }

    /// The package with other contents for some of its parts. `None` where what was read is no whole package.
    pub(super) fn with(mut self, parts: &[(&str, String)]) -> Option<Vec<u8>> {
        let mut writer = writer();
        for place in 0..self.0.len() {
            let file = self.0.by_index_raw(place).ok()?;
            let replaced = parts.iter().find(|(name, _)| *name == file.name());
            match replaced {
                Some((name, content)) => put(&mut writer, name, content).ok()?,
                None => writer.raw_copy_file(file).ok()?,
            }
        }
        Some(writer.finish().ok()?.into_inner())
    }
}

fn writer() -> ZipWriter<Cursor<Vec<u8>>> {
    ZipWriter::new(Cursor::new(Vec::with_capacity(16 * 1024)))
}

/// Entries bear the first instant that the format knows, as those of office programs do, so that the same parts are the same
/// bytes.
fn put(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, content: &str) -> ZipResult<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::default());
    writer.start_file(name, options)?;
    writer.write_all(content.as_bytes())?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_stay_are_the_same_bytes() {
        let parts = [("a.xml", "alpha ".repeat(400)), ("b.xml", "beta".to_owned()), ("c.xml", String::new())];
        let package = Package::new(&parts).unwrap();
        let whole = package.clone().with(&parts).unwrap();
        assert_eq!(package.clone().with(&[]).unwrap(), whole);
        assert_eq!(package.with(&[("b.xml", "beta".to_owned())]).unwrap(), whole);
        let changed = Package::open(&whole).unwrap().with(&[("b.xml", "gamma".to_owned())]).unwrap();
        let mut read = Package::open(&changed).unwrap();
        assert_eq!(read.text("b.xml").as_deref(), Some("gamma"));
        assert_eq!(read.text("a.xml"), Some(parts[0].1.clone()));
        assert!(Package::open(b"PK nothing").is_none() && read.text("d.xml").is_none());
    }
}
