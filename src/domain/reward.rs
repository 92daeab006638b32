//! Rewards: what a conversion gives an affiliate, and the states it passes through.
//!
//! | from | may become |
//! |---|---|
//! | pending | approved, denied, reversed |
//! | approved | paid, reversed |
//! | denied, paid, reversed | final |

use std::collections::{BTreeMap, BTreeSet};

use super::command::Outcome;
use super::decide::Context;
use super::event::EventType;
use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use super::ledger::{LedgerAccount, LedgerReason, Posting};
use super::money::{Money, Rounding};
use super::refusal::Refusal;
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::Changes;

text_enum! {
    /// The state of a reward.
    RewardState {
        /// Waits for the end of its hold period, or for a person.
        Pending = "pending",
        /// Is owed.
        Approved = "approved",
        /// Was refused by a person.
        Denied = "denied",
        /// Was paid.
        Paid = "paid",
        /// Was taken back as a whole before it was paid.
        Reversed = "reversed",
    }
}

impl RewardState {
    /// Whether a reward in this state may take the next one: the table above.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Approved | Self::Denied | Self::Reversed)
                | (Self::Approved, Self::Paid | Self::Reversed)
        )
    }
}

text_enum! {
    /// Where a reward's rate came from.
    RewardRule {
        /// The program's terms.
        Program = "program",
        /// The enrollment's own commission.
        Enrollment = "enrollment",
        /// Taken back in proportion to a refund.
        Reversal = "reversal",
    }
}

text_enum! {
    /// What a reward is counted in.
    RewardUnit {
        /// Money, in minor units of a currency.
        Cash = "cash",
    }
}

/// How a reward was computed, enough to compute it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calculation {
    /// Where the rate came from.
    pub rule: RewardRule,
    /// The amount it was computed from: what was left of the sale when it was priced.
    pub base: Money,
    /// The rate in parts per million; 0 for a flat commission.
    pub percent_ppm: i64,
    /// The flat amount for the whole sale in minor units; 0 for a percentage.
    pub flat_minor: i64,
    /// The version of the terms.
    pub terms_version: i32,
    /// How it was rounded, and how what is taken back from it is.
    pub rounding: Rounding,
}

/// What one conversion gives one affiliate. The value never changes; a refund makes a second, negative reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// Its id.
    pub id: RewardId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The conversion it comes from.
    pub conversion_id: ConversionId,
    /// Who gets it.
    pub affiliate_id: AffiliateId,
    /// The enrollment it was earned through.
    pub enrollment_id: EnrollmentId,
    /// The program it was earned in.
    pub program_id: ProgramId,
    /// What it is counted in.
    pub unit: RewardUnit,
    /// How much; negative for what a refund takes back.
    pub value: Money,
    /// How much of it refunds have taken back, in minor units, positive.
    pub reversed_minor: i64,
    /// Of a refund's reward: the reward it takes back from.
    pub reverses: Option<RewardId>,
    /// Its state.
    pub state: RewardState,
    /// How it was computed.
    pub calculation: Calculation,
    /// When it is approved by itself.
    pub approve_after: Time,
    /// When it was made.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
    /// Why it was denied; empty otherwise.
    pub deny_reason: String,
}

/// A reward as first made: the part that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardSummary {
    /// The reward.
    pub reward_id: RewardId,
    /// Who gets it.
    pub affiliate_id: AffiliateId,
    /// What it is counted in.
    pub unit: RewardUnit,
    /// How much.
    pub value: Money,
}

/// Approve rewards, all or none.
#[derive(Debug, Clone)]
pub struct ApproveRewards {
    /// Which rewards, without repeats.
    pub ids: Vec<RewardId>,
    /// Pass over rewards that are no longer pending: the worker's way, whose list may be old by the time it is served.
    pub skip_others: bool,
}

/// Deny rewards, all or none.
#[derive(Debug, Clone)]
pub struct DenyRewards {
    /// Which rewards, without repeats.
    pub ids: Vec<RewardId>,
    /// Why.
    pub reason: String,
}

impl Reward {
    /// The part that never changes.
    pub fn summary(&self) -> RewardSummary {
        RewardSummary { reward_id: self.id, affiliate_id: self.affiliate_id, unit: self.unit, value: self.value }
    }
}

/// How rewards are moved on: to which state, through which ledger accounts, and what the feed is told.
struct Move<'run> {
    to: RewardState,
    debit: LedgerAccount,
    credit: LedgerAccount,
    reason: LedgerReason,
    event_type: EventType,
    deny_reason: &'run str,
    skip_others: bool,
}

pub(super) fn approve(context: &mut Context<'_>, command: &ApproveRewards) -> Result<(Outcome, Changes), Refusal> {
    let step = Move {
        to: RewardState::Approved,
        debit: LedgerAccount::AffiliatePending,
        credit: LedgerAccount::AffiliatePayable,
        reason: LedgerReason::Approved,
        event_type: EventType::RewardApproved,
        deny_reason: "",
        skip_others: command.skip_others,
    };
    move_on(context, &command.ids, &step)
}

pub(super) fn deny(context: &mut Context<'_>, command: &DenyRewards) -> Result<(Outcome, Changes), Refusal> {
    let step = Move {
        to: RewardState::Denied,
        debit: LedgerAccount::AffiliatePending,
        credit: LedgerAccount::CommissionExpense,
        reason: LedgerReason::Denied,
        event_type: EventType::RewardDenied,
        deny_reason: &command.reason,
        skip_others: false,
    };
    move_on(context, &command.ids, &step)
}

fn move_on(context: &mut Context<'_>, ids: &[RewardId], step: &Move<'_>) -> Result<(Outcome, Changes), Refusal> {
    let mut moved: BTreeMap<RewardId, Reward> = BTreeMap::new();
    let mut asked = Vec::new();
    let mut changes = Changes::default();
    for id in ids {
        let reward = context.set.reward(context.account_id, *id)?;
        if let Some(original) = reward.reverses {
            return Err(Refusal::InvalidField {
                field: "reward_ids",
                problem: format!("{id} takes back from {original} and moves with it; name that one"),
            });
        }
        if !reward.state.may_become(step.to) {
            if step.skip_others {
                continue;
            }
            return Err(Refusal::RewardState { reward_id: *id, from: reward.state, to: step.to });
        }
        asked.push(*id);
        // What refunds took back while it was pending moves with it.
        let with_it =
            context.set.reversals_of(context.account_id, *id).filter(|other| other.state == RewardState::Pending);
        for reward in std::iter::once(reward).chain(with_it) {
            let next = Reward {
                state: step.to,
                updated_at: context.now,
                deny_reason: step.deny_reason.to_owned(),
                ..reward.clone()
            };
            changes.postings.push(Posting::for_reward(&next, step.debit, step.credit, step.reason, context.now));
            moved.insert(next.id, next);
        }
    }
    tell(context, step.event_type, &moved, &mut changes)?;
    let outcome = asked.iter().filter_map(|id| moved.get(id).cloned()).collect();
    changes.rewards.extend(moved.into_values());
    Ok((Outcome::Rewards(outcome), changes))
}

/// One event for each conversion whose rewards moved, with the image that they leave.
fn tell(
    context: &mut Context<'_>,
    event_type: EventType,
    moved: &BTreeMap<RewardId, Reward>,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let conversion_ids: BTreeSet<ConversionId> = moved.values().map(|reward| reward.conversion_id).collect();
    for id in conversion_ids {
        let mut image = context.set.image(context.account_id, id)?;
        image.conversion.version += 1;
        for reward in &mut image.rewards {
            if let Some(next) = moved.get(&reward.id) {
                reward.clone_from(next);
            }
        }
        changes.conversions.push(image.conversion.clone());
        changes.events.push(context.conversion_event(event_type, context.now, image));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_moves_is_the_one_in_the_head_of_the_file() {
        use RewardState::{Approved, Denied, Paid, Pending, Reversed};
        let allowed =
            [(Pending, Approved), (Pending, Denied), (Pending, Reversed), (Approved, Paid), (Approved, Reversed)];
        for from in RewardState::ALL {
            for to in RewardState::ALL {
                assert_eq!(from.may_become(*to), allowed.contains(&(*from, *to)), "{from} -> {to}");
            }
        }
    }
}
