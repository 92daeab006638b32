//! Look-ups of payout schedules.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::id::{AccountId, PayoutScheduleId};
use crate::domain::payout_schedule::{PayoutSchedule, PayoutScheduleState};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for PayoutSchedule {
    type Key = (AccountId, PayoutScheduleId);

    const NAME: &'static str = "payout schedule";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let is_active = |row: &&Self| row.state == PayoutScheduleState::Active;
        if let Some(row) = before.filter(is_active) {
            names.payout_schedules_of.remove(row.account_id, row.id);
        }
        if let Some(row) = after.filter(is_active) {
            names.payout_schedules_of.add(row.account_id, row.id);
        }
    }
}

impl Named for PayoutSchedule {
    const RESOURCE: Resource = Resource::PayoutSchedule;
}

impl WorkingSet {
    /// The active payout schedules of an account, in the order of their ids.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn payout_schedules(&self, account_id: AccountId) -> Result<Vec<Arc<PayoutSchedule>>, Refusal> {
        let ids = known(self.names.payout_schedules_of.get(&account_id), "payout schedules of an account")?;
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.into_iter().map(|id| self.existing::<PayoutSchedule>(&(account_id, id)).cloned()).collect()
    }

    /// The payout schedule with this id. Refuses if there is none, or if it is archived.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotLoaded`], [`Refusal::PayoutScheduleArchived`].
    pub fn active_payout_schedule(
        &self,
        account_id: AccountId,
        id: PayoutScheduleId,
    ) -> Result<&Arc<PayoutSchedule>, Refusal> {
        let schedule = self.get::<PayoutSchedule, _>(account_id, id)?;
        match schedule.state {
            PayoutScheduleState::Active => Ok(schedule),
            PayoutScheduleState::Archived => Err(Refusal::PayoutScheduleArchived { payout_schedule_id: id }),
        }
    }
}
