//! The form of an answer, as it is kept for repeated requests.

use super::account::{AccountForm, ApiKeyForm};
use super::affiliate::AffiliateForm;
use super::click::ClickOutcomeForm;
use super::conversion::{RefundOutcomeForm, SaleOutcomeForm};
use super::coupon::CouponForm;
use super::enrollment::EnrollmentWithLandingForm;
use super::lead::{CancellationOutcomeForm, LeadOutcomeForm};
use super::link::LinkWithDestinationForm;
use super::program::ProgramWithTermsForm;
use super::reward::RewardForm;
use crate::domain::command::Outcome;

enum_form! {
    /// The answer to a write.
    OutcomeForm<'a> of Outcome {
        Registered {
            account: Box<AccountForm<'a>>,
            key: Box<ApiKeyForm<'a>>,
        },
        Account(account: Box<AccountForm<'a>>),
        ApiKey(key: Box<ApiKeyForm<'a>>),
        Program(program: Box<ProgramWithTermsForm<'a>>),
        Affiliate {
            affiliate: Box<AffiliateForm<'a>>,
            enrollment: Box<EnrollmentWithLandingForm<'a>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            coupon: Option<Box<CouponForm<'a>>>,
        },
        Enrollment {
            enrollment: Box<EnrollmentWithLandingForm<'a>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            coupon: Option<Box<CouponForm<'a>>>,
        },
        Link(link: Box<LinkWithDestinationForm<'a>>),
        Coupon(coupon: Box<CouponForm<'a>>),
        Click(click: ClickOutcomeForm<'a>),
        Lead(lead: LeadOutcomeForm),
        Sale(sale: SaleOutcomeForm),
        Refund(refund: RefundOutcomeForm),
        Cancellation(cancellation: CancellationOutcomeForm),
        Rewards(rewards: Vec<RewardForm<'a>>),
    }
}
