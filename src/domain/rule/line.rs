//! Refunds and corrections of sales with lines. A refund takes back of each line's part of a reward what it refunds of the line:
//!
//! `reversed so far = sum over the lines of round(part of the reward x refunded so far of the line / amount of the line)`
//!
//! How a refund is divided among the lines, and how lines change with their sale, is in [`line`].

use super::commission;
use super::context::Context;
use crate::domain::conversion::{Conversion, SaleLine};
use crate::domain::line::{self, RefundedPart, refunded_share};
use crate::domain::money::{Money, Overflow, Rounding, portion};
use crate::domain::pricing::Priced;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::reward::RewardLine;
use crate::domain::reward::{Calculation, Reward};

/// What a sale earns with its present amount, before refunds.
pub(super) struct PresentPrice {
    pub(super) value_minor: i64,
    /// `None`: by the rate of the reward.
    pub(super) calculation: Option<Calculation>,
}

/// What a sale with lines earns with its present lines, before refunds. `None`: it is in another currency than the reward.
pub(super) fn present_price(
    context: &mut Context<'_>,
    sale: &Conversion,
    calculation: &Calculation,
    reward: &Reward,
) -> Result<Option<PresentPrice>, Refusal> {
    if RewardLine::are_of(&calculation.lines, &sale.order.lines) {
        return Ok(Some(PresentPrice { value_minor: reward.value.amount_minor, calculation: None }));
    }
    let priced = commission::price_lines_again(context, sale, reward, calculation)?;
    let priced = priced.filter(|priced| priced.value.currency == reward.value.currency);
    Ok(priced.map(|Priced { value, calculation }| PresentPrice {
        value_minor: value.amount_minor,
        calculation: Some(calculation),
    }))
}

/// How much of the value of a sale its refunds take back, by these lines of its present price.
pub(super) fn refunded_minor(sale: &Conversion, priced: &[RewardLine], rounding: Rounding) -> Result<i64, Overflow> {
    let is_refunded = sale.refund_count > 0 && sale.left().is_some_and(|left| left.amount_minor == 0);
    let parts = sale.order.lines.iter().zip(priced).map(|(line, priced)| {
        let (part, whole) = refunded_share(line, is_refunded);
        portion(priced.value_minor, part, whole, rounding)
    });
    parts.sum()
}

/// The amount of a refund: as it was told, or what its lines add up to.
pub(super) fn refund_amount(
    sale: Option<&Conversion>,
    told: Option<Money>,
    named: &[SaleLine],
) -> Result<Money, Refusal> {
    let invalid = |field, problem: &str| Refusal::InvalidField { field, problem: problem.to_owned() };
    if let Some(amount) = told {
        return Ok(amount);
    }
    let missing = "is required, because the sale is not known yet, and its lines say what their units are worth";
    let Some(sale) = sale else { return Err(invalid(Field::Amount, missing)) };
    let Some(sold) = sale.amount.filter(|_| !sale.order.lines.is_empty()) else {
        return Err(invalid(Field::Amount, "is required, because the sale has no lines"));
    };
    let asked = sale.order.lines.iter().flat_map(|line| named.iter().filter_map(|named| asked_of(line, named)));
    let sum: i128 = asked.map(i128::from).sum();
    Ok(Money::new(i64::try_from(sum).map_err(|_| Overflow)?, sold.currency))
}

/// The amount that a line of a refund asks for of a line of the sale. `None` if it names another one.
fn asked_of(line: &SaleLine, named: &SaleLine) -> Option<i64> {
    let minor = if named.quantity > 0 { line.units_minor(named.quantity) } else { -named.amount_minor };
    (line.line_id == named.line_id).then_some(minor)
}

/// Refuses a refund of lines that the sale does not have, or of more than is left of one. Lines of a refund of a sale without lines do not
/// matter, because its amount is known.
pub(super) fn check_lines(sale: &Conversion, named: &[SaleLine]) -> Result<(), Refusal> {
    let Some(amount) = sale.amount.filter(|_| !sale.order.lines.is_empty()) else { return Ok(()) };
    for sent in named {
        let found = sale.order.lines.iter().find(|line| line.line_id == sent.line_id);
        let Some(line) = found else {
            let problem = format!("has the line_id `{}`, which the sale does not have", sent.line_id);
            return Err(Refusal::InvalidField { field: Field::Lines, problem });
        };
        let units_left = line.quantity - line.refunded_quantity;
        if sent.quantity > units_left {
            let line_id = &sent.line_id;
            let problem =
                format!("has {} units of the line `{line_id}`, of which {units_left} are left", sent.quantity);
            return Err(Refusal::InvalidField { field: Field::Lines, problem });
        }
        if asked_of(line, sent).is_some_and(|minor| minor > line.left_minor()) {
            return Err(Refusal::RefundExceedsLine {
                sale_id: sale.id,
                line_id: sent.line_id.clone(),
                left_minor: line.left_minor(),
                currency: amount.currency,
            });
        }
    }
    Ok(())
}

/// Takes a refund of this amount off the lines of its sale. Returns the lines of the refund.
pub(super) fn refund(lines: &mut [SaleLine], named: &[SaleLine], amount_minor: i64) -> Vec<SaleLine> {
    let parts = line::refunded_parts(lines, named, amount_minor);
    let is_named = |line: &SaleLine| named.iter().any(|named| named.line_id == line.line_id);
    let mut refunded = Vec::new();
    for (line, RefundedPart { minor, quantity }) in lines.iter_mut().zip(parts) {
        line.refunded_minor += minor;
        line.refunded_quantity += quantity;
        if minor > 0 || quantity > 0 || is_named(line) {
            let amount_minor = -minor;
            let of_refund =
                SaleLine { quantity, amount_minor, refunded_minor: 0, refunded_quantity: 0, ..line.clone() };
            refunded.push(of_refund);
        }
    }
    refunded
}

/// Gives back to the lines of a sale what a refund has taken from them, this much in all. Returns the lines of what undid the refund.
pub(super) fn restore(lines: &mut [SaleLine], refunded: &[SaleLine], amount_minor: i64) -> Vec<SaleLine> {
    let parts = line::restored_parts(lines, refunded, amount_minor);
    let mut restored = Vec::new();
    for (line, RefundedPart { minor, quantity }) in lines.iter_mut().zip(parts) {
        line.refunded_minor -= minor;
        line.refunded_quantity -= quantity;
        if minor > 0 || quantity > 0 {
            let of_undo =
                SaleLine { quantity, amount_minor: minor, refunded_minor: 0, refunded_quantity: 0, ..line.clone() };
            restored.push(of_undo);
        }
    }
    restored
}

/// Gives this much back that was taken off the lines of a sale: these parts of them, and the rest in proportion to what is refunded of each,
/// because a correction may have given the sale its lines only afterwards.
pub(super) fn give_back(lines: &mut [SaleLine], taken: &[SaleLine], amount_minor: i64) {
    let mut rest_minor = amount_minor;
    for part in taken {
        if let Some(line) = lines.iter_mut().find(|line| line.line_id == part.line_id) {
            let minor = part.amount_minor.min(line.refunded_minor);
            line.refunded_minor -= minor;
            line.refunded_quantity = (line.refunded_quantity - part.quantity).max(0);
            rest_minor -= minor;
        }
    }
    if rest_minor > 0 {
        let refunded: Vec<i64> = lines.iter().map(|line| line.refunded_minor).collect();
        for (line, minor) in lines.iter_mut().zip(line::divide(rest_minor, &refunded)) {
            line.refunded_minor -= minor;
        }
    }
}

/// What was taken off each line between two states of a sale, as the lines of a refund: negative, or positive for what was given back.
pub(super) fn refunded_between(before: &[SaleLine], after: &[SaleLine]) -> Vec<SaleLine> {
    let changed = before.iter().zip(after).filter_map(|(before, after)| {
        let amount_minor = before.refunded_minor - after.refunded_minor;
        let quantity = after.refunded_quantity - before.refunded_quantity;
        let line = SaleLine { quantity, amount_minor, refunded_minor: 0, refunded_quantity: 0, ..after.clone() };
        (amount_minor != 0 || quantity != 0).then_some(line)
    });
    changed.collect()
}

/// The lines of a sale with this amount after a correction. `right` are the right ones, if the correction has lines.
pub(super) fn corrected(sale: &Conversion, right: &[SaleLine], amount: Money) -> Result<Vec<SaleLine>, Refusal> {
    let before = &sale.order.lines;
    if right.is_empty() {
        return Ok(if before.is_empty() { Vec::new() } else { line::scaled(before, amount.amount_minor) });
    }
    let mut lines = right.to_vec();
    if before.is_empty() {
        // What was refunded of the sale before it had lines is spread over them.
        refund(&mut lines, &[], sale.refunded_minor);
        return Ok(lines);
    }
    let below = |line_id: &str, refunded_minor| Refusal::CorrectionBelowLine {
        sale_id: sale.id,
        line_id: line_id.to_owned(),
        refunded_minor,
        currency: amount.currency,
    };
    for refunded in before.iter().filter(|line| line.refunded_minor > 0 || line.refunded_quantity > 0) {
        let found = lines.iter_mut().find(|line| line.line_id == refunded.line_id);
        let found = found
            .filter(|line| line.amount_minor >= refunded.refunded_minor && line.quantity >= refunded.refunded_quantity);
        let line = found.ok_or_else(|| below(&refunded.line_id, refunded.refunded_minor))?;
        line.refunded_minor = refunded.refunded_minor;
        line.refunded_quantity = refunded.refunded_quantity;
    }
    Ok(lines)
}

/// The SKUs of lines, without those that have none.
pub fn line_skus(lines: &[SaleLine]) -> Vec<String> {
    lines.iter().filter(|line| !line.item_sku.is_empty()).map(|line| line.item_sku.clone()).collect()
}
