//! Lines of a sale: what was sold, and how amounts are divided among the lines. Knows no commissions.
//!
//! The lines of a sale always add up to its amount, and what was refunded of them to what was refunded of the sale.

use super::money::{Rounding, portion};
use super::split;

/// How many lines of a sale are told.
pub const LINES_MAX: usize = 100;

/// How many collections of a line, and of a sale, are told.
pub const COLLECTIONS_MAX: usize = 20;

/// A line of a sale. Texts that were not sent are empty.
///
/// The conversion of a refund has the lines that it refunds: the amounts are negative, the quantities are the units that were refunded, and
/// nothing of them is refunded. While the refund waits for its sale, the amount of a line that was told by its units is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SaleLine {
    /// Occurs once in the sale. Empty for the rest: the part of the amount that is of no line, such as shipping.
    pub line_id: String,
    pub item_sku: String,
    /// Empty: the plan of the sale.
    pub plan: String,
    /// In order and without repeats. Empty: the collections of the sale.
    pub collections: Vec<String>,
    pub quantity: i32,
    /// In the currency of the sale.
    pub amount_minor: i64,
    pub refunded_minor: i64,
    /// How many units were refunded, as far as refunds told units.
    pub refunded_quantity: i32,
}

impl SaleLine {
    /// The part that was not refunded.
    pub const fn left_minor(&self) -> i64 {
        self.amount_minor - self.refunded_minor
    }

    /// Whether it is the part of the amount that is of no line.
    pub const fn is_rest(&self) -> bool {
        self.line_id.is_empty()
    }

    /// The amount of so many further units. The last unit has all that is left.
    pub fn units_minor(&self, units: i32) -> i64 {
        let refunded = self.refunded_quantity.saturating_add(units);
        if refunded >= self.quantity {
            return self.left_minor();
        }
        // The parts are never more than the amount, so that they fit.
        let part = |units: i32| portion(self.amount_minor, units.into(), self.quantity.into(), Rounding::Down);
        let units_minor = part(refunded).unwrap_or_default() - part(self.refunded_quantity).unwrap_or_default();
        units_minor.clamp(0, self.left_minor().max(0))
    }
}

/// Divides an amount in proportion to the amounts or commissions of lines, none of which is negative. What rounding leaves goes to the largest
/// remainders, of equal ones to the first. Without any weight the first one gets all.
pub fn divide(amount_minor: i64, weights: &[i64]) -> Vec<i64> {
    // A hundred amounts always add up to less than 64 bits hold.
    let parts = split::divide(amount_minor, weights).ok().filter(|_| weights.iter().any(|weight| *weight > 0));
    parts.unwrap_or_else(|| (0..weights.len()).map(|place| if place == 0 { amount_minor } else { 0 }).collect())
}

/// Makes the lines of a sale add up to its amount. Lines that are more than it are reduced in proportion, because the customer paid less for
/// them. What they lack becomes a line without an id.
pub fn fitted(mut lines: Vec<SaleLine>, amount_minor: i64) -> Vec<SaleLine> {
    if lines.is_empty() {
        return lines;
    }
    let sum = sum(&lines);
    if let Ok(missing @ 1..) = i64::try_from(i128::from(amount_minor) - sum) {
        lines.push(SaleLine { quantity: 1, amount_minor: missing, ..SaleLine::default() });
    } else if sum > i128::from(amount_minor) {
        let weights: Vec<i64> = lines.iter().map(|line| line.amount_minor).collect();
        for (line, part) in lines.iter_mut().zip(divide(amount_minor, &weights)) {
            line.amount_minor = part;
        }
    }
    lines
}

/// The sum of the amounts of lines.
pub fn sum(lines: &[SaleLine]) -> i128 {
    lines.iter().map(|line| i128::from(line.amount_minor)).sum()
}

/// The lines of a sale with another amount, if nobody told which lines changed: what is left of each changes in proportion.
pub fn scaled(lines: &[SaleLine], amount_minor: i64) -> Vec<SaleLine> {
    let left: Vec<i64> = lines.iter().map(SaleLine::left_minor).collect();
    let is_left = left.iter().any(|left| *left > 0);
    let amounts = || lines.iter().map(|line| line.amount_minor).collect();
    let weights: Vec<i64> = if is_left { left } else { amounts() };
    let refunded: i64 = lines.iter().map(|line| line.refunded_minor).sum();
    let parts = divide(amount_minor - refunded, &weights);
    let scaled = |(line, left): (&SaleLine, i64)| SaleLine { amount_minor: line.refunded_minor + left, ..line.clone() };
    lines.iter().zip(parts).map(scaled).collect()
}

/// The part of a line that a refund takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RefundedPart {
    pub minor: i64,
    pub quantity: i32,
}

/// The part of each line that a refund of this amount takes, which is at most the rest of the sale. `named` are the lines of the refund. Each line
/// gives at most what is left of it. If the refund is less than its lines, they are reduced in proportion. What it is more than them is taken
/// from the rest of the sale, and then from all lines in proportion to what is left of them.
pub fn refunded_parts(lines: &[SaleLine], named: &[SaleLine], amount_minor: i64) -> Vec<RefundedPart> {
    let mut parts: Vec<RefundedPart> = lines.iter().map(|line| named_part(line, named)).collect();
    let minor = |parts: &[RefundedPart]| parts.iter().map(|part| part.minor).collect::<Vec<_>>();
    let sum: i64 = minor(&parts).iter().sum();
    if sum > amount_minor {
        let less = divide(amount_minor, &minor(&parts));
        for (part, less) in parts.iter_mut().zip(less) {
            part.minor = less;
        }
        return parts;
    }
    let mut missing = amount_minor - sum;
    for (part, line) in parts.iter_mut().zip(lines).filter(|(_, line)| line.is_rest() && !named.is_empty()) {
        let taken = missing.min(line.left_minor() - part.minor);
        part.minor += taken;
        missing -= taken;
    }
    let left = parts.iter().zip(lines).map(|(part, line)| line.left_minor() - part.minor);
    let left: Vec<i64> = left.collect();
    if missing > 0 {
        for (part, more) in parts.iter_mut().zip(divide(missing, &left)) {
            part.minor += more;
        }
    }
    parts
}

/// The part of each line that is given back when a refund is undone, this much in all. `refunded` are the lines of the refund. What other
/// refunds took of the lines since stays theirs; what the lines of the refund lack is given back in proportion to what is refunded of all.
pub fn restored_parts(lines: &[SaleLine], refunded: &[SaleLine], amount_minor: i64) -> Vec<RefundedPart> {
    let part_of = |line: &SaleLine| {
        let of_refund = refunded.iter().find(|refunded| refunded.line_id == line.line_id);
        of_refund.map_or(RefundedPart::default(), |refunded| RefundedPart {
            minor: (-refunded.amount_minor).clamp(0, line.refunded_minor.max(0)),
            quantity: refunded.quantity.clamp(0, line.refunded_quantity.max(0)),
        })
    };
    let mut parts: Vec<RefundedPart> = lines.iter().map(part_of).collect();
    let minor: Vec<i64> = parts.iter().map(|part| part.minor).collect();
    let sum: i64 = minor.iter().sum();
    if sum > amount_minor {
        for (part, less) in parts.iter_mut().zip(divide(amount_minor, &minor)) {
            part.minor = less;
        }
    } else if sum < amount_minor {
        let others: Vec<i64> = lines.iter().zip(&minor).map(|(line, minor)| line.refunded_minor - minor).collect();
        for (part, more) in parts.iter_mut().zip(divide(amount_minor - sum, &others)) {
            part.minor += more;
        }
    }
    parts
}

/// The part of a line that the lines of a refund name.
fn named_part(line: &SaleLine, named: &[SaleLine]) -> RefundedPart {
    let mut part = RefundedPart::default();
    for sent in named.iter().filter(|sent| sent.line_id == line.line_id) {
        let units = sent.quantity.min(line.quantity - line.refunded_quantity).max(0);
        let minor = if sent.quantity > 0 { line.units_minor(units) } else { -sent.amount_minor };
        part = RefundedPart { minor: minor.clamp(0, line.left_minor().max(0)), quantity: units };
    }
    part
}

/// The part of a line that was refunded, as numerator and denominator. A line without an amount is refunded by its units, or with the rest of
/// its sale.
pub fn refunded_share(line: &SaleLine, is_sale_refunded: bool) -> (i64, i64) {
    if is_sale_refunded {
        (1, 1)
    } else if line.amount_minor > 0 {
        (line.refunded_minor, line.amount_minor)
    } else {
        (line.refunded_quantity.into(), line.quantity.max(1).into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(line_id: &str, amount_minor: i64, quantity: i32) -> SaleLine {
        SaleLine { line_id: line_id.to_owned(), quantity, amount_minor, ..SaleLine::default() }
    }

    fn minor(parts: &[RefundedPart]) -> Vec<i64> {
        parts.iter().map(|part| part.minor).collect()
    }

    #[test]
    fn what_rounding_leaves_goes_to_the_largest_remainders_and_then_to_the_first() {
        assert_eq!(divide(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(divide(10, &[1, 2, 4]), [1, 3, 6]);
        assert_eq!(divide(-10, &[1, 2, 4]), [-1, -3, -6]);
        assert_eq!(divide(7, &[0, 0]), [7, 0]);
        assert_eq!(divide(7, &[]), [0_i64; 0]);
    }

    #[test]
    fn lines_add_up_to_the_amount() {
        let amounts = |lines: Vec<SaleLine>| lines.into_iter().map(|line| line.amount_minor).collect::<Vec<_>>();
        assert_eq!(amounts(fitted(vec![line("a", 60, 1), line("b", 40, 1)], 100)), [60, 40]);
        assert_eq!(amounts(fitted(vec![line("a", 60, 1), line("b", 40, 1)], 105)), [60, 40, 5]);
        assert_eq!(amounts(fitted(vec![line("a", 60, 1), line("b", 40, 1)], 90)), [54, 36]);
        assert_eq!(fitted(Vec::new(), 90), []);
    }

    #[test]
    fn units_of_a_line_add_up_to_it() {
        let mut cups = line("cups", 1_000, 3);
        for expected in [333, 333, 334] {
            let minor = cups.units_minor(1);
            assert_eq!(minor, expected);
            cups.refunded_minor += minor;
            cups.refunded_quantity += 1;
        }
    }

    #[test]
    fn a_refund_that_is_more_than_its_lines_takes_the_rest_of_the_sale_first() {
        let lines = fitted(vec![line("a", 60, 1), line("b", 40, 1)], 110);
        let named = [SaleLine { amount_minor: -60, ..line("a", 0, 0) }];
        assert_eq!(minor(&refunded_parts(&lines, &named, 65)), [60, 0, 5]);
        assert_eq!(minor(&refunded_parts(&lines, &named, 75)), [60, 5, 10]);
        assert_eq!(minor(&refunded_parts(&lines, &named, 50)), [50, 0, 0]);
        assert_eq!(minor(&refunded_parts(&lines, &[], 11)), [6, 4, 1]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_none_is_more_than_its_weight_of_a_smaller_amount(
            weights in prop::collection::vec(0_i64..2_000, 1..9), amount in 0_i64..9_000,
        ) {
            let parts = divide(amount, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), amount);
            if amount <= weights.iter().sum() {
                prop_assert!(parts.iter().zip(&weights).all(|(part, weight)| part <= weight));
            }
        }
    }
}
