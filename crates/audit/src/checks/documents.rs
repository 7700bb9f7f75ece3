//! Tell 18: documents whose metadata fit nobody, or are the same everywhere.
//!
//! Libraries leave their own name where a program would leave a person's: `python-docx` as author and its template's birth
//! in 2013, `openpyxl`, ReportLab's `anonymous`. People's documents have people's names, of this host or of those who sent
//! them, and times around those of the file.

use std::collections::BTreeSet;

use super::Checked;
use crate::case::{Case, shown};
use crate::evidence::NamedDocument;
use crate::report::Finding;
use crate::stats::{ramp, reach, seconds, share};

pub(super) const POWER_DB: f64 = 12.0;
/// What libraries write where a person or a program should stand.
const LIBRARIES: [&str; 10] = [
    "python-docx",
    "openpyxl",
    "python-pptx",
    "xlsxwriter",
    "reportlab",
    "anonymous",
    "fpdf",
    "apache poi",
    "unknown author",
    "docx4j",
];

pub(super) fn check(case: &Case<'_>) -> Checked {
    let documents = &case.evidence.documents;
    if documents.is_empty() {
        return Checked::blind();
    }
    let reach = reach(documents.len(), 4);
    let findings = [
        libraries(documents, reach),
        strangers(case, reach),
        later(documents, reach),
        twins(documents, reach),
    ];
    Checked::new(reach, findings.into_iter().flatten())
}

fn told<'a>(documents: &[&'a NamedDocument], say: impl Fn(&NamedDocument) -> String) -> Vec<String> {
    let line = |document: &&'a NamedDocument| {
        format!("{}: {}", shown(&document.path), verisim_core::printable(&say(document)))
    };
    documents.iter().take(3).map(line).collect()
}

fn libraries(documents: &[NamedDocument], reach: f64) -> Option<Finding> {
    let is_library = |document: &&NamedDocument| {
        let meta = &document.document;
        let all = [&meta.author, &meta.last_author, &meta.program].map(|text| text.to_ascii_lowercase());
        LIBRARIES.iter().any(|library| all.iter().any(|text| text.contains(library)))
    };
    let made: Vec<&NamedDocument> = documents.iter().filter(is_library).collect();
    let weight = 12.0 * ramp(share(made.len(), documents.len()), 0.05, 0.5) * reach;
    Some(
        Finding::new(
            18,
            "made_by_a_library",
            weight,
            format!(
                "{} of {} documents were made by a library, not by a person's program",
                made.len(),
                documents.len()
            ),
        )
        .cases(made.len(), documents.len())
        .examples(told(&made, |document| {
            format!("{} {}", document.document.author, document.document.program)
        }))
        .see("exiftool -Author -Creator -Producer -Application -r /home")
        .mend("write author, program and times as the persona's own program does"),
    )
}

fn strangers(case: &Case<'_>, reach: f64) -> Option<Finding> {
    let documents = &case.evidence.documents;
    let named: Vec<&NamedDocument> =
        documents.iter().filter(|document| !document.document.author.is_empty()).collect();
    let authors: BTreeSet<&str> = named.iter().map(|document| document.document.author.as_str()).collect();
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 2)
            .map(str::to_lowercase)
            .collect()
    };
    let people: Vec<_> =
        case.evidence.accounts.iter().flatten().filter(|account| account.is_person()).take(500).collect();
    let is_known = |author: &str| {
        let author = words(author);
        people.iter().any(|person| {
            words(&person.full_name).intersection(&author).next().is_some()
                || author.contains(&person.login.to_lowercase())
        })
    };
    let homes: BTreeSet<_> =
        named.iter().filter_map(|document| case.home_of(&document.path)).map(|home| &home.path).collect();
    let fit = authors.iter().filter(|author| is_known(author)).count();
    // One name in the documents of several people, or names of nobody here.
    let same = authors.len() == 1 && homes.len() > 1;
    let none = fit == 0 && !people.is_empty() && named.len() >= 3 && !authors.is_empty();
    (same || none).then(|| {
        let what = if same {
            format!("{} documents in {} homes have one author", named.len(), homes.len())
        } else {
            format!("none of the {} authors of {} documents has an account here", authors.len(), named.len())
        };
        Finding::new(18, "authors_of_nobody", if same { 8.0 } else { 5.0 } * reach, what)
            .cases(named.len(), documents.len())
            .examples(told(&named, |document| document.document.author.clone()))
            .see("exiftool -Author -r /home | sort | uniq -c; getent passwd | cut -d: -f5")
            .mend("let each document name the person in whose home it is, or who sent it")
    })
}

/// Begun after the file was written for the last time, or saved at another time by days.
fn later(documents: &[NamedDocument], reach: f64) -> Option<Finding> {
    let is_later = |document: &&NamedDocument| {
        let written = seconds(document.mtime) + 86_400.0;
        let meta = &document.document;
        [meta.created, meta.modified].iter().flatten().any(|at| seconds(*at) > written)
    };
    let later: Vec<&NamedDocument> = documents.iter().filter(is_later).collect();
    let weight = 8.0 * ramp(share(later.len(), documents.len()), 0.05, 0.5) * reach;
    Some(
        Finding::new(
            18,
            "older_than_their_content",
            weight,
            format!(
                "{} of {} documents say that they were begun after their file was written",
                later.len(),
                documents.len()
            ),
        )
        .cases(later.len(), documents.len())
        .examples(told(&later, |document| {
            document.document.created.map(|at| at.to_string()).unwrap_or_default()
        }))
        .see("exiftool -CreateDate -ModifyDate -FileModifyDate -r /home")
        .mend("let what a document says of its times agree with those of its file"),
    )
}

fn twins(documents: &[NamedDocument], reach: f64) -> Option<Finding> {
    let created: Vec<_> = documents.iter().filter_map(|document| document.document.created).collect();
    let distinct: BTreeSet<_> = created.iter().collect();
    let same = created.len() - distinct.len();
    (created.len() >= 3).then(|| {
        Finding::new(
            18,
            "documents_of_one_moment",
            8.0 * ramp(share(same, created.len()), 0.2, 0.7) * reach,
            format!("{same} of {} documents were begun in the same second as another", created.len()),
        )
        .cases(same, created.len())
        .see("exiftool -CreateDate -r /home | sort | uniq -c")
        .mend("let each document be begun at a time of its own")
    })
}
