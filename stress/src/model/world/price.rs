//! Which commission a sale has: the enrollment's own, a rule of the terms, or that of the step of their ladder. It counts what an affiliate has
//! sold before by looking at all sales.

use headwater_client::pb;
use pb::reward_calculation::Rate;
use pb::{CapScope, Comparison, ConditionField, Period, RewardRule};

use super::history::Claim;
use super::reward::{minor, share};
use super::tracking::WHOLE_PPM;
use super::{World, day};
use crate::model::command::MICROS_PER_DAY;

/// The sales that are counted together on a ladder: those of an affiliate in a program, since a version of the terms, in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rung {
    program_id: String,
    affiliate_id: String,
    since_version: i32,
    period: Period,
    period_start_day: String,
}

/// The ladder that a sale has met when it was credited.
#[derive(Debug, Clone)]
pub(super) struct Met {
    rung: Rung,
    /// Whether the ladder prices it, in the currency of the program.
    is_counted: bool,
    shown: pb::LadderMet,
}

/// The first day of the period that a moment is in. Empty for all time.
fn first_day(period: Period, at: i64) -> String {
    let text = day(at);
    let (year, month) = (&text[..4], text[5..7].parse::<u32>().unwrap_or(1));
    match period {
        Period::Unspecified | Period::AllTime => String::new(),
        Period::Day => text,
        Period::Week => {
            // The first of all days was a Thursday, and weeks begin on Monday.
            let days = at.div_euclid(MICROS_PER_DAY);
            day((days - (days + 3).rem_euclid(7)) * MICROS_PER_DAY)
        }
        Period::Month => format!("{}-01", &text[..7]),
        Period::Quarter => format!("{year}-{:02}-01", (month - 1) / 3 * 3 + 1),
        Period::Year => format!("{year}-01-01"),
    }
}

/// Whether a condition holds. `if_compared`: what comparisons of the amount are, if it is in another currency.
fn holds(condition: &pb::Condition, sale: &pb::Conversion, if_compared: Option<bool>) -> bool {
    if !condition.all_of.is_empty() {
        return condition.all_of.iter().all(|part| holds(part, sale, if_compared));
    }
    if !condition.any_of.is_empty() {
        return condition.any_of.iter().any(|part| holds(part, sale, if_compared));
    }
    let numbers: Vec<i64> = condition.values.iter().filter_map(|value| value.parse().ok()).collect();
    let number = match condition.field() {
        ConditionField::Amount => match if_compared {
            Some(result) => return result,
            None => minor(sale.amount.as_ref()),
        },
        ConditionField::Quantity => i64::from(sale.quantity),
        ConditionField::Channel => return condition.values.iter().any(|value| value == sale.channel().as_str_name()),
        other => unreachable!("{other:?} is not drawn"),
    };
    match (condition.comparison(), numbers.as_slice()) {
        (Comparison::Equal, [value]) => number == *value,
        (Comparison::Less, [value]) => number < *value,
        (Comparison::MoreOrEqual, [value]) => number >= *value,
        (Comparison::Between, [first, last]) => (*first..=*last).contains(&number),
        (Comparison::MultipleOf, [value]) => number % value == 0,
        other => unreachable!("{other:?} is not drawn"),
    }
}

fn rate_of(commission: &pb::Commission) -> Option<Rate> {
    Some(match commission.rate.clone()? {
        pb::commission::Rate::PercentPpm(ppm) => Rate::PercentPpm(ppm),
        pb::commission::Rate::Flat(flat) => Rate::Flat(flat),
    })
}

impl World {
    /// The price of a sale, and how it is computed. The ladder counts the sale from now on.
    pub(super) fn price(
        &mut self,
        place: usize,
        claim: &Claim,
        own: Option<pb::Commission>,
    ) -> Option<(pb::Money, pb::RewardCalculation)> {
        let sale = self.conversions[place].row.clone();
        let (amount, terms) = (sale.amount.clone()?, &claim.terms);
        let program = self.program(&claim.credit.program_id)?;
        let is_other = amount.currency_code != self.programs[program].row.currency_code;
        let met = terms.ladder.as_ref().map(|ladder| self.meet(place, claim, ladder));
        let compared = is_other.then_some(false);
        let applies = |rule: &pb::CommissionRule| rule.condition.as_ref().is_none_or(|one| holds(one, &sale, compared));
        let rule = terms.rules.iter().position(applies);
        let (origin, commission) = match (own, rule) {
            (Some(own), _) => (RewardRule::Enrollment, Some(own)),
            (None, Some(rule)) => (RewardRule::TermsRule, terms.rules[rule].commission.clone()),
            (None, None) => {
                let step = met.as_ref().map_or(0, |met| met.shown.step as usize);
                let of_step = step.checked_sub(1).zip(terms.ladder.as_ref()).map(|(step, ladder)| &ladder.steps[step]);
                (RewardRule::Program, of_step.map_or(terms.commission.clone(), |step| step.commission.clone()))
            }
        };
        let is_by_ladder = origin == RewardRule::Program && met.is_some();
        let would_apply = |rule: &pb::CommissionRule| {
            rule.condition.as_ref().is_some_and(|one| !holds(one, &sale, Some(false)) && holds(one, &sale, Some(true)))
        };
        let is_not_compared = origin != RewardRule::Enrollment && terms.rules.iter().any(would_apply);
        let taken = rule.filter(|_| origin == RewardRule::TermsRule);
        let rate = rate_of(&commission?)?;
        let mut value = match &rate {
            Rate::PercentPpm(ppm) => {
                let amount_minor = share(amount.amount_minor, i64::from(*ppm), 1_000_000, terms.rounding());
                pb::Money { amount_minor, ..amount.clone() }
            }
            Rate::Flat(flat) => flat.clone(),
        };
        let mut calculation = pb::RewardCalculation {
            rule: origin.into(),
            base_amount: Some(amount.clone()),
            sale_amount: Some(amount),
            rate: Some(rate),
            share_ppm: WHOLE_PPM,
            terms_version: terms.version,
            rounding: terms.rounding,
            rule_name: taken.map(|rule| terms.rules[rule].name.clone()).unwrap_or_default(),
            rule_number: taken.map_or(0, |rule| rule as i32 + 1),
            amount_not_compared: is_other && (is_not_compared || is_by_ladder),
            ladder: met.as_ref().filter(|_| is_by_ladder).map(|met| met.shown.clone()),
            ..pb::RewardCalculation::default()
        };
        self.conversions[place].met = met.map(|met| Met { is_counted: is_by_ladder && !is_other, ..met });
        let currency = &self.programs[program].row.currency_code;
        for cap in &terms.caps {
            if value.currency_code == *currency {
                let maximum = minor(cap.maximum.as_ref());
                value.amount_minor = value.amount_minor.min(maximum);
                calculation.caps.push(pb::CapApplied {
                    scope: CapScope::SingleEvent.into(),
                    period: Period::AllTime.into(),
                    maximum: cap.maximum.clone(),
                    paid_before: Some(pb::Money { amount_minor: 0, currency_code: currency.clone() }),
                    room_minor: maximum,
                    ..pb::CapApplied::default()
                });
            } else {
                calculation.amount_not_compared = true;
            }
        }
        Some((value, calculation))
    }

    /// The step that a sale meets: by what its affiliate has sold in the period, of what was told before.
    fn meet(&self, place: usize, claim: &Claim, ladder: &pb::Ladder) -> Met {
        let credit = &claim.credit;
        let rung = Rung {
            program_id: credit.program_id.clone(),
            affiliate_id: credit.affiliate_id.clone(),
            since_version: self.counting_since(&credit.program_id, claim.terms.version),
            period: ladder.period(),
            period_start_day: first_day(ladder.period(), self.conversions[place].occurred),
        };
        let (mut count, mut sum) = (0, 0);
        for (other, sold) in self.conversions.iter().enumerate() {
            if other != place && sold.met.as_ref().is_some_and(|met| met.is_counted && met.rung == rung) {
                let left = self.left(other);
                count += i64::from(left > 0);
                sum += left;
            }
        }
        let is_reached = |step: &&pb::LadderStep| match &step.min_amount {
            Some(minimum) => sum >= minimum.amount_minor,
            None => count >= step.min_sale_count,
        };
        let step = ladder.steps.iter().take_while(is_reached).count() as i32;
        let program = self.program(&rung.program_id).map(|program| self.programs[program].row.currency_code.clone());
        let shown = pb::LadderMet {
            step,
            period: rung.period.into(),
            period_start_day: rung.period_start_day.clone(),
            earlier_sale_count: count,
            earlier_amount: Some(pb::Money { amount_minor: sum, currency_code: program.unwrap_or_default() }),
            // Only ladders with brackets count parts of sales.
            earlier_millionth_count: 0,
        };
        Met { rung, is_counted: false, shown }
    }

    /// The version with which the counting began that a version of a program goes on with.
    fn counting_since(&self, program_id: &str, version: i32) -> i32 {
        let Some(program) = self.program(program_id) else { return version };
        let counts = |version: i32| {
            let terms = self.programs[program].versions.iter().find(|terms| terms.version == version)?;
            let ladder = terms.ladder.as_ref()?;
            Some((ladder.mode, ladder.period, ladder.steps.first().is_some_and(|step| step.min_amount.is_some())))
        };
        let mut since = version;
        while counts(since).is_some() && counts(since) == counts(since - 1) {
            since -= 1;
        }
        since
    }
}
