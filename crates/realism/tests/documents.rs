//! Documents are real: packages open, their parts are well formed, pages point where their objects are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what is not right in a test shall fail it")]

mod common;

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};

use common::at;
use verisim_core::{Action, FileClass, TextEdit};
use verisim_realism::{Content, Language, Settings, Simulation};

#[test]
fn packages_open_and_pages_point_where_their_objects_are() {
    let world = common::world_of(24, 3, Settings::default(), |number, persona| {
        persona.language = Language::ALL[number % Language::ALL.len()];
    });
    let mut seen = BTreeSet::new();
    let mut edited = 0;
    for step in
        Simulation::new(&world, at("2026-11-02T00:00:00Z"), at("2026-11-21T00:00:00Z"), Content::Bodies)
    {
        let slot = step.decision.slot;
        let author = &world.persona(slot.persona).unwrap().full_name;
        let class = step.decision.change.class();
        if !matches!(class, Some(FileClass::Document | FileClass::Spreadsheet)) {
            continue;
        }
        let (path, body) = match step.action.unwrap() {
            Action::Plant(plant) => (plant.path, plant.body),
            Action::Edit(edit) => match edit.edits.into_iter().next() {
                Some(TextEdit::Whole { body }) => {
                    edited += 1;
                    (edit.path, body)
                }
                _ => continue,
            },
            _ => continue,
        };
        let name = path.to_string();
        let ending = name.rsplit('.').next().unwrap().to_owned();
        match ending.as_str() {
            "docx" | "xlsx" => package(&name, body.as_bytes(), author, slot.at),
            "pdf" => page(&name, body.as_bytes()),
            _ => {}
        }
        seen.insert(ending);
    }
    let all = ["csv", "docx", "pdf", "xlsx"].map(str::to_owned);
    assert!(all.iter().all(|ending| seen.contains(ending)), "{seen:?}");
    assert!(edited > 20, "{edited}");
}

/// All parts can be read and are well formed; the properties name the author, and when it was saved.
fn package(name: &str, bytes: &[u8], author: &str, saved: jiff::Timestamp) {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut parts = Vec::new();
    for place in 0..archive.len() {
        let mut text = String::new();
        let mut part = archive.by_index(place).unwrap();
        part.read_to_string(&mut text).unwrap();
        well_formed(&text).unwrap_or_else(|tag| panic!("{name}: {}: <{tag}>", part.name()));
        parts.push(part.name().to_owned());
        if parts.last().unwrap() == "docProps/core.xml" {
            assert!(text.contains(&format!("<dc:creator>{author}</dc:creator>")), "{name}: {text}");
            let saved = jiff::Timestamp::from_second(saved.as_second()).unwrap();
            assert!(text.contains(&format!(">{saved}</dcterms:modified>")), "{name}: {text}");
        }
    }
    for part in ["[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "docProps/core.xml"] {
        assert!(parts.iter().any(|name| name == part), "{name}: no {part}");
    }
}

/// Whether every element is closed, in the order in which they were opened; else the one at which it breaks.
fn well_formed(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, rest) = tag.split_once('>').ok_or("no end")?;
        let stray = rest.split('&').skip(1).any(|after| !after.contains(';'));
        if rest.contains('>') || stray {
            return Err(rest.to_owned());
        }
        if tag.starts_with('?') || tag.ends_with('/') {
            continue;
        }
        match tag.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return Err(tag.to_owned()),
            Some(_) => {}
            None => open.push(tag.split(' ').next().unwrap_or_default()),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(open.join(" ")) }
}

/// The table points at the objects, and the streams hold what they say.
fn page(name: &str, bytes: &[u8]) {
    let tail = String::from_utf8_lossy(&bytes[bytes.len() - 40..]).into_owned();
    let table: usize = tail.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    let find = |needle: &[u8], from: usize| {
        bytes[from..].windows(needle.len()).position(|window| window == needle).map(|at| from + at)
    };
    assert!(bytes[table..].starts_with(b"xref\n0 "), "{name}");
    let entries = String::from_utf8(bytes[table..].to_vec()).unwrap();
    let places = entries.lines().filter(|line| line.ends_with(" 00000 n "));
    for (number, line) in places.enumerate() {
        let place: usize = line[..10].parse().unwrap();
        assert!(bytes[place..].starts_with(format!("{} 0 obj\n", number + 1).as_bytes()), "{name}: {line}");
    }
    let mut from = 0;
    let mut streams = 0;
    while let Some(start) = find(b"stream\n", from) {
        let start = start + 7;
        let end = find(b"\nendstream", start).unwrap();
        let mut shown = String::new();
        let mut content = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[start..end]).read_to_end(&mut content).unwrap();
        shown.extend(content.iter().map(|byte| char::from(*byte)));
        assert!(shown.starts_with("BT /F2 16 Tf") || streams > 0, "{name}: {shown}");
        streams += 1;
        from = end + 10;
    }
    assert!(streams > 0, "{name}");
}
