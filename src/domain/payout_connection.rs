//! Connections of accounts to payout providers. The credentials are sealed before they come here.

use super::id::{AccountId, PayoutReconciliationId};
use super::payout::PayoutProvider;
use super::payout_method::Sealed;
use super::time::Time;

/// The key of a connection.
pub type PayoutConnectionKey = (AccountId, PayoutProvider);

/// An account's connection to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutConnection {
    pub account_id: AccountId,
    /// Never [`PayoutProvider::Manual`].
    pub provider: PayoutProvider,
    /// The credentials for people, masked, such as `…4242`.
    pub hint: String,
    /// The credentials. They are sealed anew with each change, so equal bytes are the same credentials.
    pub sealed: Sealed,
    /// When the next daily reconciliation begins.
    pub next_reconciliation_at: Option<Time>,
    /// The reconciliation that is running. A connection has one at a time.
    pub open_reconciliation_id: Option<PayoutReconciliationId>,
    /// The last one that was completed.
    pub last_reconciliation_id: Option<PayoutReconciliationId>,
    pub created_at: Time,
    pub updated_at: Time,
}
