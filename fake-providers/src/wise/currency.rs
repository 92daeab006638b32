//! Decimals and rates. Amounts are integers; a rate is a quotient of two values in parts per million.

use std::collections::BTreeMap;

/// Decimals of amounts.
pub(super) fn exponent(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// What one unit of each currency is worth in dollars, in parts per million. Fixed, so that a test knows its figures.
pub(super) fn default_values() -> BTreeMap<String, i64> {
    let values = [
        ("AUD", 660_000),
        ("CAD", 720_000),
        ("CHF", 1_150_000),
        ("EUR", 1_100_000),
        ("GBP", 1_300_000),
        ("JPY", 6_600),
        ("MYR", 220_000),
        ("NZD", 610_000),
        ("PLN", 250_000),
        ("SGD", 750_000),
        ("USD", 1_000_000),
    ];
    values.into_iter().map(|(currency, value)| (currency.to_owned(), value)).collect()
}

/// From one currency to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// What a minor unit of the source is worth, and one of the target.
    source: i128,
    target: i128,
    pub(super) parts_per_million: i64,
}

impl Rate {
    /// Nothing if one of the currencies has no value.
    pub(super) fn between(values: &BTreeMap<String, i64>, source: &str, target: &str) -> Option<Rate> {
        let value = |currency: &str| values.get(currency).copied().filter(|value| *value > 0).map(i128::from);
        let (from, to) = (value(source)?, value(target)?);
        let places = |currency: &str| 10_i128.pow(exponent(currency));
        let parts_per_million = i64::try_from(from * 1_000_000 / to).ok()?;
        Some(Rate { source: from * places(target), target: to * places(source), parts_per_million })
    }

    /// What the target gets for this much of the source, rounded down.
    pub(super) fn to_target(self, source_minor: i64) -> i64 {
        i64::try_from(i128::from(source_minor) * self.source / self.target).unwrap_or(i64::MAX)
    }

    /// What it takes of the source for this much of the target, rounded up.
    pub(super) fn to_source(self, target_minor: i64) -> i64 {
        let needed = i128::from(target_minor) * self.target;
        i64::try_from((needed + self.source - 1) / self.source).unwrap_or(i64::MAX)
    }
}
