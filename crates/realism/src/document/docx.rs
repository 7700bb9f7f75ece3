//! Texts of a word processor (WordprocessingML).

use std::sync::OnceLock;

use crate::Language;
use crate::document::package::{self, Package, XML, escape};
use crate::document::properties::{Program, Properties};
use crate::lexicon::Lexicon;
use crate::prose::Block;

const MAIN: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
const STYLES: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml";
const SETTINGS: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.settings+xml";
const NAMESPACE: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
                         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
/// An upright A4 page with margins of 2.5 cm, in twentieths of a point. The last thing of a body.
const SECTION: &str = "<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1417\" w:right=\"1417\" \
                       w:bottom=\"1134\" w:left=\"1417\" w:header=\"708\" w:footer=\"708\" w:gutter=\"0\"/></w:sectPr>";

const TEXT: &str = "word/document.xml";
const CORE: &str = "docProps/core.xml";
const APP: &str = "docProps/app.xml";

/// A new document; nothing only were a write into memory to fail.
pub(super) fn write(properties: &Properties, blocks: &[Block]) -> Vec<u8> {
    let mut text = format!("{XML}<w:document {NAMESPACE}><w:body>");
    paragraphs(blocks, &mut text);
    text.push_str(SECTION);
    text.push_str("</w:body></w:document>");
    let extended = properties.extended(Some(counts(&text)));
    let parts = [(TEXT, text), (CORE, properties.core()), (APP, extended)];
    template(properties).and_then(|blank| blank.with(&parts)).unwrap_or_default()
}

/// What documents of a program in a language have in common, compressed once.
fn template(properties: &Properties) -> Option<Package> {
    static BLANKS: [OnceLock<Option<Package>>; 8] = [const { OnceLock::new() }; 8];
    let tags = Language::ALL.map(|language| Lexicon::of(language).tag);
    let place = tags.iter().position(|tag| *tag == properties.language).unwrap_or(0);
    let slot = BLANKS.get(place + if properties.program == Program::Office { 0 } else { 4 })?;
    slot.get_or_init(|| blank(properties)).clone()
}

fn blank(properties: &Properties) -> Option<Package> {
    let [types, relations] =
        package::frame(TEXT, MAIN, &[("word/styles.xml", STYLES), ("word/settings.xml", SETTINGS)]);
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let inner = format!(
        "{XML}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{office}/styles\" Target=\"styles.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{office}/settings\" Target=\"settings.xml\"/></Relationships>"
    );
    Package::new(&[
        types,
        relations,
        (TEXT, String::new()),
        ("word/_rels/document.xml.rels", inner),
        ("word/settings.xml", settings(properties)),
        ("word/styles.xml", styles(properties)),
        (CORE, String::new()),
        (APP, String::new()),
    ])
}

/// The document with more at its end, saved once more; `None` where it is none of a word processor.
pub(super) fn extend(bytes: &[u8], properties: &Properties, blocks: &[Block]) -> Option<Vec<u8>> {
    let mut package = Package::open(bytes)?;
    let (mut text, core) = (package.text(TEXT)?, package.text(CORE)?);
    let at = text.rfind("<w:sectPr")?;
    let mut more = String::new();
    paragraphs(blocks, &mut more);
    text.insert_str(at, &more);
    let again = properties.again(&core);
    let extended = again.extended(Some(counts(&text)));
    package.with(&[(TEXT, text), (CORE, again.core()), (APP, extended)])
}

fn paragraphs(blocks: &[Block], out: &mut String) {
    for block in blocks {
        let (style, text) = match block {
            Block::Title(text) => ("Title", text),
            Block::Heading(text) => ("Heading1", text),
            Block::Paragraph(text) => ("", text),
            Block::Item(text) => ("ListBullet", text),
        };
        out.push_str("<w:p>");
        if !style.is_empty() {
            out.push_str("<w:pPr><w:pStyle w:val=\"");
            out.push_str(style);
            out.push_str("\"/></w:pPr>");
        }
        out.push_str("<w:r><w:t xml:space=\"preserve\">");
        if style == "ListBullet" {
            out.push_str("\u{2022} ");
        }
        escape(text, out);
        out.push_str("</w:t></w:r></w:p>");
    }
}

/// Words, letters with spaces, and paragraphs of a document's text.
fn counts(text: &str) -> [usize; 3] {
    let (mut words, mut letters, mut paragraphs) = (0, 0, 0);
    for run in text.split("xml:space=\"preserve\">").skip(1) {
        let run = run.split("</w:t>").next().unwrap_or_default();
        words += run.split(' ').filter(|word| !word.is_empty()).count();
        letters += run.chars().count();
        paragraphs += 1;
    }
    [words, letters, paragraphs]
}

fn settings(properties: &Properties) -> String {
    let zoom = match properties.program {
        Program::Office => {
            "<w:zoom w:percent=\"100\"/><w:proofState w:spelling=\"clean\" w:grammar=\"clean\"/>"
        }
        Program::LibreOffice => "<w:zoom w:percent=\"90\"/>",
    };
    format!(
        "{XML}<w:settings {NAMESPACE}>{zoom}<w:defaultTabStop w:val=\"708\"/><w:autoHyphenation w:val=\"false\"/>\
         <w:characterSpacingControl w:val=\"doNotCompress\"/></w:settings>"
    )
}

fn styles(properties: &Properties) -> String {
    let (body, heads) = match properties.program {
        Program::Office => ("Calibri", "Calibri Light"),
        Program::LibreOffice => ("Liberation Serif", "Liberation Sans"),
    };
    let language = properties.language;
    let heading = |id: &str, name: &str, size: u32, level: u32| {
        format!(
            "<w:style w:type=\"paragraph\" w:styleId=\"{id}\"><w:name w:val=\"{name}\"/><w:basedOn w:val=\"Normal\"/>\
             <w:next w:val=\"Normal\"/><w:qFormat/><w:pPr><w:keepNext/><w:spacing w:before=\"240\" w:after=\"120\"/>\
             <w:outlineLvl w:val=\"{level}\"/></w:pPr><w:rPr><w:rFonts w:ascii=\"{heads}\" w:hAnsi=\"{heads}\"/>\
             <w:sz w:val=\"{size}\"/></w:rPr></w:style>"
        )
    };
    format!(
        "{XML}<w:styles {NAMESPACE}><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii=\"{body}\" w:hAnsi=\"{body}\"/>\
         <w:sz w:val=\"22\"/><w:lang w:val=\"{language}\"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr>\
         <w:spacing w:after=\"160\" w:line=\"259\" w:lineRule=\"auto\"/></w:pPr></w:pPrDefault></w:docDefaults>\
         <w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/><w:qFormat/></w:style>\
         {}{}<w:style w:type=\"paragraph\" w:styleId=\"ListBullet\"><w:name w:val=\"List Bullet\"/><w:basedOn w:val=\"Normal\"/>\
         <w:pPr><w:spacing w:after=\"60\"/><w:ind w:left=\"357\" w:hanging=\"357\"/></w:pPr></w:style></w:styles>",
        heading("Title", "Title", 40, 9),
        heading("Heading1", "heading 1", 28, 0)
    )
}
