//! Pages that are printed (PDF 1.4), set in the fonts that every reader has.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::document::properties::{Program, Properties};
use crate::prose::Block;

/// How hard pages are compressed, of 9: what a printer makes is not kept small at any price.
const LEVEL: u32 = 3;
/// An A4 page and its margin, in points.
const PAGE: [u32; 2] = [595, 842];
const MARGIN: u32 = 64;
/// Letters of a line at ten points. Without the widths of the font, a line is broken where its average letters end.
const LINE_LETTERS: usize = 88;

/// The document.
pub(super) fn write(properties: &Properties, blocks: &[Block]) -> Vec<u8> {
    let pages = pages(blocks);
    let mut objects: Vec<Vec<u8>> = Vec::new();
    let first_page = 6;
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", first_page + 2 * page)).collect();
    objects.push(b"<</Type/Catalog/Pages 2 0 R>>".to_vec());
    objects.push(format!("<</Type/Pages/Kids[{}]/Count {}>>", kids.join(" "), pages.len()).into_bytes());
    for font in ["Helvetica", "Helvetica-Bold"] {
        let font = format!("<</Type/Font/Subtype/Type1/BaseFont/{font}/Encoding/WinAnsiEncoding>>");
        objects.push(font.into_bytes());
    }
    objects.push(information(properties));
    for (place, page) in pages.iter().enumerate() {
        let [width, height] = PAGE;
        objects.push(
            format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>\
                 /Contents {} 0 R>>",
                first_page + 2 * place + 1
            )
            .into_bytes(),
        );
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
        let _ = encoder.write_all(page);
        let stream = encoder.finish().unwrap_or_default();
        let head = format!("<</Length {}/Filter/FlateDecode>>\nstream\n", stream.len());
        objects.push([head.as_bytes(), &stream, b"\nendstream"].concat());
    }
    file(&objects)
}

/// The objects with the table of where they are.
fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n%\xc3\xa4\xc3\xbc\xc3\xb6\xc3\x9f\n".to_vec();
    let mut places = Vec::with_capacity(objects.len());
    for (number, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend(format!("{} 0 obj\n", number + 1).into_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let table = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    out.extend(
        format!(
            "trailer\n<</Size {}/Root 1 0 R/Info 5 0 R>>\nstartxref\n{table}\n%%EOF\n",
            objects.len() + 1
        )
        .into_bytes(),
    );
    out
}

/// Who, with what, when: in the local time of the author.
fn information(properties: &Properties) -> Vec<u8> {
    let (creator, producer) = match properties.program {
        Program::Office => ("Microsoft\u{ae} Word 2019", "Microsoft\u{ae} Word 2019"),
        Program::LibreOffice => ("Writer", "LibreOffice 7.4"),
    };
    let local = properties.local;
    let (sign, offset) =
        (if properties.offset_minutes < 0 { '-' } else { '+' }, properties.offset_minutes.abs());
    let date = format!(
        "D:{:04}{:02}{:02}{:02}{:02}{:02}{sign}{:02}'{:02}'",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second(),
        offset / 60,
        offset % 60
    );
    let mut out = b"<<".to_vec();
    let entries = [
        ("Title", properties.title.as_str()),
        ("Author", &properties.author),
        ("Creator", creator),
        ("Producer", producer),
        ("CreationDate", &date),
    ];
    for (name, value) in entries {
        out.extend(format!("/{name}(").into_bytes());
        // What a date and a name hold is in the encoding of documents where it is in that of pages.
        string(value, &mut out);
        out.extend(b")");
    }
    out.extend(b">>");
    out
}

/// The content of each page.
fn pages(blocks: &[Block]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let mut page = Vec::new();
    let mut y = PAGE[1] - MARGIN;
    for block in blocks {
        let (font, size, before, text) = match block {
            Block::Title(text) => ("F2", 16, 0, text.clone()),
            Block::Heading(text) => ("F2", 12, 14, text.clone()),
            Block::Paragraph(text) => ("F1", 10, 6, text.clone()),
            Block::Item(text) => ("F1", 10, 2, format!("\u{2022} {text}")),
        };
        let letters = LINE_LETTERS * 10 / size;
        for (place, line) in lines(&text, letters).into_iter().enumerate() {
            let step = u32::try_from(size).unwrap_or(10) * 13 / 10 + if place == 0 { before } else { 0 };
            if y < MARGIN + step {
                pages.push(std::mem::take(&mut page));
                y = PAGE[1] - MARGIN;
            }
            y -= step;
            page.extend(format!("BT /{font} {size} Tf {MARGIN} {y} Td (").into_bytes());
            string(&line, &mut page);
            page.extend(b") Tj ET\n");
        }
    }
    pages.push(page);
    pages
}

fn lines(text: &str, letters: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for word in text.split_whitespace() {
        let last = all.len() - 1;
        if !all[last].is_empty() && all[last].chars().count() + 1 + word.chars().count() > letters {
            all.push(word.to_owned());
        } else {
            let line = &mut all[last];
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    all
}

/// Adds text in the encoding of the fonts; what it lacks becomes a question mark.
fn string(text: &str, out: &mut Vec<u8>) {
    for letter in text.chars() {
        match letter {
            '(' | ')' | '\\' => out.extend([b'\\', letter as u8]),
            '\u{2022}' => out.push(0x95),
            '\u{20ac}' => out.push(0x80),
            '\u{2013}' => out.push(0x96),
            '\u{2019}' => out.push(0x92),
            '\u{153}' => out.push(0x9c),
            '\u{152}' => out.push(0x8c),
            ' '..='~' | '\u{a0}'..='\u{ff}' => out.push(u8::try_from(u32::from(letter)).unwrap_or(b'?')),
            _ => out.push(b'?'),
        }
    }
}
