//! Rates and percentages as people write them.

use crate::domain::commission::Commission;

/// A rate as 20 % or 5.00 USD.
pub(super) fn rate(commission: Commission) -> String {
    match commission {
        Commission::PercentPpm(ppm) => percent(ppm),
        Commission::Flat(flat) => flat.to_string(),
    }
}

/// Millionths as 12.5 %.
pub(super) fn percent(ppm: i32) -> String {
    let decimals = format!("{:04}", ppm % 10_000);
    match decimals.trim_end_matches('0') {
        "" => format!("{} %", ppm / 10_000),
        decimals => format!("{}.{decimals} %", ppm / 10_000),
    }
}
