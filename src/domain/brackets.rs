//! What a marginal ladder gives: what is sold is divided among brackets, and each bracket has the commission of its step. The first one goes from
//! nothing to the first step, and the last one has no end.
//!
//! Amounts are counted in minor units and have percentages. Sales are counted in millionths of a sale, because a sale may be shared and refunded in
//! part, and have flat commissions. Both are `sum over the brackets of size x rate / 1,000,000`, which is rounded once for all that was sold. A sale
//! earns the difference that it makes to the rounded sum, so the sales add up to it exactly.

use super::commission::Commission;
use super::ladder::{Ladder, LadderMeasure, LadderMode, LadderTally};
use super::money::{Overflow, PPM, Rounding, quotient};

/// The part of a sale that falls into a bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Bracket {
    /// 0 before the first step.
    pub step: i32,
    pub commission: Commission,
    /// In minor units, or in millionths of a sale if the commission is flat.
    pub size: i64,
}

/// What a ladder gives for a sale, and how the sale is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Brackets {
    pub parts: Vec<Bracket>,
    /// What they give together, in minor units. It is the affiliate's own, without the shares of others.
    pub value_minor: i64,
}

impl Brackets {
    /// What a ladder gives for what is sold after `before`. The commission before the first step is `base`.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn of(ladder: &Ladder, base: Commission, rounding: Rounding, before: i64, size: i64) -> Result<Self, Overflow> {
        let after = before.checked_add(size).ok_or(Overflow)?;
        let value_after = value(ladder, base, rounding, after)?;
        let value_minor = value_after.checked_sub(value(ladder, base, rounding, before)?).ok_or(Overflow)?;
        Ok(Self { parts: parts(ladder, base, before, after)?, value_minor })
    }
}

impl Ladder {
    /// What the affiliate has earned in all with the sales of a tally, if the mode says so. The commission of step 0 is `base`.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn paid_for(&self, base: Commission, rounding: Rounding, tally: &LadderTally) -> Result<i64, Overflow> {
        match self.mode {
            LadderMode::LevelUp => Ok(0),
            LadderMode::Retroactive => {
                let step = usize::try_from(self.step_at(tally)).map_err(|_| Overflow)?;
                Ok(tally.step_values.get(step).copied().unwrap_or_default())
            }
            LadderMode::Marginal => value(self, base, rounding, self.in_brackets(tally)),
        }
    }

    /// What of a tally is divided among brackets.
    const fn in_brackets(&self, tally: &LadderTally) -> i64 {
        match self.measure {
            LadderMeasure::Amount => tally.amount_minor,
            LadderMeasure::SaleCount => tally.share_ppm,
        }
    }
}

/// What is paid for all that was sold.
///
/// # Errors
/// [`Overflow`].
pub fn value(ladder: &Ladder, base: Commission, rounding: Rounding, sold: i64) -> Result<i64, Overflow> {
    let mut product = 0_i128;
    for Bracket { commission, size, .. } in parts(ladder, base, 0, sold)? {
        let rate = match commission {
            Commission::PercentPpm(ppm) => i64::from(ppm),
            Commission::Flat(flat) => flat.amount_minor,
        };
        // Two 64-bit factors always fit into 128 bits.
        product = product.checked_add(i128::from(size) * i128::from(rate)).ok_or(Overflow)?;
    }
    quotient(product, PPM, rounding)
}

/// The brackets between two sums of what was sold.
fn parts(ladder: &Ladder, base: Commission, from: i64, to: i64) -> Result<Vec<Bracket>, Overflow> {
    let unit = match ladder.measure {
        LadderMeasure::Amount => 1,
        LadderMeasure::SaleCount => PPM,
    };
    let mut parts = Vec::new();
    let (mut step, mut commission, mut begin) = (0, base, 0);
    for next in &ladder.steps {
        let end = next.minimum.checked_mul(unit).ok_or(Overflow)?;
        parts.extend(part(step, commission, from.max(begin), to.min(end)));
        (step, commission, begin) = (step + 1, next.commission, end);
    }
    parts.extend(part(step, commission, from.max(begin), to));
    Ok(parts)
}

fn part(step: i32, commission: Commission, from: i64, to: i64) -> Option<Bracket> {
    let size = to.checked_sub(from)?;
    (size > 0).then_some(Bracket { step, commission, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ladder::{LadderMode, LadderStep};
    use crate::domain::money::{Currency, Money};
    use crate::domain::period::Period;

    fn ladder(measure: LadderMeasure, steps: &[(i64, Commission)]) -> Ladder {
        let step = |(minimum, commission): &(i64, Commission)| LadderStep {
            minimum: *minimum,
            currency: None,
            commission: *commission,
        };
        let (mode, period) = (LadderMode::Marginal, Period::AllTime);
        Ladder { mode, measure, period, steps: steps.iter().map(step).collect(), since_version: 1 }
    }

    #[test]
    fn a_sale_that_passes_two_steps_is_divided_among_three_brackets() {
        let percent = Commission::PercentPpm;
        let ladder = ladder(LadderMeasure::Amount, &[(10_000, percent(200_000)), (15_000, percent(300_000))]);
        let all = Brackets::of(&ladder, percent(100_000), Rounding::HalfEven, 9_000, 8_000).unwrap();
        let sizes: Vec<_> = all.parts.iter().map(|part| (part.step, part.size)).collect();
        assert_eq!((sizes, all.value_minor), (vec![(0, 1_000), (1, 5_000), (2, 2_000)], 100 + 1_000 + 600));
        // Exactly up to a step, and from it on.
        let below = Brackets::of(&ladder, percent(100_000), Rounding::HalfEven, 0, 10_000).unwrap();
        assert_eq!((below.parts.len(), below.value_minor), (1, 1_000));
        let on_it = Brackets::of(&ladder, percent(100_000), Rounding::HalfEven, 10_000, 1).unwrap();
        assert_eq!(on_it.parts.iter().map(|part| part.step).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn parts_of_sales_have_parts_of_flat_commissions() {
        let flat = |minor| Commission::Flat(Money::new(minor, Currency::NONE));
        let ladder = ladder(LadderMeasure::SaleCount, &[(2, flat(700))]);
        let of = |before, size| Brackets::of(&ladder, flat(500), Rounding::HalfEven, before, size).unwrap().value_minor;
        assert_eq!([of(0, PPM), of(PPM, PPM), of(2 * PPM, PPM)], [500, 500, 700]);
        // Half a sale on each side of the step.
        assert_eq!(of(PPM + PPM / 2, PPM), 600);
    }

    #[test]
    fn what_is_rounded_adds_up() {
        let ladder = ladder(LadderMeasure::Amount, &[(12, Commission::PercentPpm(333_333))]);
        for rounding in [Rounding::HalfEven, Rounding::HalfUp, Rounding::Down] {
            let of = |before| Brackets::of(&ladder, Commission::PercentPpm(125_000), rounding, before, 3).unwrap();
            let sum: i64 = (0..20).map(|number| of(number * 3).value_minor).sum();
            assert_eq!(sum, value(&ladder, Commission::PercentPpm(125_000), rounding, 60).unwrap());
        }
    }
}
