//! Payout schedules: when payout runs are created, and what they pay. A worker creates one run for each planned time. If the server was down at
//! several of them, it creates one run for the last.

use super::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId, PayoutScheduleId};
use super::money::{Currency, Money};
use super::payout::PayoutProvider;
use super::payout_run::{RunLimits, RunPlan};
use super::text_enum::text_enum;
use super::time::Time;
use super::timing::{Timing, WallClock};

/// The most active schedules of an account.
pub const SCHEDULES_MAX: usize = 200;

text_enum! {
    /// The state of a schedule.
    PayoutScheduleState {
        /// It creates runs.
        Active = "active",
        /// It creates no further runs.
        Archived = "archived",
    }
}

/// Up to when rewards must have been approved, so that a planned run pays them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cutoff {
    /// Until the same time of the day, so many days before the planned time.
    NetDays {
        /// How many.
        days: i32,
    },
    /// Before the month of the planned time.
    MonthBefore,
}

/// When payout runs are created, and what they pay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutSchedule {
    pub id: PayoutScheduleId,
    pub account_id: AccountId,
    pub state: PayoutScheduleState,
    pub display_name: String,
    /// In the time zone of the account.
    pub timing: Timing,
    pub currency: Currency,
    /// In the order of the ids, without repeats. `None`: all affiliates. A list is never empty.
    pub affiliate_ids: Option<Vec<AffiliateId>>,
    /// See `PayoutRun`.
    pub minimum: Option<Money>,
    /// See `PayoutRun`.
    pub maximum_total: Option<Money>,
    /// See `PayoutRun`.
    pub provider: Option<PayoutProvider>,
    /// `None`: that of the account's policy for payouts.
    pub cutoff: Option<Cutoff>,
    /// Whether each payout needs an approval, also one that the account's policy lets pass.
    pub needs_approval: bool,
    /// Text for the merchant, which each run gets. May be empty.
    pub note: String,
    /// Text for the affiliates, which each run gets. May be empty.
    pub message: String,
    /// The key that created or last changed it. Its runs are created in the name of this key.
    pub set_by: Option<ApiKeyId>,
    /// When it creates its next run. `None` if it is archived.
    pub next_run_at: Option<Time>,
    /// The newest run.
    pub last_run_id: Option<PayoutRunId>,
    pub created_at: Time,
    /// When a person last changed it.
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

impl PayoutSchedule {
    /// The limits of what its runs pay.
    pub const fn limits(&self) -> RunLimits {
        RunLimits { minimum: self.minimum, maximum_total: self.maximum_total }
    }

    /// The etag. It is different after every change by a person, because each commit of an account has a time of its own.
    pub fn etag(&self) -> String {
        self.updated_at.micros().to_string()
    }

    /// The first time after `now` at which it creates a run. `None` if it creates no further ones.
    pub fn next_after(&self, now: Time, clock: &WallClock) -> Option<Time> {
        let is_active = self.state == PayoutScheduleState::Active;
        is_active.then(|| self.timing.next_after(now, clock)).flatten()
    }

    /// The plan of the run that is due now: that of the last planned time. `None` if none is due.
    pub fn plan_at(&self, now: Time, clock: &WallClock) -> Option<RunPlan> {
        let first = self.next_run_at.filter(|next_run_at| *next_run_at <= now)?;
        let planned_at = self.timing.last_until(first, now, clock);
        let due_until = self.cutoff.and_then(|cutoff| match cutoff {
            // Without a day between them, the two times are the same whatever the clock does.
            Cutoff::NetDays { days: 0 } => Some(planned_at),
            Cutoff::NetDays { days } => clock.days_before(planned_at, self.timing.minute_of_day, days),
            Cutoff::MonthBefore => clock.month_start(planned_at).map(|start| start.plus_micros(-1)),
        });
        Some(RunPlan { schedule_id: self.id, planned_at, due_until, needs_approval: self.needs_approval })
    }
}
