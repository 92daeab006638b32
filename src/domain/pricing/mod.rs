//! What an event earns: terms and the facts of the event in, a value and its calculation out. Knows no set and no command.
//!
//! If several commissions apply, the first of this table is taken; of several rules on one step, the first of the list.
//!
//! | Step | Commission |
//! |---|---|
//! | 1 | the enrollment's own, for sales |
//! | 2 | the coupon's own, for sales that were made with it and are credited to its affiliate |
//! | 3 | rules with coupon codes |
//! | 4 | rules with SKUs |
//! | 5 | rules with plans |
//! | 6 | all other rules |
//! | 7 | that of the terms, for sales: of the step of their ladder, if they have one |

mod condition;
mod facts;
mod ladder;
mod lines;
pub mod moment;
pub mod rule;
#[cfg(test)]
mod tests;
mod trace;

pub use condition::{Compare, Comparison, Condition, ConditionField, Fact, ValueType};
pub use facts::{CommissionEvent, Facts};
pub use ladder::{at_step, laddered_minor, price_at_step, with_brackets, with_ladder};
pub(super) use lines::facts_of_line;
pub use lines::{is_by_ladder, price_event, trace_line};
pub use rule::{CommissionRule, Misfit, RuleScope};
pub use trace::{Step, StepResult, Trace, trace};

use super::commission::Commission;
use super::conversion::{Conversion, ConversionKind};
use super::id::EnrollmentId;
use super::money::{Currency, Money, Overflow, PPM, portion};
use super::program::Terms;
use super::reward::{Calculation, RewardRule, RuleTaken};
use super::split::Split;
use super::tally::CapApplied;
use super::upline::{UplineBasis, UplineShare};

/// The commissions that take precedence over terms, for sales.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct OwnRates {
    pub enrollment: Option<Commission>,
    pub coupon: Option<Commission>,
}

impl OwnRates {
    /// That by which a reward was priced, if it was one of these.
    pub fn of(calculation: &Calculation) -> Self {
        let commission = Some(calculation.commission);
        match calculation.rule {
            RewardRule::Enrollment => Self { enrollment: commission, coupon: None },
            RewardRule::Coupon => Self { enrollment: None, coupon: commission },
            _ => Self::default(),
        }
    }

    /// The one that is taken.
    fn first(self) -> Option<(RewardRule, Commission)> {
        let enrollment = self.enrollment.map(|commission| (RewardRule::Enrollment, commission));
        enrollment.or(self.coupon.map(|commission| (RewardRule::Coupon, commission)))
    }
}

/// What one affiliate earns from an event, before refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Priced {
    /// May be zero.
    pub value: Money,
    pub calculation: Calculation,
}

/// The facts of a conversion for a credit in a program of this currency. `None` for a kind that earns nothing.
pub fn facts_of(conversion: &Conversion, program_currency: Currency, enrollment_id: EnrollmentId) -> Option<Facts<'_>> {
    let order = &conversion.order;
    let is_paid = conversion.amount.is_some_and(|amount| amount.amount_minor > 0);
    Some(Facts {
        event_kind: event_of(conversion.kind)?,
        amount: conversion.amount,
        line_amount: None,
        quantity: order.quantity,
        channel: conversion.channel.as_str(),
        coupon_code: &order.coupon_code,
        item_sku: &order.item_sku,
        plan: &order.plan,
        collections: &order.collections,
        custom_kind: &order.custom_kind,
        order_id: &order.order_id,
        metadata: &order.metadata,
        country_code: &order.country_code,
        noted: order.noted(enrollment_id),
        occurred_at: conversion.occurred_at,
        customer_sale: order.customer_sale.filter(|sale| sale.number > 0 && is_paid),
        program_currency,
    })
}

/// The event of a kind of conversion. `None` for a kind that earns nothing.
const fn event_of(kind: ConversionKind) -> Option<CommissionEvent> {
    match kind {
        ConversionKind::Sale => Some(CommissionEvent::Sale),
        ConversionKind::Lead => Some(CommissionEvent::Lead),
        ConversionKind::Appointment => Some(CommissionEvent::Appointment),
        ConversionKind::CustomEvent => Some(CommissionEvent::CustomEvent),
        ConversionKind::Refund
        | ConversionKind::RefundUndo
        | ConversionKind::Cancellation
        | ConversionKind::Correction
        | ConversionKind::Dispute
        | ConversionKind::DisputeResolution => None,
    }
}

/// Prices an event. `None`: no commission applies to it, or it has no amount to take a percentage of.
///
/// `commission = round(amount x ppm / 1,000,000)`, `flat`, or `flat x quantity`, and the bonus of a first sale in addition. `amount` is the whole amount of the event: what was
/// refunded before a sale is priced is taken back from the reward, as later refunds are.
/// `reward = round(commission x share / 1,000,000)`, or the part of the commission by largest remainder if others share it ([`price_of_part`]).
///
/// # Errors
/// [`Overflow`].
pub fn price(terms: &Terms, facts: &Facts<'_>, own: OwnRates, share_ppm: i32) -> Result<Option<Priced>, Overflow> {
    match choose(terms, facts, own) {
        Some(chosen) => price_by(chosen, terms, facts, share_ppm),
        None => Ok(None),
    }
}

/// Prices an event by a commission that was chosen. `None`: there is no amount to take a percentage of.
fn price_by(chosen: Chosen, terms: &Terms, facts: &Facts<'_>, share_ppm: i32) -> Result<Option<Priced>, Overflow> {
    let Some(base_amount) = facts.amount.or(chosen.flat_of_nothing()) else { return Ok(None) };
    let calculation = Calculation {
        rule: chosen.rule,
        base_amount,
        sale_amount: base_amount,
        commission: chosen.commission,
        share_ppm,
        terms_version: terms.version,
        rounding: terms.rules.rounding,
        adjustment: None,
        rule_taken: chosen.taken,
        amount_not_compared: chosen.amount_not_compared,
        upline: None,
        lines: Vec::new(),
        split: None,
        caps: Vec::new(),
        tally_change: None,
        ladder: None,
        brackets: None,
    };
    Ok(Some(Priced { value: value_at(&calculation, base_amount)?, calculation }))
}

/// What one of several earns who share the commission on an event. The parts of all add up to the commission.
///
/// # Errors
/// [`Overflow`].
pub fn price_of_part(priced: Priced, split: &Split) -> Result<Priced, Overflow> {
    let calculation = Calculation { split: Some(split.clone()), ..priced.calculation };
    let value = value_at(&calculation, calculation.base_amount)?;
    Ok(Priced { value, calculation: lines::divided(calculation, value) })
}

/// The reward of an upline from an event that earns this for the credited affiliate: `round(commission x ppm / 1,000,000)`, or
/// `round(share of the amount x ppm / 1,000,000)`. Nothing if the credited affiliate earns nothing.
///
/// # Errors
/// [`Overflow`].
pub fn price_for_upline(priced: &Priced, upline: UplineShare) -> Result<Priced, Overflow> {
    let calculation = Calculation { upline: Some(upline), ..priced.calculation.clone() };
    let value = value_at(&calculation, calculation.base_amount)?;
    Ok(Priced { value, calculation: lines::divided(calculation, value) })
}

/// What an event earns within caps: no more than each of them has room for.
///
/// # Errors
/// [`Overflow`].
pub fn with_caps(priced: Priced, caps: Vec<CapApplied>) -> Result<Priced, Overflow> {
    if caps.is_empty() {
        return Ok(priced);
    }
    let calculation = Calculation { caps, ..priced.calculation };
    let value = value_at(&calculation, calculation.base_amount)?;
    Ok(Priced { value, calculation: lines::divided(calculation, value) })
}

/// The value that an event of this amount earns by the rates of a calculation.
///
/// # Errors
/// [`Overflow`].
pub fn value_at(calculation: &Calculation, amount: Money) -> Result<Money, Overflow> {
    let share = own_part(calculation, amount)?;
    let rooms = calculation.caps.iter().map(CapApplied::room_minor);
    let commission = Money::new(rooms.fold(share.amount_minor, i64::min), share.currency);
    let Some(UplineShare { rate, .. }) = calculation.upline else { return Ok(commission) };
    let base = match rate.basis {
        UplineBasis::Commission => commission,
        UplineBasis::SaleAmount if commission.amount_minor == 0 => commission,
        UplineBasis::SaleAmount => share_of(calculation, lines::earning_amount(calculation, amount)?)?,
    };
    Ok(Money::new(portion(base.amount_minor, rate.percent_ppm.into(), PPM, calculation.rounding)?, base.currency))
}

/// The commission on an event of this amount with the bonus of a first sale, before it is shared.
///
/// # Errors
/// [`Overflow`].
pub fn commission_at(calculation: &Calculation, amount: Money) -> Result<Money, Overflow> {
    if let Some(commission) = lines::commission_at(calculation, amount)? {
        return Ok(commission);
    }
    if calculation.brackets.is_some() {
        return Ok(Money::new(ladder::of_brackets(calculation, amount)?, amount.currency));
    }
    let commission = match calculation.commission {
        Commission::PercentPpm(ppm) => {
            let minor = portion(amount.amount_minor, ppm.into(), PPM, calculation.rounding)?;
            Money::new(minor, amount.currency)
        }
        Commission::Flat(flat) => {
            let quantity = calculation.rule_taken.as_ref().map_or(1, RuleTaken::times);
            Money::new(flat.amount_minor.checked_mul(quantity).ok_or(Overflow)?, flat.currency)
        }
    };
    let bonus = calculation.rule_taken.as_ref().and_then(|taken| taken.first_sale_bonus);
    let bonus_minor = bonus.map_or(0, |bonus| bonus.amount_minor);
    Ok(Money::new(commission.amount_minor.checked_add(bonus_minor).ok_or(Overflow)?, commission.currency))
}

/// The affiliate's part of the commission. What brackets give is not shared with others.
fn own_part(calculation: &Calculation, amount: Money) -> Result<Money, Overflow> {
    let whole = commission_at(calculation, amount)?;
    let of_brackets = ladder::of_brackets(calculation, amount)?;
    let shared = whole.amount_minor.checked_sub(of_brackets).ok_or(Overflow)?;
    let share = share_of(calculation, Money::new(shared, whole.currency))?;
    Ok(Money::new(share.amount_minor.checked_add(of_brackets).ok_or(Overflow)?, share.currency))
}

/// The affiliate's share of an amount.
fn share_of(calculation: &Calculation, whole: Money) -> Result<Money, Overflow> {
    let minor = match &calculation.split {
        Some(split) => split.part(whole.amount_minor)?,
        None => portion(whole.amount_minor, calculation.share_ppm.into(), PPM, calculation.rounding)?,
    };
    Ok(Money::new(minor, whole.currency))
}

/// The commission that is taken, and why.
struct Chosen {
    rule: RewardRule,
    commission: Commission,
    taken: Option<RuleTaken>,
    amount_not_compared: bool,
}

impl Chosen {
    /// The amount of an event that has none and that a flat commission is paid for.
    fn flat_of_nothing(&self) -> Option<Money> {
        match self.commission {
            Commission::Flat(flat) => Some(Money::new(0, flat.currency)),
            Commission::PercentPpm(_) => None,
        }
    }
}

/// The commission that applies to an event: the table in the head of the file.
fn choose(terms: &Terms, facts: &Facts<'_>, own: OwnRates) -> Option<Chosen> {
    let is_sale = facts.event_kind == CommissionEvent::Sale;
    let without_rule = |rule, commission| Chosen { rule, commission, taken: None, amount_not_compared: false };
    if let Some((rule, commission)) = own.first().filter(|_| is_sale) {
        return Some(without_rule(rule, commission));
    }
    let rules = &terms.rules.commission_rules;
    let mut best: Option<(usize, &CommissionRule)> = None;
    for (place, rule) in rules.iter().enumerate() {
        if best.is_none_or(|(_, other)| rule.scope() < other.scope()) && rule.applies_to(facts) {
            best = Some((place, rule));
        }
    }
    let amount_not_compared = facts.has_other_currency() && rules.iter().any(|rule| rule.would_apply_to(facts));
    let Some((place, rule)) = best else {
        let chosen = is_sale.then(|| without_rule(RewardRule::Program, terms.rules.commission))?;
        return Some(Chosen { amount_not_compared, ..chosen });
    };
    let quantity = if rule.is_per_unit { facts.quantity.max(1) } else { 0 };
    let number = i32::try_from(place).unwrap_or(i32::MAX).saturating_add(1);
    let currency = match rule.commission {
        Commission::Flat(flat) => Some(flat.currency),
        Commission::PercentPpm(_) => facts.amount.map(|amount| amount.currency),
    };
    let first_sale_bonus = currency.and_then(|currency| rule.bonus_for(facts, currency));
    let taken = RuleTaken { name: rule.name.clone(), number, quantity, first_sale_bonus };
    Some(Chosen { rule: RewardRule::TermsRule, commission: rule.commission, taken: Some(taken), amount_not_compared })
}
