//! Simulations of terms of all kinds over random histories, in which the events of customers share tallies. The replay tells everything in the same
//! order.
//!
//! `PROPTEST_CASES=100000 cargo test --release -p headwater --test it n6_a_simulation_of_any` searches longer.

use std::collections::BTreeMap;

use headwater::domain::account::KeyKind;
use headwater::domain::id::AffiliateId;
use headwater::domain::simulation::{SimulatedEarning, SimulatedSubject};
use headwater::pb;
use headwater::rpc::call::change::{Asking, Change};
use proptest::option;
use proptest::prelude::*;

use super::history::{Extras, Item, any_caps, any_ladder, extras, fitting, history_with_tallies};
use super::{Telling, again, in_order, late, late_with, other_terms, percent};
use crate::properties::config;

impl Telling {
    /// What each affiliate earns from each event of any kind, from all clicks and from all threshold bonuses.
    fn earned_of_all(&self) -> BTreeMap<String, BTreeMap<usize, i64>> {
        let set = &self.rules.set;
        let number_of = |id: AffiliateId| self.affiliates.iter().position(|(other, _)| *other == id).unwrap();
        let mut earned: BTreeMap<String, BTreeMap<usize, i64>> = BTreeMap::new();
        for reward in set.rewards.iter().filter(|reward| reward.reverses.is_none()) {
            let subject = match reward.conversion_id {
                Some(id) => set.conversion(self.rules.account_id, id).unwrap().event_id.clone(),
                None if reward.click.is_some() => "clicks".to_owned(),
                None => "bonuses".to_owned(),
            };
            let sums = earned.entry(subject).or_default();
            *sums.entry(number_of(reward.affiliate_id)).or_default() +=
                reward.value.amount_minor - reward.reversed_minor;
        }
        without_nothing(earned)
    }

    /// What each affiliate would earn from each event under other terms of the first program.
    pub(super) fn simulated(&mut self, terms: &pb::Terms) -> BTreeMap<String, BTreeMap<usize, i64>> {
        let first =
            self.rules.set.programs.iter().find(|program| program.id.to_string() == self.programs[0]).unwrap().id;
        let request = pb::CreateProgramRequest {
            display_name: "Proposed".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(terms.clone()),
            ..Default::default()
        };
        let asking = Asking::new(self.rules.now, KeyKind::Admin);
        let rules = request.read(&asking).unwrap().0.rules;
        let simulated = self.rules.simulated(first, rules);
        let number_of = |id: AffiliateId| self.affiliates.iter().position(|(other, _)| *other == id).unwrap();
        let event_id = |subject| match subject {
            SimulatedSubject::Conversion(id) => {
                self.rules.set.conversion(self.rules.account_id, id).unwrap().event_id.clone()
            }
            SimulatedSubject::Click(_) => "clicks".to_owned(),
            SimulatedSubject::Bonuses(_) => "bonuses".to_owned(),
        };
        let sums = |earning: &SimulatedEarning| {
            let earned = earning.proposed.iter().filter(|(_, minor)| **minor != 0);
            earned.map(|((affiliate_id, _), minor)| (number_of(*affiliate_id), *minor)).collect()
        };
        let mut all: BTreeMap<String, BTreeMap<usize, i64>> = BTreeMap::new();
        for earning in &simulated {
            let of_subject = all.entry(event_id(earning.subject)).or_default();
            let more: BTreeMap<usize, i64> = sums(earning);
            more.into_iter().for_each(|(affiliate, minor)| *of_subject.entry(affiliate).or_default() += minor);
        }
        all
    }
}

fn without_nothing(mut earned: BTreeMap<String, BTreeMap<usize, i64>>) -> BTreeMap<String, BTreeMap<usize, i64>> {
    earned.values_mut().for_each(|sums| sums.retain(|_, sum| *sum != 0));
    earned.retain(|_, sums| !sums.is_empty());
    earned
}

proptest! {
    #![proptest_config(config(1_000))]

    /// The same with terms of all kinds, in which events share tallies. The replay tells everything in the same order.
    #[test]
    fn n6_a_simulation_of_any_terms_is_a_replay_in_the_order_of_telling(
        history in history_with_tallies(),
        terms in other_terms(),
        caps in any_caps(),
        ladder in option::weighted(0.5, any_ladder()),
        extras in extras(),
    ) {
        let Extras { rules, threshold_bonuses, upline_levels } = extras;
        // The steps of a ladder are percentages.
        let commission = if ladder.is_some() { percent(70_000) } else { terms.commission.clone() };
        let caps = fitting(caps, ladder.as_ref());
        let is_corrected = history.items.iter().any(Item::is_correction);
        let new_customers_only = terms.new_customers_only && !is_corrected;
        let terms = pb::Terms { new_customers_only, ..terms };
        let terms = pb::Terms { commission, caps, ladder, rules, threshold_bonuses, upline_levels, ..terms };
        let (ordered, events) = in_order(&history);
        let of_ordered = again(&history, &events, &terms);
        let late = late(&history, &events)?;
        let of_late = late_with(&history, &events, Some(&terms))?;
        for (name, mut telling, replayed) in [("in order", ordered, of_ordered), ("late", late, of_late)] {
            let (changed, other) = telling.rules.simulated_differences();
            prop_assert!(changed.is_empty(), "{}: the terms in force change something: {:#?}", name, changed);
            prop_assert!(other.is_empty(), "{}: judged again, other rewards: {:#?}", name, other);
            let programs = &telling.rules.set.programs;
            let is_first = programs.iter().any(|row| row.id.to_string() == telling.programs[0] && row.terms_version == 1);
            if !is_first || telling.has_lost_sign_up {
                continue;
            }
            let simulated = without_nothing(telling.simulated(&terms));
            prop_assert_eq!(simulated, replayed.earned_of_all(), "{}: simulated, and replayed", name);
        }
    }
}
