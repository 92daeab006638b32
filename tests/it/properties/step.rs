//! The steps, and how they are drawn. Names are small numbers, so that steps often share one. Ids are filled in when a step is
//! played, because each world draws its own.

use std::fmt;

use headwater::domain::conversion::ConversionKind;
use headwater::domain::money::AMOUNT_MINOR_MAX;
use headwater::pb;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The amounts to pay; the currency of an amount is the program's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pay {
    Percent(i32),
    Flat(i64),
}

#[derive(Debug, Clone)]
pub(super) enum AffiliateName {
    Nth(u8),
    Email(u8),
    RefId(u8),
    ExternalId(u8),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Who {
    pub(super) external_id: Option<u8>,
    pub(super) email: Option<u8>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Traces {
    pub(super) visitor: Option<u8>,
    pub(super) ref_id: Option<u8>,
    pub(super) coupon: Option<u8>,
}

#[derive(Debug, Clone)]
pub(super) struct Enrolling {
    pub(super) program: Option<u8>,
    pub(super) ref_id: Option<u8>,
    pub(super) coupon: Option<u8>,
    pub(super) pay: Option<Pay>,
}

/// One request before its ids are known. The terms of programs have no commission yet.
#[derive(Debug, Clone)]
pub(super) enum Step {
    UpdateAccount {
        coupons_max: u8,
    },
    CreateProgram {
        currency: &'static str,
        is_default: bool,
        terms: pb::Terms,
        pay: Pay,
    },
    UpdateProgram {
        program: u8,
        make_default: bool,
        terms: Option<(pb::Terms, Pay)>,
    },
    ArchiveProgram {
        program: u8,
    },
    CreateAffiliate {
        name: u8,
        enrolling: Enrolling,
    },
    EnrollAffiliate {
        affiliate: AffiliateName,
        enrolling: Enrolling,
    },
    UpdateEnrollment {
        enrollment: u8,
        ref_id: Option<u8>,
        pay: Option<Option<Pay>>,
    },
    EndEnrollment {
        enrollment: u8,
    },
    CreateLink {
        enrollment: u8,
        code: u8,
    },
    RevokeLink {
        link: u8,
    },
    AssignCoupon {
        affiliate: AffiliateName,
        program: Option<u8>,
        code: u8,
        max_uses: u8,
        each: u8,
    },
    /// A code for an item and an affiliate, who is created if they are missing.
    RegisterCode {
        affiliate: AffiliateName,
        program: Option<u8>,
        code: u8,
        item: Option<u8>,
    },
    RemoveCoupon {
        coupon: u8,
    },
    CreateItem {
        item: u8,
    },
    CreateOffer {
        program: Option<u8>,
        item: Option<u8>,
        days: Option<u8>,
        max_claims: u8,
        each: u8,
    },
    ClaimOffer {
        offer: u8,
        affiliate: AffiliateName,
        code: Option<u8>,
    },
    CreateBounty {
        program: Option<u8>,
        is_contest: bool,
        days: Option<u8>,
        max_submissions: u8,
        each: u8,
    },
    Submit {
        bounty: u8,
        affiliate: AffiliateName,
    },
    ApproveSubmission {
        submission: u8,
    },
    RejectSubmission {
        submission: u8,
    },
    NameWinners {
        bounty: u8,
        winners: Vec<u8>,
    },
    Click {
        visitor: u8,
        code: u8,
        days_ago: Option<u8>,
    },
    Lead {
        event: u8,
        who: Who,
        traces: Traces,
        days_ago: Option<u8>,
    },
    Sale {
        event: u8,
        who: Who,
        traces: Traces,
        amount: i64,
        currency: &'static str,
        days_ago: Option<u8>,
    },
    Refund {
        event: u8,
        sale: Option<u8>,
        who: Who,
        amount: i64,
        currency: &'static str,
        days_ago: Option<u8>,
    },
    Dispute {
        event: u8,
        sale: u8,
        amount: Option<i64>,
        currency: &'static str,
    },
    Resolve {
        event: u8,
        dispute: u8,
        is_won: bool,
        lost: Option<i64>,
        currency: &'static str,
    },
    Cancel {
        event: u8,
        who: Who,
    },
    Approve {
        of: Vec<(ConversionKind, u8)>,
        skip_others: bool,
    },
    Deny {
        of: Vec<(ConversionKind, u8)>,
    },
}

/// A step with an optional request_id (recorded events always have their event_id).
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) request_id: Option<u8>,
    pub(super) step: Step,
}

/// The steps of one moment, some hours after the previous one.
#[derive(Clone)]
pub(super) struct Moment {
    pub(super) hours_later: u16,
    pub(super) calls: Vec<Call>,
}

/// Prints on one line, so that the smallest failing steps are readable.
impl fmt::Debug for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "after {} h", self.hours_later)?;
        self.calls.iter().try_for_each(|call| match call.request_id {
            Some(number) => write!(formatter, "; as {number}: {:?}", call.step),
            None => write!(formatter, "; {:?}", call.step),
        })
    }
}

fn pay() -> impl Strategy<Value = Pay> {
    prop_oneof![
        4 => select(vec![100_000, 125_000, 333_333, 1_000_000]).prop_map(Pay::Percent),
        2 => select(vec![1, 7, 500]).prop_map(Pay::Flat),
        1 => Just(Pay::Percent(0)),
    ]
}

/// The numbers of all values of a wire enum except the unspecified one.
pub(super) fn values<E: TryFrom<i32>>() -> Vec<i32> {
    (1..).take_while(|number| E::try_from(*number).is_ok()).collect()
}

fn terms() -> impl Strategy<Value = pb::Terms> {
    use pb::AttributionSource::{Click, Coupon, LeadBinding};
    let orders = vec![[LeadBinding, Coupon, Click], [Coupon, Click, LeadBinding], [Click, LeadBinding, Coupon]];
    (
        (select(values::<pb::TermsReach>()), select(vec![0, 30]), select(values::<pb::AttributionModel>())),
        (select(vec![1, 30, 60]), select(orders), select(values::<pb::Rounding>())),
        option::weighted(0.4, 1..30_i64),
    )
        .prop_map(|((reach, hold_days, attribution_model), (window_days, precedence, rounding), clicks)| {
            pb::Terms {
                reach,
                hold_period_days: Some(hold_days),
                attribution_model,
                attribution_window_days: Some(window_days),
                precedence: precedence.map(i32::from).to_vec(),
                rounding,
                rules: clicks.map(rule_for_clicks).into_iter().collect(),
                ..pb::Terms::default()
            }
        })
}

/// A rule that pays for clicks. The currency is that of the program, which is not known yet.
fn rule_for_clicks(amount_minor: i64) -> pb::CommissionRule {
    let flat = pb::commission::Rate::Flat(pb::Money { amount_minor, currency_code: String::new() });
    pb::CommissionRule {
        name: "clicks".to_owned(),
        event_kind: pb::CommissionEvent::Click.into(),
        commission: Some(pb::Commission { rate: Some(flat) }),
        ..Default::default()
    }
}

/// A number below the limit, usually none.
fn seldom(limit: u8) -> impl Strategy<Value = Option<u8>> {
    option::weighted(0.3, 0..limit)
}

fn who() -> impl Strategy<Value = Who> {
    (option::of(0..3_u8), option::of(0..3_u8)).prop_map(|(external_id, email)| Who { external_id, email })
}

/// A customer with at least one name.
fn named() -> impl Strategy<Value = Who> {
    prop_oneof![
        (0..3_u8, option::of(0..3_u8)).prop_map(|(external_id, email)| Who { external_id: Some(external_id), email }),
        (0..3_u8).prop_map(|email| Who { external_id: None, email: Some(email) }),
    ]
}

fn traces() -> impl Strategy<Value = Traces> {
    (option::weighted(0.4, 0..2_u8), seldom(4), option::weighted(0.4, 0..4_u8))
        .prop_map(|(visitor, ref_id, coupon)| Traces { visitor, ref_id, coupon })
}

fn days_ago() -> impl Strategy<Value = Option<u8>> {
    option::weighted(0.2, select(vec![1, 5, 31, 61, 100]))
}

/// Clicks are often told late, and then all customers of their visitor are judged again.
fn days_since_click() -> impl Strategy<Value = Option<u8>> {
    option::weighted(0.5, select(vec![1, 5, 31, 61, 100]))
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => select(vec![5, 10, 33, 50, 99, 100, 999, 1_000]),
        2 => 1..5_000_i64,
        1 => Just(AMOUNT_MINOR_MAX),
    ]
}

/// Usually a part of an amount, sometimes all of it or more.
fn refunded_amount() -> impl Strategy<Value = i64> {
    prop_oneof![5 => select(vec![1, 2, 3, 5, 7, 10, 33]), 3 => amount()]
}

fn currency() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => Just("USD"), 1 => Just("JPY")]
}

fn enrolling() -> impl Strategy<Value = Enrolling> {
    (option::of(0..3_u8), option::weighted(0.8, 0..6_u8), seldom(4), option::weighted(0.2, pay()))
        .prop_map(|(program, ref_id, coupon, pay)| Enrolling { program, ref_id, coupon, pay })
}

fn affiliate() -> impl Strategy<Value = AffiliateName> {
    prop_oneof![
        (0..4_u8).prop_map(AffiliateName::Nth),
        (0..4_u8).prop_map(AffiliateName::Email),
        (0..6_u8).prop_map(AffiliateName::RefId),
        (0..4_u8).prop_map(AffiliateName::ExternalId),
    ]
}

/// A name that an affiliate can be created with.
fn newcomer() -> impl Strategy<Value = AffiliateName> {
    prop_oneof![(0..6_u8).prop_map(AffiliateName::Email), (0..6_u8).prop_map(AffiliateName::ExternalId)]
}

fn of_conversions() -> impl Strategy<Value = Vec<(ConversionKind, u8)>> {
    let kind = prop_oneof![9 => Just(ConversionKind::Sale), 1 => Just(ConversionKind::Refund)];
    // Each reward is named at most once, as the wire requires.
    prop::collection::btree_set((kind, 0..6_u8), 1..4).prop_map(|of| of.into_iter().collect())
}

fn owner_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1..4_u8).prop_map(|coupons_max| Step::UpdateAccount { coupons_max }),
        1 => (select(vec!["USD", "JPY"]), any::<bool>(), terms(), pay())
            .prop_map(|(currency, is_default, terms, pay)| Step::CreateProgram { currency, is_default, terms, pay }),
        3 => (0..3_u8, any::<bool>(), option::of((terms(), pay())))
            .prop_map(|(program, make_default, terms)| Step::UpdateProgram { program, make_default, terms }),
        1 => (0..3_u8).prop_map(|program| Step::ArchiveProgram { program }),
        2 => (0..4_u8, enrolling()).prop_map(|(name, enrolling)| Step::CreateAffiliate { name, enrolling }),
        2 => (affiliate(), enrolling()).prop_map(|(affiliate, enrolling)| Step::EnrollAffiliate { affiliate, enrolling }),
        3 => (0..5_u8, seldom(6), option::weighted(0.5, option::of(pay())))
            .prop_map(|(enrollment, ref_id, pay)| Step::UpdateEnrollment { enrollment, ref_id, pay }),
        1 => (0..5_u8).prop_map(|enrollment| Step::EndEnrollment { enrollment }),
        1 => (0..5_u8, 0..6_u8).prop_map(|(enrollment, code)| Step::CreateLink { enrollment, code }),
        1 => (0..8_u8).prop_map(|link| Step::RevokeLink { link }),
        4 => (affiliate(), option::of(0..3_u8), 0..4_u8, 0..4_u8, 0..3_u8).prop_map(
            |(affiliate, program, code, max_uses, each)| Step::AssignCoupon { affiliate, program, code, max_uses, each }
        ),
        4 => (0..8_u8).prop_map(|coupon| Step::RemoveCoupon { coupon }),
        2 => (newcomer(), option::of(0..3_u8), 0..4_u8, seldom(2))
            .prop_map(|(affiliate, program, code, item)| Step::RegisterCode { affiliate, program, code, item }),
        2 => (0..2_u8).prop_map(|item| Step::CreateItem { item }),
        2 => (option::of(0..3_u8), seldom(2), option::of(1..30_u8), 0..4_u8, 0..3_u8).prop_map(
            |(program, item, days, max_claims, each)| Step::CreateOffer { program, item, days, max_claims, each }
        ),
        4 => (0..3_u8, prop_oneof![affiliate(), newcomer()], seldom(4))
            .prop_map(|(offer, affiliate, code)| Step::ClaimOffer { offer, affiliate, code }),
        4 => bounty_step(),
    ]
}

fn bounty_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (option::of(0..3_u8), any::<bool>(), option::of(1..30_u8), 0..4_u8, 0..3_u8).prop_map(
            |(program, is_contest, days, max_submissions, each)| {
                Step::CreateBounty { program, is_contest, days, max_submissions, each }
            }
        ),
        5 => (0..4_u8, affiliate()).prop_map(|(bounty, affiliate)| Step::Submit { bounty, affiliate }),
        3 => (0..8_u8).prop_map(|submission| Step::ApproveSubmission { submission }),
        2 => (0..8_u8).prop_map(|submission| Step::RejectSubmission { submission }),
        1 => (0..4_u8, prop::collection::btree_set(0..8_u8, 1..3))
            .prop_map(|(bounty, winners)| Step::NameWinners { bounty, winners: winners.into_iter().collect() }),
    ]
}

/// A buyer, with or without a name. A sale with neither a name nor a trace is never drawn, because it could not belong to
/// anybody.
fn buyer() -> impl Strategy<Value = (Who, Traces)> {
    (who(), traces()).prop_filter("a sale has a customer or a trace", |(who, traces)| {
        [who.external_id, who.email, traces.visitor, traces.ref_id, traces.coupon].iter().any(Option::is_some)
    })
}

/// The names in a refund: its sale and sometimes also a customer, or only its customer.
fn refunded() -> impl Strategy<Value = (Option<u8>, Who)> {
    prop_oneof![7 => ((0..6_u8).prop_map(Some), who()), 3 => (Just(None), named())]
}

fn dispute_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u8, 0..6_u8, option::weighted(0.4, refunded_amount()), currency())
            .prop_map(|(event, sale, amount, currency)| Step::Dispute { event, sale, amount, currency }),
        (0..20_u8, 0..6_u8, any::<bool>(), option::weighted(0.4, refunded_amount()), currency()).prop_map(
            |(event, dispute, is_won, lost, currency)| {
                Step::Resolve { event, dispute, is_won, lost: lost.filter(|_| !is_won), currency }
            }
        ),
    ]
}

fn event_step() -> impl Strategy<Value = Step> {
    let refund = (0..30_u8, refunded(), refunded_amount(), currency(), days_ago());
    prop_oneof![
        4 => (0..2_u8, 0..6_u8, days_since_click())
            .prop_map(|(visitor, code, days_ago)| Step::Click { visitor, code, days_ago }),
        4 => (0..20_u8, named(), traces(), days_ago())
            .prop_map(|(event, who, traces, days_ago)| Step::Lead { event, who, traces, days_ago }),
        8 => (0..6_u8, buyer(), amount(), currency(), days_ago()).prop_map(
            |(event, (who, traces), amount, currency, days_ago)| {
                Step::Sale { event, who, traces, amount, currency, days_ago }
            }
        ),
        8 => refund.prop_map(|(event, (sale, who), amount, currency, days_ago)| {
            Step::Refund { event, sale, who, amount, currency, days_ago }
        }),
        4 => dispute_step(),
        1 => (0..20_u8, named()).prop_map(|(event, who)| Step::Cancel { event, who }),
        4 => (of_conversions(), any::<bool>()).prop_map(|(of, skip_others)| Step::Approve { of, skip_others }),
        1 => of_conversions().prop_map(|of| Step::Deny { of }),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let step = prop_oneof![1 => owner_step(), 4 => event_step()];
    (option::weighted(0.3, 0..20_u8), step).prop_map(|(request_id, step)| Call { request_id, step })
}

/// Moments with up to this many calls each, after the opening of a shop.
pub(super) fn moments(count: std::ops::RangeInclusive<usize>, calls_max: usize) -> impl Strategy<Value = Vec<Moment>> {
    let hours_later = prop_oneof![6 => 0..48_u16, 1 => 24 * 25..24 * 40_u16];
    let moment = (hours_later, prop::collection::vec(call(), 1..=calls_max))
        .prop_map(|(hours_later, calls)| Moment { hours_later, calls });
    (opening(), prop::collection::vec(moment, count)).prop_map(|(opening, moments)| {
        let mut all = opening;
        all.extend(moments);
        all
    })
}

/// Two programs and three affiliates, so that later steps have objects to use.
fn opening() -> impl Strategy<Value = Vec<Moment>> {
    (terms(), terms(), pay(), pay()).prop_map(|(first, second, pay, other_pay)| {
        let enrolling = |number, program| Enrolling {
            program: Some(program),
            ref_id: Some(number),
            coupon: Some(number),
            pay: None,
        };
        [
            Step::CreateProgram { currency: "USD", is_default: true, terms: first, pay },
            Step::CreateProgram { currency: "USD", is_default: false, terms: second, pay: other_pay },
            Step::CreateAffiliate { name: 0, enrolling: enrolling(0, 0) },
            Step::CreateAffiliate { name: 1, enrolling: enrolling(1, 0) },
            Step::CreateAffiliate { name: 2, enrolling: enrolling(2, 1) },
        ]
        .map(|step| Moment { hours_later: 0, calls: vec![Call { request_id: None, step }] })
        .to_vec()
    })
}
