//! Credits: the version of the terms, every commission of it in the order of precedence, and how the one that was taken is computed. The
//! recorded rewards are compared with the result.

use super::ladder;
use super::line;
use super::reward::rest;
use super::step::{OwnVersions, Pricing};
use super::threshold;
use super::upline;
use super::{Computation, CreditExplanation, Dossier, ExplanationDifference, LaterTerms, TermsResult};
use crate::domain::commission::Commission;
use crate::domain::conversion::{Conversion, ConversionKind, Credit};
use crate::domain::coupon::Coupon;
use crate::domain::dated_commission::OwnCommission;
use crate::domain::enrollment::Enrollment;
use crate::domain::money::{Currency, Money, Overflow, Unrounded, portion};
use crate::domain::pricing::{self, Priced, Trace};
use crate::domain::program::{Terms, TermsReach};
use crate::domain::reward::{Calculation, Reward, RewardState, RuleTaken};
use crate::domain::tally::Counted;
use crate::domain::terms_period::Occasion;
use crate::domain::time::Time;

/// How each credit of a conversion was priced. A credit whose rows are missing is left out.
pub(super) fn explained(dossier: &Dossier) -> Vec<CreditExplanation> {
    dossier.image.conversion.credits.iter().filter_map(|credit| explained_one(dossier, credit)).collect()
}

fn explained_one(dossier: &Dossier, credit: &Credit) -> Option<CreditExplanation> {
    let event = dossier.image.conversion.as_ref();
    let enrollment = dossier.enrollments.get(&credit.enrollment_id)?;
    let currency = dossier.programs.get(&credit.program_id)?.currency;
    let of_program = || dossier.terms.iter().filter(|terms| terms.program_id == credit.program_id);
    let terms = of_program().find(|terms| terms.version == credit.terms_version)?;
    let facts = pricing::facts_of(event, currency, credit.enrollment_id)?;
    let versions = OwnVersions {
        enrollment: enrollment.own_commission_at(event.occurred_at),
        coupon: coupon_commission(dossier, credit),
    };
    let met = event.laddered(credit.enrollment_id).map(|laddered| laddered.met);
    let terms_at_step = pricing::at_step(terms, met.as_ref());
    let own = versions.rates();
    let pricing = Pricing { event, terms: &terms_at_step, of_program: terms, own, versions, credit, currency, met };
    let counted = event.counted(credit.enrollment_id);
    let caps = counted.map(Counted::caps).unwrap_or_default();
    let lines = line::explained(&pricing, &facts, &caps);
    let uplines = upline::explained(dossier, &pricing, &caps);
    let is_whole = event.order.lines.is_empty();
    let trace = if is_whole { pricing.trace(&facts).ok()? } else { Trace { steps: Vec::new(), priced: None } };
    let priced = trace.priced.map(|priced| pricing::with_caps(priced, caps)).transpose().ok()?;
    let computation = priced.as_ref().and_then(|priced| computation(priced).ok());
    let rewards: Vec<&Reward> = dossier.image.rewards.iter().map(AsRef::as_ref).collect();
    let rewards: Vec<&Reward> = rewards.into_iter().filter(|reward| is_of(reward, credit)).collect();
    let value = computation.as_ref().map(|computation| computation.value);
    let value = value.or_else(|| line::sum(&lines, |line| line.priced.value_minor));
    let of_lines = || line::sum(&lines, |line| line.rest.amount_minor);
    let expected_rest =
        value.filter(|_| is_whole).and_then(|value| expected_rest(event, value, terms).ok()).or_else(of_lines);
    let later = of_program().filter(|later| later.version > credit.terms_version);
    Some(CreditExplanation {
        credit: credit.clone(),
        terms_start_at: terms.starts_at,
        terms_end_at: terms.ends_at,
        terms_reach: terms.rules.reach,
        later_terms: later.map(|later| later_terms(later, terms, enrollment, event.occurred_at)).collect(),
        rounding: terms.rules.rounding,
        hold_period_days: terms.rules.hold_period_days,
        steps: trace.steps.iter().map(|step| pricing.told_step(step, &facts)).collect(),
        computation,
        ladder: ladder::explained(&pricing),
        lines,
        expected_rest,
        recorded_rest: value.map(|value| recorded_rest(&rewards, value.currency)),
        difference: difference(&pricing, &rewards, expected_rest),
        uplines,
        threshold_bonuses: threshold::explained(dossier, credit, terms, currency),
    })
}

/// The commission of the coupon's own that a sale was made with, if it is the affiliate's.
fn coupon_commission(dossier: &Dossier, credit: &Credit) -> OwnCommission {
    let event = dossier.image.conversion.as_ref();
    let is_of_affiliate = event.has_coupon_of(credit.affiliate_id);
    let own = || Coupon::own_commission(&dossier.coupons, credit.affiliate_id, event.occurred_at);
    is_of_affiliate.then(own).flatten().unwrap_or_default()
}

fn is_of(reward: &Reward, credit: &Credit) -> bool {
    reward.reverses.is_none() && reward.is_of_credit(credit.enrollment_id) && reward.calculation.is_some()
}

/// Whether a recorded calculation with its value is what the terms give for its amount.
fn gives(pricing: &Pricing<'_>, calculation: &Calculation, value: Money) -> bool {
    let amount = pricing.event.amount.map(|_| calculation.base_amount);
    if !calculation.lines.is_empty() || !pricing.event.order.lines.is_empty() {
        return line::gives(pricing, calculation, value);
    }
    let event = Conversion { amount, ..pricing.event.clone() };
    let Some(facts) = pricing::facts_of(&event, pricing.currency, pricing.credit.enrollment_id) else { return false };
    let priced = pricing.trace(&facts).ok().and_then(|trace| trace.priced);
    let priced = priced.and_then(|priced| pricing::with_caps(priced, calculation.caps.clone()).ok());
    priced.is_some_and(|priced| priced.value == value && priced.calculation == *calculation)
}

fn later_terms(terms: &Terms, applied: &Terms, enrollment: &Enrollment, occurred_at: Time) -> LaterTerms {
    let result = if terms.withdrawn_at.is_some() {
        TermsResult::Withdrawn
    } else if terms.starts_at > occurred_at {
        TermsResult::StartedLater
    } else if terms.has_ended_at(occurred_at) {
        TermsResult::Ended
    } else if terms.rules.reach == TermsReach::NewCustomers {
        TermsResult::NewCustomersOnly
    } else if !terms.reaches(&Occasion::of(enrollment, occurred_at)) {
        TermsResult::NewAffiliatesOnly
    } else if terms.yields_to.contains(&applied.version) {
        TermsResult::StartedEarlier
    } else {
        TermsResult::MadeLater
    };
    let Terms { version, starts_at, ends_at, .. } = *terms;
    LaterTerms { version, starts_at, ends_at, reach: terms.rules.reach, result }
}

fn computation(priced: &Priced) -> Result<Computation, Overflow> {
    let calculation = &priced.calculation;
    let base_amount = calculation.base_amount;
    let commission_amount = pricing::commission_at(calculation, base_amount)?;
    let taken = calculation.rule_taken.as_ref();
    let first_sale_bonus = taken.and_then(|taken| taken.first_sale_bonus);
    let commission_unrounded = match calculation.commission {
        _ if calculation.brackets.is_some() => Unrounded::whole(commission_amount),
        Commission::PercentPpm(ppm) => Unrounded::part(base_amount, ppm)?,
        Commission::Flat(_) => Unrounded::whole(without(commission_amount, first_sale_bonus)),
    };
    Ok(Computation {
        base_amount,
        commission: calculation.commission,
        quantity: taken.map_or(0, |taken: &RuleTaken| taken.quantity),
        commission_unrounded,
        first_sale_bonus,
        commission_amount,
        share_ppm: calculation.share_ppm,
        // What brackets give is the affiliate's own.
        value_unrounded: match calculation.brackets {
            Some(_) => Unrounded::whole(commission_amount),
            None => Unrounded::part(commission_amount, calculation.share_ppm)?,
        },
        caps: calculation.caps.clone(),
        value_before_caps: pricing::value_at(&Calculation { caps: Vec::new(), ..calculation.clone() }, base_amount)?,
        value: priced.value,
    })
}

/// A commission without its bonus.
pub(super) fn without(commission: Money, bonus: Option<Money>) -> Money {
    let bonus_minor = bonus.map_or(0, |bonus| bonus.amount_minor);
    Money::new(commission.amount_minor - bonus_minor, commission.currency)
}

/// What is left of a value after the refunds of its event.
fn expected_rest(event: &Conversion, value: Money, terms: &Terms) -> Result<Money, Overflow> {
    let amount_minor = event.amount.map_or(0, |amount| amount.amount_minor);
    let taken_minor = match amount_minor {
        // A refund of a free order takes all of its flat commission back.
        0 if event.refund_count > 0 => value.amount_minor,
        amount_minor => portion(value.amount_minor, event.refunded_minor, amount_minor, terms.rules.rounding)?,
    };
    Ok(Money::new(value.amount_minor - taken_minor, value.currency))
}

fn recorded_rest(rewards: &[&Reward], currency: Currency) -> Money {
    let counts = |reward: &&&Reward| reward.state != RewardState::Denied && reward.value.currency == currency;
    let rest_minor = rewards.iter().filter(counts).map(|reward| rest(reward).amount_minor);
    Money::new(rest_minor.fold(0, i64::saturating_add), currency)
}

fn difference(pricing: &Pricing<'_>, rewards: &[&Reward], expected: Option<Money>) -> Option<ExplanationDifference> {
    // A sign-up that did not bind its customer earns nothing, whatever the terms say. A sign-up that no longer does has its reward back.
    let is_sign_up = pricing.event.kind == ConversionKind::Lead;
    // A reward of which nothing is left may be from an earlier credit, or from an earlier number of the sale among its customer's.
    let stands = |reward: &Reward| reward.state != RewardState::Denied && rest(reward).amount_minor != 0;
    let is_other = |reward: &Reward| {
        let calculation = reward.calculation.as_ref().filter(|_| stands(reward));
        calculation.is_some_and(|calculation| !gives(pricing, calculation, reward.value))
    };
    match rewards.last() {
        Some(last) if is_other(last) => return Some(ExplanationDifference::OtherCalculation),
        Some(_) => {}
        None if is_sign_up || expected.is_none_or(|rest| rest.amount_minor == 0) => return None,
        None => return Some(ExplanationDifference::NoReward),
    }
    let is_denied = rewards.iter().any(|reward| reward.state == RewardState::Denied);
    let recorded = expected.map(|expected| recorded_rest(rewards, expected.currency));
    let is_back = is_sign_up && recorded.is_some_and(|recorded| recorded.amount_minor == 0);
    (recorded != expected && !is_denied && !is_back).then_some(ExplanationDifference::OtherRest)
}
