//! Reading one table of the configuration: every key is asked for by name, and what nobody asked for is a mistake.

use std::cell::RefCell;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Report, nearest};

/// A value together with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) span: Range<usize>,
}

/// One table while it is read.
pub(super) struct Section<'a> {
    table: &'a DeTable<'a>,
    /// Where the table begins: for what is missing.
    pub(super) span: Range<usize>,
    report: &'a Report,
    asked: RefCell<Vec<&'static str>>,
    title: &'static str,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        title: &'static str,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        report: &'a Report,
    ) -> Self {
        Self { table, span, report, asked: RefCell::default(), title }
    }

    pub(super) fn mistake(&self, span: Range<usize>, what: impl Into<String>, mend: impl Into<String>) {
        self.report.add(span, what, mend);
    }

    /// Whether a heading of this name is broken, so that what it names may well be there.
    pub(super) fn is_torn(&self, name: &str) -> bool {
        self.report.is_torn(name)
    }

    pub(super) fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        drop(asked);
        self.table.get(key)
    }

    /// The text under a key, if it is one; nothing is noted.
    pub(super) fn peek(&self, key: &str) -> Option<&'a str> {
        self.table.get(key).and_then(|value| value.get_ref().as_str())
    }

    /// Where the value of a key stands.
    pub(super) fn place_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.mistake(
            value.span(),
            format!("`{key}` is {} {found}", article(found)),
            format!("write {wanted}"),
        );
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str, example: &str) -> Option<At<&'a str>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.as_ref(), span: value.span() }),
            _ => {
                self.wrong_type(key, value, &format!("a text in quotes, for instance {key} = \"{example}\""));
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, key: &'static str, example: &str) -> Option<At<&'a str>> {
        if self.value(key).is_none() {
            self.missing(key, &format!("\"{example}\""));
        }
        self.text(key, example)
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&self, key: &str, example: &str) {
        self.mistake(
            self.span.clone(),
            format!("{} has no `{key}`", self.title),
            format!("add, for instance: {key} = {example}"),
        );
    }

    /// A text that stands for something else.
    pub(super) fn parsed<T>(&self, key: &'static str, example: &str) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        self.parse_with(key, example, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// A text that stands for something else, read by `parse`; its error says what is wrong.
    pub(super) fn parse_with<T>(
        &self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let text = self.text(key, example)?;
        match parse(text.value) {
            Ok(value) => Some(At { value, span: text.span }),
            Err(what) => {
                self.mistake(
                    text.span,
                    format!("`{key}`: {what}"),
                    format!("for instance {key} = \"{example}\""),
                );
                None
            }
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<At<u64>> {
        let value = self.value(key)?;
        let limits = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, value, &limits);
            return None;
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if range.contains(&number) => Some(At { value: number, span: value.span() }),
            _ => {
                let what = format!("`{key}` is {number}, which is out of range");
                self.mistake(value.span(), what, format!("write {limits}"));
                None
            }
        }
    }

    /// A number, with or without a decimal point, within the range.
    pub(super) fn decimal(&self, key: &'static str, least: f64, most: f64) -> Option<At<f64>> {
        let value = self.value(key)?;
        let limits = format!("a number from {least} to {most}");
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<f64>().ok(),
            _ => {
                self.wrong_type(key, value, &limits);
                return None;
            }
        };
        match number {
            Some(number) if (least..=most).contains(&number) => {
                Some(At { value: number, span: value.span() })
            }
            _ => {
                self.mistake(value.span(), format!("`{key}` is out of range"), format!("write {limits}"));
                None
            }
        }
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "true or false, without quotes");
        }
        flag
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &'static str, example: &str) -> Vec<At<&'a str>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let wanted = format!("a list of texts, for instance {key} = [\"{example}\"]");
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(key, value, &wanted);
            return Vec::new();
        };
        list.iter()
            .filter_map(|item| match item.get_ref() {
                DeValue::String(text) => Some(At { value: text.as_ref(), span: item.span() }),
                _ => {
                    self.wrong_type(key, item, &wanted);
                    None
                }
            })
            .collect()
    }

    /// A list of names.
    pub(super) fn names<T>(&self, key: &'static str, example: &str) -> Vec<At<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        self.texts(key, example)
            .into_iter()
            .filter_map(|text| match text.value.parse() {
                Ok(value) => Some(At { value, span: text.span }),
                Err(error) => {
                    let error: T::Err = error;
                    self.mistake(
                        text.span,
                        format!("`{key}`: {error}"),
                        format!("for instance \"{example}\""),
                    );
                    None
                }
            })
            .collect()
    }

    /// An inner table.
    pub(super) fn table(&self, key: &'static str, title: &'static str, example: &str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(title, table, value.span(), self.report)),
            _ => {
                self.wrong_type(key, value, &format!("{key} = {example}"));
                None
            }
        }
    }

    /// A list of tables: `[[key]]` in the file.
    pub(super) fn tables(&self, key: &'static str, title: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let wanted = format!("every {key} begins with a line [[{key}]]");
        let Some(list) = value.get_ref().as_array() else {
            self.mistake(value.span(), format!("`{key}` is not a list of tables"), wanted);
            return Vec::new();
        };
        list.iter()
            .filter_map(|item| match item.get_ref() {
                DeValue::Table(table) => Some(Section::new(title, table, item.span(), self.report)),
                _ => {
                    self.mistake(
                        item.span(),
                        format!("`{key}` holds something that is no table"),
                        wanted.clone(),
                    );
                    None
                }
            })
            .collect()
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.into_inner();
        for (key, _) in self.table {
            let word = key.get_ref().as_ref();
            if asked.contains(&word) {
                continue;
            }
            let mend = match nearest(word, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{} knows: {}", self.title, asked.join(", ")),
            };
            let what = format!("{} has no key `{}`", self.title, verisim_core::printable(word));
            self.report.add(key.span(), what, mend);
        }
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
