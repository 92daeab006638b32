//! Form of payouts.

use super::field::Text;
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutExportId, PayoutId, PayoutRunId};
use crate::domain::money::Money;
use crate::domain::payout::{
    METHOD_CHANGE_HOURS_DEFAULT, Payout, PayoutPolicy, PayoutProvider, PayoutState, Reopening,
};
use crate::domain::time::Time;

form! {
    /// A payout.
    PayoutForm<'a> of Payout {
        id: PayoutId,
        account_id: AccountId,
        affiliate_id: AffiliateId,
        amount: Money,
        provider: PayoutProvider,
        state: PayoutState,
        reward_count: i32,
        paid_at: Option<Time>,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        reference: Text<'a>,
        note: Text<'a>,
        message: Text<'a>,
        run_id: Option<PayoutRunId>,
        created_by: Option<ApiKeyId>,
        approved_by: Option<ApiKeyId>,
        approved_at: Option<Time>,
        cancelled_at: Option<Time>,
        export_id: Option<PayoutExportId>,
        reopenings: Vec<ReopeningForm<'a>>,
        is_test: bool,
    }
    left_out {
        destination: None,
    }
}

form! {
    /// A payment that was undone.
    ReopeningForm<'a> of Reopening {
        reopened_at: Time,
        reason: Text<'a>,
    }
    unless_empty {
        reopened_by: Option<ApiKeyId>,
        paid_at: Option<Time>,
        reference: Text<'a>,
    }
}

form! {
    /// How an account pays.
    PayoutPolicyForm of PayoutPolicy {
    }
    unless_empty {
        net_days: i32,
        approval_above: Vec<Money>,
    }
    unless_usual {
        method_change_hours: i32 = METHOD_CHANGE_HOURS_DEFAULT,
    }
}
