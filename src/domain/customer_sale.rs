//! The place of a sale among those of its customer. Knows no rows, so that rules can be named about it.

use super::time::Time;

/// The place of a credited sale among those of its customer in the same program. See `domain/rule/sale_count.rs`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CustomerSale {
    /// 1 for the first. 0 for a sale that does not count, such as a free order.
    pub number: i32,
    /// How long ago the first one was, in days and in whole months of the account's calendar.
    pub age_days: i32,
    pub age_months: i32,
    /// When a refund or a correction was told that left nothing of the sale. It does not count for what is told later.
    pub void_at: Option<Time>,
}
