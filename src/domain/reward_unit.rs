//! The units that rewards are counted in. Knows no rows.

use super::money::Money;
use super::text_enum::text_enum;

text_enum! {
    /// The unit that a reward is counted in.
    RewardUnit {
        /// Money, in minor units of a currency.
        Cash = "cash",
        /// Points of the merchant's own scheme.
        Points = "points",
        /// Credits towards the affiliate's own purchases.
        Credits = "credits",
        /// Free months of a subscription.
        FreeMonths = "free_months",
        /// A discount in parts per million of a price.
        DiscountPercent = "discount_percent",
        /// A discount of an amount, in minor units of a currency.
        DiscountMoney = "discount_money",
    }
}

impl RewardUnit {
    /// An amount in this unit, for people to read.
    pub fn describe(self, value: Money) -> String {
        match self {
            Self::Cash => value.to_string(),
            Self::DiscountMoney => format!("{self} {value}"),
            Self::Points | Self::Credits | Self::FreeMonths | Self::DiscountPercent => {
                format!("{} {self}", value.amount_minor)
            }
        }
    }
}
