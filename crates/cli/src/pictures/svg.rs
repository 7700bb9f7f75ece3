//! Scalable vector graphics, as much of it as pictures need.

use std::fmt::{Display, Write as _};

/// The ink of axes and text, of what matters, of what it is compared with, and of what stands back.
pub(super) const INK: &str = "#3a3f4b";
pub(super) const FAINT: &str = "#d5d9e0";
pub(super) const BLUE: &str = "#2f6fb2";
pub(super) const ORANGE: &str = "#d9772b";
pub(super) const GREEN: &str = "#4b9a66";

/// A picture that grows.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// How a text stands to its point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) const fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// A filled rectangle. A `title` is shown to whoever points at it.
    pub(super) fn rect(&mut self, [x, y, width, height]: [f64; 4], fill: &str, title: Option<&str>) {
        let _ = write!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}""#
        );
        self.close("rect", title);
    }

    pub(super) fn circle(&mut self, x: f64, y: f64, radius: f64, fill: &str, title: Option<&str>) {
        let _ = write!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{fill}""#);
        self.close("circle", title);
    }

    pub(super) fn line(&mut self, [x1, y1, x2, y2]: [f64; 4], stroke: &str, width: f64) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{stroke}" stroke-width="{width}"/>"#
        );
    }

    /// A line through points.
    pub(super) fn path(&mut self, points: &[(f64, f64)], stroke: &str, width: f64) {
        let _ =
            write!(self.body, r#"<polyline fill="none" stroke="{stroke}" stroke-width="{width}" points=""#);
        for (x, y) in points {
            let _ = write!(self.body, "{x:.1},{y:.1} ");
        }
        self.body.push_str("\"/>\n");
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: impl Display) {
        self.words(x, y, anchor, 12, INK, &text.to_string());
    }

    pub(super) fn small(&mut self, x: f64, y: f64, anchor: Anchor, text: impl Display) {
        self.words(x, y, anchor, 10, "#6b7280", &text.to_string());
    }

    fn words(&mut self, x: f64, y: f64, anchor: Anchor, size: u8, fill: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" fill="{fill}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    fn close(&mut self, name: &str, title: Option<&str>) {
        let _ = match title {
            Some(title) => writeln!(self.body, "><title>{}</title></{name}>", escaped(title)),
            None => writeln!(self.body, "/>"),
        };
    }

    /// As a part of a page.
    pub(super) fn inline(&self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" \
             font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">\n{2}</svg>\n",
            self.width, self.height, self.body
        )
    }

    /// As a file of its own.
    pub(super) fn file(&self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.inline())
    }
}

/// Text that no markup is read in.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Where numbers stand on an axis; between `from` and `to` on the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Axis {
    pub(super) const fn plain(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high, from, to, log: false }
    }

    /// Equal factors are equally long.
    pub(super) const fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high, from, to, log: true }
    }

    /// Numbers beyond the ends stand at them.
    pub(super) fn at(&self, number: f64) -> f64 {
        let number = number.clamp(self.low, self.high);
        let share = if self.log {
            (number / self.low).ln() / (self.high / self.low).ln()
        } else {
            (number - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text(0.0, 0.0, Anchor::Start, "<script>&\"");
        svg.rect([0.0; 4], INK, Some("</title>"));
        let text = svg.file();
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;&amp;&quot;"), "{text}");
        assert_eq!(text.matches("</title>").count(), 1);
    }

    #[test]
    fn axes_keep_what_is_beyond_them_at_their_ends() {
        let axis = Axis::log(1.0, 100.0, 0.0, 200.0);
        assert_eq!([axis.at(0.0), axis.at(10.0), axis.at(1e9)].map(f64::round), [0.0, 100.0, 200.0]);
        let axis = Axis::plain(0.0, 10.0, 100.0, 0.0);
        assert_eq!([axis.at(-1.0), axis.at(5.0), axis.at(11.0)], [100.0, 50.0, 0.0]);
    }
}
