//! Tallies: how much was earned in a period, by one affiliate, for one customer of an affiliate, or in a program. Caps are compared with
//! them, so that no sale has to look at other sales. Knows no rule and no set.
//!
//! | Cap of | What it limits | Its tally takes in |
//! |---|---|---|
//! | an event | what one event earns | nothing, there is no tally |
//! | a customer | what an affiliate earns for one customer | what is earned before the cap; what is paid if there are other caps |
//! | an affiliate | what an affiliate earns in the program | the same |
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
        SingleEvent = "single_event",
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

impl Cap {
    /// Puts the caps of terms into the order in which they are applied.
    pub fn order(caps: &mut [Self]) {
        caps.sort_by_key(|cap| (cap.scope, cap.period));
    }
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
    /// What its events have in it.
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
    /// What of the event is in the tally.
    pub earned_minor: i64,
}

impl CountedCap {
    /// Whether the cap is of this event alone. A sale without a customer is its own customer.
    pub const fn is_of_event(&self) -> bool {
        match self.applied.cap.scope {
            CapScope::SingleEvent => true,
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
}

impl Counted {
    /// The caps as the event has met them.
    pub fn caps(&self) -> Vec<CapApplied> {
        self.caps.iter().map(|cap| cap.applied).collect()
    }

    /// Adds to what the event earns, or takes from it, with the tallies of its caps.
    ///
    /// If one cap alone has a tally, and it is of one affiliate, what an event gives up goes to that affiliate's other events. What an event
    /// gives up of several caps, or of that of a program, goes to events that are told later: of several, nobody could say which earlier event
    /// has it, and of a program it may be another affiliate's.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn add(&mut self, tallies: &mut [Option<Tally>], earned_minor: i64) -> Result<(), Overflow> {
        let add = |sum: i64, more: i64| sum.checked_add(more).ok_or(Overflow);
        self.earned_minor = add(self.earned_minor, earned_minor)?;
        let mut counting: Vec<_> = self.caps.iter_mut().zip(tallies).collect();
        counting.retain(|(_, tally)| tally.is_some());
        if let [(cap, Some(tally))] = counting.as_mut_slice()
            && cap.applied.cap.scope != CapScope::Program
        {
            cap.earned_minor = add(cap.earned_minor, earned_minor)?;
            let passes_minor = tally.add(earned_minor, cap.applied.cap.maximum.amount_minor)?;
            self.paid_minor = add(self.paid_minor, passes_minor)?;
            return Ok(());
        }
        let passes_minor = if earned_minor > 0 {
            let room = |(cap, tally): &(&mut CountedCap, &mut Option<Tally>)| {
                let paid_minor = tally.map_or(0, |tally| tally.paid_minor);
                cap.applied.cap.maximum.amount_minor.saturating_sub(paid_minor).max(0)
            };
            counting.iter().map(room).fold(earned_minor, i64::min)
        } else {
            self.paid_minor.min(self.earned_minor) - self.paid_minor
        };
        self.paid_minor = add(self.paid_minor, passes_minor)?;
        for (cap, tally) in counting {
            cap.earned_minor = add(cap.earned_minor, passes_minor)?;
            if let Some(tally) = tally {
                tally.earned_minor = add(tally.earned_minor, passes_minor)?;
                tally.paid_minor = add(tally.paid_minor, passes_minor)?;
            }
        }
        Ok(())
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

    fn counted(scopes: &[CapScope]) -> Counted {
        let maximum = Money::new(100, Currency::NONE);
        let cap = |scope: &CapScope| {
            let cap = Cap { scope: *scope, period: Period::AllTime, maximum };
            let applied = CapApplied { cap, starts_on: Day(0), paid_before_minor: 0 };
            CountedCap { applied, lead_id: None, earned_minor: 0 }
        };
        Counted {
            enrollment_id: EnrollmentId::from_uuid(uuid::Uuid::nil()),
            affiliate_id: AffiliateId::from_uuid(uuid::Uuid::nil()),
            program_id: ProgramId::from_uuid(uuid::Uuid::nil()),
            terms_version: 1,
            earned_minor: 0,
            paid_minor: 0,
            changed_minor: 0,
            caps: scopes.iter().map(cap).collect(),
        }
    }

    #[test]
    fn what_an_event_gives_up_of_several_caps_or_of_a_program_is_paid_to_no_earlier_one() {
        for scopes in [&[CapScope::Program][..], &[CapScope::Affiliate, CapScope::Program]] {
            let (mut first, mut second) = (counted(scopes), counted(scopes));
            let mut tallies = vec![Some(tally()); scopes.len()];
            let mut add = |event: &mut Counted, earned_minor: i64| {
                event.add(&mut tallies, earned_minor).unwrap();
                (event.paid_minor, tallies.iter().flatten().map(|tally| tally.paid_minor).max().unwrap())
            };
            assert_eq!([add(&mut first, 80), add(&mut second, 80)], [(80, 80), (20, 100)]);
            assert_eq!(add(&mut first, -80), (0, 20));
            // Half of the second is refunded, and what is left of it earns what was paid.
            assert_eq!([add(&mut second, -40), add(&mut second, -30)], [(20, 20), (10, 10)]);
        }
    }

    #[test]
    fn what_an_event_gives_up_of_one_cap_of_an_affiliate_goes_to_the_others() {
        let (mut first, mut second) = (counted(&[CapScope::Affiliate]), counted(&[CapScope::Affiliate]));
        let mut tallies = vec![Some(tally())];
        first.add(&mut tallies, 80).unwrap();
        second.add(&mut tallies, 80).unwrap();
        first.add(&mut tallies, -80).unwrap();
        assert_eq!((first.paid_minor, second.paid_minor), (60, 20));
        second.add(&mut tallies, -80).unwrap();
        assert_eq!((first.paid_minor, second.paid_minor, tallies[0].unwrap().paid_minor), (60, -60, 0));
    }
}
