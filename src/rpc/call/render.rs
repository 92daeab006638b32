//! Conversions to messages that many answers share: times, amounts and ids.

use std::fmt::Display;

use crate::domain::money::Money;
use crate::domain::reward::RewardUnit;
use crate::domain::time::Time;
use crate::pb::{self, reward_value};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A time as a message.
pub(in crate::rpc) fn timestamp(time: Time) -> prost_types::Timestamp {
    let nanos = time.micros().rem_euclid(MICROS_PER_SECOND) * 1_000;
    prost_types::Timestamp {
        seconds: time.micros().div_euclid(MICROS_PER_SECOND),
        // Always fits, because it is below 10^9.
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

/// An amount as a message.
pub(in crate::rpc) fn money(money: Money) -> pb::Money {
    pb::Money { amount_minor: money.amount_minor, currency_code: money.currency.code().to_owned() }
}

/// A reward's value as a message.
pub(in crate::rpc) fn reward_value(unit: RewardUnit, value: Money) -> pb::RewardValue {
    let count = value.amount_minor;
    pb::RewardValue {
        amount: Some(match unit {
            RewardUnit::Cash => reward_value::Amount::Cash(money(value)),
            RewardUnit::Points => reward_value::Amount::Points(count),
            RewardUnit::Credits => reward_value::Amount::Credits(count),
            RewardUnit::FreeMonths => reward_value::Amount::FreeMonths(nearest(count)),
            RewardUnit::DiscountPercent => reward_value::Amount::DiscountPercentPpm(nearest(count)),
            RewardUnit::DiscountMoney => reward_value::Amount::DiscountMoney(money(value)),
        }),
    }
}

/// The nearest number of 32 bits.
fn nearest(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(if count < 0 { i32::MIN } else { i32::MAX })
}

/// An id as text; empty when it is missing.
pub(in crate::rpc) fn id_or_empty(id: Option<impl Display>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}
