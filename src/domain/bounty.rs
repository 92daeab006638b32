//! Bounties: work that affiliates are paid for when the owner approves what they submit, and contests with places.

use super::id::{AccountId, AffiliateId, BountyId, EnrollmentId, ProgramId, RewardId, SubmissionId};
use super::money::Money;
use super::reward_unit::RewardUnit;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// How the submissions of a bounty are paid.
    BountyKind {
        /// Each approved submission gets the same reward.
        Submission = "submission",
        /// The owner names the winners once. Each place has its reward.
        Contest = "contest",
    }
}

text_enum! {
    /// The state of a bounty.
    BountyState {
        /// The bounty takes submissions inside its window.
        Active = "active",
        /// The bounty takes no submissions.
        Archived = "archived",
    }
}

text_enum! {
    /// Why a bounty takes no submissions at a time.
    BountyClosed {
        /// Its window has not begun.
        NotStarted = "not_started",
        /// Its window has ended.
        Over = "over",
        /// The winners of the contest are named.
        Decided = "decided",
        /// It is archived.
        Archived = "archived",
    }
}

/// What an approved submission or a place of a contest gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct BountyReward {
    pub unit: RewardUnit,
    /// More than zero.
    pub value: Money,
}

/// Work that affiliates are paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Bounty {
    pub id: BountyId,
    pub account_id: AccountId,
    /// The program whose affiliates may submit.
    pub program_id: ProgramId,
    pub kind: BountyKind,
    pub display_name: String,
    /// Text for the affiliates. May be empty.
    pub about: String,
    /// One for each place of a contest, the first place first; otherwise one. They never change, because they were promised.
    pub rewards: Vec<BountyReward>,
    /// `None`: from its creation on.
    pub starts_at: Option<Time>,
    /// `None`: without end.
    pub ends_at: Option<Time>,
    /// The limit of submissions in total. 0: none.
    pub max_submissions: i32,
    /// The limit of submissions of one affiliate. 0: none.
    pub max_submissions_per_affiliate: i32,
    /// How many submissions are not rejected.
    pub submission_count: i32,
    pub state: BountyState,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
    /// When the winners of the contest were named.
    pub decided_at: Option<Time>,
}

impl Bounty {
    /// Why the bounty takes no submissions at a time, if so.
    pub fn why_closed_at(&self, time: Time) -> Option<BountyClosed> {
        if self.state == BountyState::Archived {
            Some(BountyClosed::Archived)
        } else if self.decided_at.is_some() {
            Some(BountyClosed::Decided)
        } else if self.ends_at.is_some_and(|ends_at| ends_at <= time) {
            Some(BountyClosed::Over)
        } else if self.starts_at.is_some_and(|starts_at| starts_at > time) {
            Some(BountyClosed::NotStarted)
        } else {
            None
        }
    }
}

/// How many submissions to a bounty an affiliate has. It is a row, so that a submission counts none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SubmissionCount {
    pub account_id: AccountId,
    pub bounty_id: BountyId,
    pub affiliate_id: AffiliateId,
    /// The number of submissions that are not rejected.
    pub submission_count: i32,
}

text_enum! {
    /// The state of a submission.
    SubmissionState {
        /// The submission waits for the owner.
        Submitted = "submitted",
        /// The owner approved the submission, or named it a winner. It was paid.
        Approved = "approved",
        /// The owner rejected the submission.
        Rejected = "rejected",
    }
}

/// The work that an affiliate submits to a bounty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Submission {
    pub id: SubmissionId,
    pub account_id: AccountId,
    pub bounty_id: BountyId,
    pub program_id: ProgramId,
    pub affiliate_id: AffiliateId,
    /// The enrollment that earns the reward.
    pub enrollment_id: EnrollmentId,
    /// May be empty if there is a URL.
    pub note: String,
    /// May be empty if there is a note.
    pub url: String,
    pub state: SubmissionState,
    /// Why it was rejected. Empty unless it was.
    pub reject_reason: String,
    /// The place in a contest, 1 for the first. 0: none.
    pub place: i32,
    /// What it was paid with.
    pub reward_id: Option<RewardId>,
    pub created_at: Time,
    /// When it was approved or rejected.
    pub decided_at: Option<Time>,
}

impl Submission {
    /// See `Affiliate::without_personal_data`. The reason is left out too, because it may say what the affiliate submitted.
    pub fn without_personal_data(&self) -> Self {
        Self { note: String::new(), url: String::new(), reject_reason: String::new(), ..self.clone() }
    }

    /// The submission with the personal data that it has now.
    pub fn with_data_of(&self, now: &Self) -> Self {
        Self {
            note: now.note.clone(),
            url: now.url.clone(),
            // A submission that was rejected later had no reason at first.
            reject_reason: match self.state {
                SubmissionState::Rejected => now.reject_reason.clone(),
                SubmissionState::Submitted | SubmissionState::Approved => String::new(),
            },
            ..self.clone()
        }
    }
}
