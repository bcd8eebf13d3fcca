//! A plot of how many requests were answered within what time, as SVG.

use std::fmt::Write as _;

use super::figures::quantile;

const SIZE: (f64, f64) = (760.0, 400.0);
/// Of the area of the curves: left, top, right, bottom.
const AREA: [f64; 4] = [60.0, 40.0, 740.0, 345.0];
/// Points of a curve: as many as are told apart.
const POINTS: u32 = 160;
/// Distinct to those who cannot tell red from green, too.
const COLOURS: [&str; 4] = ["#d55e00", "#e69f00", "#009e73", "#0072b2"];

/// A curve for each of the named lists of latencies in milliseconds, which go up.
pub(crate) fn svg(title: &str, curves: &[(&str, Vec<f64>)]) -> String {
    let (width, height) = SIZE;
    let scale = Scale::of(curves);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>{0}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{1}\" y=\"24\" font-size=\"15\">{0}</text>\n",
        escaped(title),
        AREA[0],
    );
    svg.push_str(&grid(&scale));
    for (index, (name, latencies)) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points(&scale, latencies)
        )
        .ok();
        let y = AREA[3] - 20.0 * (curves.len() - index) as f64;
        writeln!(
            svg,
            "<rect x=\"{0}\" y=\"{1}\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"{2}\" y=\"{3}\">{4}</text>",
            AREA[2] - 100.0,
            y,
            AREA[2] - 80.0,
            y + 6.0,
            escaped(name)
        )
        .ok();
    }
    svg.push_str("</svg>\n");
    svg
}

/// Milliseconds from left to right by their logarithm, parts of one from the bottom up.
struct Scale {
    least: f64,
    most: f64,
}

/// What has a line and a number: these times a power of ten.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];
/// Powers of ten that there are: from a microsecond to more than a day.
const POWERS: std::ops::RangeInclusive<i32> = -3..=8;

impl Scale {
    /// From one numbered line to another one, with everything in between.
    fn of(curves: &[(&str, Vec<f64>)]) -> Self {
        let ends = |end: fn(&[f64]) -> Option<&f64>| {
            curves.iter().filter_map(move |(_, latencies)| end(latencies)).copied()
        };
        let (first, last) =
            (ends(<[f64]>::first).fold(1.0, f64::min), ends(<[f64]>::last).fold(10.0, f64::max));
        Self {
            least: Self::lines().filter(|line| *line <= first).fold(1e-3, f64::max),
            most: Self::lines().find(|line| *line >= last).unwrap_or(last),
        }
    }

    fn lines() -> impl Iterator<Item = f64> {
        POWERS.flat_map(|power| STEPS.map(|step| step * 10_f64.powi(power)))
    }

    fn x(&self, milliseconds: f64) -> f64 {
        let part = (milliseconds.max(self.least) / self.least).ln() / (self.most / self.least).ln();
        AREA[0] + part * (AREA[2] - AREA[0])
    }

    fn y(part: f64) -> f64 {
        AREA[3] - part * (AREA[3] - AREA[1])
    }
}

fn grid(scale: &Scale) -> String {
    let [left, top, right, bottom] = AREA;
    let mut svg = String::from("<g stroke=\"#ddd\">\n");
    let mut texts = String::from("<g fill=\"#444\">\n");
    for percent in [0, 25, 50, 75, 90, 100] {
        let y = Scale::y(f64::from(percent) / 100.0);
        writeln!(svg, "<path d=\"M{left} {y:.1}H{right}\"/>").ok();
        writeln!(
            texts,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent}%</text>",
            left - 6.0,
            y + 4.0
        )
        .ok();
    }
    for line in Scale::lines().filter(|line| (scale.least..=scale.most).contains(line)) {
        let x = scale.x(line);
        // Beside a power of ten's own error.
        let milliseconds = (line * 1e3).round() / 1e3;
        writeln!(svg, "<path d=\"M{x:.1} {top}V{bottom}\"/>").ok();
        writeln!(
            texts,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{milliseconds}</text>",
            bottom + 18.0
        )
        .ok();
    }
    writeln!(
        texts,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">answered within so many milliseconds</text>",
        f64::midpoint(left, right),
        bottom + 40.0
    )
    .ok();
    svg + "</g>\n" + &texts + "</g>\n"
}

fn points(scale: &Scale, latencies: &[f64]) -> String {
    let parts = (0..=POINTS).map(|point| f64::from(point) / f64::from(POINTS));
    let points = parts.filter_map(|part| Some((scale.x(quantile(latencies, part)?), Scale::y(part))));
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    points.join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends with a message where a tag is not closed, or another one is, or an attribute has no quotes.
    fn check(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("a tag that ends");
            assert!(!text.contains('>'), "{text}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.trim_matches('/').split([' ', '/']).next().unwrap();
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn the_plot_is_well_formed_whatever_is_in_it() {
        check(&svg("a < b & c", &[("none", vec![60.0, 70.0, 5000.0]), ("<local>", vec![0.4])]));
        check(&svg("nothing", &[("none", Vec::new())]));
        check(&svg("no curves", &[]));
    }

    #[test]
    fn a_curve_goes_from_the_bottom_to_the_top_within_the_area() {
        let latencies: Vec<f64> = (1..=1000).map(f64::from).collect();
        let curves = [("x", latencies)];
        let points = points(&Scale::of(&curves), &curves[0].1);
        assert!(points.starts_with("60.0,345.0 ") && points.ends_with(" 740.0,40.0"), "{points}");
    }
}
