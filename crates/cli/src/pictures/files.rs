//! Ages, sizes, and what lies where.

use std::collections::{BTreeMap, HashMap};

use verisim_core::{DecoyPath, FileClass, Timestamp};
use verisim_realism::{CLASSES, DecoyIndex};

use super::svg::{Anchor, Axis, BLUE, FAINT, GREEN, INK, ORANGE, Svg};
use super::{File, Picture};

/// Sizes of files on Unix disks, 12 million of them (Irlam, 1993): mean and standard deviation of the logarithm of the bytes.
const SIZE_LN_MEAN: f64 = 7.48;
const SIZE_LN_SD: f64 = 1.98;
/// The map shows so many decoys, and so many files of each.
const ROWS_MAX: usize = 40;
const CELLS_MAX: usize = 110;

/// Bars of a histogram whose classes are equal factors.
fn bars(svg: &mut Svg, axis: &Axis, numbers: &[f64], edges: &[f64], [top, bottom]: [f64; 2]) -> f64 {
    let count = |pair: &[f64]| {
        numbers.iter().filter(|number| **number >= pair[0] && **number < pair[1]).count() as f64
    };
    let shares: Vec<f64> = edges.windows(2).map(|pair| count(pair) / numbers.len().max(1) as f64).collect();
    let most = shares.iter().copied().fold(0.01, f64::max) * 1.1;
    let height = Axis::plain(0.0, most, bottom, top);
    for (pair, share) in edges.windows(2).zip(&shares) {
        let (x, y) = (axis.at(pair[0]), height.at(*share));
        let title = format!("{:.1} % of {}", share * 100.0, numbers.len());
        svg.rect([x, y, axis.at(pair[1]) - x - 1.0, bottom - y], BLUE, Some(&title));
    }
    most
}

fn edges(low: f64, high: f64, count: u16) -> Vec<f64> {
    (0..=count).map(|place| low * (high / low).powf(f64::from(place) / f64::from(count))).collect()
}

/// How long ago the files that are there at the end were changed.
pub(super) fn ages<'a>(files: impl Iterator<Item = &'a File>, end: Timestamp) -> Picture {
    let days: Vec<f64> =
        files.map(|file| (end.duration_since(file.changed).as_secs_f64() / 86_400.0).max(0.02)).collect();
    let (left, right, top, bottom) = (20.0, 760.0, 12.0, 230.0);
    let axis = Axis::log(0.02, 730.0, left, right);
    let mut svg = Svg::new(780.0, 268.0);
    let (from, to) = (axis.at(80.0), axis.at(160.0));
    svg.rect(
        [from, top, to - from, bottom - top],
        "#fbe6d3",
        Some("the medians of grown homes: 80 to 160 days"),
    );
    bars(&mut svg, &axis, &days, &edges(0.02, 730.0, 40), [top, bottom]);
    let ticks = [
        (0.042, "1 h"),
        (0.333, "8 h"),
        (1.0, "1 day"),
        (7.0, "1 week"),
        (30.0, "1 month"),
        (365.0, "1 year"),
    ];
    for (at, name) in ticks {
        svg.small(axis.at(at), bottom + 16.0, Anchor::Middle, name);
    }
    svg.text((left + right) / 2.0, bottom + 34.0, Anchor::Middle, "time since the last change, at the end");
    let text = format!(
        "{} files are there at the end. In homes that grew for years the median age is 80 to 160 days (shaded): a simulation that \
         begins with nothing becomes that old only after such a time.",
        days.len()
    );
    Picture { name: "ages", title: "Ages", text, svg }
}

/// How large new files are; `None` where no content was made.
pub(super) fn sizes(sizes: &[u64]) -> Option<Picture> {
    let bytes: Vec<f64> = sizes.iter().map(|size| (*size).max(1) as f64).collect();
    if bytes.is_empty() {
        return None;
    }
    let (left, right, top, bottom) = (20.0, 760.0, 12.0, 230.0);
    let (low, high, count) = (8.0, 8.0 * 1024.0 * 1024.0, 40);
    let axis = Axis::log(low, high, left, right);
    let mut svg = Svg::new(780.0, 268.0);
    let most = bars(&mut svg, &axis, &bytes, &edges(low, high, count), [top, bottom]);
    let height = Axis::plain(0.0, most, bottom, top);
    let class = (high / low).ln() / f64::from(count);
    let density = |size: f64| {
        let z = (size.ln() - SIZE_LN_MEAN) / SIZE_LN_SD;
        (-z * z / 2.0).exp() / (SIZE_LN_SD * std::f64::consts::TAU.sqrt()) * class
    };
    let curve: Vec<(f64, f64)> =
        edges(low, high, 160).into_iter().map(|size| (axis.at(size), height.at(density(size)))).collect();
    svg.path(&curve, ORANGE, 2.0);
    let ticks =
        [(16.0, "16 B"), (256.0, "256 B"), (4096.0, "4 KiB"), (65_536.0, "64 KiB"), (1_048_576.0, "1 MiB")];
    for (at, name) in ticks {
        svg.small(axis.at(at), bottom + 16.0, Anchor::Middle, name);
    }
    svg.text((left + right) / 2.0, bottom + 34.0, Anchor::Middle, "size of a new file");
    let text =
        format!("{} new files (blue), and the files of Unix disks (orange: Irlam, 1993).", bytes.len());
    Some(Picture { name: "sizes", title: "Sizes", text, svg })
}

const fn color(class: FileClass) -> &'static str {
    match class {
        FileClass::Note => BLUE,
        FileClass::Todo => "#8db7dd",
        FileClass::Draft => GREEN,
        FileClass::Script => ORANGE,
        FileClass::CronLog => "#8a8f9c",
        FileClass::DaemonLog => "#5c6270",
        FileClass::Scratch => "#e3cf57",
        FileClass::Record | FileClass::Manual => INK,
        FileClass::Document => "#7a4fa3",
        FileClass::Spreadsheet => "#3a9a8f",
        FileClass::Source => "#c2603a",
        FileClass::Configuration => "#b3a18a",
        FileClass::Cache => "#d5d8de",
    }
}

/// What lies on which decoy: a row a decoy, a cell a file in the order in which they came, taller the more often it changed.
pub(super) fn map(
    files: &HashMap<(DecoyIndex, DecoyPath), File>,
    decoys: usize,
    contents: usize,
    twice: usize,
) -> Picture {
    let mut rows: BTreeMap<DecoyIndex, Vec<(&DecoyPath, &File)>> = BTreeMap::new();
    for ((decoy, path), file) in files {
        rows.entry(*decoy).or_default().push((path, file));
    }
    let (cell, row, left, top) = (6.0, 13.0, 20.0, 40.0);
    let shown = rows.len().min(ROWS_MAX);
    let mut svg = Svg::new(780.0, top + shown as f64 * row + 10.0);
    for (class, place) in CLASSES.into_iter().zip(0_u8..) {
        let (x, y) = (left + f64::from(place % 6) * 122.0, 6.0 + f64::from(place / 6) * 15.0);
        svg.rect([x, y, 9.0, 9.0], color(class), None);
        svg.small(x + 13.0, y + 8.0, Anchor::Start, class);
    }
    for (place, files) in rows.values_mut().take(ROWS_MAX).enumerate() {
        files.sort_by(|a, b| (a.1.planted, a.0).cmp(&(b.1.planted, b.0)));
        let bottom = top + (place + 1) as f64 * row;
        svg.line([left, bottom, 770.0, bottom], FAINT, 0.5);
        for (place, (path, file)) in files.iter().take(CELLS_MAX).enumerate() {
            let height = (3.0 + 2.0 * f64::from(file.edits).sqrt()).min(row - 2.0);
            let title = format!("{path}: {} edits", file.edits);
            let x = left + place as f64 * cell;
            svg.rect([x, bottom - height, cell - 1.0, height], color(file.class), Some(&title));
        }
    }
    let mut text = format!(
        "A row a decoy ({shown} of {decoys} are shown), a cell a file that is there at the end, in the order in which they came; the \
         taller, the more often it was changed."
    );
    if contents > 0 {
        text += &format!(
            " Of {} new files, {twice} had a content that another one had before.",
            contents + twice
        );
    }
    Picture { name: "map", title: "What lies where", text, svg }
}
