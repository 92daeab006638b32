//! The changes of yearly totals that follow from the changes of payouts.

use std::collections::BTreeMap;

use super::working_set::WorkingSet;
use crate::domain::calendar::Calendar;
use crate::domain::id::AccountId;
use crate::domain::ledger::Posting;
use crate::domain::refusal::Refusal;
use crate::domain::yearly_total::YearlyTotals;

impl WorkingSet {
    /// By how much the set changes yearly totals. `fees` are the fees of its postings, with the times of their entries.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`] if an account whose payouts change is not loaded: its time zone says which year a payment is in.
    pub fn yearly_total_changes(&self, fees: &[Posting]) -> Result<YearlyTotals, Refusal> {
        let mut totals = YearlyTotals::default();
        let mut calendars: BTreeMap<AccountId, Calendar> = BTreeMap::new();
        for (payout, loaded) in self.payouts.written() {
            let before = loaded.filter(|before| before.paid_at.is_some());
            if payout.paid_at.is_none() && before.is_none() {
                continue;
            }
            let calendar = self.calendar_of(&mut calendars, payout.account_id)?;
            totals.payout(calendar, payout, 1);
            if let Some(before) = before {
                totals.payout(calendar, before, -1);
            }
        }
        for fee in fees {
            totals.fee(self.calendar_of(&mut calendars, fee.account_id)?, fee);
        }
        totals.0.retain(|_, total| *total != Default::default());
        Ok(totals)
    }

    fn calendar_of<'calendars>(
        &self,
        calendars: &'calendars mut BTreeMap<AccountId, Calendar>,
        account_id: AccountId,
    ) -> Result<&'calendars mut Calendar, Refusal> {
        let calendar = match calendars.remove(&account_id) {
            Some(calendar) => calendar,
            None => {
                let zones = &self.account(account_id)?.time_zones;
                let calendar = Calendar::new(zones).or_else(|_| Calendar::new(&[]));
                calendar.map_err(|_| Refusal::NotLoaded("zone"))?
            }
        };
        Ok(calendars.entry(account_id).or_insert(calendar))
    }
}
