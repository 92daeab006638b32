//! Values of rewards and balances, which are all cash today.

use headwater_client::pb;
use headwater_client::pb::reward_value::Amount;

pub(crate) fn of_cash(cash: pb::Money) -> pb::RewardValue {
    pb::RewardValue { amount: Some(Amount::Cash(cash)) }
}

/// The cash of a value; nothing for any other unit.
pub(crate) fn cash(value: &pb::RewardValue) -> pb::Money {
    match &value.amount {
        Some(Amount::Cash(cash)) => cash.clone(),
        _ => pb::Money::default(),
    }
}

/// The amount of a value in minor units; zero for one that is not set.
pub(crate) fn minor(value: Option<&pb::RewardValue>) -> i64 {
    value.map_or(0, |value| cash(value).amount_minor)
}
