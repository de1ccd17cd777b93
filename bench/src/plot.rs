//! Plots as SVG, written by hand: a crate for it would have changed the features that the SDK is built with.

use std::fmt::Write;
use std::path::Path;

use crate::Result;
use crate::report::{number, thinned};

/// A line of a plot.
#[derive(Debug, Clone)]
pub struct Line {
    /// What the legend says.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Debug)]
pub struct Plot {
    /// What the file is called.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// The horizontal axis.
    pub x: String,
    /// The vertical axis.
    pub y: String,
    /// Whether both axes are logarithmic.
    pub is_logarithmic: bool,
    /// What is compared.
    pub lines: Vec<Line>,
    /// What they are held against, dashed.
    pub limit: Option<Line>,
}

/// Colours that stay apart for most eyes: Okabe and Ito, <https://jfly.uni-koeln.de/color/>.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const GREY: &str = "#555555";
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 230.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// One axis: values onto pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_logarithmic: bool,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, is_logarithmic: bool, from: f64, to: f64) -> Self {
        let (least, most) = (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN_POSITIVE, f64::max));
        match is_logarithmic {
            true => Self { low: (least.max(1e-3) * 0.7).log10(), high: (most * 1.4).log10(), from, to, is_logarithmic },
            false => Self { low: 0.0, high: most * 1.03, from, to, is_logarithmic },
        }
    }

    fn at(&self, value: f64) -> f64 {
        let value = if self.is_logarithmic { value.max(1e-3).log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values within the axis: powers of ten, or five or so steps of 1, 2 or 5.
    fn ticks(&self) -> Vec<f64> {
        if self.is_logarithmic {
            let powers = (self.low.ceil() as i32)..=(self.high.floor() as i32);
            return powers.map(|power| 10_f64.powi(power)).collect();
        }
        let rough = (self.high - self.low) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|of| of * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        (0..20).map(|n| f64::from(n) * step).take_while(|tick| *tick <= self.high).collect()
    }
}

impl Plot {
    /// Writes the SVG.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{}.svg", self.name)), self.svg()?)?;
        Ok(())
    }

    fn svg(&self) -> Result<String> {
        let points = self.lines.iter().chain(&self.limit).flat_map(|line| line.points.iter());
        let x = Axis::new(points.clone().map(|point| point.0), self.is_logarithmic, LEFT, WIDTH - RIGHT);
        let y = Axis::new(points.map(|point| point.1), self.is_logarithmic, HEIGHT - BOTTOM, TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        text(&mut svg, (LEFT, 28.0), "start", &self.title)?;
        self.axes(&mut svg, &x, &y)?;
        for (index, line) in self.lines.iter().enumerate() {
            self.line(&mut svg, (&x, &y), line, (index, COLOURS[index % COLOURS.len()], ""))?;
        }
        if let Some(limit) = &self.limit {
            self.line(&mut svg, (&x, &y), limit, (self.lines.len(), GREY, " stroke-dasharray=\"6 4\""))?;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    fn axes(&self, svg: &mut String, x: &Axis, y: &Axis) -> Result<()> {
        for tick in x.ticks() {
            let at = x.at(tick);
            grid(svg, (at, TOP), (at, HEIGHT - BOTTOM))?;
            text(svg, (at, HEIGHT - BOTTOM + 18.0), "middle", &number(tick))?;
        }
        for tick in y.ticks() {
            let at = y.at(tick);
            grid(svg, (LEFT, at), (WIDTH - RIGHT, at))?;
            text(svg, (LEFT - 8.0, at + 4.0), "end", &number(tick))?;
        }
        text(svg, (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 16.0), "middle", &self.x)?;
        text(svg, (LEFT - 8.0, TOP - 8.0), "end", &self.y)
    }

    /// The line, and its name beside the plot.
    fn line(
        &self,
        svg: &mut String,
        (x, y): (&Axis, &Axis),
        line: &Line,
        (index, colour, dash): (usize, &str, &str),
    ) -> Result<()> {
        let points: Vec<(f64, f64)> =
            thinned(&line.points).into_iter().map(|point| (x.at(point.0), y.at(point.1))).collect();
        let joined: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let stroke = format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}");
        writeln!(svg, "<polyline points=\"{}\" {stroke}/>", joined.join(" "))?;
        if self.is_logarithmic {
            for (x, y) in points {
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>")?;
            }
        }
        let (from, at) = (WIDTH - RIGHT + 14.0, TOP + 10.0 + 22.0 * index as f64);
        writeln!(svg, "<polyline points=\"{from},{at} {},{at}\" {stroke}/>", from + 22.0)?;
        text(svg, (from + 30.0, at + 4.0), "start", &line.name)
    }
}

fn grid(svg: &mut String, from: (f64, f64), to: (f64, f64)) -> Result<()> {
    let (x1, y1, x2, y2) = (from.0, from.1, to.0, to.1);
    Ok(writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>")?)
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) -> Result<()> {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let linear = Axis::new([0.0, 187.0].into_iter(), false, 0.0, 100.0);
        assert_eq!(linear.ticks(), [0.0, 50.0, 100.0, 150.0]);
        let logarithmic = Axis::new([1000.0, 100_000.0].into_iter(), true, 0.0, 100.0);
        assert_eq!(logarithmic.ticks(), [1000.0, 10_000.0, 100_000.0]);
    }
}
