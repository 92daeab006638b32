//! Yearly totals: how much an affiliate was paid in a year in one currency. They are sums over payouts and fees, and change in the transaction
//! that changes a payout.
//!
//! A payment counts in the year of the account's calendar in which the affiliate got it. What is undone because it did not happen is taken
//! out of that year again. Money that came back later stays in it, and counts as returned there. A fee counts in the year in which it was
//! posted.

use std::collections::BTreeMap;

use super::calendar::Calendar;
use super::id::{AccountId, AffiliateId};
use super::ledger::Posting;
use super::money::Currency;
use super::payout::{Payout, PayoutState};
use super::time::Time;

/// The key of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct YearlyTotalKey {
    pub account_id: AccountId,
    pub year: i32,
    pub affiliate_id: AffiliateId,
    /// The code of the currency.
    pub currency: &'static str,
}

/// The sums of a total. Sums of sums of 64 bits always fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct YearlyTotal {
    pub paid_minor: i128,
    pub returned_minor: i128,
    pub fee_minor: i128,
    pub payout_count: i64,
}

/// Totals by their keys.
#[derive(Debug, Default)]
pub struct YearlyTotals(pub BTreeMap<YearlyTotalKey, YearlyTotal>);

impl YearlyTotals {
    /// Adds a payout, or takes it out with a sign of -1.
    pub fn payout(&mut self, calendar: &mut Calendar, payout: &Payout, sign: i64) {
        let is_returned = payout.state == PayoutState::Returned;
        let Some(paid_at) = payout.paid_at.filter(|_| is_returned || payout.state == PayoutState::Paid) else { return };
        let key = key(calendar, payout.account_id, payout.affiliate_id, payout.amount.currency, paid_at);
        let total = self.0.entry(key).or_default();
        let change_minor = i128::from(payout.amount.amount_minor) * i128::from(sign);
        total.paid_minor += change_minor;
        total.returned_minor += if is_returned { change_minor } else { 0 };
        total.payout_count += sign;
    }

    /// Adds a fee.
    pub fn fee(&mut self, calendar: &mut Calendar, fee: &Posting) {
        let key = key(calendar, fee.account_id, fee.affiliate_id, fee.currency, fee.posted_at);
        self.0.entry(key).or_default().fee_minor += i128::from(fee.amount_minor);
    }
}

fn key(
    calendar: &mut Calendar,
    account_id: AccountId,
    affiliate_id: AffiliateId,
    currency: Currency,
    time: Time,
) -> YearlyTotalKey {
    YearlyTotalKey { account_id, year: calendar.year(time), affiliate_id, currency: currency.code() }
}
