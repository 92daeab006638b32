//! The form of an answer, as it is kept for repeated requests.

use super::account::{AccountForm, ApiKeyForm, RegistrationOutcomeForm};
use super::affiliate::AffiliateOutcomeForm;
use super::click::ClickOutcomeForm;
use super::conversion::{RefundOutcomeForm, SaleOutcomeForm};
use super::coupon::CouponForm;
use super::enrollment::EnrollmentOutcomeForm;
use super::lead::{CancellationOutcomeForm, LeadOutcomeForm};
use super::link::LinkWithDestinationForm;
use super::program::ProgramWithTermsForm;
use super::reward::RewardForm;
use crate::domain::outcome::Outcome;

enum_form! {
    /// The answer to a write.
    OutcomeForm<'a> of Outcome {
        Registered(registered: Box<RegistrationOutcomeForm<'a>>),
        Account(account: Box<AccountForm<'a>>),
        ApiKey(key: Box<ApiKeyForm<'a>>),
        Program(program: Box<ProgramWithTermsForm<'a>>),
        Affiliate(affiliate: Box<AffiliateOutcomeForm<'a>>),
        Enrollment(enrollment: Box<EnrollmentOutcomeForm<'a>>),
        Link(link: Box<LinkWithDestinationForm<'a>>),
        Coupon(coupon: Box<CouponForm<'a>>),
        Click(click: ClickOutcomeForm<'a>),
        Lead(lead: LeadOutcomeForm),
        Sale(sale: SaleOutcomeForm),
        Refund(refund: RefundOutcomeForm),
        Cancellation(cancellation: CancellationOutcomeForm),
        Rewards(rewards: Vec<Box<RewardForm<'a>>>),
    }
}
