//! Changes of tallies by refunds, corrections and other credits.
//!
//! An event that is credited earns as much as its caps have room for, see [`tally`](super::tally). A refund, a correction or another credit changes the tally too.
//! What the caps then let the affiliate have for the event may differ from what is left of the event's own reward, for example because
//! other sales had found no room. The difference is a reward of its own: a change of the tally, which belongs to the event. Always:
//!
//! `what the caps let pass = what is left of the event's own reward + the changes of the tally that belong to the event`
//!
//! A reward that a person denies stays counted, so that a denial gives no room to other sales.

use std::sync::Arc;

use super::commission;
use super::context::Context;
use super::line;
use super::recount::{self, claim_of};
use super::reversal::{Cause, Target, take_back, taken_part};
use super::tally::{before_tallies, change, keep, note_paid};
use crate::domain::conversion::{Conversion, WHOLE_SHARE_PPM};
use crate::domain::id::{ConversionId, EnrollmentId, RewardId};
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::line::divide;
use crate::domain::money::{Money, Overflow, PPM, Rounding, portion};
use crate::domain::program::{Commission, Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Calculation, Reward, RewardLine, RewardRule, RewardState, RewardUnit};
use crate::domain::tally::{CapApplied, Counted, TallyChange};

/// Makes the tallies of an event what they are with its present amount and refunds, once its own rewards are. `cause` is the refund or the
/// correction.
pub(super) fn follow(
    context: &mut Context<'_>,
    event_id: ConversionId,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    recount::follow(context, event_id)?;
    for mut counted in counted_of(context, event_id)? {
        let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
        let Counted { enrollment_id, program_id, terms_version, .. } = counted;
        let Some(claim) = claim_of(context, &event, enrollment_id, program_id, terms_version)? else { continue };
        let currency = context.set.program(context.account_id, counted.program_id)?.currency;
        let priced = commission::price(context, &event, &claim)?;
        let priced = priced.filter(|priced| priced.value.currency == currency);
        let whole_minor = before_tallies(&counted, priced.as_ref().map_or(0, |priced| priced.value.amount_minor));
        let lines = priced.as_ref().map_or(&[][..], |priced| &priced.calculation.lines);
        let left_minor = left_of(&event, whole_minor, lines, claim.terms.rules.rounding)?;
        let earned_minor = left_minor.checked_sub(counted.earned_minor).ok_or(Overflow)?;
        settle(context, &event, &mut counted, earned_minor, cause, settled)?;
        keep(context, event_id, counted)?;
    }
    Ok(())
}

/// Takes an event out of its tallies, after all of its own rewards were taken back.
pub(super) fn withdraw(
    context: &mut Context<'_>,
    event_id: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    recount::withdraw(context, event_id)?;
    let all = counted_of(context, event_id)?;
    if all.is_empty() {
        return Ok(());
    }
    for counted in all {
        reset(context, event_id, counted.enrollment_id, settled)?;
    }
    let mut event = context.set.conversion(context.account_id, event_id)?.as_ref().clone();
    event.order.counted = Vec::new();
    context.put(event);
    Ok(())
}

/// Takes out of its tallies what an event has earned for a credit, before it earns anew. The changes of before stay.
pub(super) fn reset(
    context: &mut Context<'_>,
    event_id: ConversionId,
    enrollment_id: EnrollmentId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    let Some(mut counted) = event.counted(enrollment_id).cloned() else { return Ok(()) };
    let earned_minor = counted.earned_minor.checked_neg().ok_or(Overflow)?;
    settle(context, &event, &mut counted, earned_minor, event.id, settled)?;
    keep(context, event.id, counted)
}

fn counted_of(context: &Context<'_>, event_id: ConversionId) -> Result<Vec<Counted>, Refusal> {
    Ok(context.set.conversion(context.account_id, event_id)?.order.counted.clone())
}

/// What of a value is left by the refunds of its event.
fn left_of(event: &Conversion, whole_minor: i64, lines: &[RewardLine], rounding: Rounding) -> Result<i64, Overflow> {
    if !lines.is_empty() {
        let parts: Vec<i64> = lines.iter().map(|line| line.value_minor).collect();
        // A cap of the event leaves each line its part of what it lets pass.
        let of_lines = lines
            .iter()
            .zip(divide(whole_minor, &parts))
            .map(|(line, value_minor)| RewardLine { value_minor, ..line.clone() });
        return Ok(whole_minor - line::refunded_minor(event, &of_lines.collect::<Vec<_>>(), rounding)?);
    }
    let refunded_minor = match event.amount.map_or(0, |amount| amount.amount_minor) {
        // A refund of a free order takes all of its flat commission back.
        0 if event.refund_count > 0 => whole_minor,
        0 => 0,
        amount_minor => portion(whole_minor, event.refunded_minor, amount_minor, rounding)?,
    };
    Ok(whole_minor - refunded_minor)
}

/// Changes the tallies of an event, and books what its own reward does not say.
fn settle(
    context: &mut Context<'_>,
    event: &Conversion,
    counted: &mut Counted,
    earned_minor: i64,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    // The event keeps its caps as it met them when it was counted.
    let mut met = counted.clone();
    note_paid(context, &mut met)?;
    let paid_before_minor = counted.paid_minor;
    change(context, counted, earned_minor)?;
    let own_minor = own_left(context, event, counted)?;
    let booked_minor = own_minor.checked_add(counted.changed_minor).ok_or(Overflow)?;
    let tally_change = TallyChange { paid_before_minor, paid_after_minor: counted.paid_minor, booked_minor };
    let mut value_minor = counted.paid_minor.checked_sub(booked_minor).ok_or(Overflow)?;
    counted.changed_minor = counted.changed_minor.checked_add(value_minor).ok_or(Overflow)?;
    if value_minor < 0 {
        value_minor = take_changes_back(context, event, counted, value_minor, cause, settled)?;
    }
    if value_minor != 0 {
        book(context, event, counted, met.caps(), value_minor, tally_change)?;
    }
    Ok(())
}

/// What is left of the own rewards of an event. Of a reward that was denied, what would be left of it.
fn own_left(context: &mut Context<'_>, event: &Conversion, counted: &Counted) -> Result<i64, Refusal> {
    let is_counted = event.credits.iter().any(|credit| credit.enrollment_id == counted.enrollment_id);
    let rewards = context.set.rewards_of(context.account_id, event.id)?;
    let currency = counted.caps.first().map(|cap| cap.applied.cap.maximum.currency);
    let is_own = |reward: &&Arc<Reward>| {
        let is_counted = currency.is_none_or(|currency| currency == reward.value.currency);
        reward.reverses.is_none() && reward.is_of_credit(counted.enrollment_id) && is_counted
    };
    let own: Vec<_> = rewards.into_iter().filter(is_own).cloned().collect();
    let mut left_minor = 0_i64;
    for reward in own {
        let taken_minor = match reward.state {
            RewardState::Denied if is_counted => taken_part(context, event, &reward)?.minor(),
            RewardState::Denied => reward.value.amount_minor,
            _ => reward.reversed_minor,
        };
        left_minor = left_minor.checked_add(reward.value.amount_minor - taken_minor).ok_or(Overflow)?;
    }
    Ok(left_minor)
}

/// Takes from what earlier changes have given, the newest first. Returns what remains to be taken.
fn take_changes_back(
    context: &mut Context<'_>,
    event: &Conversion,
    counted: &Counted,
    value_minor: i64,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<i64, Refusal> {
    let rewards = context.set.rewards_of(context.account_id, event.id)?;
    let gave = |reward: &&Arc<Reward>| {
        reward.is_tally_change() && reward.reverses.is_none() && reward.enrollment_id == counted.enrollment_id
    };
    let given: Vec<_> = rewards.into_iter().filter(gave).cloned().collect();
    let (reason, rule) = (LedgerReason::Adjusted, RewardRule::TallyChange);
    let cause = Cause { conversion_id: cause, base_amount: None, reason, rule };
    let mut remaining_minor = value_minor;
    for reward in given.iter().rev() {
        let part_minor = (reward.value.amount_minor - reward.reversed_minor).min(-remaining_minor);
        if part_minor > 0 {
            take_back(context, reward, &Target::of(reward.reversed_minor + part_minor), &cause, settled)?;
            remaining_minor += part_minor;
        }
    }
    Ok(remaining_minor)
}

/// Writes a change of a tally as a reward. What is given waits as the event's own reward does. What is taken is taken at once, because the
/// amounts that wait are never negative in all.
fn book(
    context: &mut Context<'_>,
    event: &Conversion,
    counted: &Counted,
    caps: Vec<CapApplied>,
    value_minor: i64,
    tally_change: TallyChange,
) -> Result<(), Refusal> {
    let account_id = context.account_id;
    let wanted = context.set.wanted();
    wanted.row::<Program>((account_id, counted.program_id));
    wanted.row::<Terms>((account_id, counted.program_id, counted.terms_version));
    let program = context.set.program(account_id, counted.program_id)?;
    let currency = program.currency;
    let rules = &context.set.terms(program, counted.terms_version)?.rules;
    let (rounding, hold_period_days) = (rules.rounding, rules.hold_period_days);
    let calculation = Calculation {
        rule: RewardRule::TallyChange,
        base_amount: Money::new(counted.earned_minor, currency),
        sale_amount: event.amount.unwrap_or(Money::new(0, currency)),
        commission: Commission::PercentPpm(i32::try_from(PPM).unwrap_or(i32::MAX)),
        share_ppm: WHOLE_SHARE_PPM,
        terms_version: counted.terms_version,
        rounding,
        adjustment: None,
        rule_taken: None,
        amount_not_compared: false,
        lines: Vec::new(),
        upline: None,
        split: None,
        caps,
        tally_change: Some(tally_change),
        ladder: None,
    };
    let (state, ledger_account) = if value_minor > 0 {
        (RewardState::Pending, LedgerAccount::AffiliatePending)
    } else {
        (RewardState::Approved, LedgerAccount::AffiliatePayable)
    };
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id,
        conversion_id: Some(event.id),
        affiliate_id: counted.affiliate_id,
        enrollment_id: counted.enrollment_id,
        program_id: counted.program_id,
        unit: RewardUnit::Cash,
        value: Money::new(value_minor, currency),
        reversed_minor: 0,
        reverses: None,
        state,
        calculation: Some(calculation),
        by_hand: None,
        auto_approve_at: event.occurred_at.plus_days(hold_period_days),
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: None,
    };
    let reward = context.put(reward);
    let (debit, reason) = (LedgerAccount::CommissionExpense, LedgerReason::Adjusted);
    context.post(Posting::for_reward(&reward, debit, ledger_account, reason, context.now));
    Ok(())
}
