//! All figures of a run by subject and column, and the table of ratios with their floors. Measures nothing.

use std::collections::BTreeMap;

use crate::figures::{Latencies, Spread, Table, number};
use crate::load::Measured;
use crate::storage::Growth;

/// The subject of a figure, such as `RecordSale, 256 callers`, and its column, such as `per second`.
pub(super) type Name = (&'static str, &'static str);

/// Calls, sales or events in a second.
pub(super) const RATE: &str = "per second";
/// The median latency in milliseconds.
pub(super) const P50: &str = "p50 ms";
/// The 99th percentile of latency in milliseconds.
pub(super) const P99: &str = "p99 ms";

/// The processor time of a call or sale in microseconds, of all processes together: client, server and PostgreSQL.
pub(super) const IN_ALL: &str = "in all us";
/// The bytes of a sale in the database's files.
pub(super) const BYTES: &str = "bytes";
/// The bytes of a sale in PostgreSQL's log.
pub(super) const LOG_BYTES: &str = "log bytes";

/// The figures of all rounds.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// In order of first use.
    names: Vec<Name>,
    values: BTreeMap<Name, Vec<f64>>,
}

impl Figures {
    /// Adds the figure of one round.
    pub(super) fn add(&mut self, of: &'static str, figure: &'static str, value: f64) {
        let values = self.values.entry((of, figure)).or_default();
        if values.is_empty() {
            self.names.push((of, figure));
        }
        values.push(value);
    }

    /// Adds the results of a run of calls to the server.
    pub(super) fn add_measured(&mut self, of: &'static str, measured: &Measured) {
        self.add(of, RATE, measured.per_second());
        self.add_latencies(of, &measured.latencies);
        self.add_processor(of, &measured.processor_micros);
        self.add(of, IN_ALL, measured.processor_micros.iter().sum());
    }

    /// Adds the results of a run of the plain service, which has no server between its client and the database.
    pub(super) fn add_plain(&mut self, of: &'static str, measured: &Measured) {
        self.add(of, RATE, measured.per_second());
        self.add_latencies(of, &measured.latencies);
        for (whose, micros) in ["client us", "postgres us"].into_iter().zip(&measured.processor_micros) {
            self.add(of, whose, *micros);
        }
        self.add(of, IN_ALL, measured.processor_micros.iter().sum());
    }

    /// Adds the growth of the database by a sale.
    pub(super) fn add_growth(&mut self, of: &'static str, growth: Growth) {
        self.add(of, BYTES, growth.database);
        if let Some(log) = growth.log {
            self.add(of, LOG_BYTES, log);
        }
    }

    /// Adds processor time per unit: ours, the server's and PostgreSQL's, where there is one.
    pub(super) fn add_processor(&mut self, of: &'static str, micros: &[f64]) {
        for (whose, micros) in ["client us", "server us", "postgres us"].into_iter().zip(micros) {
            self.add(of, whose, *micros);
        }
    }

    /// Adds median and 99th percentile.
    pub(super) fn add_latencies(&mut self, of: &'static str, latencies: &Latencies) {
        self.add(of, P50, latencies.p50());
        self.add(of, P99, latencies.p99());
    }

    /// The figure of each round.
    pub(super) fn values(&self, name: Name) -> &[f64] {
        self.values.get(&name).map(Vec::as_slice).unwrap_or_default()
    }

    /// A figure over all rounds.
    pub(super) fn spread(&self, name: Name) -> Option<Spread> {
        Spread::of(self.values(name))
    }

    /// One line for each subject, with all its figures.
    pub(super) fn report(&self) -> Table {
        let mut things: Vec<&'static str> = Vec::new();
        let mut figures: Vec<&'static str> = Vec::new();
        for (of, figure) in &self.names {
            if !things.contains(of) {
                things.push(of);
            }
            if !figures.contains(figure) {
                figures.push(figure);
            }
        }
        let mut headings = vec!["median (least .. most)"];
        headings.extend(&figures);
        let mut table = Table::new(&headings);
        for of in things {
            let cells =
                figures.iter().map(|figure| self.spread((of, *figure)).map_or(String::new(), |it| it.to_string()));
            table.row(std::iter::once(of.to_owned()).chain(cells).collect());
        }
        table
    }
}

/// The direction of a floor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
}

/// A ratio of figures and its bound.
#[derive(Debug, Clone)]
pub(super) struct Ratio {
    /// Its readable name.
    pub(super) title: &'static str,
    /// Our figure.
    pub(super) ours: Name,
    /// The figure to divide by.
    pub(super) beside: Beside,
    pub(super) bound: Bound,
}

/// The divisor of a ratio.
#[derive(Debug, Clone)]
pub(super) enum Beside {
    /// None: the figure itself is bounded.
    Nothing,
    /// Another figure.
    One(Name),
    /// The best of several.
    MostOf(Vec<Name>),
    /// The sum of several.
    SumOf(Vec<Name>),
}

impl Ratio {
    fn divisor(&self, figures: &Figures) -> Option<f64> {
        let medians = |names: &[Name]| -> Option<Vec<f64>> {
            names.iter().map(|name| Some(figures.spread(*name)?.median)).collect()
        };
        match &self.beside {
            Beside::Nothing => Some(1.0),
            Beside::One(name) => Some(figures.spread(*name)?.median),
            Beside::MostOf(names) => medians(names)?.into_iter().reduce(f64::max),
            Beside::SumOf(names) => Some(medians(names)?.into_iter().sum()),
        }
    }

    /// The ratio of the medians; `None` if one was not measured.
    pub(super) fn value(&self, figures: &Figures) -> Option<f64> {
        let divisor = self.divisor(figures)?;
        Some(figures.spread(self.ours)?.median / divisor.max(f64::EPSILON))
    }

    /// Whether it was measured and misses its floor.
    pub(super) fn is_missed(&self, figures: &Figures) -> bool {
        self.value(figures).is_some_and(|value| !self.is_kept(value))
    }

    fn is_kept(&self, value: f64) -> bool {
        match self.bound {
            Bound::AtLeast(floor) => value >= floor,
            Bound::AtMost(ceiling) => value <= ceiling,
        }
    }
}

/// The table of ratios whose figures were measured.
pub(super) fn ratio_table(ratios: &[Ratio], figures: &Figures) -> Table {
    let mut table = Table::new(&["ratio of medians", "ours", "beside", "ratio", "floor", ""]);
    for ratio in ratios {
        let (Some(value), Some(ours)) = (ratio.value(figures), figures.spread(ratio.ours)) else { continue };
        let beside = match ratio.beside {
            Beside::Nothing => String::new(),
            Beside::One(_) | Beside::MostOf(_) | Beside::SumOf(_) => {
                ratio.divisor(figures).map(number).unwrap_or_default()
            }
        };
        let floor = match ratio.bound {
            Bound::AtLeast(floor) => format!("at least {}", number(floor)),
            Bound::AtMost(ceiling) => format!("at most {}", number(ceiling)),
        };
        let verdict = if ratio.is_kept(value) { "pass" } else { "MISS" };
        table.row(vec![ratio.title.to_owned(), number(ours.median), beside, number(value), floor, verdict.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_medians_and_needs_all_of_them() {
        let mut figures = Figures::default();
        for value in [10.0, 30.0, 20.0] {
            figures.add("ours", RATE, value);
        }
        let beside = Beside::MostOf(vec![("one", RATE), ("other", RATE)]);
        let ratio = Ratio { title: "ours", ours: ("ours", RATE), beside, bound: Bound::AtLeast(5.0) };
        figures.add("one", RATE, 2.0);
        assert_eq!(ratio.value(&figures), None);
        figures.add("other", RATE, 4.0);
        assert_eq!(ratio.value(&figures).map(number).as_deref(), Some("5.00"));
        assert!(ratio_table(std::slice::from_ref(&ratio), &figures).to_string().contains("pass"));
        figures.add("other", RATE, 6.0);
        figures.add("other", RATE, 6.0);
        assert!(ratio.is_missed(&figures));
        assert!(ratio_table(&[ratio], &figures).to_string().contains("MISS"));
    }
}
