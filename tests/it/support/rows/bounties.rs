//! Bounties, submissions and the numbers that their limits are compared with.

use headwater::domain::bounty::{
    Bounty, BountyKind, BountyReward, BountyState, Submission, SubmissionCount, SubmissionState,
};
use headwater::domain::id::{BountyId, RewardId, SubmissionId};
use headwater::domain::money::{Currency, Money};
use headwater::domain::reward::RewardUnit;

use super::{ACCOUNT, NOW, affiliate, enrollment, program, uuid};

pub(crate) fn bounty() -> Bounty {
    Bounty {
        id: BountyId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        program_id: program().id,
        kind: BountyKind::Contest,
        display_name: "Best video".to_owned(),
        about: "Show the mug".to_owned(),
        rewards: vec![
            BountyReward { unit: RewardUnit::Cash, value: Money::new(5_000, "USD".parse().unwrap()) },
            BountyReward { unit: RewardUnit::Points, value: Money::new(50, Currency::NONE) },
        ],
        starts_at: Some(NOW),
        ends_at: Some(NOW.plus_days(30)),
        max_submissions: 100,
        max_submissions_per_affiliate: 2,
        submission_count: 1,
        state: BountyState::Archived,
        created_at: NOW,
        updated_at: NOW.plus_days(3),
        archived_at: Some(NOW.plus_days(3)),
        decided_at: Some(NOW.plus_days(2)),
    }
}

/// A submission that was paid; `without_personal_data` is how an answer keeps it.
pub(crate) fn submission() -> Submission {
    Submission {
        id: SubmissionId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        bounty_id: bounty().id,
        program_id: program().id,
        affiliate_id: affiliate().id,
        enrollment_id: enrollment().id,
        note: "A mug in Söhne's kitchen".to_owned(),
        url: "https://video.test/1".to_owned(),
        state: SubmissionState::Approved,
        reject_reason: String::new(),
        place: 1,
        reward_id: Some(RewardId::from_uuid(uuid(3))),
        created_at: NOW,
        decided_at: Some(NOW.plus_days(2)),
    }
}

pub(crate) fn submission_count() -> SubmissionCount {
    SubmissionCount { account_id: ACCOUNT, bounty_id: bounty().id, affiliate_id: affiliate().id, submission_count: 1 }
}
