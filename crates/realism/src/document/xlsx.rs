//! Workbooks of a spreadsheet program (SpreadsheetML): one sheet of rows with a date, words, numbers and a product.

use std::fmt::Write as _;
use std::sync::OnceLock;

use crate::document::package::{self, Package, XML, escape};
use crate::document::properties::Properties;
use crate::table;
use crate::voice::Voice;

const MAIN: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml";
const KIND: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const NAMESPACE: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const BOOK: &str = "xl/workbook.xml";
const SHEET: &str = "xl/worksheets/sheet1.xml";
const SHARED: &str = "xl/sharedStrings.xml";
const CORE: &str = "docProps/core.xml";
const APP: &str = "docProps/app.xml";
/// Strings of a sheet: the heads of its columns come first.
const COLUMNS: usize = 6;
/// From 1899-12-30, which serial dates count from, to 1970-01-01, in days.
const EPOCH_DAYS: i64 = 25_569;

/// A new workbook.
pub(super) fn write(voice: &mut Voice<'_>, properties: &Properties, rows: usize) -> Vec<u8> {
    let strings = strings(voice);
    let mut sheet = format!(
        "{XML}<worksheet xmlns=\"{NAMESPACE}\"><cols><col min=\"1\" max=\"1\" width=\"12\" customWidth=\"1\"/>\
         <col min=\"2\" max=\"3\" width=\"24\" customWidth=\"1\"/></cols><sheetData><row r=\"1\">"
    );
    for column in 0..COLUMNS {
        let _ = write!(sheet, "<c r=\"{}1\" s=\"2\" t=\"s\"><v>{column}</v></c>", letter(column));
    }
    sheet.push_str("</row>");
    let today = voice.slot.at.as_second() / 86_400 + EPOCH_DAYS;
    // A row a day or so, up to some day of the last weeks.
    let back = i64::try_from(rows).unwrap_or(0) + i64::from(voice.draw.between(0, 40));
    let mut day = today - back;
    for number in 0..rows {
        day = (day + i64::from(voice.draw.below(3))).min(today);
        row(voice, number + 2, day, strings.len() - COLUMNS, &mut sheet);
    }
    sheet.push_str("</sheetData></worksheet>");
    let mut shared = format!("{XML}<sst xmlns=\"{NAMESPACE}\" uniqueCount=\"{}\">", strings.len());
    for string in &strings {
        shared.push_str("<si><t>");
        escape(string, &mut shared);
        shared.push_str("</t></si>");
    }
    shared.push_str("</sst>");
    package_of(properties, sheet, shared).unwrap_or_default()
}

/// The workbook with more rows, saved once more; `None` where it is none of ours.
pub(super) fn extend(voice: &mut Voice<'_>, bytes: &[u8], properties: &Properties) -> Option<Vec<u8>> {
    let mut package = Package::open(bytes)?;
    let (mut sheet, shared, core) = (package.text(SHEET)?, package.text(SHARED)?, package.text(CORE)?);
    let words = shared.matches("<si>").count().checked_sub(COLUMNS).filter(|words| *words > 0)?;
    let at = sheet.rfind("</sheetData>")?;
    let mut number = sheet.matches("<row ").count();
    let mut more = String::new();
    let day = voice.slot.at.as_second() / 86_400 + EPOCH_DAYS;
    for _ in 0..voice.draw.geometric(3.0).min(40) {
        number += 1;
        row(voice, number, day, words, &mut more);
    }
    sheet.insert_str(at, &more);
    let again = properties.again(&core);
    package.with(&[(SHEET, sheet), (CORE, again.core()), (APP, again.extended(None))])
}

/// The heads of the columns, then what stands in the columns of words.
fn strings(voice: &mut Voice<'_>) -> Vec<String> {
    let mut pick = |places: &[usize]| voice.draw.pick(places).copied().unwrap_or(0);
    let heads = [pick(&[0, 11, 14]), pick(&[1, 2, 13]), pick(&[9, 10, 16, 6]), pick(&[3, 12]), 4, 5];
    let mut strings: Vec<String> =
        heads.iter().map(|place| crate::voice::capital(table::head(voice, *place))).collect();
    for _ in 0..voice.draw.between(5, 24) {
        let noun = voice.noun().word;
        let string = match voice.draw.below(4) {
            0 => voice.colleague().to_owned(),
            1 => crate::voice::capital(&voice.project()),
            2 => format!("{noun} {}", voice.draw.between(1, 99)),
            _ => noun.to_owned(),
        };
        strings.push(string);
    }
    strings
}

fn row(voice: &mut Voice<'_>, number: usize, day: i64, words: usize, out: &mut String) {
    let cents = crate::random::whole(voice.draw.lognormal(4500.0, 1.4).min(9e7));
    let count = u64::from(voice.draw.geometric(6.0).min(500));
    let (one, other) = (COLUMNS + voice.draw.index(words), COLUMNS + voice.draw.index(words));
    let total = cents * count;
    let _ = write!(
        out,
        "<row r=\"{number}\"><c r=\"A{number}\" s=\"1\"><v>{day}</v></c><c r=\"B{number}\" t=\"s\"><v>{one}</v></c>\
         <c r=\"C{number}\" t=\"s\"><v>{other}</v></c><c r=\"D{number}\"><v>{count}</v></c>\
         <c r=\"E{number}\" s=\"3\"><v>{}.{:02}</v></c>\
         <c r=\"F{number}\" s=\"3\"><f>D{number}*E{number}</f><v>{}.{:02}</v></c></row>",
        cents / 100,
        cents % 100,
        total / 100,
        total % 100
    );
}

fn letter(column: usize) -> char {
    char::from(b'A' + u8::try_from(column).unwrap_or(0))
}

/// Nothing only were a write into memory to fail.
fn package_of(properties: &Properties, sheet: String, shared: String) -> Option<Vec<u8>> {
    static BLANK: OnceLock<Option<Package>> = OnceLock::new();
    let mut name = String::new();
    // A name of a sheet has at most 31 letters, and none of []:*?/\.
    let short: String = properties.title.chars().filter(|c| !"[]:*?/\\".contains(*c)).take(31).collect();
    escape(&short, &mut name);
    let book = format!(
        "{XML}<workbook xmlns=\"{NAMESPACE}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"{name}\" sheetId=\"1\" r:id=\"rId1\"/>\
         </sheets></workbook>"
    );
    BLANK.get_or_init(blank).clone()?.with(&[
        (BOOK, book),
        (SHEET, sheet),
        (SHARED, shared),
        (CORE, properties.core()),
        (APP, properties.extended(None)),
    ])
}

/// What all workbooks have in common, compressed once.
fn blank() -> Option<Package> {
    let styles = format!("{KIND}.styles+xml");
    let (sheets, strings) = (format!("{KIND}.worksheet+xml"), format!("{KIND}.sharedStrings+xml"));
    let others = [(SHEET, sheets.as_str()), ("xl/styles.xml", &styles), (SHARED, &strings)];
    let [types, relations] = package::frame(BOOK, MAIN, &others);
    let inner = format!(
        "{XML}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/>\
         <Relationship Id=\"rId3\" Type=\"{OFFICE}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>"
    );
    // Formats 14 and 4 are built in: a date, and a number with two digits after the point.
    let look = format!(
        "{XML}<styleSheet xmlns=\"{NAMESPACE}\"><fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font>\
         <font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts><fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
         <borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs><cellXfs count=\"4\"><xf xfId=\"0\"/>\
         <xf numFmtId=\"14\" applyNumberFormat=\"1\"/><xf fontId=\"1\" applyFont=\"1\"/><xf numFmtId=\"4\" applyNumberFormat=\"1\"/></cellXfs><cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>"
    );
    Package::new(&[
        types,
        relations,
        (BOOK, String::new()),
        ("xl/_rels/workbook.xml.rels", inner),
        (SHEET, String::new()),
        ("xl/styles.xml", look),
        (SHARED, String::new()),
        (CORE, String::new()),
        (APP, String::new()),
    ])
}
