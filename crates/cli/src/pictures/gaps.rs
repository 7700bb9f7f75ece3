//! The gaps between plants and edits, on axes of equal factors, against those of people.

use super::Picture;
use super::svg::{Anchor, Axis, BLUE, FAINT, ORANGE, Svg};

/// Of the gaps of 65 people, the author dates of their commits to public projects: the share of gaps that are longer, and the
/// 5 %, 50 % and 95 % quantiles over people of the gap at which it is so, in minutes. From the table of people that the tests of
/// the planner compare it with.
const PEOPLE: [(f64, [f64; 3]); 6] = [
    (0.9, [0.62, 3.5, 89.8]),
    (0.75, [1.1, 16.8, 333.0]),
    (0.5, [5.82, 171.7, 1622.0]),
    (0.25, [50.1, 1250.0, 7837.0]),
    (0.1, [1199.0, 5383.0, 22_428.0]),
    (0.01, [7283.0, 37_506.0, 165_539.0]),
];

const TICKS: [(f64, &str); 8] = [
    (0.1, "6 s"),
    (1.0, "1 min"),
    (10.0, "10 min"),
    (60.0, "1 h"),
    (480.0, "8 h"),
    (1440.0, "1 day"),
    (10_080.0, "1 week"),
    (43_200.0, "30 days"),
];

pub(super) fn picture(gaps: &[f32]) -> Picture {
    let (left, right, top, bottom) = (56.0, 760.0, 16.0, 330.0);
    let mut svg = Svg::new(780.0, 372.0);
    let minutes = Axis::log(0.05, 200_000.0, left, right);
    let share = Axis::log(0.001, 1.0, bottom, top);
    for (at, name) in TICKS {
        let x = minutes.at(at);
        svg.line([x, top, x, bottom], FAINT, 0.7);
        svg.small(x, bottom + 16.0, Anchor::Middle, name);
    }
    for (at, name) in [(1.0, "100 %"), (0.1, "10 %"), (0.01, "1 %"), (0.001, "0.1 %")] {
        let y = share.at(at);
        svg.line([left, y, right, y], FAINT, 0.7);
        svg.small(left - 6.0, y + 4.0, Anchor::End, name);
    }
    for (longer, [low, middle, high]) in PEOPLE {
        let y = share.at(longer);
        svg.line([minutes.at(low), y, minutes.at(high), y], ORANGE, 2.0);
        svg.circle(
            minutes.at(middle),
            y,
            4.0,
            ORANGE,
            Some("people: from the 5 % to the 95 % quantile, and the middle"),
        );
    }
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f32::total_cmp);
    let count = sorted.len().max(1) as f64;
    let step = (sorted.len() / 600).max(1);
    let longer = |place: usize| (count - place as f64) / count;
    let points: Vec<(f64, f64)> = sorted
        .iter()
        .enumerate()
        .filter(|(place, _)| place % step == 0 || place + 200 > sorted.len())
        .map(|(place, gap)| (minutes.at(f64::from(*gap)), share.at(longer(place))))
        .collect();
    svg.path(&points, BLUE, 2.0);
    svg.text(
        (left + right) / 2.0,
        bottom + 36.0,
        Anchor::Middle,
        "time between one plant or edit and the next",
    );
    let text = format!(
        "The share of {} gaps that are longer than so long, over all personas (blue), and the same of 65 people, from the 5 % to the \
         95 % quantile over people with the middle as a dot (orange). People were watched for years: their long gaps are longer than \
         a few months can hold.",
        gaps.len()
    );
    Picture { name: "gaps", title: "Gaps", text, svg }
}
