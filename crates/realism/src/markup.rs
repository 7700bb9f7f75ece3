//! The few forms in which people mark up plain text, by the ending of the file.

use verisim_core::DecoyPath;

use crate::habits::Heading;

/// How headings, lists and special characters are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Markup {
    /// Text as it comes; headings in the persona's way.
    Plain(Heading),
    Markdown,
    Restructured,
    AsciiDoc,
    Org,
    Latex,
}

impl Markup {
    pub(crate) fn of(path: &DecoyPath, heading: Heading) -> Self {
        let name = path.file_name().unwrap_or_default();
        let ends = |ending: &[u8]| name.ends_with(ending);
        match () {
            () if ends(b".md") => Self::Markdown,
            () if ends(b".rst") => Self::Restructured,
            () if ends(b".adoc") => Self::AsciiDoc,
            () if ends(b".org") => Self::Org,
            () if ends(b".tex") => Self::Latex,
            () => Self::Plain(heading),
        }
    }

    /// Adds what stands before the first section.
    pub(crate) fn begin(self, title: &str, author: &str, date: &str, signed: bool, out: &mut String) {
        if self == Self::Latex {
            let (title, author) = (self.escaped(title.to_owned()), self.escaped(author.to_owned()));
            out.push_str("\\documentclass[11pt,a4paper]{article}\n\\usepackage[utf8]{inputenc}\n");
            out.push_str(&format!("\\title{{{title}}}\n\\author{{{author}}}\n\\date{{{date}}}\n"));
            out.push_str("\n\\begin{document}\n\\maketitle\n");
            return;
        }
        self.heading(title, 1, out);
        if signed {
            out.push_str(&format!("{author}, {date}\n\n"));
        }
    }

    /// Adds what stands after the last section.
    pub(crate) fn end(self, out: &mut String) {
        if self == Self::Latex {
            out.push_str("\n\\end{document}\n");
        }
    }

    /// The line that closes the file, where there is one, counted from 0.
    pub(crate) fn last_line(self, lines: &[&[u8]]) -> Option<u32> {
        let last = lines.len().checked_sub(1)?;
        let closes = self == Self::Latex && lines[last] == b"\\end{document}";
        closes.then(|| u32::try_from(last).unwrap_or(u32::MAX))
    }

    /// Adds a heading of this level and what follows it.
    pub(crate) fn heading(self, text: &str, level: usize, out: &mut String) {
        let ruled = |mark: &str| format!("{text}\n{}\n\n", mark.repeat(text.chars().count()));
        let done = match self {
            Self::Plain(Heading::Hash) => format!("{} {text}\n\n", "#".repeat(level)),
            Self::Markdown => format!("{} {text}\n\n", "#".repeat(level)),
            Self::Plain(Heading::Underlined) | Self::Restructured => {
                ruled(if level == 1 { "=" } else { "-" })
            }
            Self::Plain(Heading::Capitals) => format!("{}\n\n", text.to_uppercase()),
            Self::Plain(Heading::Colon) => format!("{text}:\n"),
            Self::AsciiDoc => format!("{} {text}\n\n", "=".repeat(level)),
            Self::Org => format!("{} {text}\n", "*".repeat(level)),
            Self::Latex => format!("\\section{{{}}}\n", self.escaped(text.to_owned())),
        };
        out.push_str(&done);
    }

    pub(crate) fn list_begins(self, out: &mut String) {
        if self == Self::Latex {
            out.push_str("\\begin{itemize}\n");
        }
    }

    pub(crate) fn list_ends(self, out: &mut String) {
        if self == Self::Latex {
            out.push_str("\\end{itemize}\n");
        }
    }

    /// Adds an entry of a list.
    pub(crate) fn item(self, text: &str, out: &mut String) {
        out.push_str(match self {
            Self::Latex => "  \\item ",
            Self::AsciiDoc => "* ",
            Self::Plain(_) | Self::Markdown | Self::Restructured | Self::Org => "- ",
        });
        out.push_str(&self.escaped(text.to_owned()));
        out.push('\n');
    }

    /// The text with what means something in this form set apart.
    pub(crate) fn escaped(self, text: String) -> String {
        if self != Self::Latex || !text.contains(['%', '&', '#', '_', '$', '€', '>']) {
            return text;
        }
        let mut out = String::with_capacity(text.len() + 16);
        for letter in text.chars() {
            match letter {
                '%' | '&' | '#' | '_' | '$' => out.extend(['\\', letter]),
                '€' => out.push_str("EUR"),
                '>' => out.push_str("$>$"),
                _ => out.push(letter),
            }
        }
        out
    }

    /// Whether a line is one of prose, which may be changed or go by itself.
    pub(crate) fn is_text(self, line: &[u8]) -> bool {
        let first = line.first().copied().unwrap_or(b' ');
        line.len() > 40 && (first.is_ascii_alphabetic() || !first.is_ascii())
    }

    /// Adds a text with its lines broken at `columns`, or as it is for 0.
    pub(crate) fn wrapped(self, text: &str, columns: usize, out: &mut String) {
        if columns == 0 {
            out.push_str(text);
            return;
        }
        for line in text.split('\n') {
            let mut column = 0;
            for word in line.split(' ') {
                let length = word.chars().count();
                if column > 0 {
                    let breaks = column + 1 + length > columns;
                    out.push(if breaks { '\n' } else { ' ' });
                    column = if breaks { 0 } else { column + 1 };
                }
                out.push_str(word);
                column += length;
            }
            out.push('\n');
        }
        out.pop();
    }
}
