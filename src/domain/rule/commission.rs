//! What a credited event earns: prices it, and writes the reward and its posting. [`pricing`] has the choice of the commission.

use std::sync::Arc;

use smallvec::SmallVec;

use super::context::Context;
use crate::domain::commission::Commission;
use crate::domain::conversion::{Conversion, ConversionKind, Credit, Credits};
use crate::domain::coupon::Coupon;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::RewardId;
use crate::domain::ladder::{LadderMet, LadderMode};
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::pricing::{self, OwnRates, Priced};
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Calculation, Reward, RewardState, RewardUnit};
use crate::domain::split::Split;

/// Who earns from an event, and under which terms.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) credit: Credit,
    pub(super) enrollment: Arc<Enrollment>,
    pub(super) terms: Arc<Terms>,
    /// Set if others share the credit.
    pub(super) split: Option<Split>,
    /// The program, if its fraud rules judge the event.
    pub(super) judged_by: Option<Arc<Program>>,
}

/// Those who earn from an event, in the order of its credits. Nearly always one, or none.
pub(super) type Claims = SmallVec<[Claim; 1]>;

/// The program if it judges events by fraud rules.
pub(super) fn judging(program: &Arc<Program>) -> Option<Arc<Program>> {
    program.has_fraud_rules().then(|| Arc::clone(program))
}

/// The credits of claims.
pub(super) fn credits_of(claims: &[Claim]) -> Credits {
    claims.iter().map(|claim| claim.credit.clone()).collect()
}

/// Writes what an affiliate earns from an event through an enrollment in the program of the claim.
pub(super) fn write(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    enrollment: &Enrollment,
    priced: Priced,
) -> Arc<Reward> {
    let Priced { value, calculation } = priced;
    let (review, is_held) = event.order.review_of(claim.enrollment.id);
    let unfrozen = if is_held { RewardState::Held } else { RewardState::Pending };
    let dispute = event.born_frozen(unfrozen);
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id: context.account_id,
        conversion_id: Some(event.id),
        affiliate_id: enrollment.affiliate_id,
        enrollment_id: enrollment.id,
        program_id: claim.credit.program_id,
        unit: RewardUnit::Cash,
        value,
        reversed_minor: 0,
        reverses: None,
        state: if dispute.is_some() { RewardState::Frozen } else { unfrozen },
        calculation: Some(calculation),
        by_hand: None,
        click: None,
        review,
        auto_approve_at: event.occurred_at.plus_days(claim.terms.rules.hold_period_days),
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: None,
        dispute,
    };
    let reward = context.put(reward);
    context.post(Posting::for_reward(
        &reward,
        LedgerAccount::CommissionExpense,
        if dispute.is_some() { LedgerAccount::AffiliateFrozen } else { LedgerAccount::AffiliatePending },
        LedgerReason::Earned,
        context.now,
    ));
    reward
}

/// Whether a credited event earns more than zero.
pub(super) fn is_paid(context: &mut Context<'_>, event: &Conversion, claim: &Claim) -> Result<bool, Refusal> {
    Ok(price(context, event, claim)?.is_some_and(|priced| priced.value.amount_minor != 0))
}

/// The price of a sale with its present amount, by the same version of the terms as before. `None` if the terms have no rules: the rate
/// is then the same for every amount. Refunds and corrections of sales whose rate was the enrollment's own do not come here.
pub(super) fn price_again(
    context: &mut Context<'_>,
    sale: &Conversion,
    reward: &Reward,
    before: &Calculation,
) -> Result<Option<Priced>, Refusal> {
    let (account_id, program_id) = (context.account_id, reward.program_id);
    context.set.wanted().row::<Program>((account_id, program_id));
    context.set.wanted().row::<Terms>((account_id, program_id, before.terms_version));
    let program = context.set.program(account_id, program_id)?;
    let terms = context.set.terms(program, before.terms_version)?;
    let is_marginal = terms.rules.ladder.as_ref().is_some_and(|ladder| ladder.mode == LadderMode::Marginal);
    if terms.rules.commission_rules.is_empty() && !is_marginal {
        return Ok(None);
    }
    let met = met_by(sale, reward);
    let enrollment_id = reward.credited_enrollment_id();
    let own = OwnRates::default();
    let priced = pricing::price_at_step(terms, sale, program.currency, enrollment_id, own, before.share_ppm, met)?;
    let priced = divided(priced, before.split.as_ref(), terms, met)?;
    match (priced, before.upline) {
        (Some(priced), Some(upline)) => Ok(Some(pricing::price_for_upline(&priced, upline)?)),
        (priced, _) => Ok(priced),
    }
}

/// The price of a sale with its present lines, by the same version of the terms as before, and by the enrollment's own rate if it was.
pub(super) fn price_lines_again(
    context: &mut Context<'_>,
    sale: &Conversion,
    reward: &Reward,
    before: &Calculation,
) -> Result<Option<Priced>, Refusal> {
    let (account_id, program_id) = (context.account_id, reward.program_id);
    context.set.wanted().row::<Program>((account_id, program_id));
    context.set.wanted().row::<Terms>((account_id, program_id, before.terms_version));
    let program = context.set.program(account_id, program_id)?;
    let terms = context.set.terms(program, before.terms_version)?;
    let own = OwnRates::of(before);
    let (met, enrollment_id) = (met_by(sale, reward), reward.credited_enrollment_id());
    let priced = pricing::price_at_step(terms, sale, program.currency, enrollment_id, own, before.share_ppm, met)?;
    let priced = divided(priced, before.split.as_ref(), terms, met)?;
    let priced = priced.map(|priced| pricing::with_caps(priced, before.caps.clone())).transpose()?;
    match (priced, before.upline) {
        (Some(priced), Some(upline)) => Ok(Some(pricing::price_for_upline(&priced, upline)?)),
        (priced, _) => Ok(priced),
    }
}

/// The step of a ladder that the credit of a reward has met.
fn met_by<'sale>(sale: &'sale Conversion, reward: &Reward) -> Option<&'sale LadderMet> {
    sale.laddered(reward.credited_enrollment_id()).map(|laddered| &laddered.met)
}

/// What a credited event earns. `None` if no commission applies to it.
pub(super) fn price(context: &mut Context<'_>, event: &Conversion, claim: &Claim) -> Result<Option<Priced>, Refusal> {
    let met = event.laddered(claim.credit.enrollment_id).map(|laddered| &laddered.met);
    price_at(context, event, claim, met)
}

/// The same, at another step of the ladder than the event has met.
pub(super) fn price_at(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    met: Option<&LadderMet>,
) -> Result<Option<Priced>, Refusal> {
    let coupon = coupon_rate(context, event, claim)?;
    let Claim { credit, enrollment, terms, split, .. } = claim;
    let has_rules = !terms.rules.commission_rules.is_empty();
    if !has_rules && event.kind != ConversionKind::Sale {
        return Ok(None);
    }
    // Only rules ask for the program's currency.
    let program_currency = match event.amount {
        Some(amount) if !has_rules => amount.currency,
        _ => context.set.program(context.account_id, credit.program_id)?.currency,
    };
    let own = enrollment.commission_at(event.occurred_at);
    let own = OwnRates { enrollment: own, coupon };
    let priced = pricing::price_at_step(terms, event, program_currency, enrollment.id, own, credit.share_ppm, met)?;
    divided(priced, split.as_ref(), terms, met)
}

/// The commission of the coupon's own that a sale was made with, if it is the affiliate's.
fn coupon_rate(context: &mut Context<'_>, event: &Conversion, claim: &Claim) -> Result<Option<Commission>, Refusal> {
    let affiliate_id = claim.credit.affiliate_id;
    if !event.has_coupon_of(affiliate_id) {
        return Ok(None);
    }
    let (account_id, code) = (context.account_id, event.order.coupon_code.as_str());
    // Who judges the sale has looked the code up. Corrections and refunds have not.
    if context.set.coupons_with_code(account_id, code).is_err() {
        context.set.wanted().coupon_code(account_id, code);
    }
    let coupons = context.set.coupons_with_code(account_id, code)?;
    let own = Coupon::own_commission(coupons.iter().map(AsRef::as_ref), affiliate_id, event.occurred_at);
    Ok(own.and_then(|own| own.commission))
}

/// The part of a price, if others share it, with what brackets of the ladder give.
fn divided(
    priced: Option<Priced>,
    split: Option<&Split>,
    terms: &Terms,
    met: Option<&LadderMet>,
) -> Result<Option<Priced>, Refusal> {
    let Some(mut priced) = priced else { return Ok(None) };
    if let Some(split) = split {
        priced = pricing::price_of_part(priced, split)?;
    }
    if terms.rules.ladder.is_some() {
        priced = pricing::with_brackets(priced, terms, met)?;
    }
    Ok(Some(priced))
}
