//! The invariants of tallies, and of their changes. With one cap, what is paid is a function of what is earned, whatever the order.

use std::collections::BTreeMap;

use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::set::WorkingSet;
use headwater::domain::simulation::OrderMatters;
use headwater::domain::tally::TallyKey;
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
                let left = of_event.iter().map(|reward| reward.value.amount_minor - reward.reversed_minor);
                prop_assert_eq!(left.sum::<i64>(), counted.paid_minor, "{:?} {:?}", counted, of_event);
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
        let is_ordered = matches!(
            OrderMatters::by(&rules),
            Some(OrderMatters::SeveralCaps | OrderMatters::CapOfProgram | OrderMatters::OtherMaximum)
        );
        if !is_ordered {
            prop_assert_eq!(tally.paid_minor, sum.min(maximum), "{:?}", tally);
        }
    }
    earned.retain(|_, (sum, _)| *sum != 0);
    prop_assert!(earned.is_empty(), "events of tallies that are not there: {:?}", earned);
    Ok(())
}
