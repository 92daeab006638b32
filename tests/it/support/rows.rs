//! One sample of every kind of row, with every optional field set. All belong to one account and refer to each other.

mod accounts;
mod affiliates;
mod bounties;
mod clicks;
mod coupons;
pub(crate) mod everything;
mod fraud;
pub(crate) mod ladders;
mod leads;
pub(crate) mod lines;
mod outcomes;
mod payouts;
pub(crate) mod rules;
pub(crate) mod sales;
pub(crate) mod tallies;

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::domain::account::{Account, ApiKey, KeyKind};
use headwater::domain::affiliate::{Affiliate, AffiliateState, CustomField, PostalAddress, Profile};
use headwater::domain::affiliate_group::{AffiliateGroup, AffiliateGroupState};
use headwater::domain::attribution::{AttributionSource, Candidate, CandidateResult, Evidence};
use headwater::domain::audit::{Actor, AuditEntry};
use headwater::domain::calendar::ZoneSince;
use headwater::domain::claim::OfferClaims;
use headwater::domain::click::{Click, ClickPayment};
use headwater::domain::conversion::AsRecorded;
use headwater::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, Credits, OrderDetails, SaleChannel,
    SaleLine, WaitingRefund,
};
use headwater::domain::coupon::{CouponState, CouponUses};
use headwater::domain::customer_reward::{CustomerReward, CustomerRewardState};
use headwater::domain::dated_commission::DatedCommission;
use headwater::domain::dispute::{Dispute, DisputeOutcome, DisputePart, DisputeState, Resolution};
use headwater::domain::enrollment::{
    Acceptance, Enrollment, EnrollmentStanding, EnrollmentState, Moved, MovedLeads, PastStanding,
};
use headwater::domain::event::{EventImage, EventKind, NewEvent};
use headwater::domain::id::{
    AccountId, AffiliateGroupId, AffiliateId, ApiKeyId, AuditEntryId, ClickId, ConversionId, EnrollmentId, EventId,
    ItemId, LeadId, LinkId, MailId, OfferId, ProgramId, RewardId,
};
use headwater::domain::item::{Item, ItemState};
use headwater::domain::lead::{Binding, Lead, LeadState, UnmatchedSale};
use headwater::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use headwater::domain::link::{Link, LinkState};
use headwater::domain::mail::{Letter, Mail};
use headwater::domain::money::{Currency, Money, Rounding};
use headwater::domain::offer::{Offer, OfferState};
use headwater::domain::outcome::Outcome;
use headwater::domain::program::{
    Agreement, AttributionModel, Commission, Invitation, Program, ProgramState, Question, Terms, TermsDraft, TermsReach,
};
use headwater::domain::request::{Request, RequestKey};
use headwater::domain::reward::{ByHand, Calculation, Reward, RewardRule, RewardState, RewardUnit};
use headwater::domain::set::WorkingSet;
use headwater::domain::time::Time;
use headwater::domain::welcome::WelcomeMail;
use smallvec::smallvec;
use uuid::Uuid;

pub(crate) use accounts::{account, api_key, audit_entry, bound_key, mail, suspended_account, time_zones};
pub(crate) use affiliates::{inactive_affiliate, past_uplines};
pub(crate) use bounties::{bounty, submission, submission_count};
pub(crate) use clicks::{counted_click, paid_click, reward_click, reward_of_click, rule_for_clicks};
pub(crate) use coupons::{coupon, coupon_count, coupon_details, coupon_uses, limited_coupon, tied_coupon};
pub(crate) use fraud::{fraud_note, fraud_rule, reward_review, suspicion};
pub(crate) use leads::lead_details;
pub(crate) use outcomes::{kept_lead, outcomes, without_secrets};
pub(crate) use payouts::{
    archived_payout_schedule, bare_tax_details, billing_profile, cancelled_payout, cancelled_payout_run, destination,
    document_content, draft_document, invoice_tax, invoiced_payout, open_payout, payout, payout_attempt,
    payout_connection, payout_differences, payout_document, payout_document_count, payout_export, payout_method,
    payout_policy, payout_purse, payout_reconciliation, payout_run, payout_schedule, planned_payout_run,
    reopened_payout, reopenings, running_payout_reconciliation, tax_details, tax_profile, waiting_payout,
};

pub(crate) const NOW: Time = Time::from_micros(1_795_000_000_000_000);

/// The default account of the rows.
pub(crate) const ACCOUNT: AccountId = AccountId::from_uuid(Uuid::from_u128(0xa));

/// Makes the UUIDs of ids from numbers. The same number gives different ids for two kinds.
pub(crate) const fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_a5f0_0000_7000_8000_0000_0000_0000 + number)
}

pub(crate) fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, "USD".parse().unwrap())
}

pub(crate) fn question() -> Question {
    Question { key: "audience".to_owned(), label: "Who reads you?".to_owned(), is_required: true }
}

pub(crate) fn invitation() -> Invitation {
    Invitation { code: "FRIENDS-2026".to_owned(), expires_at: Some(NOW.plus_days(9)), max_uses: 5, use_count: 2 }
}

pub(crate) fn agreement() -> Agreement {
    let (url, text) = ("https://shop.test/partners".to_owned(), "Be kind.".to_owned());
    Agreement { version: 2, url, text, is_required: true }
}

pub(crate) fn welcome_mail() -> WelcomeMail {
    WelcomeMail { is_enabled: true, subject: "Hello {first_name}".to_owned(), body: "{referral_link}".to_owned() }
}

pub(crate) fn program() -> Program {
    Program {
        id: ProgramId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        display_name: "Partners".to_owned(),
        currency: "USD".parse().unwrap(),
        landing_url: "https://shop.test/".to_owned(),
        hosts: Vec::new(),
        is_default: true,
        state: ProgramState::Active,
        agreement: None,
        questions: Vec::new(),
        is_private: false,
        invitations: Vec::new(),
        welcome_mail: None,
        fraud_rules: Vec::new(),
        metadata: BTreeMap::new(),
        terms_version: 1,
        version: 4,
        created_at: NOW,
        updated_at: NOW,
        archived_at: None,
    }
}

pub(crate) fn terms() -> Terms {
    Terms {
        account_id: ACCOUNT,
        program_id: program().id,
        version: 1,
        ends_at: None,
        scheduled_at: None,
        withdrawn_at: None,
        yields_to: Vec::new(),
        starts_at: NOW,
        rules: TermsDraft {
            reach: TermsReach::NewCustomers,
            commission: Commission::PercentPpm(125_000),
            hold_period_days: 30,
            attribution_model: AttributionModel::FirstClick,
            attribution_window_days: 60,
            new_customers_only: false,
            precedence: [AttributionSource::Click, AttributionSource::Coupon, AttributionSource::LeadBinding],
            rounding: Rounding::HalfUp,
            custom_kinds: Vec::new(),
            commission_rules: Vec::new(),
            upline_levels: Vec::new(),
            caps: Vec::new(),
            ladder: None,
            threshold_bonuses: Vec::new(),
            sales_tallies: Vec::new(),
            customer_reward: None,
            enrollment_bonus: None,
        },
    }
}

pub(crate) fn profile() -> Profile {
    Profile {
        company: "Engines".to_owned(),
        address: PostalAddress {
            street: "12 St James's Square".to_owned(),
            city: "London".to_owned(),
            region: "Westminster".to_owned(),
            postal_code: "SW1Y 4JH".to_owned(),
            country_code: "GB".to_owned(),
        },
        phone: "+44 20 0000 0000".to_owned(),
        website_url: "https://partner.test/".to_owned(),
        avatar_url: "https://partner.test/ada.png".to_owned(),
        about: "Notes on \"engines\"".to_owned(),
        social_profiles: [("mastodon", "@ada"), ("youtube", "@ada.y")]
            .map(|(network, name)| (network.to_owned(), name.to_owned()))
            .into(),
        paypal_email: String::new(),
        custom_fields: Vec::new(),
        invoice_tax: None,
        metadata: Default::default(),
    }
}

/// A profile with the fields that the first form lacked.
pub(crate) fn profile_with_custom_fields() -> Profile {
    let custom_field = |key: &str, label: &str, value: &str| CustomField {
        key: key.to_owned(),
        label: label.to_owned(),
        value: value.to_owned(),
    };
    Profile {
        paypal_email: "ada@pay.test".to_owned(),
        custom_fields: vec![custom_field("audience", "Who reads you?", "Engineers"), custom_field("since", "", "")],
        metadata: [("tier".to_owned(), "gold".to_owned())].into(),
        ..profile()
    }
}

pub(crate) fn affiliate() -> Affiliate {
    Affiliate {
        id: AffiliateId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        external_id: Some("partner-1".to_owned()),
        email: "ada@partner.test".to_owned(),
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        profile: profile(),
        token_hash: [9; 32],
        password: None,
        state: AffiliateState::Active,
        state_reason: String::new(),
        state_changed_at: None,
        pending_rewards: None,
        email_verified: false,
        upline_id: None,
        group_id: None,
        former_email: None,
        past_uplines: Vec::new(),
        awaits_welcome: false,
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn enrollment() -> Enrollment {
    Enrollment {
        id: EnrollmentId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        affiliate_id: affiliate().id,
        program_id: program().id,
        ref_id: "ada".to_owned(),
        landing_url: "https://shop.test/ada".to_owned(),
        commission_override: Some(Commission::Flat(usd(500))),
        state: EnrollmentState::Ended,
        affiliate_state: AffiliateState::Active,
        created_at: NOW,
        updated_at: NOW,
        ended_at: Some(NOW.plus_days(2)),
        moved: None,
        awaits_agreement: false,
        was_active: false,
        acceptances: Vec::new(),
        metadata: BTreeMap::new(),
        dated_commissions: Vec::new(),
        past: Vec::new(),
    }
}

pub(crate) fn acceptance() -> Acceptance {
    Acceptance { version: 2, accepted_at: NOW.plus_days(1), source: "203.0.113.7".to_owned() }
}

pub(crate) fn moved() -> Moved {
    Moved { to: EnrollmentId::from_uuid(uuid(2)), leads: MovedLeads::Stay }
}

pub(crate) fn dated_commission() -> DatedCommission {
    DatedCommission {
        number: 3,
        commission: Some(Commission::PercentPpm(300_000)),
        starts_at: NOW.plus_days(1),
        ends_at: Some(NOW.plus_days(31)),
        created_at: NOW,
        withdrawn_at: Some(NOW.plus_days(7)),
    }
}

pub(crate) fn past_standing() -> PastStanding {
    let standing = EnrollmentStanding { state: EnrollmentState::Active, ..enrollment().standing() };
    PastStanding { ended_at: NOW.plus_days(2), standing }
}

pub(crate) fn link() -> Link {
    Link {
        id: LinkId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        enrollment_id: enrollment().id,
        affiliate_id: affiliate().id,
        code: "ada-blog".to_owned(),
        destination_url: "https://shop.test/blog".to_owned(),
        claimed_page: None,
        state: LinkState::Revoked,
        created_at: NOW,
        revoked_at: Some(NOW.plus_days(2)),
    }
}

pub(crate) fn affiliate_group() -> AffiliateGroup {
    AffiliateGroup {
        id: AffiliateGroupId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        display_name: "Gold".to_owned(),
        note: "the best".to_owned(),
        state: AffiliateGroupState::Archived,
        created_at: NOW,
        updated_at: NOW.plus_days(2),
        archived_at: Some(NOW.plus_days(2)),
    }
}

pub(crate) fn item() -> Item {
    Item {
        id: ItemId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        sku: "MUG-1".to_owned(),
        display_name: "Mug".to_owned(),
        note: "from Söhne".to_owned(),
        state: ItemState::Archived,
        created_at: NOW,
        updated_at: NOW.plus_days(2),
        archived_at: Some(NOW.plus_days(2)),
    }
}

pub(crate) fn offer() -> Offer {
    Offer {
        id: OfferId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        program_id: program().id,
        display_name: "Spring".to_owned(),
        about: "A mug for each friend".to_owned(),
        item_id: Some(item().id),
        code_prefix: "SPRING-".to_owned(),
        starts_at: Some(NOW),
        ends_at: Some(NOW.plus_days(30)),
        max_claims: 100,
        max_claims_per_affiliate: 2,
        max_uses_per_coupon: 0,
        claim_count: 1,
        state: OfferState::Archived,
        created_at: NOW,
        updated_at: NOW.plus_days(3),
        archived_at: Some(NOW.plus_days(3)),
    }
}

pub(crate) fn offer_claims() -> OfferClaims {
    OfferClaims { account_id: ACCOUNT, offer_id: offer().id, affiliate_id: affiliate().id, claim_count: 1 }
}

pub(crate) fn click(number: u128, tid: ClickId) -> Click {
    Click {
        id: ClickId::from_uuid(uuid(number)),
        account_id: ACCOUNT,
        tid,
        link_id: link().id,
        enrollment_id: enrollment().id,
        affiliate_id: affiliate().id,
        program_id: program().id,
        referrer_url: "https://blog.test/".to_owned(),
        sub_id: "newsletter".to_owned(),
        occurred_at: NOW,
        created_at: NOW,
        payment: ClickPayment::NoRule,
        reward_id: None,
    }
}

pub(crate) fn lead() -> Lead {
    Lead {
        id: LeadId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        email: Some("grace@customer.test".to_owned()),
        email_as_sent: "Grace@Customer.test".to_owned(),
        external_id: Some("u-1".to_owned()),
        first_name: "Grace".to_owned(),
        last_name: "Hopper".to_owned(),
        state: LeadState::Active,
        binding: Some(Binding { credits: smallvec![credit()], bound_at: NOW, referred_at: NOW.plus_days(-1) }),
        plan: "pro".to_owned(),
        mrr: Some(usd(4900)),
        first_sale_at: Some(NOW),
        created_at: NOW,
        updated_at: NOW,
        merged_into: None,
        deleted_at: None,
        details: lead_details(),
    }
}

pub(crate) fn customer_reward() -> CustomerReward {
    CustomerReward {
        program_id: program().id,
        unit: RewardUnit::Points,
        value: Money::new(500, Currency::NONE),
        state: CustomerRewardState::Fulfilled,
        conversion_id: ConversionId::from_uuid(uuid(5)),
        terms_version: 2,
        granted_at: NOW,
        updated_at: NOW.plus_days(1),
    }
}

pub(crate) fn credit() -> Credit {
    Credit {
        affiliate_id: affiliate().id,
        enrollment_id: enrollment().id,
        program_id: program().id,
        terms_version: 1,
        source: AttributionSource::Coupon,
        share_ppm: 1_000_000,
        link_id: None,
        sub_id: None,
    }
}

pub(crate) fn order_details() -> OrderDetails {
    OrderDetails {
        coupon_code: "ADA10".to_owned(),
        plan: "pro".to_owned(),
        quantity: 2,
        order_id: "o-1".to_owned(),
        order_number: "1001".to_owned(),
        refund_id: "r-1".to_owned(),
        reason: String::new(),
        commission_adjustment: None,
        item_sku: String::new(),
        custom_kind: String::new(),
        coupon_use: None,
        metadata: BTreeMap::new(),
        customer_sale: None,
        counted: Vec::new(),
        laddered: Vec::new(),
        tallied: Vec::new(),
        lines: Vec::new(),
        lines_before: Vec::new(),
        collections: Vec::new(),
        country_code: String::new(),
        noted: Vec::new(),
        refunded_total: None,
        was_known: false,
        undone_by: None,
        undone_refund_id: None,
        corrected_at: None,
        told_refunds: Vec::new(),
        held_rewards: Vec::new(),
        suspicions: Vec::new(),
        dispute: None,
    }
}

/// The merchant's own texts of a row.
pub(crate) fn metadata() -> BTreeMap<String, String> {
    [("crm", "\"17\""), ("order_id", "o-2")].map(|(key, text)| (key.to_owned(), text.to_owned())).into()
}

pub(crate) fn candidate() -> Candidate {
    Candidate {
        evidence: Evidence::Coupon("ADA10".to_owned()),
        affiliate_id: Some(affiliate().id),
        enrollment_id: Some(enrollment().id),
        result: CandidateResult::Won,
        sub_id: String::new(),
    }
}

pub(crate) fn sale(number: u128) -> Conversion {
    Conversion {
        id: ConversionId::from_uuid(uuid(number)),
        account_id: ACCOUNT,
        kind: ConversionKind::Sale,
        event_id: format!("order-{number}"),
        outcome: ConversionOutcome::Attributed,
        amount: Some(usd(10_000)),
        refunded_minor: 2500,
        refund_count: 1,
        excess_minor: 0,
        sale_id: None,
        sale_event_id: String::new(),
        lead_id: Some(lead().id),
        tid: Some(ClickId::from_uuid(uuid(1))),
        credits: smallvec![credit()],
        channel: SaleChannel::PointOfSale,
        order: order_details(),
        candidates: vec![candidate()],
        occurred_at: Time::from_micros(NOW.micros() + i64::try_from(number).unwrap()),
        created_at: NOW,
        is_told: true,
        version: 2,
        as_recorded: Some(Box::new(as_recorded())),
    }
}

/// A refund of the first sale. It lacks the sale's id if it waits.
pub(crate) fn refund(number: u128, outcome: ConversionOutcome) -> Conversion {
    let sale = sale(1);
    Conversion {
        kind: ConversionKind::Refund,
        event_id: format!("refund-{number}"),
        outcome,
        amount: Some(usd(-2500)),
        refunded_minor: 0,
        refund_count: 0,
        excess_minor: 100,
        sale_id: (outcome != ConversionOutcome::Waiting).then_some(sale.id),
        sale_event_id: sale.event_id.clone(),
        lead_id: None,
        credits: Credits::new(),
        candidates: Vec::new(),
        as_recorded: None,
        ..self::sale(number)
    }
}

/// What a sale, a dispute and the end of one keep.
pub(crate) fn dispute_parts() -> [(&'static str, DisputePart); 4] {
    let dispute_id = ConversionId::from_uuid(uuid(77));
    let open = Dispute { state: DisputeState::Opened, is_whole: false, taken_minor: None, taken_lines: Vec::new() };
    let lost = Dispute {
        state: DisputeState::Lost,
        is_whole: true,
        taken_minor: Some(2_500),
        taken_lines: vec![SaleLine {
            line_id: "mug".to_owned(),
            quantity: 1,
            amount_minor: 2_500,
            ..SaleLine::default()
        }],
    };
    let resolution = Resolution { dispute_id, outcome: DisputeOutcome::Lost, refund_count_change: 1 };
    [
        ("open_of", DisputePart::OpenOf(vec![dispute_id])),
        ("opened", DisputePart::Dispute(open)),
        ("lost", DisputePart::Dispute(lost)),
        ("resolution", DisputePart::Resolution(resolution)),
    ]
}

pub(crate) fn as_recorded() -> AsRecorded {
    AsRecorded { lead_id: Some(lead().id), credits: smallvec![credit()] }
}

pub(crate) fn calculation() -> Calculation {
    Calculation {
        rule: RewardRule::Program,
        base_amount: usd(10_000),
        sale_amount: usd(10_000),
        commission: Commission::PercentPpm(100_000),
        share_ppm: 1_000_000,
        terms_version: 1,
        rounding: Rounding::HalfEven,
        adjustment: None,
        rule_taken: None,
        amount_not_compared: false,
        upline: None,
        lines: Vec::new(),
        split: None,
        caps: Vec::new(),
        tally_change: None,
        ladder: None,
        brackets: None,
    }
}

pub(crate) fn reward(number: u128, conversion: &Conversion, reverses: Option<RewardId>) -> Reward {
    Reward {
        id: RewardId::from_uuid(uuid(number)),
        account_id: ACCOUNT,
        conversion_id: Some(conversion.id),
        affiliate_id: affiliate().id,
        enrollment_id: enrollment().id,
        program_id: program().id,
        unit: RewardUnit::Cash,
        value: usd(if reverses.is_some() { -250 } else { 1000 }),
        reversed_minor: 250,
        reverses,
        state: RewardState::Pending,
        calculation: Some(calculation()),
        by_hand: None,
        click: None,
        review: None,
        auto_approve_at: NOW.plus_days(30),
        created_at: NOW,
        updated_at: NOW,
        deny_reason: "none".to_owned(),
        payout_id: None,
        approved_at: None,
        dispute: None,
    }
}

pub(crate) fn by_hand() -> ByHand {
    ByHand {
        reason: "for the talk in May".to_owned(),
        lead_id: Some(lead().id),
        bonus_terms_version: 0,
        submission_id: None,
        threshold: None,
    }
}

/// A reward that a person created.
pub(crate) fn reward_by_hand(number: u128) -> Reward {
    Reward {
        conversion_id: None,
        unit: RewardUnit::Points,
        value: Money::new(500, Currency::NONE),
        reversed_minor: 0,
        state: RewardState::Approved,
        calculation: None,
        by_hand: Some(by_hand()),
        deny_reason: String::new(),
        ..reward(number, &sale(1), None)
    }
}

pub(crate) fn unmatched_sale(conversion: &Conversion) -> UnmatchedSale {
    UnmatchedSale {
        account_id: ACCOUNT,
        conversion_id: conversion.id,
        email: Some("later@customer.test".to_owned()),
        external_id: Some("u-9".to_owned()),
        occurred_at: NOW,
    }
}

pub(crate) fn waiting_refund(refund: &Conversion) -> WaitingRefund {
    WaitingRefund { account_id: ACCOUNT, sale_event_id: refund.sale_event_id.clone(), conversion_id: refund.id }
}

pub(crate) fn request(scope: &str, key: &str, effect: Uuid) -> Request {
    Request {
        key: RequestKey { account_id: ACCOUNT, scope: scope.to_owned(), key: key.to_owned() },
        content_hash: [5; 32],
        effect,
        outcome: Outcome::Coupon(Arc::new(coupon(1, "ADA10", CouponState::Active))),
        created_at: NOW,
        expires_at: Some(NOW.plus_days(30)),
    }
}

pub(crate) fn posting(reward: &Reward) -> Posting {
    Posting::for_reward(
        reward,
        LedgerAccount::CommissionExpense,
        LedgerAccount::AffiliatePending,
        LedgerReason::Earned,
        NOW,
    )
}

/// An event about a sale of the affiliate.
pub(crate) fn event(account_id: AccountId, number: u128) -> NewEvent {
    let sale = sale(1);
    let rewards = vec![Arc::new(reward(1, &sale, None))];
    NewEvent {
        id: EventId::from_uuid(uuid(number)),
        account_id,
        kind: EventKind::SaleRecorded,
        occurred_at: NOW,
        image: EventImage::Conversion(ConversionImage { conversion: Arc::new(sale), rewards }),
        former_credits: Vec::new(),
        cause_id: "order-1".to_owned(),
        audit_entry: None,
    }
}
