//! The invariants of a set that holds everything, and of the feed's events. They are checked after each step.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use headwater::domain::attribution::CandidateResult;
use headwater::domain::conversion::{Conversion, ConversionImage, ConversionKind, ConversionOutcome};
use headwater::domain::coupon::CouponState;
use headwater::domain::event::EventImage;
use headwater::domain::id::{AccountId, ConversionId, LeadId, RewardId};
use headwater::domain::lead::{Lead, UnmatchedSale};
use headwater::domain::ledger::{Balance, BalanceKey, LedgerAccount};
use headwater::domain::money::{Currency, portion};
use headwater::domain::program::ProgramState;
use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::set::{Kind, WorkingSet};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

/// A reward's value by ledger account, according to the entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Booked {
    pending: i64,
    payable: i64,
}

/// The state seen so far.
#[derive(Default)]
pub(super) struct Audit {
    postings_seen: usize,
    events_seen: usize,
    balances: BTreeMap<BalanceKey, Balance>,
    totals: BTreeMap<(Currency, LedgerAccount), i128>,
    booked: BTreeMap<RewardId, Booked>,
    /// The last image of each conversion in the feed.
    told: HashMap<ConversionId, ConversionImage>,
    /// Each conversion as of the last check.
    known: HashMap<ConversionId, ConversionImage>,
    leads: HashMap<LeadId, Arc<Lead>>,
    /// Sales that were waiting for their lead.
    unmatched: BTreeMap<(AccountId, ConversionId), Arc<UnmatchedSale>>,
}

type Checked = Result<(), TestCaseError>;

fn image(set: &WorkingSet, conversion: &Conversion) -> ConversionImage {
    set.image(conversion.account_id, conversion.id).unwrap()
}

impl Audit {
    /// Checks all invariants.
    pub(super) fn check(&mut self, set: &WorkingSet, account_id: AccountId) -> Checked {
        self.read_postings(set)?;
        self.read_events(set)?;
        self.check_balances(set)?;
        let by_original = reversals(set);
        for reward in set.rewards.iter() {
            let none = Vec::new();
            match reward.reverses {
                None => check_reward(set, reward, by_original.get(&reward.id).unwrap_or(&none), &self.booked)?,
                Some(original) => check_reversal(set, reward, original)?,
            }
        }
        for conversion in set.conversions.iter() {
            self.check_version(set, conversion)?;
            check_credit(conversion)?;
            check_refunded(set, conversion)?;
        }
        self.check_leads(set)?;
        self.check_unmatched(set)?;
        check_waiting(set)?;
        check_names(set, account_id)
    }

    fn read_postings(&mut self, set: &WorkingSet) -> Checked {
        for posting in &set.postings[self.postings_seen..] {
            prop_assert!(posting.amount_minor > 0, "{:?}", posting);
            prop_assert!(posting.debit != posting.credit, "{:?}", posting);
            self.balances.entry(posting.balance_key()).or_default().post(posting).unwrap();
            let booked = self.booked.entry(posting.subject.reward_id().unwrap()).or_default();
            for (account, amount) in [(posting.debit, -posting.amount_minor), (posting.credit, posting.amount_minor)] {
                *self.totals.entry((posting.currency, account)).or_default() += i128::from(amount);
                match account {
                    LedgerAccount::AffiliatePending => booked.pending += amount,
                    LedgerAccount::AffiliatePayable => booked.payable += amount,
                    LedgerAccount::CommissionExpense => {}
                }
            }
        }
        self.postings_seen = set.postings.len();
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for ((currency, _), total) in &self.totals {
            *sums.entry(*currency).or_default() += total;
        }
        prop_assert!(sums.values().all(|sum| *sum == 0), "the books do not sum to zero: {:?}", self.totals);
        Ok(())
    }

    /// Checks that a conversion's images come in the order of their versions.
    fn read_events(&mut self, set: &WorkingSet) -> Checked {
        for event in &set.events[self.events_seen..] {
            let EventImage::Conversion(image) = &event.image else { continue };
            let before = self.told.insert(image.conversion.id, image.clone()).map(|image| image.conversion.version);
            prop_assert!(before < Some(image.conversion.version), "version {:?}, then {:?}", before, event);
        }
        self.events_seen = set.events.len();
        Ok(())
    }

    fn check_balances(&self, set: &WorkingSet) -> Checked {
        let mut expected: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
        for reward in set.rewards.iter() {
            let key = BalanceKey {
                account_id: reward.account_id,
                affiliate_id: reward.affiliate_id,
                unit: reward.unit,
                currency: reward.value.currency,
            };
            let balance = expected.entry(key).or_default();
            match reward.state {
                RewardState::Pending => balance.pending_minor += reward.value.amount_minor,
                RewardState::Approved => balance.owed_minor += reward.value.amount_minor,
                RewardState::Denied | RewardState::Paid | RewardState::Reversed => {}
            }
            prop_assert!(reward.state != RewardState::Paid, "nothing pays here");
        }
        prop_assert_eq!(&self.balances, &expected);
        let negative = expected.values().find(|balance| balance.pending_minor < 0 || balance.owed_minor < 0);
        prop_assert_eq!(negative, None);
        Ok(())
    }

    /// Checks that every change increases the version, and that the feed's last image of a conversion is its current state. A
    /// conversion may change without an event only if nobody referred it and it was never in the feed.
    fn check_version(&mut self, set: &WorkingSet, conversion: &Conversion) -> Checked {
        let now = image(set, conversion);
        if let Some(before) = self.known.get(&conversion.id) {
            let grew = before.conversion.version < now.conversion.version;
            prop_assert!(grew || *before == now, "changed without a version: {:#?} {:#?}", before, now);
        }
        match self.told.get(&conversion.id) {
            Some(told) => prop_assert_eq!(told, &now, "the feed's last image is not the conversion"),
            None => prop_assert_eq!(conversion.outcome, ConversionOutcome::NotReferred, "the feed knows nothing of it"),
        }
        self.known.insert(conversion.id, now);
        Ok(())
    }

    /// Checks that a lead keeps its names. Its binding may change or end whenever an earlier event is told. `order.rs` checks that
    /// what comes out does not depend on the order of telling.
    fn check_leads(&mut self, set: &WorkingSet) -> Checked {
        fn stays<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> bool {
            before.is_none() || before == now
        }
        for lead in set.leads.iter() {
            if let Some(before) = self.leads.insert(lead.id, Arc::clone(lead)) {
                prop_assert!(stays(before.external_id.as_ref(), lead.external_id.as_ref()), "{:?} {:?}", before, lead);
                prop_assert!(stays(before.email.as_ref(), lead.email.as_ref()), "{:?} {:?}", before, lead);
            }
        }
        Ok(())
    }

    /// Checks that a sale that nobody referred is listed under each name of its customer until it is credited, and not after
    /// that.
    fn check_unmatched(&mut self, set: &WorkingSet) -> Checked {
        self.unmatched.extend(set.unmatched_sales.iter().map(|row| (row.key(), Arc::clone(row))));
        for (key, row) in &self.unmatched {
            let is_referred = set.conversion(key.0, key.1).unwrap().outcome != ConversionOutcome::NotReferred;
            prop_assert_eq!(set.unmatched_sales.get(key).is_none(), is_referred, "{:?}", row);
            for name in row.selectors() {
                let listed = set.names.unmatched_sales.get(&(key.0, name)).unwrap();
                prop_assert_eq!(listed.contains(&key.1), !is_referred, "{:?}", row);
            }
        }
        Ok(())
    }
}

/// Checks that the list of a sale's waiting refunds is exact.
fn check_waiting(set: &WorkingSet) -> Checked {
    let waiting = set.conversions.iter().filter(|row| row.outcome == ConversionOutcome::Waiting);
    let waiting: BTreeSet<_> = waiting.map(|row| (row.account_id, row.sale_event_id.clone(), row.id)).collect();
    prop_assert_eq!(&waiting, &set.waiting_refunds.iter().map(|row| row.key()).collect());
    for (account_id, sale_event_id, id) in &waiting {
        let listed = set.refunds_waiting_for(*account_id, sale_event_id).unwrap();
        prop_assert!(listed.iter().any(|refund| refund.id == *id), "{} is not listed", id);
    }
    Ok(())
}

fn reversals(set: &WorkingSet) -> BTreeMap<RewardId, Vec<&Reward>> {
    let mut by_original: BTreeMap<RewardId, Vec<&Reward>> = BTreeMap::new();
    for reward in set.rewards.iter() {
        if let Some(original) = reward.reverses {
            by_original.entry(original).or_default().push(reward);
        }
    }
    by_original
}

fn check_reward(
    set: &WorkingSet,
    reward: &Reward,
    reversals: &[&Reward],
    booked: &BTreeMap<RewardId, Booked>,
) -> Checked {
    let value = reward.value.amount_minor;
    prop_assert!(value > 0 && (0..=value).contains(&reward.reversed_minor), "{:?}", reward);
    let taken_back: i64 = reversals.iter().map(|reversal| -reversal.value.amount_minor).sum();
    prop_assert_eq!(taken_back, reward.reversed_minor);
    prop_assert!(reversals.iter().all(|reversal| reversal.state == reward.state), "{:?} {:?}", reward, reversals);
    let nothing_is_left = reward.reversed_minor == value;
    if reward.state != RewardState::Denied {
        prop_assert_eq!(reward.state == RewardState::Reversed, nothing_is_left);
    }
    // A reward of which something is left belongs to the sale's credit, and refunds have taken their share of it.
    if !matches!(reward.state, RewardState::Denied | RewardState::Reversed) {
        let sale = set.conversion(reward.account_id, reward.conversion_id).unwrap();
        let base = reward.calculation.base_amount.amount_minor;
        let refunded = sale.refunded_minor - (sale.amount.unwrap().amount_minor - base);
        let expected = match base {
            // A refund of a free order takes all of its flat commission back.
            0 => value * i64::from(sale.refund_count > 0),
            _ => portion(value, refunded, base, reward.calculation.rounding).unwrap(),
        };
        prop_assert_eq!(reward.reversed_minor, expected, "{:?}", reward);
        let credit = sale.credits[0];
        prop_assert_eq!(
            (credit.affiliate_id, credit.enrollment_id, credit.program_id, credit.terms_version),
            (reward.affiliate_id, reward.enrollment_id, reward.program_id, reward.calculation.terms_version)
        );
    }
    let mut entries = Booked::default();
    for part in std::iter::once(&reward).chain(reversals) {
        let of_part = booked.get(&part.id).copied().unwrap_or_default();
        entries.pending += of_part.pending;
        entries.payable += of_part.payable;
    }
    let left = value - reward.reversed_minor;
    let expected = match reward.state {
        RewardState::Pending => Booked { pending: left, payable: 0 },
        RewardState::Approved | RewardState::Paid => Booked { pending: 0, payable: left },
        RewardState::Denied | RewardState::Reversed => Booked::default(),
    };
    prop_assert_eq!(entries, expected, "{:?}", reward);
    Ok(())
}

fn check_reversal(set: &WorkingSet, reversal: &Reward, original: RewardId) -> Checked {
    prop_assert!(reversal.value.amount_minor < 0 && reversal.reversed_minor == 0, "{:?}", reversal);
    let original = set.reward(reversal.account_id, original).unwrap();
    // A reward is taken back by a refund, or by the sale itself when its credit changed.
    let cause = set.conversion(reversal.account_id, reversal.conversion_id).unwrap();
    prop_assert_eq!(cause.sale_id.unwrap_or(cause.id), original.conversion_id);
    prop_assert_eq!(original.affiliate_id, reversal.affiliate_id);
    prop_assert_eq!(original.value.currency, reversal.value.currency);
    Ok(())
}

/// Checks that exactly one candidate won, and that it has the credit.
fn check_credit(conversion: &Conversion) -> Checked {
    let winners: Vec<_> =
        conversion.candidates.iter().filter(|candidate| candidate.result == CandidateResult::Won).collect();
    let is_attributed = conversion.outcome == ConversionOutcome::Attributed;
    prop_assert_eq!(!conversion.credits.is_empty(), is_attributed, "{:?}", conversion);
    match conversion.kind {
        ConversionKind::Sale | ConversionKind::Lead => {
            let won: Vec<_> = winners.iter().map(|winner| (winner.enrollment_id, winner.evidence.source())).collect();
            let credited: Vec<_> =
                conversion.credits.iter().map(|credit| (Some(credit.enrollment_id), credit.source)).collect();
            prop_assert_eq!(won, credited, "{:?}", conversion);
        }
        ConversionKind::Refund | ConversionKind::Cancellation => prop_assert!(winners.is_empty()),
    }
    Ok(())
}

fn check_refunded(set: &WorkingSet, conversion: &Conversion) -> Checked {
    let Some(amount) = conversion.amount else { return Ok(()) };
    match conversion.kind {
        ConversionKind::Sale => {
            let booked: i64 = set
                .conversions
                .iter()
                .filter(|row| row.sale_id == Some(conversion.id))
                .map(|refund| -refund.amount.unwrap().amount_minor - refund.excess_minor)
                .sum();
            prop_assert_eq!(conversion.refunded_minor, booked);
            prop_assert!((0..=amount.amount_minor).contains(&booked), "{:?}", conversion);
        }
        _ => {
            // A free order is refunded with an amount of zero.
            prop_assert!(amount.amount_minor <= 0, "{:?}", conversion);
            let waits = conversion.outcome == ConversionOutcome::Waiting;
            prop_assert!(!(waits && conversion.sale_id.is_some()), "{:?}", conversion);
        }
    }
    Ok(())
}

fn each_once<T: Ord + std::fmt::Debug>(what: &str, names: impl IntoIterator<Item = T>) -> Checked {
    let mut seen = BTreeSet::new();
    for name in names {
        let text = format!("{name:?}");
        prop_assert!(seen.insert(name), "{} {} twice", what, text);
    }
    Ok(())
}

/// Checks that every name leads to one row, and that the indexes agree with the rows.
fn check_names(set: &WorkingSet, account_id: AccountId) -> Checked {
    each_once("external_id", set.leads.iter().filter_map(|lead| lead.external_id.clone()))?;
    each_once("email", set.leads.iter().filter_map(|lead| lead.email.clone()))?;
    each_once("event", set.conversions.iter().map(|row| (row.kind, row.event_id.clone())))?;
    each_once("code", set.links.iter().map(|link| link.code.clone()))?;
    each_once("enrollment", set.enrollments.iter().map(|row| (row.affiliate_id, row.program_id)))?;
    each_once("default program", set.programs.iter().filter(|program| program.is_default).map(|_| ()))?;
    let active = || set.coupons.iter().filter(|coupon| coupon.state == CouponState::Active);
    each_once("coupon", active().map(|coupon| coupon.code.clone()))?;
    for coupon in active() {
        let found = set.coupons_with_code(account_id, &coupon.code).unwrap();
        prop_assert_eq!(found.last().map(|coupon| coupon.id), Some(coupon.id));
    }
    for affiliate in set.affiliates.iter() {
        let count = active().filter(|coupon| coupon.affiliate_id == affiliate.id).count();
        let counted = set.coupon_counts.get(&affiliate.key()).map_or(0, |row| row.active_count);
        prop_assert_eq!(counted, i32::try_from(count).unwrap());
    }
    for offer in set.offers.iter() {
        let claimed = active().filter(|coupon| coupon.offer_id == Some(offer.id));
        prop_assert_eq!(offer.claim_count, i32::try_from(claimed.count()).unwrap());
        prop_assert!(offer.max_claims == 0 || offer.claim_count <= offer.max_claims);
        let claims: Vec<_> = set.offer_claims.iter().filter(|claims| claims.offer_id == offer.id).collect();
        prop_assert_eq!(claims.iter().map(|claims| claims.claim_count).sum::<i32>(), offer.claim_count);
        let limit = offer.max_claims_per_affiliate;
        prop_assert!(limit == 0 || claims.iter().all(|claims| claims.claim_count <= limit));
    }
    for enrollment in set.enrollments.iter() {
        let link = set.link_with_code(account_id, &enrollment.ref_id).unwrap();
        prop_assert_eq!(link.map(|link| link.enrollment_id), Some(enrollment.id), "the ref_id is a link's code");
    }
    let default = set.programs.iter().find(|program| program.is_default);
    prop_assert_eq!(set.default_program(account_id).unwrap(), default);
    prop_assert!(default.is_none_or(|program| program.state == ProgramState::Active), "{:?}", default);
    Ok(())
}
