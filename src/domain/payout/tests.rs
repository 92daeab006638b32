//! Tests of payouts without a set: the table of states, the policy, and which rewards a payout takes.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::id::{EnrollmentId, ProgramId};

#[test]
fn the_table_of_moves_is_the_one_in_the_head_of_the_file() {
    use PayoutState::{
        AwaitingFunds, Cancelled, Exported, Failed, NeedsApproval, NeedsAttention, OnHold, Paid, Processing, Ready,
        Returned, Sending, Unclaimed,
    };
    let table: [(PayoutState, &[PayoutState]); 13] = [
        (NeedsApproval, &[Ready, Cancelled]),
        (Ready, &[Exported, Paid, Cancelled, Failed, Sending, AwaitingFunds]),
        (Exported, &[Paid, Cancelled, Failed]),
        (Sending, &[Processing, Unclaimed, OnHold, Paid, AwaitingFunds, NeedsAttention, Failed, Returned]),
        (AwaitingFunds, &[Sending, Paid, Cancelled]),
        (Processing, &[Unclaimed, OnHold, Paid, AwaitingFunds, NeedsAttention, Failed, Returned, Cancelled, Sending]),
        (Unclaimed, &[OnHold, Processing, Paid, AwaitingFunds, NeedsAttention, Failed, Returned, Cancelled, Sending]),
        (OnHold, &[Unclaimed, Processing, Paid, AwaitingFunds, NeedsAttention, Failed, Returned, Cancelled, Sending]),
        (NeedsAttention, &[Sending, Paid, Cancelled]),
        (Paid, &[Returned, Ready, NeedsApproval]),
        (Cancelled, &[]),
        (Failed, &[]),
        (Returned, &[]),
    ];
    for (from, allowed) in table {
        for to in PayoutState::ALL {
            assert_eq!(from.may_become(*to), allowed.contains(to), "{from} -> {to}");
        }
        assert_eq!(from.is_released(), allowed.is_empty(), "{from}: what is released is final");
    }
}

#[test]
fn what_nobody_has_begun_to_pay_can_be_cancelled() {
    for state in PayoutState::UNSENT {
        let can_be_cancelled = state.is_open() && state.may_become(PayoutState::Cancelled);
        assert!(can_be_cancelled && !state.is_at_provider(), "{state}");
    }
}

#[test]
fn a_payout_above_the_limit_or_in_a_currency_without_one_needs_approval() {
    let money = |minor, code: &str| Money::new(minor, code.parse().unwrap());
    let policy = PayoutPolicy { approval_above: vec![money(500, "USD")], ..PayoutPolicy::default() };
    assert!(!policy.needs_approval(money(500, "USD")));
    assert!(policy.needs_approval(money(501, "USD")));
    assert!(policy.needs_approval(money(1, "EUR")));
    assert!(!PayoutPolicy::default().needs_approval(money(i64::MAX, "USD")));
}

/// An approved reward in cash. The number is its id.
pub(in crate::domain) fn any_reward(number: u128, value_minor: i64) -> Reward {
    let nil = Uuid::nil();
    Reward {
        id: RewardId::from_uuid(Uuid::from_u128(number)),
        account_id: AccountId::from_uuid(nil),
        conversion_id: None,
        affiliate_id: AffiliateId::from_uuid(nil),
        enrollment_id: EnrollmentId::from_uuid(nil),
        program_id: ProgramId::from_uuid(nil),
        unit: RewardUnit::Cash,
        value: Money::new(value_minor, "USD".parse().unwrap()),
        reversed_minor: 0,
        reverses: None,
        state: RewardState::Approved,
        calculation: None,
        by_hand: None,
        auto_approve_at: Time::from_micros(0),
        created_at: Time::from_micros(0),
        updated_at: Time::from_micros(0),
        deny_reason: String::new(),
        payout_id: None,
        click: None,
        review: None,
        approved_at: Some(Time::from_micros(0)),
        dispute: None,
    }
}

fn taken(approved: Vec<Reward>, waiting: &[u128]) -> (Vec<u128>, i64) {
    let approved: Vec<_> = approved.into_iter().map(Arc::new).collect();
    let is_approved = |id: RewardId| waiting.contains(&id.uuid().as_u128());
    let payable = Payable::choose(&approved, Time::from_micros(10), i64::MAX, is_approved).unwrap();
    (payable.rewards.iter().map(|reward| reward.id.uuid().as_u128()).collect(), payable.sum_minor)
}

#[test]
fn what_is_due_is_taken_with_what_takes_back_from_it() {
    let at = |micros| Some(Time::from_micros(micros));
    let original = |number| Some(RewardId::from_uuid(Uuid::from_u128(number)));
    let approved = vec![
        Reward { approved_at: at(10), ..any_reward(1, 100) },
        Reward { approved_at: at(11), ..any_reward(2, 200) },
        // Takes back from what is due, and from what is not.
        Reward { approved_at: at(10), reverses: original(1), ..any_reward(3, -40) },
        Reward { approved_at: at(11), reverses: original(2), ..any_reward(4, -50) },
        // Takes back from a reward that was paid, and gives back to another one.
        Reward { approved_at: None, reverses: original(8), ..any_reward(5, -7) },
        Reward { approved_at: None, reverses: original(9), ..any_reward(6, 3) },
    ];
    assert_eq!(taken(approved, &[1, 2]), (vec![1, 3, 5, 6], 100 - 40 - 7 + 3));
}

#[test]
fn what_takes_back_comes_first_when_there_is_no_room_for_all() {
    let mut approved: Vec<_> = (1..=1_005).map(|number| any_reward(number, 10)).collect();
    approved.push(Reward { approved_at: None, ..any_reward(2_000, -500) });
    let (ids, sum_minor) = taken(approved, &[]);
    assert_eq!((ids.len(), ids.last(), sum_minor), (1_001, Some(&2_000), 10_000 - 500));
}

proptest! {
    /// A payout takes no reward twice, none that is not due unless it takes back, and no family in part.
    #[test]
    fn a_payout_takes_whole_families_that_are_due(
        rows in prop::collection::vec((-1_000_i64..1_000, 0_i64..20, prop::option::of(0_usize..30), any::<bool>()), 0..30),
    ) {
        let mut approved: Vec<Reward> = Vec::new();
        for (index, (value_minor, approved_at, reversed, is_of_payout)) in rows.iter().enumerate() {
            let number = index as u128 + 1;
            let mut reward = any_reward(number, *value_minor);
            reward.approved_at = Some(Time::from_micros(*approved_at));
            // A reward takes back from an earlier one of those here, or from one that a payout has.
            let original = reversed.and_then(|place| approved.get(place)).filter(|other| other.reverses.is_none()).cloned();
            match original {
                Some(_) if *is_of_payout => {
                    reward.reverses = Some(RewardId::from_uuid(Uuid::from_u128(1_000 + number)));
                    reward.approved_at = None;
                }
                Some(original) => {
                    reward.reverses = Some(original.id);
                    reward.approved_at = original.approved_at;
                }
                None => {}
            }
            approved.push(reward);
        }
        let until = Time::from_micros(10);
        let is_here = |id: RewardId| approved.iter().any(|reward| reward.id == id);
        let shared: Vec<_> = approved.iter().cloned().map(Arc::new).collect();
        let payable = Payable::choose(&shared, until, i64::MAX, is_here).unwrap();
        // The slow model: each reward by itself.
        let is_taken = |reward: &Reward| {
            let head = reward.reverses.and_then(|id| approved.iter().find(|other| other.id == id)).unwrap_or(reward);
            let family = approved.iter().filter(|other| other.id == head.id || other.reverses == Some(head.id));
            let sum: i64 = family.map(|other| other.value.amount_minor).sum();
            sum < 0 || head.approved_at.is_none_or(|approved_at| approved_at <= until)
        };
        let expected: Vec<_> = approved.iter().filter(|reward| is_taken(reward)).map(|reward| reward.id).collect();
        prop_assert_eq!(payable.rewards.iter().map(|reward| reward.id).collect::<Vec<_>>(), expected);
        let sum: i64 = payable.rewards.iter().map(|reward| reward.value.amount_minor).sum();
        prop_assert_eq!(payable.sum_minor, sum);
    }
}

#[test]
fn a_family_that_is_not_due_and_adds_up_to_less_than_zero_comes_first() {
    let at = |micros| Some(Time::from_micros(micros));
    let original = |number| Some(RewardId::from_uuid(Uuid::from_u128(number)));
    let approved = vec![
        Reward { approved_at: at(10), ..any_reward(1, 100) },
        Reward { approved_at: at(11), ..any_reward(2, 200) },
        Reward { approved_at: at(11), reverses: original(2), ..any_reward(3, -250) },
    ];
    assert_eq!(taken(approved, &[2]), (vec![1, 2, 3], 50));
}

#[test]
fn no_more_is_taken_than_is_owed() {
    let approved: Vec<_> =
        [60, 50, 30].into_iter().zip(1..).map(|(minor, id)| Arc::new(any_reward(id, minor))).collect();
    let payable = Payable::choose(&approved, Time::from_micros(10), 95, |_| false).unwrap();
    assert_eq!((payable.rewards.len(), payable.sum_minor), (2, 90));
}

#[test]
fn very_many_that_take_back_leave_room() {
    let mut approved: Vec<_> = (1..=1_500).map(|number| Arc::new(any_reward(number, -1))).collect();
    approved.push(Arc::new(any_reward(2_000, 100_000)));
    let payable = Payable::choose(&approved, Time::from_micros(10), 98_500, |_| false).unwrap();
    assert_eq!((payable.rewards.len(), payable.sum_minor), (1_501, 98_500));
}
