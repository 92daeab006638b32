//! Rewards: what is left of each, how it becomes owed, and what changed it.

use super::{Dossier, RewardApproval, RewardChange, RewardExplanation};
use crate::domain::money::Money;
use crate::domain::reward::{Reward, RewardState};

/// How many changes of a reward are told.
const CHANGES_MAX: usize = 100;

/// The rewards of a conversion, in their order.
pub(super) fn explained(dossier: &Dossier) -> Vec<RewardExplanation> {
    dossier.image.rewards.iter().map(|reward| explained_one(dossier, reward)).collect()
}

fn explained_one(dossier: &Dossier, reward: &Reward) -> RewardExplanation {
    RewardExplanation {
        reward_id: reward.id,
        affiliate_id: reward.affiliate_id,
        reverses: reward.reverses,
        state: reward.state,
        is_tally_change: reward.is_tally_change(),
        ladder: reward.calculation.as_ref().filter(|_| reward.is_tally_change()).and_then(|told| told.ladder),
        unit: reward.unit,
        value: reward.value,
        rest: rest(reward),
        approval: approval(reward),
        auto_approve_at: reward.auto_approve_at,
        deny_reason: reward.deny_reason.clone(),
        review: reward.review.clone(),
        dispute_id: reward.dispute.filter(|_| reward.state == RewardState::Frozen).map(|dispute| dispute.dispute_id),
        changes: changes(dossier, reward),
    }
}

/// What is left of a reward.
pub(super) fn rest(reward: &Reward) -> Money {
    Money::new(reward.value.amount_minor.saturating_sub(reward.reversed_minor), reward.value.currency)
}

fn approval(reward: &Reward) -> RewardApproval {
    match reward.state {
        RewardState::Pending | RewardState::Held | RewardState::Frozen if reward.reverses.is_some() => {
            RewardApproval::WithAnother
        }
        RewardState::Frozen => RewardApproval::ByDispute,
        RewardState::Pending => RewardApproval::ByItself,
        RewardState::Held => RewardApproval::ByRelease,
        RewardState::Approved | RewardState::InPayout | RewardState::Paid => RewardApproval::Done,
        RewardState::Denied | RewardState::Reversed => RewardApproval::Never,
    }
}

fn changes(dossier: &Dossier, reward: &Reward) -> Vec<RewardChange> {
    let of_reward = dossier.reversals.iter().filter(|change| change.reverses == Some(reward.id));
    let mut changes: Vec<_> = of_reward.filter_map(|change| change_of(dossier, change)).collect();
    changes.sort_by_key(|change| change.reward_id);
    changes.split_off(changes.len().saturating_sub(CHANGES_MAX))
}

fn change_of(dossier: &Dossier, reward: &Reward) -> Option<RewardChange> {
    let cause = dossier.causes.get(&reward.conversion_id?)?;
    Some(RewardChange {
        reward_id: reward.id,
        conversion_id: cause.id,
        kind: cause.kind,
        event_id: cause.event_id.clone(),
        value: reward.value,
        occurred_at: cause.occurred_at,
    })
}
