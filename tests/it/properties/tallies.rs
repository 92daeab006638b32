//! The invariants of tallies, and of their changes. With one cap, what is paid is a function of what is earned, whatever the order.

use std::collections::BTreeMap;

use headwater::domain::conversion::Conversion;
use headwater::domain::id::EnrollmentId;
use headwater::domain::ladder::{LadderPart, LadderTally, LadderTallyKey};
use headwater::domain::program::{Terms, TermsDraft};
use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::set::WorkingSet;
use headwater::domain::tally::{CapScope, TallyKey};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

/// Checks that the change of a tally is worth something, and that what was taken back of it has rewards.
pub(super) fn check_change(reward: &Reward, reversals: &[&Reward]) -> Result<(), TestCaseError> {
    let value = reward.value.amount_minor;
    prop_assert!(value != 0 && reward.by_hand.is_none(), "{:?}", reward);
    let taken_back: i64 = reversals.iter().map(|reversal| -reversal.value.amount_minor).sum();
    prop_assert_eq!(taken_back, reward.reversed_minor, "{:?}", reward);
    prop_assert!((0..=value.max(0)).contains(&taken_back), "{:?}", reward);
    prop_assert!(reversals.iter().all(|reversal| reversal.state == reward.state), "{:?} {:?}", reward, reversals);
    Ok(())
}

/// Checks that tallies have what their events have in them, that one cap pays its maximum, and that what is paid is in the books.
pub(super) fn check(set: &WorkingSet) -> Result<(), TestCaseError> {
    let mut earned: BTreeMap<TallyKey, (i64, i64)> = BTreeMap::new();
    for event in set.conversions.iter() {
        for counted in &event.order.counted {
            for cap in &counted.caps {
                let Some(key) = cap.key(event.account_id, counted) else { continue };
                let (sum, maximum) = earned.entry(key).or_default();
                *sum += cap.earned_minor;
                *maximum = (*maximum).max(cap.applied.cap.maximum.amount_minor);
            }
            let rewards = set.rewards_of(event.account_id, event.id).unwrap();
            let is_of_event = |reward: &&&std::sync::Arc<Reward>| {
                reward.reverses.is_none()
                    && (reward.is_of_credit(counted.enrollment_id)
                        || (reward.is_tally_change() && reward.enrollment_id == counted.enrollment_id))
            };
            let of_event: Vec<_> = rewards.iter().filter(is_of_event).collect();
            if of_event.iter().all(|reward| reward.state != RewardState::Denied) {
                let left = |is_change: bool| -> i64 {
                    let of_kind = of_event.iter().filter(|reward| reward.is_tally_change() == is_change);
                    of_kind.map(|reward| reward.value.amount_minor - reward.reversed_minor).sum()
                };
                let (own, changes) = (left(false), left(true));
                prop_assert_eq!(own + counted.changed_minor, counted.paid_minor, "{:?} {:?}", counted, of_event);
                // An event that was credited anew has left its tallies, and keeps the changes of before. It does not show that if a cap
                // left it no reward of its own.
                let mut own_rewards = of_event.iter().filter(|reward| !reward.is_tally_change()).peekable();
                let is_credited_anew =
                    own_rewards.peek().is_none() || own_rewards.any(|reward| reward.state == RewardState::Reversed);
                if !is_credited_anew {
                    prop_assert_eq!(changes, counted.changed_minor, "{:?} {:?}", counted, of_event);
                }
            }
        }
    }
    for click in set.counted_clicks.iter() {
        let Some(counted) = &click.counted else { continue };
        for cap in &counted.caps {
            let Some(key) = cap.key(click.account_id, counted) else { continue };
            let (sum, maximum) = earned.entry(key).or_default();
            *sum += cap.earned_minor;
            *maximum = (*maximum).max(cap.applied.cap.maximum.amount_minor);
        }
        let reward = click.reward_id.map(|id| set.reward(click.account_id, id).unwrap());
        prop_assert_eq!(reward.map_or(0, |reward| reward.value.amount_minor), counted.paid_minor, "{:?}", click);
    }
    for tally in set.tallies.iter() {
        let (sum, maximum) = earned.remove(&tally.key).unwrap_or_default();
        prop_assert_eq!(tally.earned_minor, sum, "{:?}", tally);
        let versions: Vec<_> = set.terms.iter().filter(|terms| terms.program_id == tally.key.program_id).collect();
        let rules: Vec<_> = versions.iter().map(|terms| &terms.rules).collect();
        if is_a_function(&rules) {
            prop_assert_eq!(tally.paid_minor, sum.min(maximum), "{:?}", tally);
        }
    }
    earned.retain(|_, (sum, _)| *sum != 0);
    prop_assert!(earned.is_empty(), "events of tallies that are not there: {:?}", earned);
    check_ladders(set)
}

/// Whether what is paid of a tally follows from what is earned: each version has one cap with a tally, of an affiliate or a customer, and all that
/// have the same tally have the same maximum.
fn is_a_function(versions: &[&TermsDraft]) -> bool {
    let of = |rules: &&TermsDraft| {
        rules.caps.iter().filter(|cap| cap.scope != CapScope::SingleEvent).copied().collect::<Vec<_>>()
    };
    let caps: Vec<_> = versions.iter().map(of).collect();
    let all = || caps.iter().flatten();
    let has_one_maximum = |scope, period, maximum| {
        let mut of_tally = all().filter(|other| (other.scope, other.period) == (scope, period));
        of_tally.all(|other| other.maximum == maximum)
    };
    caps.iter().all(|caps| caps.len() <= 1)
        && all().all(|cap| cap.scope != CapScope::Program && has_one_maximum(cap.scope, cap.period, cap.maximum))
}

/// Checks that tallies of ladders have what their sales have in them, that what is paid is a function of that, and that it is in the books.
pub(super) fn check_ladders(set: &WorkingSet) -> Result<(), TestCaseError> {
    let mut sums: BTreeMap<LadderTallyKey, LadderTally> = BTreeMap::new();
    let rules_of = |key: &LadderTallyKey| {
        let is_of_key =
            |terms: &&std::sync::Arc<Terms>| terms.program_id == key.program_id && terms.version == key.since_version;
        set.terms.iter().find(is_of_key).map(|terms| terms.rules.clone()).unwrap()
    };
    for sale in set.conversions.iter() {
        for laddered in &sale.order.laddered {
            let key = laddered.key(sale.account_id);
            let sum = sums.entry(key).or_insert_with(|| LadderTally::none(key));
            sum.replace(&LadderPart::default(), &laddered.part).unwrap();
            sum.paid_minor += laddered.paid_minor;
            if rules_of(&key).ladder.unwrap().mode.pays_for_tally() {
                check_paid(set, sale, laddered.enrollment_id)?;
            }
        }
    }
    for tally in set.ladder_tallies.iter() {
        let mut sum = sums.remove(&tally.key).unwrap_or(LadderTally::none(tally.key));
        let count = tally.step_values.len().max(sum.step_values.len());
        sum.step_values.resize(count, 0);
        let rules = rules_of(&tally.key);
        let paid = rules.ladder.as_ref().unwrap().paid_for(rules.commission, rules.rounding, tally).unwrap();
        prop_assert_eq!(tally.paid_minor, paid, "{:?}", tally);
        let mut tally = tally.as_ref().clone();
        tally.step_values.resize(count, 0);
        prop_assert_eq!(tally, sum);
    }
    sums.retain(|key, sum| *sum != LadderTally::none(*key) && (sum.sale_count, sum.paid_minor) != (0, 0));
    prop_assert!(sums.is_empty(), "sales of ladders' tallies that are not there: {:?}", sums);
    Ok(())
}

/// Checks that what is left of the rewards of a sale is what the ladder lets the affiliate have for it.
fn check_paid(set: &WorkingSet, sale: &Conversion, enrollment_id: EnrollmentId) -> Result<(), TestCaseError> {
    let rewards = set.rewards_of(sale.account_id, sale.id).unwrap();
    let is_of_sale = |reward: &&std::sync::Arc<Reward>| {
        let is_change = reward.is_tally_change() && reward.enrollment_id == enrollment_id;
        reward.reverses.is_none() && (is_change || reward.is_of_credit(enrollment_id))
    };
    let of_sale: Vec<_> = rewards.into_iter().filter(is_of_sale).collect();
    if of_sale.iter().any(|reward| reward.state == RewardState::Denied) {
        return Ok(());
    }
    let all = sale.order.laddered.iter().filter(|laddered| laddered.enrollment_id == enrollment_id);
    let had: i64 = all.map(|laddered| laddered.paid_minor + laddered.other_minor).sum();
    let currency = sale.order.laddered[0].met.amount_before.currency;
    let counts = of_sale.iter().filter(|reward| reward.value.currency == currency);
    let left: i64 = counts.map(|reward| reward.value.amount_minor - reward.reversed_minor).sum();
    prop_assert_eq!(left, had, "{:?} {:?}", sale.order.laddered, of_sale);
    Ok(())
}
