//! The rule of corrections: the amount of a sale was told wrong. What the sale earns changes to what it would have earned with the
//! right amount, under the terms of the sale. The difference is a reward of its own, and refunds take their part of the whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::commission::{self, Claim};
use super::context::{Context, Rule};
use super::earn;
use super::line;
use super::reversal::{Cause, has_other_currency, present_price, take_back, taken_part, tell_settled};
use super::{former_reward, sale_count, tally_change, upline_reward};
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, Credit, OrderDetails, RefundOutcome, SaleLine,
};
use crate::domain::enrollment::Enrollment;
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::ledger::LedgerReason;
use crate::domain::money::Money;
use crate::domain::pricing::{self, Priced};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::request::{RecordedKind, Request, RequestKey};
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Correct the amount of a sale.
#[derive(Debug, Clone)]
pub struct CorrectSale {
    /// The merchant's id for the correction.
    pub event_id: String,
    /// The event_id of the sale.
    pub sale_event_id: String,
    /// The right amount of the sale; zero for a free order.
    pub amount: Money,
    /// The right lines, which add up to the amount. Empty: those of the sale change in proportion.
    pub lines: Vec<SaleLine>,
    /// Why it is corrected; may be empty.
    pub reason: String,
    /// When it was corrected; `None` for now.
    pub occurred_at: Option<Time>,
}

impl Rule for CorrectSale {
    type Answer = RefundOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Request>(RequestKey::event(account, RecordedKind::Sale, &self.sale_event_id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<RefundOutcome, Refusal> {
        let before = named_sale(context, &self.sale_event_id)?;
        let sold = before.amount.unwrap_or(self.amount);
        if sold.currency != self.amount.currency {
            return Err(Refusal::CurrencyMismatch { sale_id: before.id, currency: sold.currency });
        }
        let occurred_at = self.occurred_at.unwrap_or(context.now);
        if before.order.corrected_at > Some(occurred_at) {
            return Ok(self.leave(context, &before, sold));
        }
        if self.amount.amount_minor < before.refunded_minor {
            return Err(Refusal::CorrectionBelowRefunds {
                sale_id: before.id,
                refunded_minor: before.refunded_minor,
                currency: sold.currency,
            });
        }
        let difference = Money::new(self.amount.amount_minor - sold.amount_minor, sold.currency);
        let lines = line::corrected(&before, &self.lines, self.amount)?;
        let mut corrected = Conversion {
            amount: Some(self.amount),
            version: before.version.saturating_add(1),
            ..before.as_ref().clone()
        };
        corrected.order.lines = lines;
        corrected.order.corrected_at = Some(occurred_at);
        let changes_count = sale_count::note_left(context, &before, &mut corrected);
        let sale = context.put(corrected);
        let correction = self.new_correction(context, &sale, difference, before.order.lines.clone());
        let correction = context.put(correction);
        let mut settled = Vec::new();
        let rewards = adjust(context, &sale, &correction, difference, &mut settled)?;
        if sale.is_told {
            let image = context.set.image(context.account_id, correction.id)?;
            context.tell_conversion(EventKind::CorrectionRecorded, correction.occurred_at, image);
            let image: ConversionImage = context.set.image(context.account_id, sale.id)?;
            context.tell_conversion(EventKind::SaleCorrected, correction.occurred_at, image);
        }
        tell_settled(context, settled, sale.id)?;
        if changes_count {
            sale_count::follow(context, &sale)?;
        }
        Ok(RefundOutcome::of(&correction, &rewards))
    }
}

impl CorrectSale {
    /// Records a correction from before one that was told already. The sale stays as it is.
    fn leave(&self, context: &mut Context<'_>, sale: &Conversion, sold: Money) -> RefundOutcome {
        let none = Money::new(0, sold.currency);
        let correction = self.new_correction(context, sale, none, sale.order.lines.clone());
        let correction = context.put(correction);
        if correction.is_told {
            let image = ConversionImage { conversion: Arc::clone(&correction), rewards: Vec::new() };
            context.tell_conversion(EventKind::CorrectionRecorded, correction.occurred_at, image);
        }
        RefundOutcome { is_outdated: true, ..RefundOutcome::of(&correction, []) }
    }

    fn new_correction(
        &self,
        context: &mut Context<'_>,
        sale: &Conversion,
        difference: Money,
        lines_before: Vec<SaleLine>,
    ) -> Conversion {
        Conversion {
            id: ConversionId::new(context.ids),
            kind: ConversionKind::Correction,
            event_id: self.event_id.clone(),
            amount: Some(difference),
            refunded_minor: 0,
            refund_count: 0,
            sale_id: Some(sale.id),
            sale_event_id: sale.event_id.clone(),
            tid: None,
            order: OrderDetails { reason: self.reason.clone(), lines_before, ..sale.order.of_change() },
            candidates: Vec::new(),
            occurred_at: self.occurred_at.unwrap_or(context.now),
            created_at: context.now,
            version: 1,
            as_recorded: None,
            ..sale.clone()
        }
    }
}

/// The sale with this event_id, which must be known.
pub(super) fn named_sale(context: &Context<'_>, sale_event_id: &str) -> Result<Arc<Conversion>, Refusal> {
    let key = RequestKey::event(context.account_id, RecordedKind::Sale, sale_event_id);
    let request = context.set.request(&key)?;
    let request = request.ok_or_else(|| Refusal::not_found(Resource::Conversion, sale_event_id))?;
    context.set.conversion(context.account_id, ConversionId::from_uuid(request.effect)).cloned()
}

/// Makes the rewards of a sale what they are with its present amount, after a correction. Returns the new rewards.
pub(super) fn adjust(
    context: &mut Context<'_>,
    sale: &Conversion,
    correction: &Conversion,
    difference: Money,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    // A dispute that was lost and is won after all gives back as a correction does.
    let (reason, rule) = match correction.kind {
        ConversionKind::DisputeResolution => (LedgerReason::Restored, RewardRule::Reversal),
        _ => (LedgerReason::Corrected, RewardRule::Correction),
    };
    let cause = Cause { conversion_id: correction.id, base_amount: Some(difference), reason, rule };
    follow(context, sale, &cause, Again::Anew, settled)
}

/// How a sale earns again of whose reward nothing was left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// As a new sale.
    Anew,
    /// As before: what was held is held, and what was approved is approved.
    AsBefore,
}

/// Makes the rewards of a sale what they are with its present amount and what is left of it. Returns the new rewards.
pub(super) fn follow(
    context: &mut Context<'_>,
    sale: &Conversion,
    cause: &Cause,
    again: Again,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    let rewards = context.set.rewards_of(context.account_id, sale.id)?;
    let is_of_credit = |reward: &Reward| {
        !reward.is_tally_change()
            && sale.credits.iter().any(|credit| credit.enrollment_id == reward.credited_enrollment_id())
    };
    let rewards: Vec<Arc<Reward>> =
        rewards.into_iter().filter(|reward| reward.reverses.is_none() && is_of_credit(reward)).cloned().collect();
    let mut new = Vec::new();
    let mut replaced = BTreeSet::new();
    for reward in &rewards {
        if reward.state != RewardState::Denied && has_other_currency(context, sale, reward)? {
            replaced.insert(reward.id);
        }
        let target = taken_part(context, sale, reward)?;
        new.extend(take_back(context, reward, &target, cause, settled)?);
    }
    for credit in &sale.credits {
        let of_credit = || rewards.iter().filter(|reward| reward.is_of_credit(credit.enrollment_id));
        // A reward of which nothing was left is final, and one that a person denied stays denied.
        let is_gone = |reward: &Reward| reward.state == RewardState::Reversed || replaced.contains(&reward.id);
        if of_credit().all(|reward| is_gone(reward)) {
            new.extend(earn_again(context, sale, credit, again, settled)?);
            continue;
        }
        let stands =
            |reward: &Reward| reward.upline().is_none() && reward.state != RewardState::Denied && !is_gone(reward);
        if let Some(own) = of_credit().find(|reward| stands(reward)) {
            new.extend(earn_for_uplines(context, sale, credit, own, again, settled)?);
        }
    }
    tally_change::follow(context, sale.id, cause.conversion_id, settled)?;
    Ok(new)
}

/// Earns the rewards of a credit that has none, less what was refunded.
fn earn_again(
    context: &mut Context<'_>,
    sale: &Conversion,
    credit: &Credit,
    again: Again,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    let Some(claim) = claim_of(context, sale, credit)? else { return Ok(Vec::new()) };
    tally_change::reset(context, sale.id, credit.enrollment_id, settled)?;
    let earned = earn::earn(context, sale, &claim)?;
    less_refunds(context, sale, earned, again, settled)
}

/// Earns for the uplines whose part of the reward of a credit was zero with the amount before, and is not any more.
fn earn_for_uplines(
    context: &mut Context<'_>,
    sale: &Conversion,
    credit: &Credit,
    own: &Reward,
    again: Again,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    let (Some(before), Some(amount)) = (&own.calculation, sale.amount) else { return Ok(Vec::new()) };
    let Some(claim) = claim_of(context, sale, credit)? else { return Ok(Vec::new()) };
    let levels = &claim.terms.rules.upline_levels;
    if levels.is_empty() {
        return Ok(Vec::new());
    }
    let Some(present) = present_price(context, sale, before, own, amount)? else { return Ok(Vec::new()) };
    let calculation = present.calculation.unwrap_or_else(|| Calculation { base_amount: amount, ..before.clone() });
    let priced = Priced { value: Money::new(present.value_minor, own.value.currency), calculation };
    let mut earned = Vec::new();
    for (enrollment, share) in upline_reward::shares(context, sale, &claim.enrollment, levels)? {
        let of_upline = pricing::price_for_upline(&priced, share)?;
        if of_upline.value.amount_minor != 0 {
            earned.push(commission::write(context, sale, &claim, &enrollment, of_upline));
        }
    }
    less_refunds(context, sale, earned, again, settled)
}

/// The claim of a credit, by the terms of the sale. `None` if all of the sale was refunded.
fn claim_of(context: &mut Context<'_>, sale: &Conversion, credit: &Credit) -> Result<Option<Claim>, Refusal> {
    let is_refunded = |amount: &Money| sale.refund_count > 0 && sale.refunded_minor == amount.amount_minor;
    if sale.amount.as_ref().is_none_or(is_refunded) {
        return Ok(None);
    }
    let account_id = context.account_id;
    context.set.wanted().row::<Enrollment>((account_id, credit.enrollment_id));
    let enrollment = Arc::clone(context.set.existing::<Enrollment>(&(account_id, credit.enrollment_id))?);
    let program = context.set.program(account_id, credit.program_id)?;
    let terms = Arc::clone(context.set.terms(program, credit.terms_version)?);
    let (split, judged_by) = (credit.split_among(&sale.credits), commission::judging(program));
    Ok(Some(Claim { credit: credit.clone(), enrollment, terms, split, judged_by }))
}

/// Takes from new rewards of a sale what was refunded of it.
fn less_refunds(
    context: &mut Context<'_>,
    sale: &Conversion,
    earned: Vec<Arc<Reward>>,
    again: Again,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    let cause = Cause {
        conversion_id: sale.id,
        base_amount: sale.amount.map(|amount| Money::new(-sale.refunded_minor, amount.currency)),
        reason: LedgerReason::Refunded,
        rule: RewardRule::Reversal,
    };
    let mut new = Vec::new();
    for reward in earned {
        // Changes of tallies follow.
        if reward.is_tally_change() {
            new.push(reward);
            continue;
        }
        let reward = match again {
            Again::Anew => reward,
            Again::AsBefore => former_reward::as_before(context, sale.id, reward)?,
        };
        let target = taken_part(context, sale, &reward)?;
        let taken = take_back(context, &reward, &target, &cause, settled)?;
        new.extend(std::iter::once(reward).chain(taken));
    }
    Ok(new)
}
