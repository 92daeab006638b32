//! Commissions that an event or a line could have earned, each with the values of the event, and what prices a credit.

use super::{CommissionStep, Compared};
use crate::domain::conversion::{Conversion, Credit, CustomerSale};
use crate::domain::dated_commission::OwnCommission;
use crate::domain::ladder::LadderMet;
use crate::domain::money::{Currency, Overflow};
use crate::domain::pricing::{self, Compare, ConditionField, Fact, Facts, OwnRates, Priced, Step, StepResult, Trace};
use crate::domain::program::Terms;
use crate::domain::reward::RewardRule;

/// How many characters of a value of an event are told.
const ACTUAL_CHARACTERS_MAX: usize = 100;

/// The commissions of their own that the enrollment and the coupon had when the event happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnVersions {
    pub(super) enrollment: OwnCommission,
    pub(super) coupon: OwnCommission,
}

impl OwnVersions {
    pub(super) const fn rates(self) -> OwnRates {
        OwnRates { enrollment: self.enrollment.commission, coupon: self.coupon.commission }
    }

    /// The one that a commission of this source is from. Commissions of the terms have none.
    const fn of(self, source: RewardRule) -> Option<OwnCommission> {
        match source {
            RewardRule::Enrollment => Some(self.enrollment),
            RewardRule::Coupon => Some(self.coupon),
            _ => None,
        }
    }
}

/// What prices a credit.
pub(super) struct Pricing<'rows> {
    pub(super) event: &'rows Conversion,
    pub(super) terms: &'rows Terms,
    pub(super) own: OwnRates,
    /// The versions that `own` is from.
    pub(super) versions: OwnVersions,
    pub(super) credit: &'rows Credit,
    pub(super) currency: Currency,
    /// The terms with their own commission.
    pub(super) of_program: &'rows Terms,
    /// The step of the ladder that the event has met. `terms` have its commission.
    pub(super) met: Option<LadderMet>,
}

impl<'rows> Pricing<'rows> {
    /// How the whole event is priced.
    pub(super) fn trace(&self, facts: &Facts<'_>) -> Result<Trace<'rows>, Overflow> {
        let mut trace = pricing::trace(self.terms, facts, self.own, self.credit.share_ppm)?;
        if let Some(split) = self.credit.split_among(&self.event.credits)
            && let Some(priced) = trace.priced.take()
        {
            trace.priced = Some(pricing::price_of_part(priced, &split)?);
        }
        trace.priced = trace.priced.map(|priced| self.marked(priced)).transpose()?;
        Ok(trace)
    }

    /// A price with the step of the ladder and its brackets, and with the mark that caps do not limit what is in another currency.
    pub(super) fn marked(&self, priced: Priced) -> Result<Priced, Overflow> {
        let priced = pricing::with_ladder(priced, self.met.as_ref());
        let mut priced = pricing::with_brackets(priced, self.of_program, self.met.as_ref())?;
        if !self.terms.rules.caps.is_empty() && priced.value.currency != self.currency {
            priced.calculation.amount_not_compared = true;
        }
        Ok(priced)
    }

    /// A commission that the event, or the line with these facts, could have earned.
    pub(super) fn told_step(&self, step: &Step<'_>, facts: &Facts<'_>) -> CommissionStep {
        let version = self.versions.of(step.source).unwrap_or_default();
        let has_times = version.number > 0 || version.commission.is_some();
        CommissionStep { version: has_times.then_some(version), ..told(step, facts) }
    }
}

fn told(step: &Step<'_>, facts: &Facts<'_>) -> CommissionStep {
    let rule = step.rule;
    let condition = rule.and_then(|rule| rule.condition.as_ref());
    let is_compared = matches!(step.result, StepResult::Taken | StepResult::Outranked | StepResult::ConditionNotMet);
    let mut comparisons = Vec::new();
    if let Some(condition) = condition.filter(|_| is_compared) {
        condition.comparisons(&mut comparisons);
    }
    let of_customer = |fact: fn(&CustomerSale) -> i32| {
        facts.customer_sale.as_ref().map(|sale| fact(sale).to_string()).unwrap_or_default()
    };
    CommissionStep {
        source: step.source,
        rule_name: rule.map(|rule| rule.name.to_string()).unwrap_or_default(),
        rule_number: step.number,
        commission: step.commission,
        result: step.result,
        actual: shortened(&match step.result {
            StepResult::OtherEventKind => facts.event_kind.to_string(),
            StepResult::OtherCustomKind => facts.custom_kind.to_owned(),
            StepResult::OtherCouponCode => facts.coupon_code.to_owned(),
            StepResult::OtherItem => facts.item_sku.to_owned(),
            StepResult::OtherPlan => facts.plan.to_owned(),
            StepResult::CustomerSalesOver => of_customer(|sale| sale.number),
            StepResult::CustomerMonthsOver => of_customer(|sale| sale.age_months),
            _ => String::new(),
        }),
        cause_at: match step.result {
            StepResult::NotStarted => rule.and_then(|rule| rule.starts_at),
            StepResult::Over => rule.and_then(|rule| rule.ends_at),
            _ => None,
        },
        comparisons: comparisons.into_iter().map(|compare| compared(compare, facts)).collect(),
        version: None,
    }
}

fn compared(compare: &Compare, facts: &Facts<'_>) -> Compared {
    let fact = compare.fact_of(facts);
    let amount = match compare.field {
        ConditionField::LineAmount => facts.line_amount.or(facts.amount),
        _ => facts.amount,
    };
    let actual = match fact {
        Fact::Number(number) => number.map(|number| number.to_string()).unwrap_or_default(),
        Fact::Text(text) => shortened(text),
        Fact::Texts(texts) => shortened(&texts.join(", ")),
        Fact::Time(time) => pricing::moment::written(time),
        Fact::OtherCurrency => amount.map(|amount| amount.amount_minor.to_string()).unwrap_or_default(),
    };
    let is_other_currency = fact == Fact::OtherCurrency;
    Compared { compare: compare.clone(), actual, holds: compare.holds(facts), is_other_currency }
}

fn shortened(text: &str) -> String {
    text.chars().take(ACTUAL_CHARACTERS_MAX).collect()
}
