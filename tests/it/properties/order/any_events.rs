//! Events of every kind, told in any order, leave the same rewards, balances, tallies and customers as in the order in which they happened. Some
//! of what depends on the order of telling is left out here; `docs/semantics.md` says why under "Late and out of order".
//!
//! `PROPTEST_CASES=200000 cargo test --release -p headwater --test it every_kind_told_in_any_order` searches longer.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::domain::conversion::{ConversionKind, Credit};
use headwater::domain::id::{AffiliateId, LeadId, ProgramId};
use headwater::domain::lead::UnmatchedSale;
use headwater::domain::ledger::LedgerAccount;
use headwater::pb;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::history::{
    CUSTOM_KIND, Event, Extras, History, Item, What, any_ladder, caps, extras, history, item, traces,
};
use super::{Telling, in_order, late};
use crate::properties::config;

/// What a telling leaves.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// Who is credited with each event.
    credits: BTreeMap<String, Vec<(usize, i32, i32)>>,
    /// What each affiliate has in the ledger, pending and owed together.
    balances: BTreeMap<usize, i64>,
    tallies: BTreeMap<String, String>,
    /// Whom each customer is bound to, and its state if all of its sales are credited.
    customers: BTreeMap<String, (Vec<(usize, i32)>, String)>,
    /// What is refunded of each sale, and its amount.
    sales: BTreeMap<String, (i64, i64)>,
    /// What each affiliate has of each event, if no tally divides it.
    rewards: BTreeMap<(String, usize), i64>,
}

impl Telling {
    fn left(&self, has_tallies: bool) -> Left {
        let set = &self.rules.set;
        let number_of = |id: AffiliateId| self.affiliates.iter().position(|(other, _)| *other == id).unwrap();
        let share = |credit: &Credit| (number_of(credit.affiliate_id), credit.terms_version, credit.share_ppm);
        let attributed = || set.conversions.iter().filter(|row| row.kind.is_attributed_as_sale());
        let mut left = Left {
            credits: attributed().map(|row| (row.event_id.clone(), row.credits.iter().map(share).collect())).collect(),
            balances: BTreeMap::new(),
            tallies: self.tallies(),
            customers: BTreeMap::new(),
            sales: BTreeMap::new(),
            rewards: BTreeMap::new(),
        };
        for row in attributed() {
            if let Some(amount) = row.amount {
                left.sales.insert(row.event_id.clone(), (row.refunded_minor, amount.amount_minor));
            }
        }
        for posting in &set.postings {
            let sign = |account| i64::from(posting.credit == account) - i64::from(posting.debit == account);
            let sign = sign(LedgerAccount::AffiliatePending) + sign(LedgerAccount::AffiliatePayable);
            *left.balances.entry(number_of(posting.affiliate_id)).or_default() += sign * posting.amount_minor;
        }
        left.balances.retain(|_, minor| *minor != 0);
        for lead in set.leads.iter() {
            let Some(name) = lead.external_id.clone() else { continue };
            let credits = lead.credits().iter().map(|credit| (number_of(credit.affiliate_id), credit.share_ppm));
            // A sale that is credited to nobody makes a buyer only of a lead that is known when the sale is told.
            let is_sale = |id| set.conversion(self.rules.account_id, id).unwrap().kind == ConversionKind::Sale;
            let is_own_sale =
                |entry: &Arc<UnmatchedSale>| entry.external_id.as_ref() == Some(&name) && is_sale(entry.conversion_id);
            let has_uncredited_sale = set.unmatched_sales.iter().any(is_own_sale);
            let state = if has_uncredited_sale { String::new() } else { lead.state.to_string() };
            let credits: Vec<_> = credits.collect();
            // A customer whom nobody brought may have become known by an event that is not compared.
            if !credits.is_empty() || !state.is_empty() {
                left.customers.insert(name, (credits, state));
            }
        }
        for reward in set.rewards.iter().filter(|reward| reward.reverses.is_none() && !has_tallies) {
            let event_id = reward.conversion_id.map(|id| set.conversion(self.rules.account_id, id).unwrap());
            let event_id = event_id.map(|event| event.event_id.clone()).unwrap_or_default();
            let minor = reward.value.amount_minor - reward.reversed_minor;
            *left.rewards.entry((event_id, number_of(reward.affiliate_id))).or_default() += minor;
        }
        left.rewards.retain(|_, minor| *minor != 0);
        left
    }

    /// The rewards of which something is left, in words without ids.
    fn tallies(&self) -> BTreeMap<String, String> {
        let set = &self.rules.set;
        let affiliate = |id: AffiliateId| self.affiliates.iter().position(|(other, _)| *other == id).unwrap();
        let program = |id: ProgramId| self.programs.iter().position(|other| *other == id.to_string()).unwrap();
        let lead = |id: LeadId| set.leads.iter().find(|lead| lead.id == id).and_then(|lead| lead.external_id.clone());
        let mut tallies = BTreeMap::new();
        for tally in set.tallies.iter().filter(|tally| (tally.earned_minor, tally.paid_minor) != (0, 0)) {
            let key = &tally.key;
            let whose = (key.affiliate_id.map(affiliate), key.lead_id.map(lead));
            let name = format!("cap {} {whose:?} {:?} {:?}", program(key.program_id), key.period, key.starts_on);
            tallies.insert(name, format!("{} {}", tally.earned_minor, tally.paid_minor));
        }
        for tally in set.ladder_tallies.iter().filter(|tally| (tally.sale_count, tally.amount_minor) != (0, 0)) {
            let key = &tally.key;
            let whose = (program(key.program_id), affiliate(key.affiliate_id), key.since_version);
            let sums = (tally.sale_count, tally.amount_minor, tally.share_ppm, tally.paid_minor);
            tallies.insert(format!("ladder {whose:?} {:?} {:?}", key.period, key.starts_on), format!("{sums:?}"));
        }
        for tally in set.sales_tallies.iter().filter(|tally| (tally.sale_count, tally.amount_minor) != (0, 0)) {
            let key = &tally.key;
            let whose = (program(key.program_id), affiliate(key.affiliate_id), key.since_version);
            let sums = (tally.sale_count, tally.amount_minor, tally.bonuses.len());
            tallies.insert(format!("sales {whose:?} {:?} {:?}", key.period, key.starts_on), format!("{sums:?}"));
        }
        tallies
    }
}

/// How a program counts, besides its bonuses.
#[derive(Debug, Clone)]
enum Counting {
    Nothing,
    Cap(Vec<pb::Cap>),
    Ladder(pb::Ladder),
}

fn counting() -> impl Strategy<Value = Counting> {
    prop_oneof![
        2 => Just(Counting::Nothing),
        1 => caps().prop_map(Counting::Cap),
        // What LEVEL_UP pays depends on the order of telling, see ADR 44.
        2 => any_ladder().prop_filter("pays for its tally", |ladder| ladder.mode() != pb::LadderMode::LevelUp)
            .prop_map(Counting::Ladder),
    ]
}

/// Whether an event takes from a sale. Sales that were told before all of an earlier one was taken keep their numbers.
fn takes(item: &Item) -> bool {
    use Event::{Correction, Refund, Total};
    matches!(item.what, What::Event(Refund { .. } | Total { .. } | Correction { .. }))
}

/// Rules that do not ask what the affiliate has sold by then, see ADR 53.
fn without_figures(extras: Extras, counting: &Counting, has_numbers: bool) -> Extras {
    let is_plain = matches!(counting, Counting::Nothing);
    let custom = pb::CommissionRule {
        name: "custom".to_owned(),
        event_kind: pb::CommissionEvent::CustomEvent.into(),
        commission: Some(pb::Commission {
            rate: Some(pb::commission::Rate::Flat(pb::Money { amount_minor: 17, currency_code: "USD".to_owned() })),
        }),
        ..Default::default()
    };
    let is_told = |rule: &pb::CommissionRule| rule.name != "sold" && (has_numbers || rule.name != "first");
    let rules = extras.rules.into_iter().filter(is_told).chain([custom]).collect();
    // What uplines earn depends on which sale found no room under a cap, see ADR 38.
    Extras { rules, upline_levels: if is_plain { extras.upline_levels } else { Vec::new() }, ..extras }
}

fn further_event() -> impl Strategy<Value = Event> {
    let customer = || prop_oneof![4 => Just(0_usize), 1 => Just(1_usize)];
    prop_oneof![
        4 => (0..4_usize, select(vec![1_i64, 2, 3, 5])).prop_map(|(sale, fifths)| Event::Total { sale, fifths }),
        4 => (0..4_usize).prop_map(|refund| Event::Undo { refund }),
        1 => customer().prop_map(|customer| Event::Cancellation { customer }),
        1 => (customer(), traces(), prop::bool::weighted(0.9))
            .prop_map(|(customer, traces, is_named)| Event::Custom { customer, traces, is_named }),
        2 => (0..4_usize, select(vec![0_i64, 2, 4])).prop_map(|(sale, fifths)| Event::Correction { sale, fifths }),
    ]
}

fn any_item() -> impl Strategy<Value = Item> {
    (item(), option::weighted(0.35, further_event())).prop_map(|(item, event)| match event {
        Some(event) => Item { what: What::Event(event), ..item },
        None => item,
    })
}

fn any_history() -> impl Strategy<Value = History> {
    let parts = || (counting(), extras());
    (history(), parts(), parts(), prop::collection::vec(any_item(), 3..=12)).prop_map(|(history, one, other, items)| {
        let is_corrected = items.iter().any(Item::is_correction);
        let has_numbers = !items.iter().any(takes);
        let programs = [one, other].map(|(counting, extras)| {
            let extras = without_figures(extras, &counting, has_numbers);
            match counting {
                Counting::Nothing => (Vec::new(), None, extras),
                Counting::Cap(caps) => (caps, None, extras),
                Counting::Ladder(ladder) => (Vec::new(), Some(ladder), extras),
            }
        });
        let has_bonuses = programs.iter().any(|(_, _, extras)| !extras.threshold_bonuses.is_empty());
        let [(one_caps, one_ladder, one_extras), (other_caps, other_ladder, other_extras)] = programs;
        History {
            caps: [one_caps, other_caps],
            ladders: [one_ladder, other_ladder],
            extras: [one_extras, other_extras],
            // Whether a customer was new is judged by the present amounts of sales.
            new_customers_only: history.new_customers_only.map(|new_only| new_only && !is_corrected),
            is_audited: !has_bonuses,
            custom_kinds: vec![CUSTOM_KIND.to_owned()],
            items,
            ..history
        }
    })
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn n9_events_of_every_kind_told_in_any_order_leave_the_same(history in any_history()) {
        let (ordered, events) = in_order(&history);
        let late = late(&history, &events)?;
        let has_tallies = history.caps.iter().any(|caps| !caps.is_empty()) || history.ladders.iter().any(Option::is_some);
        prop_assert_eq!(ordered.left(has_tallies), late.left(has_tallies), "in order, and late");
        for mut telling in [ordered, late] {
            let (changed, other) = telling.rules.simulated_differences();
            prop_assert!(changed.is_empty(), "the terms in force change something: {:#?}", changed);
            prop_assert!(other.is_empty(), "judged again, other rewards: {:#?}", other);
        }
    }
}
