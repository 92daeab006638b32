//! What a sale with lines earns. The commission of each line is chosen by the table in [`super`], with the item, plan, collections and quantity of
//! the line. The other facts, and the amount, are those of the sale.
//!
//! | Commission | What the line earns |
//! |---|---|
//! | a percentage | `round(amount of the line x ppm / 1,000,000)` |
//! | flat, per unit | flat x quantity of the line |
//! | flat, of a rule about items, collections or amounts of lines | flat |
//! | any other flat one | flat once for the sale, divided among the lines that have it in proportion to their amounts |
//! | the bonus of a first sale | once for the sale, the largest one, divided among the lines of its rule |
//!
//! The commission of the sale is the sum of its lines, and `reward = round(sum x share / 1,000,000)`. The reward is divided among the lines in
//! proportion to their commissions.

use std::collections::BTreeMap;

use super::rule::CommissionRule;
use super::trace::{Step, Trace, trace};
use super::{Chosen, Facts, OwnRates, Priced, choose, facts_of, price};
use crate::domain::commission::Commission;
use crate::domain::conversion::{Conversion, SaleLine, WHOLE_SHARE_PPM};
use crate::domain::id::EnrollmentId;
use crate::domain::line::divide;
use crate::domain::money::{Currency, Money, Overflow, PPM, Rounding, portion};
use crate::domain::program::Terms;
use crate::domain::reward::{Calculation, RewardLine, RewardRule, RuleTaken};
use crate::domain::upline::UplineBasis;

/// Prices an event for a credit in a program of this currency, with its lines if it has any. `None` as for [`price`], and for a kind that earns nothing.
///
/// # Errors
/// [`Overflow`].
pub fn price_event(
    terms: &Terms,
    event: &Conversion,
    program_currency: Currency,
    enrollment_id: EnrollmentId,
    own: OwnRates,
    share_ppm: i32,
) -> Result<Option<Priced>, Overflow> {
    let Some(facts) = facts_of(event, program_currency, enrollment_id) else { return Ok(None) };
    match facts.amount {
        Some(amount) if !event.order.lines.is_empty() => {
            price_lines(terms, &facts, amount, &event.order.lines, own, share_ppm)
        }
        _ => price(terms, &facts, own, share_ppm),
    }
}

/// Every commission that a line of a sale could have earned, in the order of precedence.
///
/// # Errors
/// [`Overflow`].
pub fn trace_line<'terms>(
    terms: &'terms Terms,
    facts: &Facts<'_>,
    line: &SaleLine,
    own: OwnRates,
) -> Result<Vec<Step<'terms>>, Overflow> {
    let Trace { steps, .. } = trace(terms, &facts_of_line(facts, line), own, WHOLE_SHARE_PPM)?;
    Ok(steps)
}

/// The facts of a line of a sale that has these.
pub(in crate::domain) fn facts_of_line<'event>(facts: &Facts<'event>, line: &'event SaleLine) -> Facts<'event> {
    Facts {
        line_amount: facts.amount.map(|amount| Money::new(line.amount_minor, amount.currency)),
        quantity: line.quantity,
        item_sku: &line.item_sku,
        plan: if line.plan.is_empty() { facts.plan } else { &line.plan },
        collections: if line.collections.is_empty() { facts.collections } else { &line.collections },
        ..*facts
    }
}

fn price_lines(
    terms: &Terms,
    facts: &Facts<'_>,
    amount: Money,
    lines: &[SaleLine],
    own: OwnRates,
    share_ppm: i32,
) -> Result<Option<Priced>, Overflow> {
    let chosen = lines.iter().map(|line| choose(terms, &facts_of_line(facts, line), own));
    let Some(mut chosen) = chosen.collect::<Option<Vec<Chosen>>>() else { return Ok(None) };
    let currency = currency_of(&chosen, amount);
    let amounts: Vec<i64> = lines.iter().map(|line| line.amount_minor).collect();
    divide_bonus(&mut chosen, &amounts, currency);
    let commissions = commissions(terms, &chosen, &amounts, currency)?;
    let amount_not_compared = chosen.iter().any(|chosen| chosen.amount_not_compared);
    let priced = lines.iter().zip(chosen).zip(&commissions).map(|((line, chosen), commission_minor)| RewardLine {
        line_id: line.line_id.as_str().into(),
        item_sku: line.item_sku.as_str().into(),
        plan: line.plan.as_str().into(),
        collections: line.collections.iter().map(|collection| collection.as_str().into()).collect(),
        quantity: line.quantity,
        base_minor: line.amount_minor,
        rule: chosen.rule,
        commission: chosen.commission,
        rule_taken: chosen.taken,
        commission_minor: *commission_minor,
        value_minor: 0,
    });
    let priced: Vec<RewardLine> = priced.collect();
    let Some(main) = main_line(&priced) else { return Ok(None) };
    let calculation = Calculation {
        rule: main.rule,
        base_amount: amount,
        sale_amount: amount,
        commission: main.commission,
        share_ppm,
        terms_version: terms.version,
        rounding: terms.rules.rounding,
        adjustment: None,
        rule_taken: main.rule_taken.clone(),
        amount_not_compared,
        caps: Vec::new(),
        tally_change: None,
        ladder: None,
        brackets: None,
        upline: None,
        split: None,
        lines: priced,
    };
    let sum: i128 = commissions.iter().map(|minor| i128::from(*minor)).sum();
    let whole = i64::try_from(sum).map_err(|_| Overflow)?;
    let value = Money::new(portion(whole, share_ppm.into(), PPM, terms.rules.rounding)?, currency);
    Ok(Some(Priced { value, calculation: divided(calculation, value) }))
}

/// The line with the largest commission, the first of equal ones.
pub(super) fn main_line(lines: &[RewardLine]) -> Option<&RewardLine> {
    lines.iter().rev().max_by_key(|line| line.commission_minor)
}

/// The currency of the reward: the sale's, unless only flat amounts are paid. Amounts of two currencies are never added, so a line with a
/// flat commission in another currency earns nothing then.
fn currency_of(chosen: &[Chosen], amount: Money) -> Currency {
    let is_percent = |chosen: &Chosen| matches!(chosen.commission, Commission::PercentPpm(1..));
    let mut flats = chosen.iter().filter_map(|chosen| match chosen.commission {
        Commission::Flat(flat) => Some(flat.currency),
        Commission::PercentPpm(_) => None,
    });
    if chosen.iter().any(is_percent) { amount.currency } else { flats.next().unwrap_or(amount.currency) }
}

/// A commission that lines may have in common.
fn source(chosen: &Chosen) -> (RewardRule, i32) {
    (chosen.rule, chosen.taken.as_ref().map_or(0, |taken| taken.number))
}

/// Leaves only the largest bonus, and divides it among the lines of its rule.
fn divide_bonus(chosen: &mut [Chosen], amounts: &[i64], currency: Currency) {
    let bonus_of = |chosen: &Chosen| {
        let bonus = chosen.taken.as_ref().and_then(|taken| taken.first_sale_bonus)?;
        (bonus.currency == currency && bonus.amount_minor > 0).then(|| (bonus.amount_minor, source(chosen)))
    };
    let first_of_largest = |(minor, (_, number)): &(i64, (RewardRule, i32))| (*minor, std::cmp::Reverse(*number));
    let largest = chosen.iter().filter_map(bonus_of).max_by_key(first_of_largest);
    let places: Vec<usize> = (0..chosen.len()).collect();
    let is_paid = |place: &&usize| {
        largest.is_some_and(|(_, source_of_bonus)| chosen.get(**place).map(source) == Some(source_of_bonus))
    };
    let paid: Vec<usize> = places.iter().filter(is_paid).copied().collect();
    let weights: Vec<i64> = paid.iter().filter_map(|place| amounts.get(*place).copied()).collect();
    let parts = divide(largest.map_or(0, |(minor, _)| minor), &weights);
    let parts: BTreeMap<usize, i64> = paid.into_iter().zip(parts).filter(|(_, part)| *part != 0).collect();
    for (place, chosen) in chosen.iter_mut().enumerate() {
        if let Some(taken) = &mut chosen.taken {
            taken.first_sale_bonus = parts.get(&place).map(|part| Money::new(*part, currency));
        }
    }
}

/// The commission of each line with its part of the bonus.
fn commissions(terms: &Terms, chosen: &[Chosen], amounts: &[i64], currency: Currency) -> Result<Vec<i64>, Overflow> {
    let mut minor = Vec::with_capacity(chosen.len());
    // The flat amounts that are paid once, with the lines that have them.
    let mut once: BTreeMap<i32, (i64, Vec<usize>)> = BTreeMap::new();
    for (place, (chosen, amount)) in chosen.iter().zip(amounts).enumerate() {
        let taken = chosen.taken.as_ref();
        let own = match chosen.commission {
            Commission::PercentPpm(ppm) => portion(*amount, ppm.into(), PPM, terms.rules.rounding)?,
            Commission::Flat(flat) if flat.currency != currency => 0,
            Commission::Flat(flat) if taken.is_some_and(|taken| taken.quantity > 0) => {
                let quantity = taken.map_or(1, RuleTaken::times);
                flat.amount_minor.checked_mul(quantity).ok_or(Overflow)?
            }
            Commission::Flat(flat) if rule_of(terms, chosen).is_some_and(CommissionRule::is_per_line) => {
                flat.amount_minor
            }
            Commission::Flat(flat) => {
                let (_, number) = source(chosen);
                once.entry(number).or_insert_with(|| (flat.amount_minor, Vec::new())).1.push(place);
                0
            }
        };
        let bonus = taken.and_then(|taken| taken.first_sale_bonus).map_or(0, |bonus| bonus.amount_minor);
        minor.push(own.checked_add(bonus).ok_or(Overflow)?);
    }
    for (flat_minor, places) in once.into_values() {
        let weights: Vec<i64> = places.iter().filter_map(|place| amounts.get(*place).copied()).collect();
        for (place, part) in places.into_iter().zip(divide(flat_minor, &weights)) {
            if let Some(minor) = minor.get_mut(place) {
                *minor = minor.checked_add(part).ok_or(Overflow)?;
            }
        }
    }
    Ok(minor)
}

fn rule_of<'terms>(terms: &'terms Terms, chosen: &Chosen) -> Option<&'terms CommissionRule> {
    let (_, number) = source(chosen);
    terms.rules.commission_rules.get(usize::try_from(number.checked_sub(1)?).ok()?)
}

/// The calculation with its value divided among its lines.
pub(super) fn divided(mut calculation: Calculation, value: Money) -> Calculation {
    if let Some(brackets) = calculation.brackets.as_ref().filter(|_| calculation.upline.is_none()) {
        let of_brackets = brackets.value_minor;
        divide_apart(&mut calculation.lines, value.amount_minor.saturating_sub(of_brackets), of_brackets);
        return calculation;
    }
    let is_of_amount = calculation.upline.is_some_and(|upline| upline.rate.basis == UplineBasis::SaleAmount);
    let weight = |line: &RewardLine| match line.commission_minor {
        0 => 0,
        _ if is_of_amount => line.base_minor,
        commission_minor => commission_minor,
    };
    let weights: Vec<i64> = calculation.lines.iter().map(weight).collect();
    for (line, part) in calculation.lines.iter_mut().zip(divide(value.amount_minor, &weights)) {
        line.value_minor = part;
    }
    calculation
}

/// Divides what brackets give among the lines of the ladder alone, and the rest among the other lines.
fn divide_apart(lines: &mut [RewardLine], of_others: i64, of_brackets: i64) {
    let weights = |is_of_ladder: bool| {
        let weight =
            move |line: &RewardLine| if is_by_ladder(line) == is_of_ladder { line.commission_minor } else { 0 };
        lines.iter().map(weight).collect::<Vec<_>>()
    };
    let parts = divide(of_brackets, &weights(true)).into_iter().zip(divide(of_others, &weights(false)));
    let parts: Vec<_> = parts.collect();
    for (line, (of_brackets, of_others)) in lines.iter_mut().zip(parts) {
        line.value_minor = of_brackets.saturating_add(of_others);
    }
}

/// Whether the commission of the terms prices a line.
pub fn is_by_ladder(line: &RewardLine) -> bool {
    line.rule == RewardRule::Program
}

/// The commission on a sale with lines of this amount: that of the lines, and its part if the sale had another amount.
pub(super) fn commission_at(calculation: &Calculation, amount: Money) -> Result<Option<Money>, Overflow> {
    if calculation.lines.is_empty() {
        return Ok(None);
    }
    let sum: i128 = calculation.lines.iter().map(|line| i128::from(line.commission_minor)).sum();
    let whole = i64::try_from(sum).map_err(|_| Overflow)?;
    let is_percent = |line: &RewardLine| matches!(line.commission, Commission::PercentPpm(1..));
    let flat = calculation.lines.iter().find_map(|line| match line.commission {
        Commission::Flat(flat) => Some(flat.currency),
        Commission::PercentPpm(_) => None,
    });
    let is_of_sale = calculation.lines.iter().any(is_percent);
    let currency = if is_of_sale { amount.currency } else { flat.unwrap_or(amount.currency) };
    let minor = if amount == calculation.sale_amount {
        whole
    } else {
        portion(whole, amount.amount_minor, calculation.sale_amount.amount_minor, calculation.rounding)?
    };
    Ok(Some(Money::new(minor, currency)))
}

/// The part of an amount of which an upline gets a percentage: without the lines of which the credited affiliate earns nothing.
pub(super) fn earning_amount(calculation: &Calculation, amount: Money) -> Result<Money, Overflow> {
    if calculation.lines.is_empty() {
        return Ok(amount);
    }
    let earning = calculation.lines.iter().filter(|line| line.commission_minor != 0);
    let sum: i128 = earning.map(|line| i128::from(line.base_minor)).sum();
    let minor = i64::try_from(sum).map_err(|_| Overflow)?;
    if amount == calculation.sale_amount {
        return Ok(Money::new(minor, amount.currency));
    }
    let whole = calculation.sale_amount.amount_minor;
    Ok(Money::new(portion(minor, amount.amount_minor, whole, Rounding::HalfEven)?, amount.currency))
}
