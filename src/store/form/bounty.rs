//! Forms of bounties and submissions.

use super::field::Text;
use crate::domain::bounty::{Bounty, BountyKind, BountyReward, BountyState, Submission, SubmissionState};
use crate::domain::id::{AccountId, AffiliateId, BountyId, EnrollmentId, ProgramId, RewardId, SubmissionId};
use crate::domain::money::Money;
use crate::domain::reward::RewardUnit;
use crate::domain::time::Time;

form! {
    /// What an approved submission or a place of a contest gets.
    BountyRewardForm of BountyReward {
        unit: RewardUnit,
        value: Money,
    }
}

form! {
    /// A bounty.
    BountyForm<'a> of Bounty {
        id: BountyId,
        account_id: AccountId,
        program_id: ProgramId,
        kind: BountyKind,
        display_name: Text<'a>,
        rewards: Vec<BountyRewardForm>,
        state: BountyState,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        about: Text<'a>,
        starts_at: Option<Time>,
        ends_at: Option<Time>,
        max_submissions: i32,
        max_submissions_per_affiliate: i32,
        submission_count: i32,
        archived_at: Option<Time>,
        decided_at: Option<Time>,
    }
}

form! {
    /// A submission.
    SubmissionForm<'a> of Submission {
        id: SubmissionId,
        account_id: AccountId,
        bounty_id: BountyId,
        program_id: ProgramId,
        affiliate_id: AffiliateId,
        enrollment_id: EnrollmentId,
        state: SubmissionState,
        created_at: Time,
    }
    unless_empty {
        note: Text<'a>,
        url: Text<'a>,
        reject_reason: Text<'a>,
        place: i32,
        reward_id: Option<RewardId>,
        decided_at: Option<Time>,
    }
}
