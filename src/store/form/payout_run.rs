//! The form of a payout run.

use super::field::Text;
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId, PayoutScheduleId};
use crate::domain::money::{Currency, Money};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_run::{PayoutRun, PayoutRunState, RunPlan};
use crate::domain::time::Time;

form! {
    /// A run as its schedule planned it.
    RunPlanForm of RunPlan {
        schedule_id: PayoutScheduleId,
        planned_at: Time,
    }
    unless_empty {
        due_until: Option<Time>,
        needs_approval: bool,
    }
}

form! {
    /// A payout run.
    PayoutRunForm<'a> of PayoutRun {
        id: PayoutRunId,
        account_id: AccountId,
        state: PayoutRunState,
        currency: Currency,
        payout_count: i64,
        total: Money,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        provider: Option<PayoutProvider>,
        affiliate_ids: Option<Vec<AffiliateId>>,
        minimum: Option<Money>,
        maximum_total: Option<Money>,
        plan: Option<RunPlanForm>,
        note: Text<'a>,
        message: Text<'a>,
        cursor: Option<AffiliateId>,
        created_by: Option<ApiKeyId>,
        cancelled_by: Option<ApiKeyId>,
        cancelled_at: Option<Time>,
    }
}
