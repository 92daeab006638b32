//! The ladder of terms on the wire.

use super::terms::{commission, optional_commission};
use crate::domain::commission::Commission;
use crate::domain::ladder::{Ladder, LadderMeasure, LadderMode, LadderStep, STEPS_MAX};
use crate::domain::money::Money;
use crate::domain::period::Period;
use crate::domain::program::TermsDraft;
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::money;
use crate::rpc::call::wire_enum::WireEnum;
use std::borrow::Cow;

/// The largest number of sales that a step may ask for.
const SALE_COUNT_MAX: i64 = 1_000_000_000;

/// Reads the ladder of terms.
pub(super) fn read(fields: &mut Fields, sent: Option<&pb::Ladder>) -> Option<Ladder> {
    let sent = sent?;
    fields.within("ladder", |fields| {
        let mode: Option<LadderMode> = fields.optional_value("mode", sent.mode);
        if sent.mode == 0 {
            let names: Vec<_> = LadderMode::VALUES.iter().map(|mode| mode.wire_name()).collect();
            fields.wrong("mode", format!("is required: one of {}", names.join(", ")));
        }
        let period = fields.optional_value("period", sent.period).unwrap_or(Period::AllTime);
        let (measure, steps) = steps(fields, &sent.steps)?;
        Some(Ladder { mode: mode?, measure, period, steps, since_version: 0 })
    })
}

/// Refuses what the mode cannot pay for.
pub(super) fn check(fields: &mut Fields, rules: &TermsDraft) {
    let Some(ladder) = rules.ladder.as_ref().filter(|ladder| ladder.mode.pays_for_tally()) else { return };
    let mode = ladder.mode.wire_name();
    if !rules.caps.is_empty() {
        let problem = format!(
            "cannot be {mode} with caps, because each of them would decide what is paid for the same sales; leave caps out, or use \
             LADDER_MODE_LEVEL_UP"
        );
        fields.wrong("ladder.mode", problem);
    }
    if ladder.mode != LadderMode::Marginal {
        return;
    }
    let (is_right, problem): (fn(Commission) -> bool, _) = match ladder.measure {
        LadderMeasure::Amount => (
            |commission| matches!(commission, Commission::PercentPpm(_)),
            "must be percent_ppm under LADDER_MODE_MARGINAL with min_amount, because each bracket has a part of an amount; for flat \
             commissions, set min_sale_count in all steps",
        ),
        LadderMeasure::SaleCount => (
            |commission| matches!(commission, Commission::Flat(_)),
            "must be flat under LADDER_MODE_MARGINAL with min_sale_count, because a percentage would depend on which sales are in the \
             bracket; for percentages, set min_amount in all steps",
        ),
    };
    if !is_right(rules.commission) {
        fields.wrong("commission", problem);
    }
    for (place, _) in ladder.steps.iter().enumerate().filter(|(_, step)| !is_right(step.commission)) {
        fields.wrong(&format!("ladder.steps[{place}].commission"), problem);
    }
}

fn steps(fields: &mut Fields, sent: &[pb::LadderStep]) -> Option<(LadderMeasure, Vec<LadderStep>)> {
    if sent.is_empty() || sent.len() > STEPS_MAX {
        let problem =
            format!("has {} steps; a ladder has 1 to {STEPS_MAX}, and the commission of the terms", sent.len());
        fields.wrong("steps", problem);
        return None;
    }
    let is_amount = sent.first().is_some_and(|step| step.min_amount.is_some());
    let measure = if is_amount { LadderMeasure::Amount } else { LadderMeasure::SaleCount };
    let mut steps: Vec<LadderStep> = Vec::new();
    for (place, sent) in sent.iter().enumerate() {
        let field = format!("steps[{place}]");
        let Some(step) = fields.within(&field, |fields| step(fields, sent, measure)) else { continue };
        if steps.last().is_some_and(|before| step.minimum <= before.minimum) {
            let name = if is_amount { "min_amount" } else { "min_sale_count" };
            fields.wrong(&format!("{field}.{name}"), "must be more than that of the step before it");
        }
        steps.push(step);
    }
    Some((measure, steps))
}

fn step(fields: &mut Fields, sent: &pb::LadderStep, measure: LadderMeasure) -> Option<LadderStep> {
    let minimum = match measure {
        LadderMeasure::SaleCount => sale_count(fields, sent),
        LadderMeasure::Amount => amount(fields, sent),
    };
    let commission = fields.required("commission", sent.commission.as_ref());
    let commission = commission.and_then(|sent| optional_commission(fields, "commission", Some(sent)));
    let (minimum, currency) = minimum?;
    Some(LadderStep { minimum, currency, commission: commission? })
}

fn sale_count(fields: &mut Fields, sent: &pb::LadderStep) -> Option<(i64, Option<crate::domain::money::Currency>)> {
    if sent.min_amount.is_some() {
        fields
            .wrong("min_amount", "is not set in the first step; all steps have min_sale_count, or all have min_amount");
        return None;
    }
    if !(1..=SALE_COUNT_MAX).contains(&sent.min_sale_count) {
        let problem =
            format!("must be 1 to {SALE_COUNT_MAX}; before the first step the commission of the terms applies");
        fields.wrong("min_sale_count", problem);
        return None;
    }
    Some((sent.min_sale_count, None))
}

fn amount(fields: &mut Fields, sent: &pb::LadderStep) -> Option<(i64, Option<crate::domain::money::Currency>)> {
    if sent.min_sale_count != 0 {
        let problem = "is not set in the first step; all steps have min_sale_count, or all have min_amount";
        fields.wrong("min_sale_count", problem);
    }
    let minimum = fields.required("min_amount", sent.min_amount.as_ref())?;
    let minimum = fields.optional_money("min_amount", Some(minimum))?;
    if minimum.amount_minor == 0 {
        let problem = "must be more than zero; before the first step the commission of the terms applies";
        fields.wrong("min_amount.amount_minor", problem);
    }
    Some((minimum.amount_minor, Some(minimum.currency)))
}

/// A ladder in the form that all ladders of the same meaning have.
pub(super) fn canonical(sent: &pb::Ladder) -> Cow<'_, pb::Ladder> {
    canonical!(
        pb::Ladder,
        sent,
        period: canonical::default_number(sent.period, Period::AllTime.number());
        as_sent: mode, steps,
    )
}

/// A ladder as a message.
pub(super) fn render(ladder: &Ladder) -> pb::Ladder {
    pb::Ladder {
        mode: ladder.mode.number(),
        period: ladder.period.number(),
        steps: ladder.steps.iter().map(render_step).collect(),
    }
}

fn render_step(step: &LadderStep) -> pb::LadderStep {
    pb::LadderStep {
        min_sale_count: if step.currency.is_none() { step.minimum } else { 0 },
        min_amount: step.currency.map(|currency| money(Money::new(step.minimum, currency))),
        commission: Some(commission(step.commission)),
    }
}
