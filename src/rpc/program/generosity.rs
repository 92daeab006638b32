//! Warns of terms by which a sale can cost more than its amount. It adds up all that is a part of the amount.

use crate::domain::money::PPM;
use crate::domain::program::{Commission, TermsDraft};
use crate::domain::reward_unit::RewardUnit;
use crate::domain::threshold_bonus::{Threshold, ThresholdBonus};
use crate::domain::upline::UplineBasis;
use crate::rpc::call::parse::Fields;

/// The most that a sale can cost, in parts per million of its amount, and the field that says so.
struct Part {
    field: &'static str,
    ppm: i64,
}

/// Warns if the parts are more than the amount.
pub(super) fn warn(fields: &mut Fields, rules: &TermsDraft) {
    let parts = parts(rules);
    let sum: i64 = parts.iter().map(|part| part.ppm).fold(0, i64::saturating_add);
    let Some(last) = parts.last().filter(|_| sum > PPM) else { return };
    let list: Vec<String> = parts.iter().map(|part| format!("{} {} ppm", part.field, part.ppm)).collect();
    let explanation =
        format!("a sale can cost {sum} ppm of its amount, more than 100 %: {}; lower one of them", list.join(", "));
    fields.warn(last.field, explanation);
}

/// The parts that are more than nothing, the commission first.
fn parts(rules: &TermsDraft) -> Vec<Part> {
    let steps = rules.ladder.iter().flat_map(|ladder| ladder.steps.iter().map(|step| step.commission));
    let of_rules = rules.commission_rules.iter().map(|rule| rule.commission);
    let commissions = of_rules.chain([rules.commission]).chain(steps);
    let rates = commissions.filter_map(|commission| match commission {
        Commission::PercentPpm(ppm) => Some(i64::from(ppm)),
        // How much of a sale a flat one is depends on the sale.
        Commission::Flat(_) => None,
    });
    let rate = rates.max().unwrap_or_default();
    let sum_of = |basis| -> i64 {
        let levels = rules.upline_levels.iter().filter(|level| level.basis == basis);
        levels.map(|level| i64::from(level.percent_ppm)).sum()
    };
    // Uplines earn only from sales from which the credited affiliate earns.
    let levels = if rate == 0 {
        0
    } else {
        // Terms with faults come here too, so that either factor may be any number.
        (rate.saturating_mul(sum_of(UplineBasis::Commission)) / PPM).saturating_add(sum_of(UplineBasis::SaleAmount))
    };
    let bonuses = rules.threshold_bonuses.iter().map(bonus_ppm).fold(0, i64::saturating_add);
    let promise = rules.customer_reward.filter(|promise| promise.unit == RewardUnit::DiscountPercent);
    let promise = promise.map_or(0, |promise| promise.value.amount_minor);
    let all =
        [("commission", rate), ("upline_levels", levels), ("threshold_bonuses", bonuses), ("customer_reward", promise)];
    all.into_iter().filter(|(_, ppm)| *ppm > 0).map(|(field, ppm)| Part { field, ppm }).collect()
}

/// The part of the sales that just reach it that a bonus is. One for a number of sales may be a small part of any of them.
fn bonus_ppm(bonus: &ThresholdBonus) -> i64 {
    match bonus.threshold {
        Threshold::Amount(minimum) if minimum.amount_minor > 0 => {
            let ppm = i128::from(bonus.bonus.amount_minor) * i128::from(PPM) / i128::from(minimum.amount_minor);
            i64::try_from(ppm).unwrap_or(i64::MAX)
        }
        _ => 0,
    }
}
