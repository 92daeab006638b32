//! The changes of yearly totals that follow from the changes of payouts.

use std::collections::{BTreeMap, BTreeSet};

use super::working_set::WorkingSet;
use crate::domain::calendar::Calendar;
use crate::domain::id::AccountId;
use crate::domain::ledger::Posting;
use crate::domain::payout::Payout;
use crate::domain::refusal::Refusal;
use crate::domain::yearly_total::{YearlyTotal, YearlyTotals};

impl WorkingSet {
    /// The payouts that were paid before or after the set's changes, each as it is after and as it was before.
    fn payments(&self) -> impl Iterator<Item = (&Payout, Option<&Payout>)> {
        let written = self.payouts.written().map(|(payout, loaded)| (&**payout, loaded.map(|before| &**before)));
        let is_paid = |payout: &Payout| payout.paid_at.is_some();
        written.filter(move |(payout, before)| is_paid(payout) || before.is_some_and(is_paid))
    }

    /// The accounts whose yearly totals the set may change.
    pub fn accounts_with_payments(&self) -> BTreeSet<AccountId> {
        let of_payments = self.payments().map(|(payout, _)| payout.account_id);
        let fees = self.postings.iter().filter(|posting| posting.is_fee());
        of_payments.chain(fees.map(|fee| fee.account_id)).collect()
    }

    /// By how much the set changes yearly totals. `fees` are the fees of its postings, with the times of their entries. The calendar of an
    /// account says which year a payment is in.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`] if a calendar is missing.
    pub fn yearly_total_changes(
        &self,
        fees: &[Posting],
        calendars: &mut BTreeMap<AccountId, Calendar>,
    ) -> Result<YearlyTotals, Refusal> {
        let mut totals = YearlyTotals::default();
        for (payout, before) in self.payments() {
            let calendar = calendars.get_mut(&payout.account_id).ok_or(Refusal::NotLoaded("calendar"))?;
            totals.payout(calendar, payout, 1);
            if let Some(before) = before {
                totals.payout(calendar, before, -1);
            }
        }
        for fee in fees {
            let calendar = calendars.get_mut(&fee.account_id).ok_or(Refusal::NotLoaded("calendar"))?;
            totals.fee(calendar, fee);
        }
        totals.0.retain(|_, total| *total != YearlyTotal::default());
        Ok(totals)
    }
}
