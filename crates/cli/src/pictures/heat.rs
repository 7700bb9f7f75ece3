//! How much happens hour by weekday.

use super::Picture;
use super::svg::{Anchor, Svg};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const CELL: [f64; 2] = [26.0, 20.0];
const LEFT: f64 = 46.0;

/// The heat maps of those who keep free hours and of those who keep office hours.
pub(super) fn picture(heat: &[[[u32; 24]; 7]; 2]) -> Picture {
    let height = 2.0 * (7.0 * CELL[1] + 54.0);
    let mut svg = Svg::new(LEFT + 24.0 * CELL[0] + 12.0, height);
    let mut top = 8.0;
    for (name, heat) in ["free hours", "office hours"].into_iter().zip(heat) {
        let total: u32 = heat.iter().flatten().sum();
        svg.text(LEFT, top + 12.0, Anchor::Start, format!("who keeps {name}: {total} plants and edits"));
        table(&mut svg, top + 20.0, heat);
        top += height / 2.0;
    }
    let text = "Local hour by weekday; the darker, the more plants and edits. A lunch is lighter, a night is empty, and only those \
                who keep free hours have evenings and weekends.";
    Picture { name: "heat", title: "The week", text: text.into(), svg }
}

fn table(svg: &mut Svg, top: f64, heat: &[[u32; 24]; 7]) {
    let most = heat.iter().flatten().copied().max().unwrap_or(0).max(1);
    for (row, (day, hours)) in (0_u8..).zip(DAYS.into_iter().zip(heat)) {
        let y = top + f64::from(row) * CELL[1];
        svg.small(LEFT - 8.0, y + 14.0, Anchor::End, day);
        for (hour, count) in (0_u8..).zip(hours) {
            let x = LEFT + f64::from(hour) * CELL[0];
            let title = format!("{day} {hour:02}:00: {count}");
            svg.rect([x, y, CELL[0] - 1.0, CELL[1] - 1.0], &shade(*count, most), Some(&title));
        }
    }
    for hour in (0_u8..24).step_by(3) {
        let x = LEFT + f64::from(hour) * CELL[0];
        svg.small(x, top + 7.0 * CELL[1] + 12.0, Anchor::Start, format!("{hour:02}"));
    }
}

/// From almost white to dark blue; the root lets small numbers be seen.
fn shade(count: u32, most: u32) -> String {
    let share = (f64::from(count) / f64::from(most)).sqrt();
    let mix = |light: f64, dark: f64| (light + (dark - light) * share).round();
    format!("rgb({},{},{})", mix(244.0, 18.0), mix(246.0, 62.0), mix(249.0, 116.0))
}
