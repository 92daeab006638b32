//! The forms of reconciliations and their differences.

use uuid::Uuid;

use super::field::Text;
use crate::domain::id::{AccountId, ApiKeyId, PayoutId, PayoutReconciliationId};
use crate::domain::money::Money;
use crate::domain::payout::{PayoutProvider, PayoutState};
use crate::domain::payout_reconciliation::{
    DifferenceKind, PaymentThere, PayoutDifference, PayoutHere, PayoutReconciliation, ProviderPaymentState,
    ReconciliationState,
};
use crate::domain::time::Time;

form! {
    /// A payment as a provider tells it.
    PaymentThereForm of PaymentThere {
        state: ProviderPaymentState,
    }
    unless_empty {
        amount: Option<Money>,
        fee: Option<Money>,
        returned: Option<Money>,
    }
}

form! {
    /// A payout as it was when it was compared.
    PayoutHereForm of PayoutHere {
        payout_id: PayoutId,
        state: PayoutState,
        amount: Money,
    }
    unless_empty {
        fee: Option<Money>,
        returned: Option<Money>,
    }
}

form! {
    /// A difference.
    PayoutDifferenceForm<'a> of PayoutDifference {
        kind: DifferenceKind,
        there: PaymentThereForm,
    }
    unless_empty {
        here: Option<PayoutHereForm>,
        provider_payment_id: Text<'a>,
        key: Text<'a>,
        is_looked_at: bool,
    }
}

form! {
    /// A reconciliation. Answers do not have the differences, because it has none yet.
    PayoutReconciliationForm<'a> of PayoutReconciliation {
        id: PayoutReconciliationId,
        account_id: AccountId,
        provider: PayoutProvider,
        state: ReconciliationState,
        start_at: Time,
        end_at: Time,
        created_at: Time,
    }
    unless_empty {
        payment_count: i64,
        payout_count: i64,
        unread_count: i64,
        looked_at_count: i64,
        difference_count: i64,
        new_difference_count: i64,
        problem_code: Text<'a>,
        next_at: Option<Time>,
        created_by: Option<ApiKeyId>,
        ended_at: Option<Time>,
    }
    left_out {
        differences: Vec::new(),
        tries: 0,
        lease_id: Uuid::nil(),
    }
}
