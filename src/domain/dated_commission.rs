//! Commissions of an affiliate's own for a time, such as a promotion for one affiliate. They stay when they are over or withdrawn, because events that
//! are told late are judged by them. Knows no set and no command.

use super::commission::Commission;
use super::enrollment::Enrollment;
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

impl Enrollment {
    /// The affiliate's own commission at a time: of the commissions with dates that apply and of the one without dates, the one that starts last. If two
    /// start at once, the one with dates, and the newest of them.
    pub fn commission_at(&self, time: Time) -> Option<Commission> {
        let plain = self.standing_at(time).commission_override;
        let applying = self.dated_commissions.iter().filter(|dated| dated.applies_at(time));
        match applying.max_by_key(|dated| (dated.starts_at, dated.number)) {
            Some(dated) if self.override_since(time) <= Some(dated.starts_at) => dated.commission,
            _ => plain,
        }
    }

    /// When the commission without dates began that the enrollment has at a time. `None`: it had no other one before.
    fn override_since(&self, time: Time) -> Option<Time> {
        let at_time = self.standing_at(time).commission_override;
        let earlier = self.past.iter().rev().skip_while(|past| past.ended_at > time);
        let mut others = earlier.filter(|past| past.standing.commission_override != at_time);
        others.next().map(|past| past.ended_at)
    }

    /// The dates of all that were added are kept, up to [`KEPT_MAX`].
    pub fn add_dated_commission(&mut self, wanted: DatedCommission) {
        self.dated_commissions.push(wanted);
        let has_too_many = self.dated_commissions.len() > KEPT_MAX;
        let over = self.dated_commissions.iter().position(|dated| dated.is_over_at(wanted.created_at));
        if let Some(place) = over.filter(|_| has_too_many) {
            self.dated_commissions.remove(place);
        }
    }
}
