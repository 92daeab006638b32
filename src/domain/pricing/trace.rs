//! How the commission of an event was chosen: every commission of the terms in the order of precedence, and why it was taken or not.
//! Whether a rule applies and which one is taken are the answers of the code that prices. Sales are priced without a trace.

use super::rule::{CommissionRule, Misfit};
use super::{Chosen, CommissionEvent, Facts, OwnRates, Priced, choose, price_by};
use crate::domain::commission::Commission;
use crate::domain::money::Overflow;
use crate::domain::program::Terms;
use crate::domain::reward::RewardRule;
use crate::domain::text_enum::text_enum;

text_enum! {
    /// What became of a commission that an event could have earned.
    StepResult {
        /// The event is priced by it.
        Taken = "taken",
        /// It applies, but another one takes precedence.
        Outranked = "outranked",
        /// The enrollment has no commission of its own.
        NotSet = "not_set",
        /// It is for another kind of event.
        OtherEventKind = "other_event_kind",
        /// It had not begun when the event happened.
        NotStarted = "not_started",
        /// It had ended when the event happened.
        Over = "over",
        /// The kind of the custom event is none of its own.
        OtherCustomKind = "other_custom_kind",
        /// The coupon code is none of its own.
        OtherCouponCode = "other_coupon_code",
        /// The SKU is none of its own.
        OtherItem = "other_item",
        /// The plan is none of its own.
        OtherPlan = "other_plan",
        /// The customer has had as many sales as it pays for.
        CustomerSalesOver = "customer_sales_over",
        /// The customer has been one for as many months as it pays for.
        CustomerMonthsOver = "customer_months_over",
        /// Its condition does not hold.
        ConditionNotMet = "condition_not_met",
    }
}

impl From<Misfit> for StepResult {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::EventKind => Self::OtherEventKind,
            Misfit::NotStarted => Self::NotStarted,
            Misfit::Over => Self::Over,
            Misfit::CustomKind => Self::OtherCustomKind,
            Misfit::CouponCode => Self::OtherCouponCode,
            Misfit::ItemSku => Self::OtherItem,
            Misfit::Plan => Self::OtherPlan,
            Misfit::CustomerSales => Self::CustomerSalesOver,
            Misfit::CustomerMonths => Self::CustomerMonthsOver,
            Misfit::Condition => Self::ConditionNotMet,
        }
    }
}

/// One commission that an event could have earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Step<'terms> {
    /// Where the commission is from.
    pub source: RewardRule,
    /// The place in the list of rules: 1 for the first. 0 for a commission that is of no rule.
    pub number: i32,
    pub rule: Option<&'terms CommissionRule>,
    /// `None` for an enrollment without a commission of its own.
    pub commission: Option<Commission>,
    pub result: StepResult,
}

/// How an event is priced.
#[derive(Debug, Clone)]
pub struct Trace<'terms> {
    /// In the order of precedence.
    pub steps: Vec<Step<'terms>>,
    /// The same as [`price`](super::price) returns.
    pub priced: Option<Priced>,
}

/// Prices an event as [`price`](super::price) does, and says why.
///
/// # Errors
/// [`Overflow`].
pub fn trace<'terms>(
    terms: &'terms Terms,
    facts: &Facts<'_>,
    own: OwnRates,
    share_ppm: i32,
) -> Result<Trace<'terms>, Overflow> {
    let chosen = choose(terms, facts, own);
    let place = chosen.as_ref().map(Chosen::place);
    let steps = steps(terms, facts, own, place);
    let priced = match chosen {
        Some(chosen) => price_by(chosen, terms, facts, share_ppm)?,
        None => None,
    };
    Ok(Trace { steps, priced })
}

impl Chosen {
    fn place(&self) -> (RewardRule, i32) {
        (self.rule, self.taken.as_ref().map_or(0, |taken| taken.number))
    }
}

fn steps<'terms>(
    terms: &'terms Terms,
    facts: &Facts<'_>,
    own: OwnRates,
    taken: Option<(RewardRule, i32)>,
) -> Vec<Step<'terms>> {
    let not_a_sale = (facts.event_kind != CommissionEvent::Sale).then_some(StepResult::OtherEventKind);
    let step = |source, number, rule, commission, misfit: Option<StepResult>| {
        let is_taken = taken == Some((source, number));
        let result = if is_taken { StepResult::Taken } else { misfit.unwrap_or(StepResult::Outranked) };
        Step { source, number, rule, commission, result }
    };
    let not_set = own.enrollment.is_none().then_some(StepResult::NotSet);
    let mut rules: Vec<_> = (1..).zip(&terms.rules.commission_rules).collect();
    // Stable, so that rules on one step stay in the order of the list.
    rules.sort_by_key(|(_, rule)| rule.scope());
    let mut steps = vec![step(RewardRule::Enrollment, 0, None, own.enrollment, not_set.or(not_a_sale))];
    // Few coupons have one, so it is told only if there is one.
    if own.coupon.is_some() {
        steps.push(step(RewardRule::Coupon, 0, None, own.coupon, not_a_sale));
    }
    steps.extend(rules.into_iter().map(|(number, rule)| {
        let misfit = rule.misfit(facts).map(StepResult::from);
        step(RewardRule::TermsRule, number, Some(rule), Some(rule.commission), misfit)
    }));
    steps.push(step(RewardRule::Program, 0, None, Some(terms.rules.commission), not_a_sale));
    steps
}
