//! The form of a payout schedule.

use super::field::Text;
use crate::domain::calendar::Day;
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId, PayoutScheduleId};
use crate::domain::money::{Currency, Money};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_schedule::{Cutoff, PayoutSchedule, PayoutScheduleState};
use crate::domain::time::Time;
use crate::domain::timing::{Recurrence, Timing, Weekday};

enum_form! {
    /// The days on which something recurs.
    RecurrenceForm of Recurrence {
        MonthDays(days: Vec<i32>),
        Weekdays(days: Vec<Weekday>),
        Cycle { interval_days: i32, first: Day, },
    }
}

form! {
    /// When something recurs.
    TimingForm of Timing {
        recurrence: RecurrenceForm,
        minute_of_day: i32,
    }
}

enum_form! {
    /// Up to when rewards must have been approved.
    CutoffForm of Cutoff {
        NetDays { days: i32, },
        MonthBefore,
    }
}

form! {
    /// A payout schedule.
    PayoutScheduleForm<'a> of PayoutSchedule {
        id: PayoutScheduleId,
        account_id: AccountId,
        state: PayoutScheduleState,
        display_name: Text<'a>,
        timing: TimingForm,
        currency: Currency,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        affiliate_ids: Option<Vec<AffiliateId>>,
        minimum: Option<Money>,
        maximum_total: Option<Money>,
        provider: Option<PayoutProvider>,
        cutoff: Option<CutoffForm>,
        needs_approval: bool,
        note: Text<'a>,
        message: Text<'a>,
        set_by: Option<ApiKeyId>,
        next_run_at: Option<Time>,
        last_run_id: Option<PayoutRunId>,
        archived_at: Option<Time>,
    }
}
