//! The reasons for resources that do not exist.

use crate::domain::refusal::Resource;
use crate::pb::ErrorReason;

/// The reason for a missing resource of this kind, and the kind's name on the wire.
pub(super) fn missing(resource: Resource) -> (ErrorReason, &'static str) {
    match resource {
        Resource::Account => (ErrorReason::AccountNotFound, "headwater.v1.Account"),
        Resource::ApiKey => (ErrorReason::ApiKeyNotFound, "headwater.v1.ApiKey"),
        Resource::Program => (ErrorReason::ProgramNotFound, "headwater.v1.Program"),
        Resource::Affiliate => (ErrorReason::AffiliateNotFound, "headwater.v1.Affiliate"),
        Resource::AffiliateGroup => (ErrorReason::AffiliateGroupNotFound, "headwater.v1.AffiliateGroup"),
        Resource::Enrollment => (ErrorReason::EnrollmentNotFound, "headwater.v1.Enrollment"),
        Resource::Link => (ErrorReason::LinkNotFound, "headwater.v1.Link"),
        Resource::Coupon => (ErrorReason::CouponNotFound, "headwater.v1.Coupon"),
        Resource::Item => (ErrorReason::ItemNotFound, "headwater.v1.Item"),
        Resource::Offer => (ErrorReason::OfferNotFound, "headwater.v1.Offer"),
        Resource::Bounty => (ErrorReason::BountyNotFound, "headwater.v1.Bounty"),
        Resource::Submission => (ErrorReason::SubmissionNotFound, "headwater.v1.Submission"),
        Resource::Lead => (ErrorReason::LeadNotFound, "headwater.v1.Lead"),
        Resource::Conversion => (ErrorReason::ConversionNotFound, "headwater.v1.Conversion"),
        Resource::Reward => (ErrorReason::RewardNotFound, "headwater.v1.Reward"),
        Resource::Payout => (ErrorReason::PayoutNotFound, "headwater.v1.Payout"),
        Resource::TaxProfile => (ErrorReason::TaxProfileNotFound, "headwater.v1.TaxProfile"),
        Resource::PayoutConnection => (ErrorReason::PayoutConnectionNotFound, "headwater.v1.PayoutConnection"),
        Resource::PayoutExport => (ErrorReason::PayoutExportNotFound, "headwater.v1.PayoutExport"),
        Resource::PayoutReconciliation => {
            (ErrorReason::PayoutReconciliationNotFound, "headwater.v1.PayoutReconciliation")
        }
        Resource::PayoutSchedule => (ErrorReason::PayoutScheduleNotFound, "headwater.v1.PayoutSchedule"),
        Resource::PayoutDocument => (ErrorReason::PayoutDocumentNotFound, "headwater.v1.PayoutDocument"),
        Resource::PayoutRun => (ErrorReason::PayoutRunNotFound, "headwater.v1.PayoutRun"),
    }
}
