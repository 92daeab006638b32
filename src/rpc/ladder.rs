//! The steps and brackets of ladders that sales have met, on the wire.

use super::call::render::money;
use super::call::wire_enum::WireEnum;
use super::program::terms::commission;
use crate::domain::brackets::{Bracket, Brackets};
use crate::domain::ladder::LadderMet;
use crate::domain::money::{Currency, Money};
use crate::domain::period::Period;
use crate::domain::program::Commission;
use crate::pb;

/// The step of a ladder, as a sale has met it.
pub(super) fn ladder_met(met: &LadderMet) -> pb::LadderMet {
    pb::LadderMet {
        step: met.step,
        period: met.period.number(),
        period_start_day: if met.period == Period::AllTime { String::new() } else { met.starts_on.to_string() },
        earlier_sale_count: met.sale_count_before,
        earlier_amount: Some(money(met.amount_before)),
        earlier_millionth_count: met.share_before_ppm,
    }
}

/// How a sale is divided among brackets.
pub(super) fn brackets(brackets: &Brackets, currency: Currency) -> Vec<pb::LadderBracket> {
    let render = |part: &Bracket| {
        let is_amount = matches!(part.commission, Commission::PercentPpm(_));
        pb::LadderBracket {
            step: part.step,
            commission: Some(commission(part.commission)),
            amount: is_amount.then(|| money(Money::new(part.size, currency))),
            share_ppm: if is_amount { 0 } else { i32::try_from(part.size).unwrap_or(i32::MAX) },
        }
    };
    brackets.parts.iter().map(render).collect()
}

/// What brackets give together.
pub(super) fn brackets_amount(brackets: &Brackets, currency: Currency) -> pb::Money {
    money(Money::new(brackets.value_minor, currency))
}
