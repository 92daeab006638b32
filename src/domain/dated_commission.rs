//! Commissions for a time of an enrollment's or a coupon's own, such as a promotion for one affiliate. They stay when they are over or withdrawn, because
//! events that are told late are judged by them. Knows no set and no command.

use super::commission::Commission;
use super::time::Time;

/// How many commissions with dates of an enrollment or a coupon may be running or scheduled. Each of them is looked at for each sale.
pub const OPEN_MAX: usize = 20;
/// How many are kept. When there are more, the oldest one that is over is dropped.
pub const KEPT_MAX: usize = 100;

/// A commission of an enrollment or a coupon for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct DatedCommission {
    /// Counts from 1 in the enrollment or coupon.
    pub number: i32,
    /// `None`: none of its own, whatever the enrollment or coupon has otherwise.
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

/// The commission of its own that an enrollment or a coupon has at a time, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnCommission {
    /// `None`: it has none.
    pub commission: Option<Commission>,
    /// The number of the one with dates. 0: the one without.
    pub number: i32,
    /// `None`: from the beginning.
    pub starts_at: Option<Time>,
    /// The first moment at which it no longer counts by its end, its withdrawal or its change.
    pub ends_at: Option<Time>,
}

impl From<DatedCommission> for OwnCommission {
    fn from(dated: DatedCommission) -> Self {
        Self {
            commission: dated.commission,
            number: dated.number,
            starts_at: Some(dated.starts_at),
            ends_at: [dated.ends_at, dated.withdrawn_at].into_iter().flatten().min(),
        }
    }
}

/// Of those with dates that apply at a time and of the one without dates, the one that starts last. If two start at once, the one with dates, and the
/// newest of them.
pub fn own_at(all: &[DatedCommission], time: Time, plain: OwnCommission) -> OwnCommission {
    let applying = all.iter().filter(|dated| dated.applies_at(time));
    match applying.max_by_key(|dated| (dated.starts_at, dated.number)) {
        Some(dated) if plain.starts_at <= Some(dated.starts_at) => OwnCommission::from(*dated),
        _ => plain,
    }
}

/// Adds one. The dates of all that were added are kept, up to [`KEPT_MAX`].
pub fn keep(all: &mut Vec<DatedCommission>, wanted: DatedCommission) {
    all.push(wanted);
    let has_too_many = all.len() > KEPT_MAX;
    let over = all.iter().position(|dated| dated.is_over_at(wanted.created_at));
    if let Some(place) = over.filter(|_| has_too_many) {
        all.remove(place);
    }
}
