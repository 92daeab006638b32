//! The answers to commands, as one closed set. They are stored, because a repeated request gets the first answer again.

use std::sync::Arc;

use uuid::Uuid;

use super::id::TypedId;

/// An answer to a command.
trait Answer {
    /// The id of the row that the command created or changed; `None` when it changed nothing.
    fn effect(&self) -> Option<&dyn TypedId>;
}

/// Makes [`Outcome`] from one list. Each variant holds one type of answer.
macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident($answer:ty): |$row:ident| $effect:expr;)*) => {
        /// The answer to a command. Large answers are behind an `Arc`, so that they do not make the enum larger than the common
        /// answers.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Outcome {
            $($(#[$doc])* $variant($answer),)*
        }

        $(impl Answer for $answer {
            fn effect(&self) -> Option<&dyn TypedId> {
                let $row = self;
                $effect
            }
        }

        impl From<$answer> for Outcome {
            fn from(answer: $answer) -> Self {
                Self::$variant(answer)
            }
        }

        impl TryFrom<Outcome> for $answer {
            type Error = OtherOutcome;

            fn try_from(outcome: Outcome) -> Result<Self, OtherOutcome> {
                match outcome {
                    Outcome::$variant(answer) => Ok(answer),
                    _ => Err(OtherOutcome),
                }
            }
        })*

        impl Outcome {
            fn answer(&self) -> &dyn Answer {
                match self {
                    $(Self::$variant(answer) => answer,)*
                }
            }
        }
    };
}

outcomes! {
    /// RegisterAccount.
    Registered(Arc<super::account::RegistrationOutcome>): |answer| Some(&answer.account.id);
    /// UpdateAccount.
    Account(Arc<super::account::Account>): |account| Some(&account.id);
    /// CreateApiKey, CreateAdminApiKey, RevokeApiKey.
    ApiKey(Arc<super::account::ApiKey>): |key| Some(&key.id);
    /// CreateProgram, UpdateProgram, ArchiveProgram.
    Program(Arc<super::program::ProgramWithTerms>): |answer| Some(&answer.program.id);
    /// CreateAffiliate.
    Affiliate(Arc<super::affiliate::AffiliateOutcome>): |answer| Some(&answer.affiliate.id);
    /// UpdateAffiliate, ApproveAffiliate, RejectAffiliate, DeactivateAffiliate, RotateAffiliateToken, EraseAffiliate,
    /// SetUpline.
    ChangedAffiliate(Arc<super::affiliate::Affiliate>): |affiliate| Some(&affiliate.id);
    /// EnrollAffiliate, UpdateEnrollment, EndEnrollment, MoveEnrollment, AcceptAgreement.
    Enrollment(Arc<super::enrollment::EnrollmentOutcome>): |answer| Some(&answer.enrollment.enrollment.id);
    /// CreateLink, UpdateLink, RevokeLink.
    Link(Arc<super::link::LinkWithDestination>): |answer| Some(&answer.link.id);
    /// AssignCoupon, UpdateCoupon, RemoveCoupon.
    Coupon(Arc<super::coupon::Coupon>): |coupon| Some(&coupon.id);
    /// CreateAffiliateGroup, UpdateAffiliateGroup, ArchiveAffiliateGroup.
    AffiliateGroup(Arc<super::affiliate_group::AffiliateGroup>): |group| Some(&group.id);
    /// CreateItem, UpdateItem, ArchiveItem.
    Item(Arc<super::item::Item>): |item| Some(&item.id);
    /// CreateOffer, UpdateOffer, ArchiveOffer.
    Offer(Arc<super::offer::Offer>): |offer| Some(&offer.id);
    /// ClaimOffer.
    Claim(Arc<super::claim::ClaimOutcome>): |claim| Some(&claim.coupon.id);
    /// CreateBounty, UpdateBounty, ArchiveBounty, NameContestWinners.
    Bounty(Arc<super::bounty::Bounty>): |bounty| Some(&bounty.id);
    /// SubmitToBounty, ApproveSubmission, RejectSubmission.
    Submission(Arc<super::bounty::Submission>): |submission| Some(&submission.id);
    /// RecordClick.
    Click(super::click::ClickOutcome): |click| Some(&click.click_id);
    /// RecordLead.
    Lead(super::lead::LeadOutcome): |lead| Some(lead.conversion_id.as_ref().map_or(&lead.lead_id as &dyn TypedId, |id| id));
    /// CreateLead, UpdateLead, DeleteLead, MergeLeads, AttributeLead. Kept without personal data.
    ChangedLead(Arc<super::lead::Lead>): |lead| Some(&lead.id);
    /// RecordSale.
    Sale(super::conversion::SaleOutcome): |sale| Some(&sale.conversion_id);
    /// The kept part of a RecordSale's answer. Never an answer itself.
    KeptSale(super::conversion::KeptSale): |_sale| None;
    /// RecordRefund, UndoRefund, CorrectSale, OpenDispute, ResolveDispute.
    Refund(super::conversion::RefundOutcome): |refund| Some(&refund.conversion_id);
    /// RecordCancellation.
    Cancellation(super::lead::CancellationOutcome): |cancellation| Some(&cancellation.conversion_id);
    /// ApproveRewards, DenyRewards, ReleaseRewards: the rewards in the order asked.
    Rewards(Vec<Arc<super::reward::Reward>>): |rewards| rewards.first().map(|reward| &reward.id as &dyn TypedId);
    /// CreateReward, FulfillReward.
    Reward(Arc<super::reward::Reward>): |reward| Some(&reward.id);
    /// ApprovePayouts, ConfirmPayouts, ImportPayoutResults: the payouts in the order asked.
    Payouts(Vec<Arc<super::payout::Payout>>): |payouts| payouts.first().map(|payout| &payout.id as &dyn TypedId);
    /// SetPayoutMethod, RemovePayoutMethod. Kept without the destinations.
    PayoutMethod(Arc<super::payout_method::PayoutMethod>): |method| Some(&method.affiliate_id);
    /// SetTaxProfile, ConfirmTaxProfile, RefuseTaxProfile, RemoveTaxProfile. Kept without the details.
    TaxProfile(Arc<super::tax_profile::TaxProfile>): |profile| Some(&profile.affiliate_id);
    /// SetBillingProfile.
    BillingProfile(Arc<super::billing_profile::BillingProfile>): |profile| Some(&profile.account_id);
    /// SetPayoutConnection, RemovePayoutConnection. Kept without the credentials.
    PayoutConnection(Arc<super::payout_connection::PayoutConnection>): |connection| Some(&connection.account_id);
    /// ReconcilePayouts. Kept without the differences.
    PayoutReconciliation(Arc<super::payout_reconciliation::PayoutReconciliation>): |row| Some(&row.id);
    /// ExportPayouts.
    PayoutExport(Arc<super::payout_export::PayoutExport>): |export| Some(&export.id);
    /// CreatePayoutRun, CancelPayoutRun.
    PayoutRun(Arc<super::payout_run::PayoutRun>): |run| Some(&run.id);
    /// CreatePayoutSchedule, UpdatePayoutSchedule, ArchivePayoutSchedule.
    PayoutSchedule(Arc<super::payout_schedule::PayoutSchedule>): |schedule| Some(&schedule.id);
    /// NotifyFundsAdded.
    PayoutPurse(Arc<super::payout_purse::PayoutPurse>): |purse| Some(&purse.account_id);
    /// MarkPaid, CreatePayout, CancelPayout, RetryPayout, ReopenPayout.
    Payout(Arc<super::payout::Payout>): |payout| Some(&payout.id);
}

/// The outcome belongs to another command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command came to the outcome of another")]
pub struct OtherOutcome;

impl Outcome {
    /// The outcome as it is kept for a repeat of the request. `WorkingSet::first_answer` makes the answer of it again.
    pub fn to_keep(&self) -> Self {
        match self {
            Self::Sale(sale) => Self::KeptSale(sale.to_keep()),
            Self::ChangedLead(lead) => Self::ChangedLead(Arc::new(lead.without_personal_data())),
            Self::Affiliate(made) => Self::Affiliate(Arc::new(made.without_personal_data())),
            Self::ChangedAffiliate(affiliate) => Self::ChangedAffiliate(Arc::new(affiliate.without_personal_data())),
            Self::Enrollment(made) => Self::Enrollment(Arc::new(made.without_personal_data())),
            Self::Link(answer) => Self::Link(Arc::new(answer.without_personal_data())),
            Self::Coupon(coupon) => Self::Coupon(Arc::new(coupon.without_personal_data())),
            Self::Claim(claim) => Self::Claim(Arc::new(claim.without_personal_data())),
            Self::Submission(submission) => Self::Submission(Arc::new(submission.without_personal_data())),
            Self::Click(click) => Self::Click(click.without_personal_data()),
            Self::Payout(payout) => Self::Payout(Arc::new(payout.without_destination())),
            Self::Payouts(payouts) => {
                Self::Payouts(payouts.iter().map(|payout| Arc::new(payout.without_destination())).collect())
            }
            other => other.clone(),
        }
    }

    /// The UUID of the row that the command created or changed; nil when it changed nothing.
    pub fn effect(&self) -> Uuid {
        self.answer().effect().map_or(Uuid::nil(), TypedId::uuid)
    }

    /// The id of that row as text, for a caller that reuses the key. Empty when nothing was changed.
    pub fn effect_id(&self) -> String {
        self.answer().effect().map(ToString::to_string).unwrap_or_default()
    }
}
