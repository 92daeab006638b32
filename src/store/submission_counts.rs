//! Checks bounties: the numbers that limits are compared with are the numbers of submissions that are not rejected, and each
//! approved submission has exactly one reward. Knows no limit.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::backend::text_contains;
use super::entity::{bounty, reward, submission, submission_count};
use super::set::stored::Stored;
use super::{Snapshot, Source, StoreError};
use crate::domain::bounty::{Bounty, Submission, SubmissionCount, SubmissionState};
use crate::domain::id::{AccountId, AffiliateId, BountyId, RewardId, SubmissionId};
use crate::domain::reward::Reward;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

/// The differences between the account's bounties, submissions and their rewards, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let account = account_id.uuid();
    let bounties = bounty::Entity::find().filter(bounty::Column::AccountId.eq(account)).all(connection).await?;
    if bounties.is_empty() {
        return Ok(Vec::new());
    }
    let submissions = submission::Entity::find().filter(submission::Column::AccountId.eq(account));
    let counts = submission_count::Entity::find().filter(submission_count::Column::AccountId.eq(account));
    // A value cannot look like the field, because its quotes are escaped.
    let rewards = reward::Entity::find().filter(reward::Column::AccountId.eq(account)).filter(text_contains(
        connection,
        reward::Column::ByHand,
        "\"submission_id\":",
    ));
    let bounties = bounties.into_iter().map(Bounty::from_row).collect::<Result<Vec<_>, _>>()?;
    let submissions = submissions.all(connection).await?.into_iter().map(Submission::from_row);
    let submissions = submissions.collect::<Result<Vec<_>, _>>()?;
    let counts = counts.all(connection).await?.into_iter().map(SubmissionCount::from_row);
    let counts = counts.collect::<Result<Vec<_>, _>>()?;
    let rewards = rewards.all(connection).await?.into_iter().map(Reward::from_row).collect::<Result<Vec<_>, _>>()?;
    let mut differences = compare_counts(&bounties, &submissions, &counts);
    differences.extend(compare_rewards(&submissions, &rewards));
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("bounties have {others} more differences"));
    }
    Ok(differences)
}

fn compare_counts(bounties: &[Bounty], submissions: &[Submission], counts: &[SubmissionCount]) -> Vec<String> {
    let mut of_bounties: BTreeMap<BountyId, i32> = BTreeMap::new();
    let mut of_affiliates: BTreeMap<(BountyId, AffiliateId), i32> = BTreeMap::new();
    for submission in submissions.iter().filter(|submission| submission.state != SubmissionState::Rejected) {
        *of_bounties.entry(submission.bounty_id).or_default() += 1;
        *of_affiliates.entry((submission.bounty_id, submission.affiliate_id)).or_default() += 1;
    }
    let mut differences = Vec::new();
    for bounty in bounties {
        let (found, expected) = (bounty.submission_count, of_bounties.get(&bounty.id).copied().unwrap_or_default());
        if found != expected {
            let id = bounty.id;
            differences.push(format!("the number of submissions to {id} is {found} and should be {expected}"));
        }
    }
    let mut kept: BTreeMap<(BountyId, AffiliateId), i32> = counts.iter().map(key_and_count).collect();
    for key in of_affiliates.keys() {
        kept.entry(*key).or_default();
    }
    for ((bounty_id, affiliate_id), found) in kept {
        let expected = of_affiliates.get(&(bounty_id, affiliate_id)).copied().unwrap_or_default();
        if found != expected {
            let text = format!(
                "the number of submissions of {affiliate_id} to {bounty_id} is {found} and should be {expected}"
            );
            differences.push(text);
        }
    }
    differences
}

fn key_and_count(count: &SubmissionCount) -> ((BountyId, AffiliateId), i32) {
    ((count.bounty_id, count.affiliate_id), count.submission_count)
}

/// Each approved submission names its only reward, and no other one has a reward.
fn compare_rewards(submissions: &[Submission], rewards: &[Reward]) -> Vec<String> {
    let mut paid: BTreeMap<SubmissionId, Vec<RewardId>> = BTreeMap::new();
    for reward in rewards {
        if let Some(submission_id) = reward.by_hand.as_ref().and_then(|by_hand| by_hand.submission_id) {
            paid.entry(submission_id).or_default().push(reward.id);
        }
    }
    let mut differences = Vec::new();
    for submission in submissions {
        let found = paid.remove(&submission.id).unwrap_or_default();
        let is_approved = submission.state == SubmissionState::Approved;
        if is_approved != submission.reward_id.is_some() || found != Vec::from_iter(submission.reward_id) {
            let (id, count) = (submission.id, found.len());
            let expected = i32::from(is_approved);
            differences.push(format!("{id} has {count} rewards and should have {expected}, the one that it names"));
        }
    }
    let unknown = paid.into_keys().map(|id| format!("{id} has a reward and does not exist"));
    differences.extend(unknown);
    differences
}
