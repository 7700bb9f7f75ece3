//! What a document says of itself: by whom, with what, when, how much.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::document::package::{XML, escaped};
use crate::voice::Voice;

/// What a document was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Office,
    LibreOffice,
}

/// The release of LibreOffice in Debian 12, with its build, as its documents name it.
const LIBRE_OFFICE: &str =
    "LibreOffice/7.4.7.2$Linux_X86_64 LibreOffice_project/723314e595e8007d3cf785c16538505a1c878ca5";

/// What a document says of itself.
#[derive(Debug, Clone)]
pub(super) struct Properties {
    pub(super) program: Program,
    pub(super) author: String,
    pub(super) title: String,
    /// Begun before it was first saved.
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// What the persona's clock showed, and how it differs from UTC, in minutes.
    pub(super) local: DateTime,
    pub(super) offset_minutes: i64,
    pub(super) revision: u32,
    /// For how long it was open, in minutes.
    pub(super) minutes: u32,
    pub(super) language: &'static str,
}

impl Properties {
    /// Of a document that is saved now.
    pub(super) fn new(voice: &mut Voice<'_>, title: String) -> Self {
        let at = voice.slot.at;
        let minutes = voice.draw.between(2, 45);
        let back = jiff::SignedDuration::from_secs(i64::from(minutes) * 60 + i64::from(voice.draw.below(60)));
        let created = at.saturating_sub(back).unwrap_or(at);
        let as_utc =
            |clock: DateTime| jiff::tz::TimeZone::UTC.to_timestamp(clock).map_or(0, Timestamp::as_second);
        Self {
            program: Program::of(voice),
            author: voice.persona.full_name.clone(),
            title,
            created,
            modified: at,
            local: voice.now,
            offset_minutes: (as_utc(voice.now) - at.as_second()) / 60,
            revision: voice.draw.between(1, 4),
            minutes,
            language: voice.lexicon.tag,
        }
    }

    /// The core properties.
    pub(super) fn core(&self) -> String {
        let second = |at: Timestamp| {
            let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
            at.to_string()
        };
        let title = escaped(&self.title);
        let author = escaped(&self.author);
        let language = match self.program {
            Program::LibreOffice => format!("<dc:language>{}</dc:language>", self.language),
            Program::Office => String::new(),
        };
        format!(
            "{XML}<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
             xmlns:dcmitype=\"http://purl.org/dc/dcmitype/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <dc:title>{title}</dc:title><dc:creator>{author}</dc:creator>{language}\
             <cp:lastModifiedBy>{author}</cp:lastModifiedBy><cp:revision>{}</cp:revision>\
             <dcterms:created xsi:type=\"dcterms:W3CDTF\">{}</dcterms:created>\
             <dcterms:modified xsi:type=\"dcterms:W3CDTF\">{}</dcterms:modified></cp:coreProperties>",
            self.revision,
            second(self.created),
            second(self.modified)
        )
    }

    /// The extended properties, of a text of so many words, letters and paragraphs, or of a table.
    pub(super) fn extended(&self, counts: Option<[usize; 3]>) -> String {
        let (program, version) = match (self.program, counts.is_some()) {
            (Program::LibreOffice, _) => (LIBRE_OFFICE, "15.0000"),
            (Program::Office, true) => ("Microsoft Office Word", "16.0000"),
            (Program::Office, false) => ("Microsoft Excel", "16.0300"),
        };
        let counts = counts.map_or_else(String::new, |[words, letters, paragraphs]| {
            format!(
                "<TotalTime>{}</TotalTime><Pages>{}</Pages><Words>{words}</Words><Characters>{}</Characters>\
                 <Paragraphs>{paragraphs}</Paragraphs><CharactersWithSpaces>{letters}</CharactersWithSpaces>",
                self.minutes,
                1 + words / 420,
                letters.saturating_sub(words)
            )
        });
        format!(
            "{XML}<Properties xmlns=\"http://schemas.openxmlformats.org/officeDocument/2006/extended-properties\">\
             {counts}<Application>{program}</Application><AppVersion>{version}</AppVersion></Properties>"
        )
    }

    /// The same document, saved once more: what was said before stays, where it can be read.
    pub(super) fn again(&self, core: &str) -> Self {
        let mut again = self.clone();
        let between = |tag: &str, close: &str| {
            let from = core.find(tag)? + tag.len();
            let from = from + core[from..].find('>')? + 1;
            let to = from + core[from..].find(close)?;
            Some(&core[from..to])
        };
        let plain = |text: &str| {
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
        };
        again.title = between("<dc:title", "</dc:title>").map(plain).unwrap_or_default();
        if let Some(created) =
            between("<dcterms:created", "</dcterms:created>").and_then(|at| at.parse().ok())
        {
            again.created = created;
        }
        let before = between("<cp:revision", "</cp:revision>").and_then(|text| text.parse::<u32>().ok());
        again.revision = before.unwrap_or(1).saturating_add(1);
        again.minutes += again.revision.saturating_mul(7) % 50;
        again
    }
}
