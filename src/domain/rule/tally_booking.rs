//! Changes of tallies as rewards: what an affiliate gets for an event by a cap or a ladder, beside the event's own reward. Knows neither of the
//! two, see [`tally_change`](super::tally_change) and [`recount`](super::recount).

use std::sync::Arc;

use super::context::Context;
use super::line;
use super::reversal::{Cause, Target, take_back, taken_part};
use super::reward::tell_updated;
use crate::domain::conversion::{Conversion, WHOLE_SHARE_PPM};
use crate::domain::id::{AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use crate::domain::ladder::LadderMet;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::line::divide;
use crate::domain::money::{Currency, Money, Overflow, PPM, Rounding, portion};
use crate::domain::program::{Commission, Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Calculation, Reward, RewardLine, RewardRule, RewardState, RewardUnit};
use crate::domain::tally::{CapApplied, TallyChange};

/// Why a change is booked, and for whom.
pub(super) struct Change {
    pub(super) enrollment_id: EnrollmentId,
    pub(super) affiliate_id: AffiliateId,
    pub(super) program_id: ProgramId,
    pub(super) terms_version: i32,
    /// What the event earns by itself, less refunds.
    pub(super) base_minor: i64,
    pub(super) caps: Vec<CapApplied>,
    /// The step that is reached now, and what the affiliate has sold apart from the event.
    pub(super) ladder: Option<LadderMet>,
    pub(super) tally_change: TallyChange,
}

/// What of a value is left by the refunds of its event.
pub(super) fn left_of(
    event: &Conversion,
    whole_minor: i64,
    lines: &[RewardLine],
    rounding: Rounding,
) -> Result<i64, Overflow> {
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

/// What is left of the own rewards of an event in a currency. Of a reward that was denied, what would be left of it, unless the event is leaving
/// its tallies.
pub(super) fn own_left(
    context: &mut Context<'_>,
    event: &Conversion,
    enrollment_id: EnrollmentId,
    currency: Option<Currency>,
    is_leaving: bool,
) -> Result<i64, Refusal> {
    let is_counted = !is_leaving && event.credits.iter().any(|credit| credit.enrollment_id == enrollment_id);
    let rewards = context.set.rewards_of(context.account_id, event.id)?;
    let is_own = |reward: &&Arc<Reward>| {
        let is_counted = currency.is_none_or(|currency| currency == reward.value.currency);
        reward.reverses.is_none() && reward.is_of_credit(enrollment_id) && is_counted
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

/// Gives an affiliate so much more for an event, or takes it: first from what earlier changes have given. Returns the new reward.
pub(super) fn book(
    context: &mut Context<'_>,
    event: &Conversion,
    change: Change,
    value_minor: i64,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let mut value_minor = value_minor;
    if value_minor < 0 {
        value_minor = take_changes_back(context, event, change.enrollment_id, value_minor, cause, settled)?;
    }
    if value_minor == 0 { Ok(None) } else { write(context, event, change, value_minor).map(Some) }
}

/// Takes from what earlier changes have given, the newest first. Returns what remains to be taken.
fn take_changes_back(
    context: &mut Context<'_>,
    event: &Conversion,
    enrollment_id: EnrollmentId,
    value_minor: i64,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<i64, Refusal> {
    let rewards = context.set.rewards_of(context.account_id, event.id)?;
    let gave = |reward: &&Arc<Reward>| {
        reward.is_tally_change() && reward.reverses.is_none() && reward.enrollment_id == enrollment_id
    };
    let given: Vec<_> = rewards.into_iter().filter(gave).cloned().collect();
    let (reason, rule) = (LedgerReason::Adjusted, RewardRule::TallyChange);
    let cause = Cause { conversion_id: cause, base_amount: None, reason, rule };
    let mut remaining_minor = value_minor;
    for reward in given.iter().rev() {
        let part_minor = (reward.value.amount_minor - reward.reversed_minor).min(-remaining_minor);
        if part_minor > 0 {
            let reversed_minor = reward.reversed_minor + part_minor;
            if reward.state == RewardState::Denied {
                // Nothing was given, so nothing is booked. It cannot be taken a second time.
                let taken = Reward { reversed_minor, updated_at: context.now, ..reward.as_ref().clone() };
                context.put(taken);
                tell_updated(context, event.id)?;
            } else {
                take_back(context, reward, &Target::of(reversed_minor), &cause, settled)?;
            }
            remaining_minor += part_minor;
        }
    }
    Ok(remaining_minor)
}

/// Writes a change of a tally as a reward. What is given waits as the event's own reward does. What is taken is taken at once, because the
/// amounts that wait are never negative in all.
fn write(
    context: &mut Context<'_>,
    event: &Conversion,
    change: Change,
    value_minor: i64,
) -> Result<Arc<Reward>, Refusal> {
    let Change { enrollment_id, affiliate_id, program_id, terms_version, base_minor, caps, ladder, tally_change } =
        change;
    let account_id = context.account_id;
    let wanted = context.set.wanted();
    wanted.row::<Program>((account_id, program_id));
    wanted.row::<Terms>((account_id, program_id, terms_version));
    let program = context.set.program(account_id, program_id)?;
    let currency = program.currency;
    let rules = &context.set.terms(program, terms_version)?.rules;
    let (rounding, hold_period_days) = (rules.rounding, rules.hold_period_days);
    let calculation = Calculation {
        rule: RewardRule::TallyChange,
        base_amount: Money::new(base_minor, currency),
        sale_amount: event.amount.unwrap_or(Money::new(0, currency)),
        commission: Commission::PercentPpm(i32::try_from(PPM).unwrap_or(i32::MAX)),
        share_ppm: WHOLE_SHARE_PPM,
        terms_version,
        rounding,
        adjustment: None,
        rule_taken: None,
        amount_not_compared: false,
        lines: Vec::new(),
        upline: None,
        split: None,
        caps,
        tally_change: Some(tally_change),
        ladder,
        brackets: None,
    };
    let (review, is_held) = event.order.review_of(enrollment_id);
    let unfrozen = if is_held { RewardState::Held } else { RewardState::Pending };
    let dispute = event.born_frozen(unfrozen).filter(|_| value_minor > 0);
    let (state, ledger_account) = match value_minor {
        1.. if dispute.is_some() => (RewardState::Frozen, LedgerAccount::AffiliateFrozen),
        1.. => (unfrozen, LedgerAccount::AffiliatePending),
        _ => (RewardState::Approved, LedgerAccount::AffiliatePayable),
    };
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id,
        conversion_id: Some(event.id),
        affiliate_id,
        enrollment_id,
        program_id,
        unit: RewardUnit::Cash,
        value: Money::new(value_minor, currency),
        reversed_minor: 0,
        reverses: None,
        state,
        calculation: Some(calculation),
        by_hand: None,
        click: None,
        review: review.filter(|_| value_minor > 0),
        auto_approve_at: event.occurred_at.plus_days(hold_period_days),
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: None,
        dispute,
    };
    let reward = context.put(reward);
    let (debit, reason) = (LedgerAccount::CommissionExpense, LedgerReason::Adjusted);
    context.post(Posting::for_reward(&reward, debit, ledger_account, reason, context.now));
    Ok(reward)
}
