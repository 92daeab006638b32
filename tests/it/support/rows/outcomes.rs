//! Answers as they are kept for repeated calls.

use std::sync::Arc;

use headwater::domain::account::{ApiKey, RegistrationOutcome};
use headwater::domain::affiliate::{Affiliate, AffiliateOutcome};
use headwater::domain::claim::ClaimOutcome;
use headwater::domain::click::{ClickOutcome, ClickPayment};
use headwater::domain::conversion::{ConversionOutcome, KeptSale, RefundOutcome, SaleOutcome};
use headwater::domain::coupon::CouponState;
use headwater::domain::enrollment::{EnrollmentOutcome, EnrollmentWithLanding};
use headwater::domain::id::{ClickId, LeadId, RewardId};
use headwater::domain::lead::{CancellationOutcome, Lead, LeadDetails, LeadOutcome};
use headwater::domain::link::LinkWithDestination;
use headwater::domain::outcome::Outcome;
use headwater::domain::payout_connection::PayoutConnection;
use headwater::domain::payout_export::PayoutExport;
use headwater::domain::payout_method::{PayoutMethod, Sealed};
use headwater::domain::payout_reconciliation::PayoutReconciliation;
use headwater::domain::program::ProgramWithTerms;
use headwater::domain::tax_profile::TaxProfile;
use smallvec::smallvec;
use uuid::Uuid;

use super::{
    ACCOUNT, NOW, account, affiliate, affiliate_group, api_key, billing_profile, bounty, coupon, credit, enrollment,
    inactive_affiliate, item, lead, link, offer, open_payout, payout, payout_connection, payout_export, payout_method,
    payout_purse, payout_reconciliation, payout_run, payout_schedule, program, reward, reward_by_hand, sale,
    submission, tax_profile, terms, tied_coupon, uuid,
};

/// The affiliate and the key without their secrets, as a stored answer has them.
pub(crate) fn without_secrets() -> (Affiliate, ApiKey) {
    let affiliate = Affiliate { token_hash: [0; 32], ..affiliate() };
    (affiliate, ApiKey { secret_hash: [0; 32], ..api_key() })
}

/// A lead as a stored answer has it, without personal data.
pub(crate) fn kept_lead() -> Lead {
    Lead {
        merged_into: Some(LeadId::from_uuid(uuid(2))),
        deleted_at: Some(NOW.plus_days(2)),
        details: LeadDetails::default(),
        ..lead().without_personal_data()
    }
}

/// One answer of each kind.
pub(crate) fn outcomes() -> Vec<Outcome> {
    let (new_affiliate, key) = without_secrets();
    let enrollment = EnrollmentWithLanding {
        enrollment: Arc::new(enrollment()),
        landing_url: "https://shop.test/".to_owned(),
        lacks_newest_agreement: false,
    };
    let coupon = coupon(1, "ADA10", CouponState::Removed);
    let sale = sale(1);
    let reward = reward(2, &sale, Some(RewardId::from_uuid(uuid(1))));
    let link = LinkWithDestination { link: Arc::new(link()), destination_url: "https://shop.test/blog".to_owned() };
    vec![
        Outcome::from(Arc::new(RegistrationOutcome {
            account: Arc::new(account(ACCOUNT)),
            key: Arc::new(key.clone()),
        })),
        Outcome::Account(Arc::new(account(ACCOUNT))),
        Outcome::ApiKey(Arc::new(key)),
        Outcome::Program(Arc::new(ProgramWithTerms { program: Arc::new(program()), terms: Arc::new(terms()) })),
        Outcome::from(Arc::new(AffiliateOutcome {
            affiliate: Arc::new(new_affiliate),
            enrollment: enrollment.clone(),
            coupon: Some(Arc::new(coupon.clone())),
        })),
        Outcome::ChangedAffiliate(Arc::new(Affiliate {
            token_hash: [0; 32],
            upline_id: None,
            group_id: None,
            former_email: None,
            past_uplines: Vec::new(),
            awaits_welcome: false,
            password: None,
            ..inactive_affiliate()
        })),
        Outcome::from(Arc::new(EnrollmentOutcome { enrollment, coupon: Some(Arc::new(coupon.clone())) })),
        Outcome::Link(Arc::new(link)),
        Outcome::Coupon(Arc::new(coupon)),
        Outcome::AffiliateGroup(Arc::new(affiliate_group())),
        Outcome::Item(Arc::new(item())),
        Outcome::Offer(Arc::new(offer())),
        Outcome::from(Arc::new(ClaimOutcome { offer: Arc::new(offer()), coupon: Arc::new(tied_coupon(2)) })),
        Outcome::Bounty(Arc::new(bounty())),
        Outcome::Submission(Arc::new(submission().without_personal_data())),
        Outcome::Click(ClickOutcome {
            click_id: ClickId::from_uuid(uuid(1)),
            tid: ClickId::from_uuid(uuid(2)),
            destination_url: "https://shop.test/".to_owned(),
            affiliate_id: affiliate().id,
            payment: ClickPayment::NoRule,
            reward: None,
        }),
        Outcome::Lead(LeadOutcome {
            lead_id: lead().id,
            credits: smallvec![credit()],
            conversion_id: Some(sale.id),
            rewards: Vec::new(),
            customer_reward: None,
        }),
        Outcome::ChangedLead(Arc::new(kept_lead())),
        Outcome::Sale(SaleOutcome {
            conversion_id: sale.id,
            other_lead_id: None,
            lead_id: Some(lead().id),
            credits: smallvec![credit()],
            rewards: vec![reward.summary()],
            coupon_fault: None,
            is_known_by_ref_id: false,
            is_known_by_tid: false,
            is_undeclared: false,
            customer_reward: None,
        }),
        Outcome::KeptSale(KeptSale {
            other_lead_id: Some(lead().id),
            reward_ids: vec![reward.id],
            coupon_fault: None,
            is_known_by_ref_id: false,
            is_known_by_tid: false,
            is_undeclared: false,
            customer_reward: None,
        }),
        Outcome::Refund(RefundOutcome {
            outcome: ConversionOutcome::Attributed,
            conversion_id: sale.id,
            sale_id: Some(sale.id),
            rewards: vec![reward.summary()],
            known_total: None,
            was_undone: false,
            is_outdated: false,
        }),
        Outcome::Cancellation(CancellationOutcome {
            lead_id: lead().id,
            outcome: ConversionOutcome::Attributed,
            conversion_id: sale.id,
        }),
        Outcome::Rewards(vec![Arc::new(reward)]),
        Outcome::Reward(Arc::new(reward_by_hand(3))),
        Outcome::Payouts(vec![Arc::new(open_payout())]),
        Outcome::PayoutExport(Arc::new(PayoutExport { file: None, ..payout_export() })),
        Outcome::PayoutReconciliation(Arc::new(PayoutReconciliation {
            differences: Vec::new(),
            tries: 0,
            lease_id: Uuid::nil(),
            ..payout_reconciliation()
        })),
        Outcome::PayoutRun(Arc::new(payout_run())),
        Outcome::PayoutSchedule(Arc::new(payout_schedule())),
        Outcome::PayoutPurse(Arc::new(payout_purse())),
        Outcome::PayoutMethod(Arc::new(PayoutMethod {
            current: None,
            pending: None,
            override_reason: String::new(),
            ..payout_method()
        })),
        Outcome::TaxProfile(Arc::new(TaxProfile { details: None, ..tax_profile() })),
        Outcome::BillingProfile(Arc::new(billing_profile())),
        Outcome::PayoutConnection(Arc::new(PayoutConnection {
            sealed: Sealed::new([]),
            next_reconciliation_at: None,
            last_reconciliation_id: None,
            ..payout_connection()
        })),
        Outcome::Payout(Arc::new(payout())),
    ]
}
