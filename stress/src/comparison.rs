//! The ratio of a figure of two servers, round by round. Does not know what the figure says.

use crate::figures::{Spread, number};

/// The headings of `Comparison::cells`.
pub(crate) const HEADINGS: [&str; 5] = ["old", "new", "new/old by round", "median", "spread"];

/// A figure of both servers.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) name: String,
    pub(crate) old: Spread,
    pub(crate) new: Spread,
    /// The ratio new/old of each round.
    pub(crate) ratios: Vec<f64>,
    pub(crate) ratio: Spread,
}

impl Comparison {
    /// From the figures of each round. `None` if it was not measured.
    pub(crate) fn of(name: &str, old: &[f64], new: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = new.iter().zip(old).map(|(new, old)| new / old.max(f64::EPSILON)).collect();
        let ratio = Spread::of(&ratios)?;
        Some(Self { name: name.to_owned(), old: Spread::of(old)?, new: Spread::of(new)?, ratios, ratio })
    }

    /// Its name, both medians, and the ratio by round, in the median, and its range.
    pub(crate) fn cells(&self) -> Vec<String> {
        let by_round: Vec<String> = self.ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
        vec![
            self.name.clone(),
            number(self.old.median),
            number(self.new.median),
            by_round.join(" "),
            format!("{:.3}", self.ratio.median),
            range(self.ratio),
        ]
    }
}

/// The least and the greatest.
pub(crate) fn range(spread: Spread) -> String {
    format!("{:.3} .. {:.3}", spread.least, spread.most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_of_each_round() {
        // The ratio of the medians would be 0.97, because the machine was half as fast in the second round.
        let comparison = Comparison::of("sales", &[100.0, 50.0, 100.0], &[97.0, 49.0, 100.0]).unwrap();
        assert_eq!(comparison.ratio, Spread { median: 0.98, least: 0.97, most: 1.0 });
        assert_eq!(comparison.cells().join("|"), "sales|100|97.0|0.970 0.980 1.000|0.980|0.970 .. 1.000");
        assert!(Comparison::of("clicks", &[], &[]).is_none());
    }
}
