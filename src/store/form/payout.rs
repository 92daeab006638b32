//! Form of payouts.

use super::field::Text;
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutDocumentId, PayoutExportId, PayoutId, PayoutRunId};
use crate::domain::money::{Currency, Money};
use crate::domain::payout::{
    METHOD_CHANGE_HOURS_DEFAULT, Payout, PayoutPolicy, PayoutProblem, PayoutProvider, PayoutState, ProblemKind,
    Reopening, Sending,
};
use crate::domain::payout_purse::{FundsWait, PayoutPurse};
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
        document_id: Option<PayoutDocumentId>,
        document_number: Text<'a>,
        reopenings: Vec<ReopeningForm<'a>>,
        is_test: bool,
        sending: Option<Box<SendingForm<'a>>>,
    }
    left_out {
        destination: None,
    }
}

form! {
    /// What is known of a payout's sending.
    SendingForm<'a> of Sending {
    }
    unless_empty {
        attempt_count: i32,
        provider_payment_id: Text<'a>,
        fee: Option<Money>,
        problem: Option<PayoutProblemForm<'a>>,
        awaiting_since: Option<Time>,
        needed: Option<Money>,
        available: Option<Money>,
        returned: Option<Money>,
        cancel_requested_at: Option<Time>,
    }
}

form! {
    /// Why a payout does not go on.
    PayoutProblemForm<'a> of PayoutProblem {
        kind: ProblemKind,
    }
    unless_empty {
        code: Text<'a>,
        debug_id: Text<'a>,
    }
}

form! {
    /// A wait for money.
    FundsWaitForm of FundsWait {
        currency: Currency,
        since: Time,
        probe_at: Time,
        needed: Money,
    }
    unless_empty {
        probe_count: i32,
        available: Option<Money>,
    }
}

form! {
    /// Where payouts wait for money.
    PayoutPurseForm of PayoutPurse {
        account_id: AccountId,
        provider: PayoutProvider,
    }
    unless_empty {
        wake_count: i64,
        waits: Vec<FundsWaitForm>,
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
        requires_tax_profile: bool,
        self_billing_invoices: bool,
    }
    unless_usual {
        method_change_hours: i32 = METHOD_CHANGE_HOURS_DEFAULT,
    }
}
