//! Threshold bonuses of terms on the wire.

use std::sync::Arc;

use crate::domain::period::Period;
use crate::domain::reward_unit::RewardUnit;
use crate::domain::threshold_bonus::{BONUSES_MAX, Threshold, ThresholdBonus, ThresholdReached};
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::{money, reward_value};
use crate::rpc::call::wire_enum::WireEnum;
use std::borrow::Cow;

/// The largest number of sales that a bonus may ask for.
const SALE_COUNT_MAX: i64 = 1_000_000_000;

/// The maximum length of a name.
const NAME_LENGTH_MAX: usize = 100;

/// Reads the threshold bonuses of terms.
pub(super) fn read(fields: &mut Fields, sent: &[pb::ThresholdBonus]) -> Vec<ThresholdBonus> {
    if sent.len() > BONUSES_MAX {
        let problem = format!("has {} bonuses; at most {BONUSES_MAX} are taken", sent.len());
        fields.wrong("threshold_bonuses", problem);
        return Vec::new();
    }
    let mut bonuses: Vec<ThresholdBonus> = Vec::new();
    for (place, sent) in sent.iter().enumerate() {
        let field = format!("threshold_bonuses[{place}]");
        let Some(bonus) = fields.within(&field, |fields| read_one(fields, sent)) else { continue };
        if !bonus.name.is_empty() && bonuses.iter().any(|other| other.name == bonus.name) {
            fields.wrong(&format!("{field}.name"), "is the name of another threshold bonus; each name occurs once");
        }
        bonuses.push(bonus);
    }
    bonuses
}

fn read_one(fields: &mut Fields, sent: &pb::ThresholdBonus) -> Option<ThresholdBonus> {
    let name: Arc<str> = fields.required_line("name", &sent.name, NAME_LENGTH_MAX).into();
    let period = fields.optional_value("period", sent.period).unwrap_or(Period::AllTime);
    let threshold = threshold(fields, sent);
    let bonus = fields.reward_value("bonus", sent.bonus.as_ref());
    if bonus.is_some_and(|(unit, _)| unit != RewardUnit::Cash) {
        fields.wrong("bonus", "must be cash; threshold bonuses in other units are not paid");
    }
    Some(ThresholdBonus { name, period, threshold: threshold?, bonus: bonus?.1 })
}

fn threshold(fields: &mut Fields, sent: &pb::ThresholdBonus) -> Option<Threshold> {
    match (&sent.min_amount, sent.min_sale_count) {
        (Some(_), count) if count != 0 => {
            fields.wrong("min_amount", "is set besides min_sale_count; a bonus has one of the two");
            None
        }
        (Some(amount), _) => {
            let amount = fields.optional_money("min_amount", Some(amount))?;
            if amount.amount_minor == 0 {
                fields.wrong("min_amount.amount_minor", "must be more than zero");
            }
            Some(Threshold::Amount(amount))
        }
        (None, count @ 1..=SALE_COUNT_MAX) => Some(Threshold::SaleCount(count)),
        (None, _) => {
            fields.wrong("min_sale_count", format!("must be 1 to {SALE_COUNT_MAX}, or min_amount in its place"));
            None
        }
    }
}

/// Threshold bonuses in the form that all of the same meaning have.
pub(super) fn canonical(sent: &[pb::ThresholdBonus]) -> Option<Vec<pb::ThresholdBonus>> {
    let canonical: Vec<_> = sent.iter().map(canonical_one).collect();
    let is_canonical = canonical.iter().all(|bonus| matches!(bonus, Cow::Borrowed(_)));
    (!is_canonical).then(|| canonical.into_iter().map(Cow::into_owned).collect())
}

fn canonical_one(sent: &pb::ThresholdBonus) -> Cow<'_, pb::ThresholdBonus> {
    canonical!(
        pb::ThresholdBonus,
        sent,
        name: canonical::trimmed(&sent.name),
        period: canonical::default_number(sent.period, Period::AllTime.number());
        as_sent: min_sale_count, min_amount, bonus,
    )
}

/// A threshold bonus as a message.
pub(in crate::rpc) fn render(bonus: &ThresholdBonus) -> pb::ThresholdBonus {
    let (min_sale_count, min_amount) = render_threshold(&bonus.threshold);
    pb::ThresholdBonus {
        name: bonus.name.to_string(),
        period: bonus.period.number(),
        min_sale_count,
        min_amount,
        bonus: Some(reward_value(RewardUnit::Cash, bonus.bonus)),
    }
}

fn render_threshold(threshold: &Threshold) -> (i64, Option<pb::Money>) {
    match threshold {
        Threshold::SaleCount(count) => (*count, None),
        Threshold::Amount(amount) => (0, Some(money(*amount))),
    }
}

/// How a threshold bonus was reached, or lost, as a message.
pub(in crate::rpc) fn render_reached(reached: &ThresholdReached) -> pb::ThresholdReached {
    let (min_sale_count, min_amount) = render_threshold(&reached.threshold);
    pb::ThresholdReached {
        name: reached.name.to_string(),
        terms_version: reached.terms_version,
        period: reached.period.number(),
        period_start_day: start_day(reached.period, reached.starts_on),
        min_sale_count,
        min_amount,
        sale_count: reached.sale_count,
        sales_amount: Some(money(reached.amount)),
        conversion_id: reached.conversion_id.to_string(),
    }
}

/// The first day of a period. Empty for all time.
pub(in crate::rpc) fn start_day(period: Period, starts_on: crate::domain::calendar::Day) -> String {
    if period == Period::AllTime { String::new() } else { starts_on.to_string() }
}
