//! Tallies: how much was earned in a period, by one affiliate, for one customer of an affiliate, or in a program. Caps are compared with
//! them, so that no sale has to look at other sales. Knows no rule and no set.
//!
//! | Cap of | What it limits | Its tally takes in |
//! |---|---|---|
//! | an event | what one event earns | nothing, there is no tally |
//! | a customer | what an affiliate earns for one customer | what is earned before this cap |
//! | an affiliate | what an affiliate earns in the program | what is earned before this cap |
//! | a program | what all affiliates earn in the program | what is paid |

use super::calendar::Day;
use super::id::{AccountId, AffiliateId, EnrollmentId, LeadId, ProgramId};
use super::money::{Money, Overflow};
use super::period::Period;
use super::text_enum::text_enum;

text_enum! {
    /// What a cap limits, in the order in which caps are applied.
    CapScope {
        /// What one event earns.
        Event = "event",
        /// What an affiliate earns for one customer.
        Customer = "customer",
        /// What an affiliate earns in the program.
        Affiliate = "affiliate",
        /// What all credited affiliates earn in the program.
        Program = "program",
    }
}

/// The most that is earned in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Cap {
    pub scope: CapScope,
    /// All time for a cap of one event.
    pub period: Period,
    pub maximum: Money,
}

/// How many caps terms may have: each scope with each period, and one for an event.
pub const CAPS_MAX: usize = 19;

/// A cap as an event has met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CapApplied {
    pub cap: Cap,
    /// The first day of the period.
    pub starts_on: Day,
    /// What was paid in the period before the event.
    pub paid_before_minor: i64,
}

impl CapApplied {
    /// How much could still be paid.
    pub const fn room_minor(&self) -> i64 {
        let room_minor = self.cap.maximum.amount_minor.saturating_sub(self.paid_before_minor);
        if room_minor > 0 { room_minor } else { 0 }
    }
}

/// How an event changed a tally, if that is not what the event's own reward says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TallyChange {
    /// What the caps let the affiliate have for the event, before and after.
    pub paid_before_minor: i64,
    pub paid_after_minor: i64,
    /// What is left of the event's own reward, and of earlier changes.
    pub booked_minor: i64,
}

/// The key of a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TallyKey {
    pub account_id: AccountId,
    pub program_id: ProgramId,
    /// `None` for the tally of a program.
    pub affiliate_id: Option<AffiliateId>,
    /// `None` unless it is the tally of a customer.
    pub lead_id: Option<LeadId>,
    pub period: Period,
    /// The first day of the period.
    pub starts_on: Day,
}

/// How much was earned in a period, in minor units of the program's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Tally {
    pub key: TallyKey,
    /// What the events earn before the cap, less refunds.
    pub earned_minor: i64,
    /// What of it is paid.
    pub paid_minor: i64,
}

impl Tally {
    /// A tally of nothing.
    pub const fn none(key: TallyKey) -> Self {
        Self { key, earned_minor: 0, paid_minor: 0 }
    }

    /// Adds to what is earned, or takes from it. Returns by how much this changes what is paid.
    ///
    /// More is paid as far as there is room. Less is paid only if less is earned than was paid: what an earlier event gives up goes to
    /// those that were not paid whole. With one maximum, `paid = min(maximum, earned)` whatever the order.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn add(&mut self, earned_minor: i64, maximum_minor: i64) -> Result<i64, Overflow> {
        let before_minor = self.paid_minor;
        self.earned_minor = self.earned_minor.checked_add(earned_minor).ok_or(Overflow)?;
        if earned_minor > 0 {
            let room_minor = maximum_minor.saturating_sub(before_minor).max(0);
            self.paid_minor = before_minor.checked_add(earned_minor.min(room_minor)).ok_or(Overflow)?;
        } else {
            self.paid_minor = before_minor.min(self.earned_minor);
        }
        self.paid_minor.checked_sub(before_minor).ok_or(Overflow)
    }
}

/// What an event has in tallies. The event keeps it, so that it can be taken out again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Counted {
    pub enrollment_id: EnrollmentId,
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    pub terms_version: i32,
    /// What the event earns before the caps with a tally, less refunds.
    pub earned_minor: i64,
    /// What the caps let the affiliate have for it.
    pub paid_minor: i64,
    /// What the changes of tallies, which are rewards of their own, have given of it or taken from it.
    pub changed_minor: i64,
    /// In the order in which they are applied.
    pub caps: Vec<CountedCap>,
}

/// A cap with what an event has in its tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CountedCap {
    pub applied: CapApplied,
    /// The customer of a customer's tally.
    pub lead_id: Option<LeadId>,
    /// What of the event reached this cap.
    pub earned_minor: i64,
    /// What of it the cap of a program has let through. 0 for other caps.
    pub passed_minor: i64,
}

impl CountedCap {
    /// Whether the cap is of this event alone. A sale without a customer is its own customer.
    pub const fn is_of_event(&self) -> bool {
        match self.applied.cap.scope {
            CapScope::Event => true,
            CapScope::Customer => self.lead_id.is_none(),
            CapScope::Affiliate | CapScope::Program => false,
        }
    }

    /// The key of the cap's tally. `None` if it has none.
    pub fn key(&self, account_id: AccountId, of: &Counted) -> Option<TallyKey> {
        (!self.is_of_event()).then_some(TallyKey {
            account_id,
            program_id: of.program_id,
            affiliate_id: (self.applied.cap.scope != CapScope::Program).then_some(of.affiliate_id),
            lead_id: self.lead_id,
            period: self.applied.cap.period,
            starts_on: self.applied.starts_on,
        })
    }

    /// Adds to what reaches this cap, or takes from it. Returns by how much this changes what passes.
    ///
    /// What an event gives up of the maximum of a program is not paid for other events, because they may be another affiliate's. Sales that
    /// are told later may have it.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn add(&mut self, tally: &mut Tally, earned_minor: i64) -> Result<i64, Overflow> {
        let maximum_minor = self.applied.cap.maximum.amount_minor;
        self.earned_minor = self.earned_minor.checked_add(earned_minor).ok_or(Overflow)?;
        if self.applied.cap.scope != CapScope::Program {
            return tally.add(earned_minor, maximum_minor);
        }
        let passes_minor = if earned_minor > 0 {
            earned_minor.min(maximum_minor.saturating_sub(tally.paid_minor).max(0))
        } else {
            self.earned_minor.max(0).min(self.passed_minor) - self.passed_minor
        };
        self.passed_minor = self.passed_minor.checked_add(passes_minor).ok_or(Overflow)?;
        tally.add(passes_minor, maximum_minor)
    }
}

impl Counted {
    /// The caps as the event has met them.
    pub fn caps(&self) -> Vec<CapApplied> {
        self.caps.iter().map(|cap| cap.applied).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    fn tally() -> Tally {
        let (account_id, program_id) = (AccountId::SERVER, ProgramId::from_uuid(uuid::Uuid::nil()));
        let (period, starts_on) = (Period::AllTime, Day(0));
        Tally::none(TallyKey { account_id, program_id, affiliate_id: None, lead_id: None, period, starts_on })
    }

    #[test]
    fn a_tally_pays_its_maximum_whatever_the_order() {
        for order in [[80, 80, -80, 30], [80, 30, 80, -80], [30, 80, 80, -80], [80, -80, 80, 30]] {
            let mut tally = tally();
            let paid: i64 = order.iter().map(|earned| tally.add(*earned, 100).unwrap()).sum();
            assert_eq!((tally.earned_minor, tally.paid_minor, paid), (110, 100, 100), "{order:?}");
        }
    }

    #[test]
    fn a_maximum_that_grows_pays_nothing_of_before() {
        let mut tally = tally();
        assert_eq!([tally.add(80, 100), tally.add(80, 100), tally.add(30, 200)], [Ok(80), Ok(20), Ok(30)]);
        assert_eq!((tally.earned_minor, tally.paid_minor), (190, 130));
        // And one that shrinks takes nothing back.
        assert_eq!([tally.add(10, 50), tally.add(-10, 50)], [Ok(0), Ok(0)]);
        assert_eq!(tally.add(-100, 50), Ok(-40));
    }

    #[test]
    fn what_an_event_gives_up_of_a_program_is_paid_to_nobody() {
        let maximum = Money::new(100, Currency::NONE);
        let cap = Cap { scope: CapScope::Program, period: Period::AllTime, maximum };
        let applied = CapApplied { cap, starts_on: Day(0), paid_before_minor: 0 };
        let new = || CountedCap { applied, lead_id: None, earned_minor: 0, passed_minor: 0 };
        let (mut tally, mut first, mut second) = (tally(), new(), new());
        assert_eq!((first.add(&mut tally, 80), second.add(&mut tally, 80)), (Ok(80), Ok(20)));
        assert_eq!(first.add(&mut tally, -80), Ok(-80));
        // Half of the second is refunded, and what is left of it earns what was paid.
        assert_eq!((second.add(&mut tally, -40), second.add(&mut tally, -30)), (Ok(0), Ok(-10)));
        assert_eq!((tally.earned_minor, tally.paid_minor), (10, 10));
    }
}
