//! Plots as SVG.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;
use crate::report::thinned;

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
    /// The last one is what the others are held against.
    pub lines: Vec<Line>,
}

/// Colours that stay apart for most eyes: Okabe and Ito, <https://jfly.uni-koeln.de/color/>.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];
const SIZE: (u32, u32) = (900, 520);

impl Plot {
    /// Writes the SVG.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.svg", self.name));
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(1.0, f64::max) * 1.05;
        let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min) * 0.8;
        let (width, height) = (most(|point| point.0), most(|point| point.1));
        let titled = area.titled(&self.title, ("sans-serif", 16))?;
        match self.is_logarithmic {
            true => {
                let (left, low) = (least(|point| point.0).max(1e-6), least(|point| point.1).max(1e-6));
                let mut chart = builder(&titled).build_cartesian_2d((left..width).log_scale(), (low..height).log_scale())?;
                chart.configure_mesh().x_desc(&self.x).y_desc(&self.y).light_line_style(WHITE).draw()?;
                for (line, colour) in self.coloured() {
                    let points = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(3);
                    legend(chart.draw_series(points)?, line, colour);
                }
                chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(BLACK.mix(0.2)).background_style(WHITE.mix(0.8)).draw()?;
            }
            false => {
                let mut chart = builder(&titled).build_cartesian_2d(0.0..width, 0.0..height)?;
                chart.configure_mesh().x_desc(&self.x).y_desc(&self.y).light_line_style(WHITE).draw()?;
                for (line, colour) in self.coloured() {
                    let points = LineSeries::new(thinned(&line.points), colour.stroke_width(2));
                    legend(chart.draw_series(points)?, line, colour);
                }
                chart.configure_series_labels().position(SeriesLabelPosition::LowerRight).border_style(BLACK.mix(0.2)).background_style(WHITE.mix(0.8)).draw()?;
            }
        }
        area.present()?;
        Ok(())
    }

    /// The last line is what the others are held against, in grey.
    fn coloured(&self) -> impl Iterator<Item = (&Line, RGBColor)> {
        let last = self.lines.len().saturating_sub(1);
        let grey = COLOURS.len() - 1;
        self.lines.iter().enumerate().map(move |(index, line)| {
            (line, if index == last { COLOURS[grey] } else { COLOURS[index % grey] })
        })
    }
}

fn builder<'a, 'b>(area: &'a DrawingArea<SVGBackend<'b>, Shift>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).x_label_area_size(40).y_label_area_size(64);
    builder
}

fn legend(series: &mut plotters::chart::SeriesAnno<'_, SVGBackend<'_>>, line: &Line, colour: RGBColor) {
    series.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
}
