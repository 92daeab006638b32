//! The form of an answer, as stored for repeated requests.

use crate::domain::outcome::Outcome;

enum_form! {
    /// The answer to a write.
    OutcomeForm<'a> of Outcome {
        Registered(registered: Box<super::account::RegistrationOutcomeForm<'a>>),
        Account(account: Box<super::account::AccountForm<'a>>),
        ApiKey(key: Box<super::account::ApiKeyForm<'a>>),
        Program(program: Box<super::program::ProgramWithTermsForm<'a>>),
        Affiliate(affiliate: Box<super::affiliate::AffiliateOutcomeForm<'a>>),
        ChangedAffiliate(affiliate: Box<super::affiliate::AffiliateForm<'a>>),
        Enrollment(enrollment: Box<super::enrollment::EnrollmentOutcomeForm<'a>>),
        Link(link: Box<super::link::LinkWithDestinationForm<'a>>),
        Coupon(coupon: Box<super::coupon::CouponForm<'a>>),
        Item(item: Box<super::item::ItemForm<'a>>),
        AffiliateGroup(group: Box<super::affiliate_group::AffiliateGroupForm<'a>>),
        Offer(offer: Box<super::offer::OfferForm<'a>>),
        Claim(claim: Box<super::offer::ClaimOutcomeForm<'a>>),
        Bounty(bounty: Box<super::bounty::BountyForm<'a>>),
        Submission(submission: Box<super::bounty::SubmissionForm<'a>>),
        Click(click: super::click::ClickOutcomeForm<'a>),
        Lead(lead: super::lead::LeadOutcomeForm),
        ChangedLead(lead: Box<super::lead::LeadForm<'a>>),
        Sale(sale: super::conversion::SaleOutcomeForm),
        KeptSale(sale: super::conversion::KeptSaleForm),
        Refund(refund: super::conversion::RefundOutcomeForm),
        Cancellation(cancellation: super::lead::CancellationOutcomeForm),
        Rewards(rewards: Vec<Box<super::reward::RewardForm<'a>>>),
        Reward(reward: Box<super::reward::RewardForm<'a>>),
        Payouts(payouts: Vec<Box<super::payout::PayoutForm<'a>>>),
        PayoutMethod(method: Box<super::payout_method::PayoutMethodForm>),
        TaxProfile(profile: Box<super::tax_profile::TaxProfileForm>),
        BillingProfile(profile: Box<super::tax_profile::BillingProfileForm<'a>>),
        PayoutConnection(connection: Box<super::payout_method::PayoutConnectionForm<'a>>),
        PayoutReconciliation(row: Box<super::payout_reconciliation::PayoutReconciliationForm<'a>>),
        PayoutExport(export: Box<super::payout_export::PayoutExportForm<'a>>),
        PayoutRun(run: Box<super::payout_run::PayoutRunForm<'a>>),
        PayoutSchedule(schedule: Box<super::payout_schedule::PayoutScheduleForm<'a>>),
        PayoutPurse(purse: Box<super::payout::PayoutPurseForm>),
        Payout(payout: Box<super::payout::PayoutForm<'a>>),
    }
}
