//! Lines of a sale: how each is priced, what is left of its part of the reward, and whether a recorded reward was priced so.

use super::step::Pricing;
use super::{CommissionStep, LineExplanation};
use crate::domain::commission::Commission;
use crate::domain::conversion::{Conversion, Credit, SaleLine};
use crate::domain::line::refunded_share;
use crate::domain::money::{Money, Overflow, Unrounded, portion};
use crate::domain::pricing::{self, Facts, Priced, StepResult};
use crate::domain::reward::RewardLine;
use crate::domain::reward::{Calculation, RuleTaken};
use crate::domain::tally::CapApplied;

/// How many lines a sale may have so that every commission of each is told.
const LINES_WITH_STEPS_MAX: usize = 10;

impl Pricing<'_> {
    /// The price of the sale with these lines, with their sum as its amount, and within these caps.
    fn price_lines(&self, lines: Vec<SaleLine>, amount: Money, caps: &[CapApplied]) -> Option<Priced> {
        let mut event = Conversion { amount: Some(amount), ..self.event.clone() };
        event.order.lines = lines;
        let (own, Credit { enrollment_id, share_ppm, .. }) = (self.own, self.credit);
        let priced =
            pricing::price_event(self.terms, &event, self.currency, *enrollment_id, own, *share_ppm).ok()??;
        let priced = match self.credit.split_among(&self.event.credits) {
            Some(split) => pricing::price_of_part(priced, &split).ok()?,
            None => priced,
        };
        pricing::with_caps(self.marked(priced).ok()?, caps.to_vec()).ok()
    }
}

/// How each line is priced. Empty for events without lines.
pub(super) fn explained(pricing: &Pricing<'_>, facts: &Facts<'_>, caps: &[CapApplied]) -> Vec<LineExplanation> {
    let lines = &pricing.event.order.lines;
    let Some(amount) = pricing.event.amount.filter(|_| !lines.is_empty()) else { return Vec::new() };
    let Some(priced) = pricing.price_lines(lines.clone(), amount, caps) else { return Vec::new() };
    let of_lines = lines.iter().zip(&priced.calculation.lines);
    of_lines.filter_map(|(line, of_line)| explained_one(pricing, facts, line, of_line, &priced).ok()).collect()
}

fn explained_one(
    pricing: &Pricing<'_>,
    facts: &Facts<'_>,
    line: &SaleLine,
    priced: &RewardLine,
    whole: &Priced,
) -> Result<LineExplanation, Overflow> {
    let of_line = pricing::facts_of_line(facts, line);
    let steps = pricing::trace_line(pricing.terms, facts, line, pricing.own)?;
    let is_told = |step: &&pricing::Step<'_>| {
        pricing.event.order.lines.len() <= LINES_WITH_STEPS_MAX || step.result == StepResult::Taken
    };
    let steps: Vec<CommissionStep> =
        steps.iter().filter(is_told).map(|step| pricing.told_step(step, &of_line)).collect();
    let sale_currency = whole.calculation.sale_amount.currency;
    let value = Money::new(priced.value_minor, whole.value.currency);
    let event = pricing.event;
    let is_refunded = event.refund_count > 0 && event.left().is_some_and(|left| left.amount_minor == 0);
    let (part, of) = refunded_share(line, is_refunded);
    let refunded_minor = portion(value.amount_minor, part, of, whole.calculation.rounding)?;
    Ok(LineExplanation {
        line: line.clone(),
        commission_unrounded: if whole.calculation.brackets.is_some() && pricing::is_by_ladder(priced) {
            Unrounded::whole(Money::new(priced.commission_minor, value.currency))
        } else {
            unrounded(priced, Money::new(line.amount_minor, sale_currency), value)?
        },
        priced: priced.clone(),
        steps,
        sale_currency,
        rest: Money::new(value.amount_minor - refunded_minor, value.currency),
    })
}

/// The commission on a line before it is rounded.
fn unrounded(priced: &RewardLine, amount: Money, value: Money) -> Result<Unrounded, Overflow> {
    let bonus = priced.rule_taken.as_ref().and_then(|taken: &RuleTaken| taken.first_sale_bonus);
    let bonus_minor = bonus.map_or(0, |bonus| bonus.amount_minor);
    match priced.commission {
        Commission::PercentPpm(ppm) => Unrounded::part(amount, ppm),
        Commission::Flat(_) => Ok(Unrounded::whole(Money::new(priced.commission_minor - bonus_minor, value.currency))),
    }
}

/// What figures of lines add up to, in the currency of the reward.
pub(super) fn sum(lines: &[LineExplanation], figure: impl Fn(&LineExplanation) -> i64) -> Option<Money> {
    let currency = lines.first()?.rest.currency;
    Some(Money::new(lines.iter().map(figure).fold(0, i64::saturating_add), currency))
}

/// Whether a recorded calculation with its value is what the terms give for the lines that it names.
pub(super) fn gives(pricing: &Pricing<'_>, calculation: &Calculation, value: Money) -> bool {
    let lines: Vec<SaleLine> = calculation.lines.iter().map(RewardLine::sale_line).collect();
    let priced = pricing.price_lines(lines, calculation.base_amount, &calculation.caps);
    priced.is_some_and(|priced| priced.value == value && priced.calculation == *calculation)
}
