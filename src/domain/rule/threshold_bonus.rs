//! Pays threshold bonuses, and takes them back. See [`threshold_bonus`](crate::domain::threshold_bonus).
//!
//! This is done once for a command, after all of its changes. A sale that leaves a tally and comes back by one command therefore changes no bonus.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::Context;
use super::reversal::{Cause, Target, take_back};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::RewardId;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::Money;
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{ByHand, Reward, RewardRule, RewardState, RewardUnit};
use crate::domain::sales_tally::{SalesTally, TouchedTally};
use crate::domain::threshold_bonus::{EarnedBonus, ThresholdBonus, ThresholdReached};

/// Settles the bonuses of all tallies that the command has changed.
pub(super) fn settle(context: &mut Context<'_>) -> Result<(), Refusal> {
    if context.touched.is_empty() {
        return Ok(());
    }
    let touched = std::mem::take(&mut context.touched);
    let mut keys = BTreeSet::new();
    for touch in touched.iter().filter(|touch| keys.insert(touch.key)) {
        take_back_lost(context, touch)?;
    }
    for touch in &touched {
        pay_reached(context, touch)?;
    }
    Ok(())
}

/// Takes back the bonuses whose thresholds a tally is below now.
fn take_back_lost(context: &mut Context<'_>, touch: &TouchedTally) -> Result<(), Refusal> {
    let tally = context.set.sales_tally(touch.key)?;
    let (kept, lost): (Vec<_>, Vec<_>) =
        tally.bonuses.iter().cloned().partition(|bonus| tally.has_reached(&bonus.threshold));
    if lost.is_empty() {
        return Ok(());
    }
    let mut tally = SalesTally { bonuses: kept, ..tally };
    for bonus in lost {
        let key = (context.account_id, bonus.reward_id);
        context.set.wanted().row::<Reward>(key);
        let reward = Arc::clone(context.set.existing::<Reward>(&key)?);
        if reward.state == RewardState::Denied {
            // A person decided that the affiliate gets no such bonus in the period, so it is not earned again.
            tally.bonuses.push(bonus);
        } else {
            take_back_one(context, &reward, &tally, touch)?;
        }
    }
    context.put(tally);
    Ok(())
}

fn take_back_one(
    context: &mut Context<'_>,
    reward: &Reward,
    tally: &SalesTally,
    touch: &TouchedTally,
) -> Result<(), Refusal> {
    let (reason, rule) = (LedgerReason::Adjusted, RewardRule::Reversal);
    let cause = Cause { conversion_id: touch.cause, base_amount: None, reason, rule };
    let mut settled = Vec::new();
    let reversal = take_back(context, reward, &Target::whole(reward), &cause, &mut settled)?;
    if let Some(reversal) = reversal {
        let by_hand = reversal.by_hand.clone().map(|by_hand| {
            let fallen = by_hand.threshold.as_ref().map(|reached| {
                Arc::new(ThresholdReached {
                    sale_count: tally.sale_count,
                    amount: Money::new(tally.amount_minor, reached.amount.currency),
                    conversion_id: touch.cause,
                    ..reached.as_ref().clone()
                })
            });
            ByHand { threshold: fallen, ..by_hand }
        });
        let reversal = context.put(Reward { by_hand, ..reversal.as_ref().clone() });
        context.tell(EventKind::RewardCreated, EventImage::Reward(reversal));
    }
    settled.into_iter().for_each(|reward| context.tell(EventKind::RewardReversed, EventImage::Reward(reward)));
    Ok(())
}

/// Pays the bonuses of the terms of a sale whose thresholds its tally has reached.
fn pay_reached(context: &mut Context<'_>, touch: &TouchedTally) -> Result<(), Refusal> {
    let (account_id, program_id) = (context.account_id, touch.key.program_id);
    let sale = Arc::clone(context.set.conversion(account_id, touch.sale_id)?);
    let is_counted = sale
        .tallied(touch.enrollment_id)
        .filter(|tallied| tallied.terms_version == touch.terms_version && tallied.part.sale_count > 0)
        .is_some_and(|tallied| tallied.keys(account_id).any(|key| key == touch.key));
    if !is_counted {
        return Ok(());
    }
    let wanted = context.set.wanted();
    wanted.row::<Program>((account_id, program_id));
    wanted.row::<Terms>((account_id, program_id, touch.terms_version));
    let program = Arc::clone(context.set.program(account_id, program_id)?);
    let terms = Arc::clone(context.set.terms(&program, touch.terms_version)?);
    for bonus in terms.rules.threshold_bonuses.iter().filter(|bonus| bonus.period == touch.key.period) {
        let tally = context.set.sales_tally(touch.key)?;
        if tally.bonus(&bonus.name).is_none() && tally.has_reached(&bonus.threshold) {
            let auto_approve_at = sale.occurred_at.plus_days(terms.rules.hold_period_days);
            let reached = ThresholdReached {
                name: Arc::clone(&bonus.name),
                terms_version: terms.version,
                period: bonus.period,
                starts_on: touch.key.starts_on,
                threshold: bonus.threshold,
                sale_count: tally.sale_count,
                amount: Money::new(tally.amount_minor, program.currency),
                conversion_id: touch.sale_id,
            };
            let reward_id = pay(context, touch, bonus, reached, auto_approve_at);
            keep(context, tally, bonus, reward_id, touch);
        }
    }
    Ok(())
}

fn pay(
    context: &mut Context<'_>,
    touch: &TouchedTally,
    bonus: &ThresholdBonus,
    reached: ThresholdReached,
    auto_approve_at: crate::domain::time::Time,
) -> RewardId {
    let id = RewardId::new(context.ids);
    let reward = context.put(Reward {
        id,
        account_id: context.account_id,
        conversion_id: None,
        affiliate_id: touch.key.affiliate_id,
        enrollment_id: touch.enrollment_id,
        program_id: touch.key.program_id,
        unit: RewardUnit::Cash,
        value: bonus.bonus,
        reversed_minor: 0,
        reverses: None,
        state: RewardState::Pending,
        calculation: None,
        by_hand: Some(ByHand { threshold: Some(Arc::new(reached)), ..ByHand::default() }),
        auto_approve_at,
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        click: None,
        review: None,
        payout_id: None,
        approved_at: None,
        dispute: None,
    });
    let (debit, credit) = (LedgerAccount::CommissionExpense, LedgerAccount::AffiliatePending);
    context.post(Posting::for_reward(&reward, debit, credit, LedgerReason::Earned, context.now));
    context.tell(EventKind::RewardCreated, EventImage::Reward(reward));
    id
}

/// Keeps in the tally that its affiliate has the bonus.
fn keep(
    context: &mut Context<'_>,
    mut tally: SalesTally,
    bonus: &ThresholdBonus,
    reward_id: RewardId,
    touch: &TouchedTally,
) {
    let name = Arc::clone(&bonus.name);
    tally.bonuses.push(EarnedBonus { name, threshold: bonus.threshold, reward_id, conversion_id: touch.sale_id });
    context.put(tally);
}
