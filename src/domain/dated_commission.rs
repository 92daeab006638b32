//! Commissions of an affiliate's own for a time, such as a promotion for one affiliate. They stay when they are over or withdrawn, because events that
//! are told late are judged by them. Knows no set and no command.

use super::commission::Commission;
use super::time::Time;

/// How many commissions with dates of an enrollment may be running or scheduled. Each of them is looked at for each sale.
pub const OPEN_MAX: usize = 20;
/// How many are kept. When there are more, the oldest one that is over is dropped.
pub const KEPT_MAX: usize = 100;

/// A commission of an enrollment for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct DatedCommission {
    /// Counts from 1 in the enrollment.
    pub number: i32,
    /// `None`: the commission of the program's terms, whatever the enrollment has otherwise.
    pub commission: Option<Commission>,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    pub created_at: Time,
    /// From this time on it does not apply.
    pub withdrawn_at: Option<Time>,
}

impl DatedCommission {
    /// Whether it applies at a time, apart from others that start later.
    pub fn applies_at(&self, time: Time) -> bool {
        self.starts_at <= time && !self.is_over_at(time)
    }

    /// Whether it has ended or was withdrawn by then.
    pub fn is_over_at(&self, time: Time) -> bool {
        [self.ends_at, self.withdrawn_at].into_iter().flatten().any(|over_at| over_at <= time)
    }
}
