//! The comparison, as a table and against a slow model of where the money is.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::money::Currency;

fn money(amount_minor: i64, currency: &str) -> Money {
    Money::new(amount_minor, currency.parse::<Currency>().unwrap())
}

fn usd(amount_minor: i64) -> Money {
    money(amount_minor, "USD")
}

fn here(state: PayoutState) -> PayoutHere {
    let payout_id = PayoutId::from_uuid(Uuid::from_u128(1));
    PayoutHere { payout_id, state, amount: usd(5_000), fee: None, returned: None }
}

fn there(state: ProviderPaymentState) -> PaymentThere {
    let amount = (state != ProviderPaymentState::Absent).then(|| usd(5_000));
    PaymentThere { state, amount, fee: None, returned: None }
}

fn kinds(here: &PayoutHere, there: &PaymentThere) -> Vec<DifferenceKind> {
    compare(here, there).kinds
}

#[test]
fn the_same_on_both_sides_is_no_difference() {
    use ProviderPaymentState as There;
    for (ours, theirs) in [
        (PayoutState::Paid, There::Paid),
        (PayoutState::Returned, There::Returned),
        (PayoutState::Failed, There::Failed),
        (PayoutState::Cancelled, There::Cancelled),
        (PayoutState::Processing, There::Processing),
        (PayoutState::Unclaimed, There::Unclaimed),
        (PayoutState::OnHold, There::OnHold),
        (PayoutState::Sending, There::Unfunded),
    ] {
        assert_eq!(compare(&here(ours), &there(theirs)).kinds, [], "{ours} {theirs}");
    }
}

#[test]
fn money_that_only_one_side_has_moved_is_told() {
    use ProviderPaymentState as There;
    for (ours, theirs, kind, is_behind) in [
        (PayoutState::Processing, There::Paid, DifferenceKind::PaidThere, true),
        (PayoutState::Failed, There::Paid, DifferenceKind::PaidThere, false),
        (PayoutState::Returned, There::Paid, DifferenceKind::PaidThere, false),
        (PayoutState::Cancelled, There::Unclaimed, DifferenceKind::PaidThere, false),
        (PayoutState::Paid, There::Absent, DifferenceKind::PaidHere, true),
        (PayoutState::Paid, There::Failed, DifferenceKind::PaidHere, true),
        (PayoutState::Paid, There::Processing, DifferenceKind::PaidHere, true),
        (PayoutState::Paid, There::Returned, DifferenceKind::ReturnedThere, true),
        (PayoutState::Processing, There::Returned, DifferenceKind::ReturnedThere, true),
    ] {
        let compared = compare(&here(ours), &there(theirs));
        assert_eq!(compared, Compared { kinds: vec![kind], is_behind }, "{ours} {theirs}");
    }
    // Nobody has lost anything, and the payout is looked at.
    let compared = compare(&here(PayoutState::Processing), &there(There::Failed));
    assert_eq!(compared, Compared { kinds: Vec::new(), is_behind: true });
}

#[test]
fn other_amounts_are_told() {
    let paid = there(ProviderPaymentState::Paid);
    let other = PaymentThere { amount: Some(usd(5_001)), ..paid.clone() };
    assert_eq!(kinds(&here(PayoutState::Paid), &other), [DifferenceKind::Amount]);
    let other = PaymentThere { amount: Some(money(5_000, "EUR")), ..paid.clone() };
    assert_eq!(kinds(&here(PayoutState::Paid), &other), [DifferenceKind::Currency]);
    let ours = PayoutHere { fee: Some(usd(25)), ..here(PayoutState::Paid) };
    let other = PaymentThere { fee: Some(usd(26)), ..paid.clone() };
    assert_eq!(kinds(&ours, &other), [DifferenceKind::Fee]);
    // A side that does not tell a fee has no other fee.
    assert_eq!(kinds(&ours, &paid), []);
    assert_eq!(kinds(&here(PayoutState::Paid), &other), []);
    let part = PaymentThere { returned: Some(usd(2_000)), ..paid };
    assert_eq!(kinds(&here(PayoutState::Paid), &part), [DifferenceKind::ReturnedThere]);
    let ours = PayoutHere { returned: Some(usd(2_000)), ..here(PayoutState::Paid) };
    assert_eq!(kinds(&ours, &part), []);
}

#[test]
fn pauses_grow_and_end_at_an_hour() {
    let minutes = |tries| pause_micros(tries, None) / Time::MICROS_PER_SECOND / 60;
    let all: Vec<_> = (0..10).map(minutes).collect();
    assert_eq!(all, [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(pause_micros(1, Some(i64::MAX)), PAUSE_MICROS_MAX);
    assert_eq!(pause_micros(i32::MAX, Some(-1)), PAUSE_MICROS_MAX);
}

/// How much of the amount the owner is without, as one side tells it: none, all, or not certain yet.
#[derive(Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    All,
    Open,
}

fn without_here(state: PayoutState) -> Without {
    match state {
        PayoutState::Paid => Without::All,
        PayoutState::Cancelled | PayoutState::Failed | PayoutState::Returned => Without::Nothing,
        _ => Without::Open,
    }
}

fn without_there(state: ProviderPaymentState) -> Without {
    match state {
        ProviderPaymentState::Paid => Without::All,
        ProviderPaymentState::Absent
        | ProviderPaymentState::Failed
        | ProviderPaymentState::Cancelled
        | ProviderPaymentState::Returned => Without::Nothing,
        _ => Without::Open,
    }
}

proptest! {
    /// The bug that must not happen: one side has the money out for good, the other one has it back for good, and no difference is told.
    #[test]
    fn sides_that_disagree_about_the_money_differ(
        ours in prop::sample::select(PayoutState::ALL.to_vec()),
        theirs in prop::sample::select(ProviderPaymentState::ALL.to_vec()),
    ) {
        let compared = compare(&here(ours), &there(theirs));
        let (left, right) = (without_here(ours), without_there(theirs));
        if left != Without::Open && right != Without::Open {
            prop_assert_eq!(compared.kinds.is_empty(), left == right);
        }
        // What has ended here is not looked at again, except what was paid.
        prop_assert!(!compared.is_behind || !ours.is_released());
    }
}
