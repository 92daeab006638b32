//! The ids that a player of steps got in answers. Steps refer to them by number.

use std::collections::{BTreeMap, HashMap};

use headwater::domain::conversion::ConversionKind;
use headwater::domain::id::{
    AccountId, AffiliateId, BountyId, ClickId, CouponId, EnrollmentId, LinkId, OfferId, ProgramId, RewardId,
    SubmissionId,
};
use headwater::domain::money::Currency;
use headwater::domain::outcome::Outcome;
use headwater::domain::rule::Envelope;
use headwater::domain::time::Time;

use super::request::{self, Asking};
use super::step::{Call, Step};

/// The rewards of recorded events, by kind and event_id.
pub(super) type Earned = BTreeMap<(ConversionKind, String), Vec<RewardId>>;

/// One player's ids in one account, in the order in which they were returned. They match in all worlds that play the same steps.
pub(super) struct Book {
    account_id: AccountId,
    programs: Vec<(ProgramId, Currency)>,
    affiliates: Vec<AffiliateId>,
    enrollments: Vec<(EnrollmentId, ProgramId)>,
    links: Vec<LinkId>,
    coupons: Vec<CouponId>,
    offers: Vec<OfferId>,
    bounties: Vec<BountyId>,
    submissions: Vec<SubmissionId>,
    visitors: HashMap<u8, ClickId>,
}

fn add<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

fn nth<T: Copy>(list: &[T], number: u8) -> Option<T> {
    list.get(usize::from(number) % list.len().max(1)).copied()
}

impl Book {
    pub(super) fn new(account_id: AccountId) -> Self {
        let (programs, affiliates, enrollments, links, coupons, offers, visitors) = Default::default();
        let (bounties, submissions) = Default::default();
        Self { account_id, programs, affiliates, enrollments, links, coupons, offers, bounties, submissions, visitors }
    }

    /// The events whose rewards the step is about.
    pub(super) fn rewards_wanted(call: &Call) -> Vec<(ConversionKind, String)> {
        match &call.step {
            Step::Approve { of, .. } | Step::Deny { of } => {
                of.iter().map(|(kind, number)| (*kind, request::event_id(*kind, *number))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The call at this moment, as the app receives it. `None` when it names an id that the player does not have.
    pub(super) fn envelope(&self, call: &Call, now: Time, earned: &Earned) -> Option<Envelope> {
        Asking { book: self, account_id: self.account_id, now, earned }.envelope(call)
    }

    pub(super) fn program(&self, number: u8) -> Option<(ProgramId, Currency)> {
        nth(&self.programs, number)
    }

    pub(super) fn affiliate(&self, number: u8) -> Option<AffiliateId> {
        nth(&self.affiliates, number)
    }

    pub(super) fn enrollment(&self, number: u8) -> Option<EnrollmentId> {
        nth(&self.enrollments, number).map(|(id, _)| id)
    }

    /// The currency of the enrollment's program.
    pub(super) fn currency_of(&self, number: u8) -> Option<Currency> {
        let (_, program_id) = nth(&self.enrollments, number)?;
        self.programs.iter().find(|(id, _)| *id == program_id).map(|(_, currency)| *currency)
    }

    pub(super) fn link(&self, number: u8) -> Option<LinkId> {
        nth(&self.links, number)
    }

    pub(super) fn coupon(&self, number: u8) -> Option<CouponId> {
        nth(&self.coupons, number)
    }

    pub(super) fn offer(&self, number: u8) -> Option<OfferId> {
        nth(&self.offers, number)
    }

    pub(super) fn bounty(&self, number: u8) -> Option<BountyId> {
        nth(&self.bounties, number)
    }

    pub(super) fn submission(&self, number: u8) -> Option<SubmissionId> {
        nth(&self.submissions, number)
    }

    pub(super) fn tid(&self, visitor: u8) -> Option<ClickId> {
        self.visitors.get(&visitor).copied()
    }

    /// Stores the ids from the answer to a call.
    pub(super) fn learn(&mut self, call: &Call, outcome: &Outcome) {
        match outcome {
            Outcome::Program(made) => add(&mut self.programs, (made.program.id, made.program.currency)),
            Outcome::Affiliate(made) => {
                add(&mut self.affiliates, made.affiliate.id);
                let enrollment = &made.enrollment.enrollment;
                add(&mut self.enrollments, (enrollment.id, enrollment.program_id));
                made.coupon.iter().for_each(|coupon| add(&mut self.coupons, coupon.id));
            }
            Outcome::Enrollment(made) => {
                let enrollment = &made.enrollment.enrollment;
                add(&mut self.enrollments, (enrollment.id, enrollment.program_id));
                made.coupon.iter().for_each(|coupon| add(&mut self.coupons, coupon.id));
            }
            Outcome::Link(made) => add(&mut self.links, made.link.id),
            Outcome::Coupon(coupon) => add(&mut self.coupons, coupon.id),
            Outcome::Offer(offer) => add(&mut self.offers, offer.id),
            Outcome::Bounty(bounty) => add(&mut self.bounties, bounty.id),
            Outcome::Submission(submission) => add(&mut self.submissions, submission.id),
            Outcome::Claim(claim) => add(&mut self.coupons, claim.coupon.id),
            Outcome::Click(click) => {
                if let Step::Click { visitor, .. } = call.step {
                    self.visitors.insert(visitor, click.tid);
                }
            }
            _ => {}
        }
    }
}
