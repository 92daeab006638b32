//! The rules of submissions to bounties. A submission takes a place of its bounty's limits until it is rejected.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::terms::applicable_terms;
use crate::domain::affiliate::{AffiliateSelector, AffiliateState};
use crate::domain::bounty::{Bounty, BountyKind, BountyReward, Submission, SubmissionCount, SubmissionState};
use crate::domain::enrollment::{Enrollment, EnrollmentState};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, BountyId, RewardId, SubmissionId};
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::program::Program;
use crate::domain::refusal::Refusal;
use crate::domain::reward::{ByHand, Reward, RewardState};
use crate::domain::set::Needs;
use crate::domain::terms_period::Occasion;

/// Submit work to a bounty.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the submission")]
pub struct SubmitToBounty {
    pub bounty_id: BountyId,
    /// Who submits.
    pub affiliate: AffiliateSelector,
    pub note: String,
    pub url: String,
}

impl Rule for SubmitToBounty {
    type Answer = Arc<Submission>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Bounty>((account, self.bounty_id));
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let bounty = Arc::clone(context.get::<Bounty, _>(self.bounty_id)?);
        let affiliate_id = context.set.living_affiliate(context.account_id, &self.affiliate)?.id;
        let program_id = context.set.active_program(context.account_id, Some(bounty.program_id))?.id;
        let enrollment = context.set.enrollment_in(context.account_id, affiliate_id, program_id)?;
        let enrollment = Arc::clone(enrollment.ok_or(Refusal::NotEnrolled { affiliate_id, program_id })?);
        check_active(&enrollment)?;
        if let Some(closed) = bounty.why_closed_at(context.now) {
            return Err(Refusal::BountyClosed { bounty_id: bounty.id, closed });
        }
        take_place(context, &bounty, &enrollment)?;
        let submission = Submission {
            id: SubmissionId::new(context.ids),
            account_id: context.account_id,
            bounty_id: bounty.id,
            program_id,
            affiliate_id,
            enrollment_id: enrollment.id,
            note: self.note.clone(),
            url: self.url.clone(),
            state: SubmissionState::Submitted,
            reject_reason: String::new(),
            place: 0,
            reward_id: None,
            created_at: context.now,
            decided_at: None,
        };
        Ok(put(context, EventKind::SubmissionCreated, submission))
    }
}

/// Refuses who is not active in the program.
fn check_active(enrollment: &Enrollment) -> Result<(), Refusal> {
    let affiliate_id = enrollment.affiliate_id;
    if enrollment.affiliate_state == AffiliateState::Erased {
        return Err(Refusal::AffiliateErased { affiliate_id });
    }
    if enrollment.state == EnrollmentState::Ended {
        return Err(Refusal::EnrollmentEnded { enrollment_id: enrollment.id });
    }
    if !enrollment.is_active() {
        return Err(Refusal::AffiliateNotActive { affiliate_id, program_id: enrollment.program_id });
    }
    Ok(())
}

/// Counts one more submission, if the limits allow it.
fn take_place(context: &mut Context<'_>, bounty: &Bounty, enrollment: &Enrollment) -> Result<(), Refusal> {
    let limit = bounty.max_submissions;
    if limit > 0 && bounty.submission_count >= limit {
        return Err(Refusal::BountyLimit { bounty_id: bounty.id, limit });
    }
    let count = context.set.submission_count(context.account_id, bounty.id, enrollment.affiliate_id)?;
    let limit = bounty.max_submissions_per_affiliate;
    if limit > 0 && count.submission_count >= limit {
        return Err(Refusal::SubmitterLimit { bounty_id: bounty.id, limit });
    }
    add_to_counts(context, bounty, count, 1);
    Ok(())
}

fn add_to_counts(context: &mut Context<'_>, bounty: &Bounty, of_affiliate: SubmissionCount, added: i32) {
    let submission_count = of_affiliate.submission_count.saturating_add(added);
    context.put(SubmissionCount { submission_count, ..of_affiliate });
    let submission_count = bounty.submission_count.saturating_add(added);
    context.put(Bounty { submission_count, updated_at: context.now, ..bounty.clone() });
}

fn put(context: &mut Context<'_>, kind: EventKind, submission: Submission) -> Arc<Submission> {
    let submission = context.put(submission);
    context.tell(kind, EventImage::Submission(Arc::clone(&submission)));
    submission
}

/// Refuses a submission that was approved or rejected before.
fn check_undecided(submission: &Submission, to: SubmissionState) -> Result<(), Refusal> {
    match submission.state {
        SubmissionState::Submitted => Ok(()),
        from => Err(Refusal::SubmissionState { submission_id: submission.id, from, to }),
    }
}

/// Approve a submission, and pay it.
#[derive(Debug, Clone)]
pub struct ApproveSubmission {
    /// The submission.
    pub id: SubmissionId,
}

impl Rule for ApproveSubmission {
    type Answer = Arc<Submission>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Submission>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let submission = Arc::clone(context.get::<Submission, _>(self.id)?);
        let bounty = context.set.existing::<Bounty>(&(context.account_id, submission.bounty_id))?;
        let (BountyKind::Submission, Some(reward)) = (bounty.kind, bounty.rewards.first().copied()) else {
            return Err(Refusal::BountyKind { bounty_id: bounty.id, kind: bounty.kind });
        };
        pay(context, &submission, reward, 0)
    }
}

/// Approves a submission and gives its affiliate the reward. A submission is approved at most once, so it is paid once.
pub(super) fn pay(
    context: &mut Context<'_>,
    submission: &Submission,
    reward: BountyReward,
    place: i32,
) -> Result<Arc<Submission>, Refusal> {
    check_undecided(submission, SubmissionState::Approved)?;
    let enrollment = Arc::clone(context.set.enrollment(context.account_id, submission.enrollment_id)?);
    check_active(&enrollment)?;
    let reward = earn(context, submission, &enrollment, reward)?;
    let approved = Submission {
        state: SubmissionState::Approved,
        place,
        reward_id: Some(reward.id),
        decided_at: Some(context.now),
        ..submission.clone()
    };
    let approved = put(context, EventKind::SubmissionApproved, approved);
    context.tell(EventKind::RewardCreated, EventImage::Reward(reward));
    Ok(approved)
}

/// The reward of a submission, with the hold period of the program's terms.
fn earn(
    context: &mut Context<'_>,
    submission: &Submission,
    enrollment: &Enrollment,
    BountyReward { unit, value }: BountyReward,
) -> Result<Arc<Reward>, Refusal> {
    let program = Arc::clone(context.get::<Program, _>(enrollment.program_id)?);
    let terms = applicable_terms(context.set, &program, &Occasion::of(enrollment, context.now))?;
    let auto_approve_at = context.now.plus_days(terms.rules.hold_period_days);
    let id = RewardId::new(context.ids);
    let reward = context.put(Reward {
        id,
        account_id: context.account_id,
        conversion_id: None,
        affiliate_id: enrollment.affiliate_id,
        enrollment_id: enrollment.id,
        program_id: enrollment.program_id,
        unit,
        value,
        reversed_minor: 0,
        reverses: None,
        state: RewardState::Pending,
        calculation: None,
        by_hand: Some(ByHand { submission_id: Some(submission.id), ..ByHand::default() }),
        click: None,
        review: None,
        auto_approve_at,
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: None,
        dispute: None,
    });
    let (debit, credit) = (LedgerAccount::CommissionExpense, LedgerAccount::AffiliatePending);
    context.post(Posting::for_reward(&reward, debit, credit, LedgerReason::Earned, context.now));
    Ok(reward)
}

/// Reject a submission. Another one takes its place.
#[derive(Debug, Clone)]
pub struct RejectSubmission {
    /// The submission.
    pub id: SubmissionId,
    /// Why, for the affiliate.
    pub reason: String,
}

impl Rule for RejectSubmission {
    type Answer = Arc<Submission>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Submission>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let submission = Arc::clone(context.get::<Submission, _>(self.id)?);
        check_undecided(&submission, SubmissionState::Rejected)?;
        let bounty = Arc::clone(context.set.existing::<Bounty>(&(context.account_id, submission.bounty_id))?);
        let count = context.set.submission_count(context.account_id, bounty.id, submission.affiliate_id)?;
        add_to_counts(context, &bounty, count, -1);
        // What an erased affiliate submitted is gone, and the reason may say what it was.
        let enrollment = context.set.enrollment(context.account_id, submission.enrollment_id)?;
        let is_erased = enrollment.affiliate_state == AffiliateState::Erased;
        let rejected = Submission {
            state: SubmissionState::Rejected,
            reject_reason: if is_erased { String::new() } else { self.reason.clone() },
            decided_at: Some(context.now),
            ..submission.as_ref().clone()
        };
        Ok(put(context, EventKind::SubmissionRejected, rejected))
    }
}
