//! What was measured, as a table for people and as JSON: medians, with min and max.

use std::path::Path;

use comfy_table::{LineStyle, Table, TableStyle};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Result;
use crate::machine;
use crate::stage::Place;

/// A line under the heads, and nothing else.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// One measurement of one system.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What was asked of it.
    pub case: String,
    /// Who was measured.
    pub system: String,
    /// Figures by name, in the order of the table's columns.
    pub figures: Vec<(&'static str, f64)>,
    /// Snapshots by seconds, where they were counted.
    pub curve: Vec<(f64, f64)>,
}

/// A figure of several runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// Of how many runs.
    pub runs: usize,
}

/// What must be reached, and whether it was.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// What is asked for.
    pub what: String,
    /// What was found.
    pub found: String,
    /// Whether that is enough.
    pub is_met: bool,
}

/// All measurements of a scenario.
#[derive(Debug, Default)]
pub struct Report {
    /// What the file is called.
    pub name: String,
    /// What it says, in a line.
    pub about: String,
    /// In the order in which they were made.
    pub measured: Vec<Measured>,
    /// What must be reached.
    pub targets: Vec<Target>,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let (last, middle) = (sorted.len().saturating_sub(1), sorted.len() / 2);
        let median =
            if sorted.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.saturating_sub(1)), at(middle)) };
        Self { median, min: at(0), max: at(last), runs: sorted.len() }
    }

    fn text(&self) -> String {
        match self.min == self.max {
            true => number(self.median),
            false => format!("{} ({}–{})", number(self.median), number(self.min), number(self.max)),
        }
    }
}

/// Three digits that count, and no more.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

impl Target {
    /// `found` must be at most `most`.
    pub fn at_most(what: impl Into<String>, found: f64, most: f64) -> Self {
        Self { what: what.into(), found: number(found), is_met: found <= most }
    }

    /// `found` must be at least `least`.
    pub fn at_least(what: impl Into<String>, found: f64, least: f64) -> Self {
        Self { what: what.into(), found: number(found), is_met: found >= least }
    }
}

impl Report {
    /// A report without measurements.
    pub fn new(name: impl Into<String>, about: impl Into<String>) -> Self {
        Self { name: name.into(), about: about.into(), ..Self::default() }
    }

    /// The figure of a system in a case.
    pub fn spread(&self, case: &str, system: &str, figure: &str) -> Option<Spread> {
        let of = self.measured.iter().filter(|measured| measured.case == case && measured.system == system);
        let values = of.flat_map(|measured| measured.figures.iter().filter(|(name, _)| *name == figure));
        let values: Vec<f64> = values.map(|(_, value)| *value).collect();
        (!values.is_empty()).then(|| Spread::of(&values))
    }

    /// Its median.
    pub fn median(&self, case: &str, system: &str, figure: &str) -> Option<f64> {
        self.spread(case, system, figure).map(|spread| spread.median)
    }

    /// Prints the table and the targets, and writes the JSON.
    pub fn publish(&self, place: &Place) -> Result<()> {
        let folder = &place.results;
        println!("\n{}: {}\n{}", self.name, self.about, self.table());
        for target in &self.targets {
            let verdict = if target.is_met { "met   " } else { "MISSED" };
            println!("{verdict} {}: {}", target.what, target.found);
        }
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(&self.json(&place.binaries))?;
        std::fs::write(folder.join(format!("{}.json", self.name)), json + "\n")?;
        Ok(())
    }

    /// Case and system, each once, in their order.
    fn rows(&self) -> Vec<(&str, &str)> {
        let mut rows = Vec::new();
        for measured in &self.measured {
            let row = (measured.case.as_str(), measured.system.as_str());
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    fn columns(&self) -> Vec<&'static str> {
        let mut columns = Vec::new();
        for (name, _) in self.measured.iter().flat_map(|measured| &measured.figures) {
            if !columns.contains(name) {
                columns.push(*name);
            }
        }
        columns
    }

    fn table(&self) -> Table {
        let (mut table, columns) = (Table::new(), self.columns());
        table.load_style(RULED);
        table.set_header(["case", "system"].iter().chain(&columns));
        for (case, system) in self.rows() {
            let figures = columns.iter().map(|name| self.spread(case, system, name));
            let figures = figures.map(|spread| spread.map_or_else(|| "–".into(), |spread| spread.text()));
            table.add_row([case.to_string(), system.to_string()].into_iter().chain(figures));
        }
        table
    }

    fn json(&self, binaries: &Path) -> Value {
        let columns = self.columns();
        let rows = self.rows().into_iter().map(|(case, system)| {
            let figures = columns.iter().filter_map(|name| Some((*name, self.spread(case, system, name)?)));
            let curve = self.measured.iter().find(|one| one.case == case && one.system == system);
            json!({
                "case": case,
                "system": system,
                "figures": figures.map(|(name, spread)| (name.to_string(), json!(spread))).collect::<serde_json::Map<_, _>>(),
                "curve": curve.map(|measured| thinned(&measured.curve)),
            })
        });
        json!({
            "name": self.name, "about": self.about, "machine": machine::describe(binaries),
            "rows": rows.collect::<Vec<_>>(), "targets": self.targets,
        })
    }
}

/// Every n-th point, so that a curve is a page and not a book.
pub fn thinned(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const POINTS: usize = 200;
    let step = curve.len().div_ceil(POINTS).max(1);
    let last = curve.last().filter(|_| !(curve.len().saturating_sub(1)).is_multiple_of(step));
    curve.iter().step_by(step).chain(last).map(|(x, y)| ((x * 100.0).round() / 100.0, *y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_of_its_values() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0, runs: 3 });
        assert_eq!(Spread::of(&[4.0, 1.0]).median, 2.5);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).text(), "2 (1–3)");
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends() {
        let curve: Vec<(f64, f64)> = (0..1001).map(|x| (f64::from(x), 1.0)).collect();
        let thin = thinned(&curve);
        assert!(thin.len() <= 202 && thin[0].0 == 0.0 && thin[thin.len() - 1].0 == 1000.0);
    }
}
