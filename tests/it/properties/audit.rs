//! The invariants of a set that holds everything, and of the feed's events. They are checked after each step.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use headwater::domain::attribution::CandidateResult;
use headwater::domain::bounty::{Submission, SubmissionState};
use headwater::domain::conversion::{Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit};
use headwater::domain::coupon::CouponState;
use headwater::domain::dispute::DisputePart;
use headwater::domain::event::EventImage;
use headwater::domain::id::{AccountId, ConversionId, LeadId, RewardId};
use headwater::domain::lead::{LeadSelector, UnmatchedSale};
use headwater::domain::ledger::{Balance, BalanceKey, LedgerAccount};
use headwater::domain::money::{Currency, PPM, portion};
use headwater::domain::program::{Commission, ProgramState};
use headwater::domain::reward::{Calculation, Reward, RewardRule, RewardState, RewardUnit};
use headwater::domain::set::{Kind, WorkingSet};
use headwater::domain::split::Split;
use headwater::domain::tally::CapApplied;
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::tallies;

/// A reward's value by ledger account, according to the entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Booked {
    pending: i64,
    payable: i64,
    frozen: i64,
    fulfilled: i64,
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
    /// Every identifier that a lead ever had, with the lead.
    lead_names: HashMap<LeadSelector, LeadId>,
    /// Sales that were waiting for their lead.
    unmatched: BTreeMap<(AccountId, ConversionId), Arc<UnmatchedSale>>,
}

type Checked = Result<(), TestCaseError>;

fn image(set: &WorkingSet, conversion: &Conversion) -> ConversionImage {
    as_seen(&set.image(conversion.account_id, conversion.id).unwrap())
}

/// The image without the ways by which the customer came, the numbers of its sales and how refunds were told, which no caller sees, and without what repeated
/// requests are answered.
fn as_seen(image: &ConversionImage) -> ConversionImage {
    let mut conversion = image.conversion.as_ref().clone();
    for credit in &mut conversion.credits {
        (credit.link_id, credit.sub_id) = (None, None);
    }
    conversion.order.customer_sale = None;
    conversion.order.told_refunds = Vec::new();
    conversion.order.held_rewards = Vec::new();
    conversion.as_recorded = None;
    ConversionImage { conversion: Arc::new(conversion), ..image.clone() }
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
            let reversals = by_original.get(&reward.id).unwrap_or(&none);
            match (reward.reverses, &reward.calculation) {
                (Some(original), _) => check_reversal(set, reward, original)?,
                (None, Some(calculation)) if calculation.rule == RewardRule::TallyChange => {
                    tallies::check_change(reward, reversals)?;
                }
                (None, Some(calculation)) if reward.click.is_some() => {
                    self.check_click(set, reward, calculation, reversals)?;
                }
                (None, Some(calculation)) if calculation.rule != RewardRule::Adjustment => {
                    check_reward(set, reward, calculation, reversals, &self.booked)?;
                }
                (None, Some(_)) if is_undone_adjustment(set, reward) => {
                    check_undone_adjustment(reward, reversals)?;
                }
                (None, _) => self.check_alone(set, reward, reversals)?,
            }
        }
        for conversion in set.conversions.iter() {
            self.check_version(set, conversion)?;
            check_credit(conversion)?;
            check_refunded(set, conversion)?;
        }
        self.check_leads(set, account_id)?;
        self.check_unmatched(set)?;
        check_waiting(set)?;
        tallies::check(set)?;
        check_names(set, account_id)
    }

    fn read_postings(&mut self, set: &WorkingSet) -> Checked {
        for posting in &set.postings[self.postings_seen..] {
            prop_assert!(posting.amount_minor > 0, "{:?}", posting);
            prop_assert!(posting.debit != posting.credit, "{:?}", posting);
            self.balances.entry(posting.balance_key()).or_default().post(posting).unwrap();
            let Some(reward_id) = posting.subject.reward_id() else {
                // A payout moves what its rewards add up to.
                for (account, amount) in
                    [(posting.debit, -posting.amount_minor), (posting.credit, posting.amount_minor)]
                {
                    *self.totals.entry((posting.currency, account)).or_default() += i128::from(amount);
                }
                continue;
            };
            let booked = self.booked.entry(reward_id).or_default();
            for (account, amount) in [(posting.debit, -posting.amount_minor), (posting.credit, posting.amount_minor)] {
                *self.totals.entry((posting.currency, account)).or_default() += i128::from(amount);
                match account {
                    LedgerAccount::AffiliatePending => booked.pending += amount,
                    LedgerAccount::AffiliatePayable => booked.payable += amount,
                    LedgerAccount::AffiliateFrozen => booked.frozen += amount,
                    LedgerAccount::Fulfilled => booked.fulfilled += amount,
                    LedgerAccount::PayoutInFlight | LedgerAccount::ProviderCash | LedgerAccount::ProviderFee => {
                        panic!("only payouts move cash")
                    }
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
            let before = self.told.insert(image.conversion.id, as_seen(image)).map(|image| image.conversion.version);
            prop_assert!(before < Some(image.conversion.version), "version {:?}, then {:?}", before, event);
        }
        self.events_seen = set.events.len();
        Ok(())
    }

    fn check_balances(&self, set: &WorkingSet) -> Checked {
        let mut expected: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
        // A reward that was created as denied was never booked.
        for reward in set.rewards.iter().filter(|reward| self.booked.contains_key(&reward.id)) {
            let key = BalanceKey {
                account_id: reward.account_id,
                affiliate_id: reward.affiliate_id,
                unit: reward.unit,
                currency: reward.value.currency,
            };
            let balance = expected.entry(key).or_default();
            match reward.state {
                RewardState::Pending | RewardState::Held => balance.pending_minor += reward.value.amount_minor,
                RewardState::InPayout => balance.in_flight_minor += reward.value.amount_minor,
                RewardState::Approved => balance.owed_minor += reward.value.amount_minor,
                RewardState::Frozen => balance.frozen_minor += reward.value.amount_minor,
                RewardState::Paid => balance.paid_minor += reward.value.amount_minor,
                RewardState::Denied | RewardState::Reversed => {}
            }
        }
        prop_assert_eq!(&self.balances, &expected);
        let negative = expected.values().find(|balance| balance.pending_minor < 0 || balance.frozen_minor < 0);
        prop_assert_eq!(negative, None);
        // Only an adjustment takes more than was earned, as long as nothing was paid out.
        let mut rewards = set.rewards.iter();
        if set.payouts.iter().next().is_none()
            && !rewards.any(|reward| reward.reverses.is_none() && reward.value.amount_minor < 0)
        {
            prop_assert_eq!(expected.values().find(|balance| balance.owed_minor < 0), None);
        }
        Ok(())
    }

    /// Checks a reward that a person created, or the adjustment of a refund: no refund changes it.
    fn check_alone(&self, set: &WorkingSet, reward: &Reward, reversals: &[&Reward]) -> Checked {
        prop_assert!(reversals.is_empty() && reward.reversed_minor == 0, "{:?} {:?}", reward, reversals);
        let value = reward.value.amount_minor;
        match (reward.conversion_id, &reward.calculation) {
            (None, None) => prop_assert!(value > 0 && reward.by_hand.is_some(), "{:?}", reward),
            (Some(id), Some(calculation)) => {
                let refund = set.conversion(reward.account_id, id).unwrap();
                prop_assert_eq!(refund.kind, ConversionKind::Refund);
                prop_assert_eq!(calculation.adjustment, refund.order.commission_adjustment);
                let adjustment = calculation.adjustment.unwrap().amount_minor;
                let is_whole = calculation.base_amount.amount_minor == 0;
                prop_assert!(value != 0 && value <= adjustment, "{:?}", reward);
                prop_assert!(!is_whole || value == adjustment, "{:?}", reward);
            }
            _ => prop_assert!(false, "{:?}", reward),
        }
        self.check_booked(reward)
    }

    /// The reward of a click: the click counts, and its affiliate has no other reward of it.
    fn check_click(
        &self,
        set: &WorkingSet,
        reward: &Reward,
        calculation: &Calculation,
        reversals: &[&Reward],
    ) -> Checked {
        let click = reward.click.as_ref().unwrap();
        let is_sound = reward.conversion_id.is_none() && reward.by_hand.is_none() && reversals.is_empty();
        prop_assert!(is_sound && reward.value.amount_minor > 0 && reward.reversed_minor == 0, "{:?}", reward);
        prop_assert_eq!(calculation.rule, RewardRule::TermsRule);
        let row = set.clicks.get(&(reward.account_id, click.tid, click.click_id)).unwrap();
        prop_assert_eq!(&row.as_earning(), click);
        let mut counted = set.counted_clicks.iter().filter(|counted| counted.click_id == click.click_id);
        let (first, second) = (counted.next().unwrap(), counted.next());
        prop_assert!(second.is_none() && first.reward_id == row.reward_id, "{:?} {:?}", first, row);
        prop_assert_eq!(row.reward_id == Some(reward.id), reward.upline().is_none(), "{:?}", reward);
        self.check_booked(reward)
    }

    fn check_booked(&self, reward: &Reward) -> Checked {
        let value = reward.value.amount_minor;
        let expected = match reward.state {
            RewardState::Pending | RewardState::Held => Booked { pending: value, ..Booked::default() },
            RewardState::Frozen => Booked { frozen: value, ..Booked::default() },
            RewardState::Approved | RewardState::InPayout => Booked { payable: value, ..Booked::default() },
            RewardState::Paid if reward.unit == RewardUnit::Cash => Booked { payable: value, ..Booked::default() },
            RewardState::Paid => Booked { fulfilled: value, ..Booked::default() },
            RewardState::Denied | RewardState::Reversed => Booked::default(),
        };
        prop_assert_eq!(self.booked.get(&reward.id).copied().unwrap_or_default(), expected, "{:?}", reward);
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

    /// Checks that every identifier that a lead ever had finds it, or the lead that it was merged into, until that one is deleted. The
    /// binding may change or end whenever an earlier event is told. `order.rs` checks that what comes out does not depend on the order
    /// of telling.
    fn check_leads(&mut self, set: &WorkingSet, account_id: AccountId) -> Checked {
        let row = |id: LeadId| set.leads.get(&(account_id, id)).unwrap();
        let owner = |id: LeadId| row(row(id).merged_into.unwrap_or(id));
        self.lead_names.retain(|_, id| owner(*id).deleted_at.is_none());
        for (name, id) in &self.lead_names {
            prop_assert_eq!(set.find_lead(account_id, name).unwrap(), Some(owner(*id)), "{:?} of {:?}", name, row(*id));
        }
        for lead in set.leads.iter() {
            let is_gone = lead.deleted_at.is_some();
            prop_assert!(!is_gone || **lead == lead.without_personal_data(), "{:?}", lead);
            if lead.merged_into.is_some() {
                continue;
            }
            for id in lead.details.alias_ids() {
                prop_assert_eq!(row(id).merged_into, Some(lead.id), "{:?}", lead);
                prop_assert_eq!(row(id).deleted_at.is_some(), is_gone, "{:?}", lead);
            }
            if !is_gone {
                prop_assert!(!lead.selectors().is_empty(), "{:?}", lead);
                let names = lead.selectors().into_iter().chain([LeadSelector::Id(lead.id)]);
                self.lead_names.extend(names.map(|name| (name, lead.id)));
            }
        }
        let aliases = set.leads.iter().filter_map(|lead| Some((lead.id, lead.merged_into?)));
        for (id, lead_id) in aliases {
            prop_assert!(row(lead_id).details.alias_ids().any(|alias| alias == id), "{:?}", row(lead_id));
        }
        Ok(())
    }

    /// Checks that a sale that nobody referred is listed under each name of its customer until it is credited or its customer deleted,
    /// and not after that.
    fn check_unmatched(&mut self, set: &WorkingSet) -> Checked {
        self.unmatched.extend(set.unmatched_sales.iter().map(|row| (row.key(), Arc::clone(row))));
        let has_deleted = set.leads.iter().any(|lead| lead.deleted_at.is_some());
        for (key, row) in &self.unmatched {
            let sale = set.conversion(key.0, key.1).unwrap();
            let lead = sale.lead_id.and_then(|id| set.leads.get(&(key.0, id)));
            // A sale without a lead may have been that of a customer who was deleted.
            let may_be_deleted = lead.map_or(has_deleted, |lead| lead.deleted_at.is_some());
            let is_referred = sale.outcome != ConversionOutcome::NotReferred;
            let is_gone = set.unmatched_sales.get(key).is_none();
            prop_assert!(is_gone == is_referred || (is_gone && may_be_deleted), "{:?}", row);
            for name in row.selectors() {
                let listed = set.names.unmatched_sales.get(&(key.0, name)).unwrap();
                prop_assert_eq!(listed.contains(&key.1), !is_gone, "{:?}", row);
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

/// What a sale of this amount earns by the rates of a calculation.
fn value_at(calculation: &Calculation, value: i64, amount: i64) -> i64 {
    if amount == calculation.base_amount.amount_minor {
        return value;
    }
    let whole = match calculation.commission {
        Commission::PercentPpm(ppm) => portion(amount, ppm.into(), PPM, calculation.rounding).unwrap(),
        Commission::Flat(flat) => flat.amount_minor,
    };
    let share = match &calculation.split {
        Some(split) => part(whole, split),
        None => portion(whole, calculation.share_ppm.into(), PPM, calculation.rounding).unwrap(),
    };
    calculation.caps.iter().map(CapApplied::room_minor).fold(share, i64::min)
}

/// Checks that a calculation has the shares of all credits of its event.
fn check_split(credits: &[Credit], credit: &Credit, calculation: &Calculation) -> Checked {
    prop_assert_eq!(credits.iter().map(|credit| credit.share_ppm).sum::<i32>(), 1_000_000);
    let Some(split) = &calculation.split else {
        prop_assert_eq!(credits.len(), 1);
        return Ok(());
    };
    prop_assert_eq!(split.shares_ppm.len(), credits.len());
    prop_assert_eq!(split.shares_ppm[usize::try_from(split.place).unwrap()], credit.share_ppm);
    Ok(())
}

/// One part of a whole, by largest remainder: parts are cut to whole minor units, and those that lack most get one more.
fn part(whole: i64, split: &Split) -> i64 {
    let mut parts: Vec<(i64, i64, usize)> = (split.shares_ppm.iter().enumerate())
        .map(|(place, share)| (whole * i64::from(*share) / 1_000_000, whole * i64::from(*share) % 1_000_000, place))
        .collect();
    let missing = whole - parts.iter().map(|(part, ..)| part).sum::<i64>();
    parts.sort_by_key(|(_, remainder, place)| (-remainder, *place));
    for (part, ..) in parts.iter_mut().take(usize::try_from(missing).unwrap()) {
        *part += 1;
    }
    parts.into_iter().find(|(.., place)| i32::try_from(*place).unwrap() == split.place).unwrap().0
}

fn check_reward(
    set: &WorkingSet,
    reward: &Reward,
    calculation: &Calculation,
    reversals: &[&Reward],
    booked: &BTreeMap<RewardId, Booked>,
) -> Checked {
    let value = reward.value.amount_minor;
    prop_assert!(value > 0 && reward.reversed_minor <= value, "{:?}", reward);
    let is_corrected = reversals.iter().any(|other| other.value.amount_minor > 0);
    prop_assert!(is_corrected || reward.reversed_minor >= 0, "{:?}", reward);
    let taken_back: i64 = reversals.iter().map(|reversal| -reversal.value.amount_minor).sum();
    prop_assert_eq!(taken_back, reward.reversed_minor);
    prop_assert!(reversals.iter().all(|reversal| reversal.state == reward.state), "{:?} {:?}", reward, reversals);
    let nothing_is_left = reward.reversed_minor == value;
    if reward.state != RewardState::Denied {
        prop_assert_eq!(reward.state == RewardState::Reversed, nothing_is_left);
    }
    // A reward of which something is left belongs to the sale's credit.
    let stands = !matches!(reward.state, RewardState::Denied | RewardState::Reversed);
    let sale = set.conversion(reward.account_id, reward.conversion_id.unwrap()).unwrap();
    if stands {
        prop_assert_eq!(reward.state == RewardState::Frozen, sale.open_dispute().is_some(), "{:?}", reward);
        prop_assert_eq!(reward.dispute.map(|dispute| dispute.dispute_id), sale.open_dispute(), "{:?}", reward);
    } else {
        prop_assert_eq!(reward.dispute, None, "{:?}", reward);
    }
    if stands {
        let credited = |credit: &&Credit| credit.enrollment_id == reward.credited_enrollment_id();
        let credit = sale.credits.iter().find(credited);
        prop_assert!(credit.is_some(), "{:?} {:?}", reward, sale.credits);
        let credit = credit.unwrap();
        prop_assert_eq!(
            (credit.program_id, credit.terms_version, credit.share_ppm),
            (reward.program_id, calculation.terms_version, calculation.share_ppm)
        );
        check_split(&sale.credits, credit, calculation)?;
        prop_assert_eq!(reward.upline().is_none(), credit.affiliate_id == reward.affiliate_id);
    }
    // It is worth what the sale earns with its present amount, and refunds have taken their share of that. What rules of the terms and
    // uplines earn is the matter of `pricing.rs` and of scenarios.
    let program = set.program(reward.account_id, reward.program_id).unwrap();
    let terms = set.terms(program, calculation.terms_version).unwrap();
    let has_one_rate = terms.rules.commission_rules.is_empty() && reward.upline().is_none();
    if let (true, true, Some(amount)) = (stands, has_one_rate, sale.amount) {
        let amount = amount.amount_minor;
        let present = value_at(calculation, value, amount);
        let refunded = match amount {
            // A refund of a free order takes all of its flat commission back.
            0 => present * i64::from(sale.refund_count > 0),
            _ => portion(present, sale.refunded_minor, amount, calculation.rounding).unwrap(),
        };
        prop_assert_eq!(reward.reversed_minor, value - present + refunded, "{:?}", reward);
    }
    let mut entries = Booked::default();
    for part in std::iter::once(&reward).chain(reversals) {
        let of_part = booked.get(&part.id).copied().unwrap_or_default();
        entries.pending += of_part.pending;
        entries.payable += of_part.payable;
        entries.frozen += of_part.frozen;
    }
    let left = value - reward.reversed_minor;
    let expected = match reward.state {
        RewardState::Pending | RewardState::Held => Booked { pending: left, ..Booked::default() },
        RewardState::Frozen => Booked { frozen: left, ..Booked::default() },
        RewardState::Approved | RewardState::InPayout | RewardState::Paid => {
            Booked { payable: left, ..Booked::default() }
        }
        RewardState::Denied | RewardState::Reversed => Booked::default(),
    };
    prop_assert_eq!(entries, expected, "{:?}", reward);
    Ok(())
}

/// Whether a reward is that of a correction, of an undone refund or of the end of a dispute, which may raise another one.
fn may_raise(set: &WorkingSet, reversal: &Reward) -> bool {
    let id = reversal.conversion_id.unwrap();
    let kind = set.conversion(reversal.account_id, id).unwrap().kind;
    matches!(kind, ConversionKind::Correction | ConversionKind::RefundUndo | ConversionKind::DisputeResolution)
}

/// Whether a reward is the commission adjustment of a refund that was undone.
fn is_undone_adjustment(set: &WorkingSet, reward: &Reward) -> bool {
    let conversion = reward.conversion_id.map(|id| set.conversion(reward.account_id, id).unwrap());
    let is_undone = conversion.is_some_and(|refund| refund.order.undone_by.is_some());
    is_undone && reward.calculation.as_ref().is_some_and(|calculation| calculation.rule == RewardRule::Adjustment)
}

/// Nothing is left of the adjustment of an undone refund.
fn check_undone_adjustment(reward: &Reward, reversals: &[&Reward]) -> Checked {
    let taken: i64 = reversals.iter().map(|reversal| -reversal.value.amount_minor).sum();
    let value = reward.value.amount_minor;
    prop_assert!(
        reward.state == RewardState::Denied || (taken, reward.reversed_minor) == (value, value),
        "{:?}",
        reward
    );
    Ok(())
}

fn check_reversal(set: &WorkingSet, reversal: &Reward, original: RewardId) -> Checked {
    let may_raise = reversal.value.amount_minor != 0 && may_raise(set, reversal);
    prop_assert!((reversal.value.amount_minor < 0 || may_raise) && reversal.reversed_minor == 0, "{:?}", reversal);
    let original = set.reward(reversal.account_id, original).unwrap();
    // A reward is taken back by a refund or a correction, or by the sale itself when its credit changed.
    let cause = set.conversion(reversal.account_id, reversal.conversion_id.unwrap()).unwrap();
    let is_of_undone = cause.order.undone_refund_id.is_some() && cause.order.undone_refund_id == original.conversion_id;
    prop_assert!(is_of_undone || Some(cause.sale_id.unwrap_or(cause.id)) == original.conversion_id);
    prop_assert_eq!(original.affiliate_id, reversal.affiliate_id);
    prop_assert_eq!(original.value.currency, reversal.value.currency);
    Ok(())
}

/// Checks that the candidates that won have the credit.
fn check_credit(conversion: &Conversion) -> Checked {
    let winners: Vec<_> =
        conversion.candidates.iter().filter(|candidate| candidate.result == CandidateResult::Won).collect();
    let is_attributed = conversion.outcome == ConversionOutcome::Attributed;
    prop_assert_eq!(!conversion.credits.is_empty(), is_attributed, "{:?}", conversion);
    match conversion.kind {
        ConversionKind::Sale | ConversionKind::Lead | ConversionKind::Appointment | ConversionKind::CustomEvent => {
            let won: BTreeSet<_> =
                winners.iter().map(|winner| (winner.enrollment_id, winner.evidence.source())).collect();
            let credited: BTreeSet<_> =
                conversion.credits.iter().map(|credit| (Some(credit.enrollment_id), credit.source)).collect();
            prop_assert_eq!(won, credited, "{:?}", conversion);
        }
        ConversionKind::Refund
        | ConversionKind::RefundUndo
        | ConversionKind::Cancellation
        | ConversionKind::Correction
        | ConversionKind::Dispute
        | ConversionKind::DisputeResolution => {
            prop_assert!(winners.is_empty());
        }
    }
    Ok(())
}

/// Whether events of this kind take something off a sale.
const fn takes(kind: ConversionKind) -> bool {
    matches!(kind, ConversionKind::Refund | ConversionKind::RefundUndo | ConversionKind::DisputeResolution)
}

fn check_refunded(set: &WorkingSet, conversion: &Conversion) -> Checked {
    let Some(amount) = conversion.amount else { return Ok(()) };
    match conversion.kind {
        ConversionKind::Sale => {
            let booked: i64 = set
                .conversions
                .iter()
                .filter(|row| row.sale_id == Some(conversion.id) && takes(row.kind))
                .map(|refund| -refund.amount.unwrap().amount_minor - refund.excess_minor)
                .sum();
            prop_assert_eq!(conversion.refunded_minor, booked);
            prop_assert!((0..=amount.amount_minor).contains(&booked), "{:?}", conversion);
        }
        ConversionKind::RefundUndo => prop_assert!(amount.amount_minor >= 0, "{:?}", conversion),
        ConversionKind::Correction | ConversionKind::DisputeResolution => {
            prop_assert!(conversion.sale_id.is_some(), "{:?}", conversion);
        }
        ConversionKind::Dispute => {
            let is_open = set.conversion(conversion.account_id, conversion.sale_id.unwrap()).unwrap();
            let is_open = match is_open.order.dispute.as_deref() {
                Some(DisputePart::OpenOf(open)) => open.contains(&conversion.id),
                _ => false,
            };
            prop_assert_eq!(conversion.is_open_dispute(), is_open, "{:?}", conversion);
            prop_assert!(amount.amount_minor >= 0, "{:?}", conversion);
        }
        ConversionKind::CustomEvent => prop_assert!(amount.amount_minor >= 0, "{:?}", conversion),
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

/// Checks that the uses of coupons are those of the sales, and no more than the limits.
fn check_uses(set: &WorkingSet) -> Checked {
    let mut counts = BTreeMap::new();
    for sale in set.conversions.iter().filter(|row| row.kind == ConversionKind::Sale) {
        let Some(used) = sale.order.coupon_use else { continue };
        *counts.entry((used.coupon_id, None)).or_insert(0) += 1;
        if used.lead_id.is_some() {
            *counts.entry((used.coupon_id, used.lead_id)).or_insert(0) += 1;
        }
        prop_assert!(!sale.candidates.iter().any(|one| one.result == CandidateResult::CouponExhausted));
    }
    let kept: BTreeMap<_, _> =
        set.coupon_uses.iter().map(|row| ((row.coupon_id, row.lead_id), row.use_count)).collect();
    prop_assert_eq!(&counts, &kept);
    for ((coupon_id, lead_id), count) in counts {
        let coupon = set.coupons.iter().find(|coupon| coupon.id == coupon_id).unwrap();
        let limit = if lead_id.is_some() { coupon.max_uses_per_customer } else { coupon.max_uses };
        prop_assert!(limit == 0 || count <= limit, "{:?} of {}: {} uses", lead_id, coupon_id, count);
    }
    Ok(())
}

/// Checks that limits of bounties are kept, and that each approved submission has one reward and no other one any.
fn check_bounties(set: &WorkingSet) -> Checked {
    let taken = || set.submissions.iter().filter(|submission| submission.state != SubmissionState::Rejected);
    for bounty in set.bounties.iter() {
        let count = taken().filter(|submission| submission.bounty_id == bounty.id).count();
        prop_assert_eq!(bounty.submission_count, i32::try_from(count).unwrap());
        prop_assert!(bounty.max_submissions == 0 || bounty.submission_count <= bounty.max_submissions);
        let limit = bounty.max_submissions_per_affiliate;
        for counted in set.submission_counts.iter().filter(|counted| counted.bounty_id == bounty.id) {
            let is_its = |submission: &&Arc<Submission>| {
                (submission.bounty_id, submission.affiliate_id) == (bounty.id, counted.affiliate_id)
            };
            prop_assert_eq!(counted.submission_count, i32::try_from(taken().filter(is_its).count()).unwrap());
            prop_assert!(limit == 0 || counted.submission_count <= limit);
        }
    }
    for submission in set.submissions.iter() {
        let pays = |reward: &&Arc<Reward>| {
            reward.by_hand.as_ref().is_some_and(|by_hand| by_hand.submission_id == Some(submission.id))
        };
        let paid: Vec<_> = set.rewards.iter().filter(pays).map(|reward| reward.id).collect();
        prop_assert_eq!(&paid, &Vec::from_iter(submission.reward_id));
        prop_assert_eq!(paid.len(), usize::from(submission.state == SubmissionState::Approved));
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
    check_bounties(set)?;
    check_uses(set)?;
    for enrollment in set.enrollments.iter() {
        let link = set.link_with_code(account_id, &enrollment.ref_id).unwrap();
        prop_assert_eq!(link.map(|link| link.enrollment_id), Some(enrollment.id), "the ref_id is a link's code");
    }
    let default = set.programs.iter().find(|program| program.is_default);
    prop_assert_eq!(set.default_program(account_id).unwrap(), default);
    prop_assert!(default.is_none_or(|program| program.state == ProgramState::Active), "{:?}", default);
    Ok(())
}
