//! A sentence about how a line of a sale was priced.

use super::credit::unrounded;
use super::rate::rate;
use crate::domain::commission::Commission;
use crate::domain::explanation::LineExplanation;
use crate::domain::money::Money;
use crate::domain::reward::RewardRule;

/// What was taken for the line, and what it earns.
pub(super) fn sentence(told: &LineExplanation) -> String {
    let (line, priced) = (&told.line, &told.priced);
    let name = if line.is_rest() { "The rest of the sale".to_owned() } else { format!("The line {}", line.line_id) };
    let sku = if line.item_sku.is_empty() { String::new() } else { format!(" with the SKU {}", line.item_sku) };
    let amount = Money::new(line.amount_minor, told.sale_currency);
    let taken = priced.rule_taken.as_ref();
    let by = match (priced.rule, taken) {
        (RewardRule::TermsRule, Some(rule)) => format!("the rule {} \"{}\"", rule.number, rule.name),
        (RewardRule::Enrollment, _) => "the enrollment's own commission".to_owned(),
        (RewardRule::Coupon, _) => "the coupon's own commission".to_owned(),
        _ => "the commission of the terms".to_owned(),
    };
    let commission = Money::new(priced.commission_minor, told.rest.currency);
    let units = taken.map_or(0, |rule| rule.quantity);
    let how = match priced.commission {
        Commission::PercentPpm(_) if told.commission_unrounded.millionths != 0 => {
            format!("{} before rounding, ", unrounded(told.commission_unrounded))
        }
        Commission::Flat(_) if units > 0 => format!("for each of {units} units, "),
        Commission::PercentPpm(_) | Commission::Flat(_) => String::new(),
    };
    let bonus = taken.and_then(|rule| rule.first_sale_bonus);
    let bonus = bonus.map(|bonus| format!(", of which {bonus} is its part of the bonus for the first sale"));
    let bonus = bonus.unwrap_or_default();
    let rest = if told.rest.amount_minor == priced.value_minor {
        String::new()
    } else {
        let refunded = Money::new(line.refunded_minor, told.sale_currency);
        format!("; {refunded} of it was refunded, which leaves {}", told.rest)
    };
    let rate = rate(priced.commission);
    format!("{name}{sku} of {amount} is priced by {by} ({rate}): {how}it earns {commission}{bonus}{rest}.")
}
