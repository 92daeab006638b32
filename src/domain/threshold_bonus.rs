//! Threshold bonuses: what an affiliate gets once in a period for having sold so many sales, or so much. Knows no rule and no set.
//!
//! A bonus is earned when the tally of its period reaches the threshold, and taken back when the tally falls below it. The tally keeps the bonuses
//! that its affiliate has, so each of them is there once.

use std::sync::Arc;

use super::calendar::Day;
use super::commission::Commission;
use super::id::{ConversionId, RewardId};
use super::money::{Currency, Money};
use super::period::Period;

/// What must be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// A number of sales.
    SaleCount(i64),
    /// A sum of their net amounts.
    Amount(Money),
}

impl Threshold {
    /// Whether so many sales of so much have reached it.
    pub const fn is_reached(&self, sale_count: i64, amount_minor: i64) -> bool {
        match self {
            Self::SaleCount(count) => sale_count >= *count,
            Self::Amount(amount) => amount_minor >= amount.amount_minor,
        }
    }
}

/// A bonus in the terms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ThresholdBonus {
    /// Occurs once in the terms.
    pub name: Arc<str>,
    /// The bonus can be earned once in each.
    pub period: Period,
    pub threshold: Threshold,
    /// In cash.
    pub bonus: Money,
}

/// How many threshold bonuses terms may have.
pub const BONUSES_MAX: usize = 20;

impl ThresholdBonus {
    /// Why an amount of it does not fit a program in this currency: whether it is the threshold, and the fault.
    pub fn currency_fault(&self, currency: Currency) -> Option<(bool, String)> {
        let fault_of = |amount: Money| Commission::Flat(amount).problem_in(currency);
        let of_threshold = match self.threshold {
            Threshold::Amount(amount) => fault_of(amount),
            Threshold::SaleCount(_) => None,
        };
        of_threshold.map(|fault| (true, fault)).or_else(|| fault_of(self.bonus).map(|fault| (false, fault)))
    }
}

/// A bonus that an affiliate has for a period.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EarnedBonus {
    pub name: Arc<str>,
    /// As it was when the bonus was earned.
    pub threshold: Threshold,
    pub reward_id: RewardId,
    /// The sale that reached it.
    pub conversion_id: ConversionId,
}

/// How a reward that is a threshold bonus, or takes one back, came about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ThresholdReached {
    pub name: Arc<str>,
    pub terms_version: i32,
    pub period: Period,
    /// The first day of the period.
    pub starts_on: Day,
    pub threshold: Threshold,
    /// What the affiliate had sold in the period by then.
    pub sale_count: i64,
    pub amount: Money,
    /// The sale that reached the threshold, or the event by which the affiliate fell below it.
    pub conversion_id: ConversionId,
}
