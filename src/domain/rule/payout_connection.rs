//! The rules of connections to payout providers.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::account::Account;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::AccountId;
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_connection::PayoutConnection;
use crate::domain::payout_method::Sealed;
use crate::domain::payout_reconciliation::INTERVAL_DAYS;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::set::Needs;

/// Connect the account to a provider, or replace the credentials of a connection.
#[derive(Debug, Clone)]
pub struct SetPayoutConnection {
    /// The provider.
    pub provider: PayoutProvider,
    /// The credentials, masked.
    pub hint: String,
    /// The credentials.
    pub sealed: Sealed,
    /// Whether the credentials are for the provider's sandbox. `None`: they do not tell.
    pub is_for_tests: Option<bool>,
}

impl Rule for SetPayoutConnection {
    type Answer = Arc<PayoutConnection>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<PayoutConnection>((account, self.provider));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let account = context.set.account(context.account_id)?;
        if let Some(is_for_tests) = self.is_for_tests.filter(|is_for_tests| *is_for_tests != account.is_test) {
            let problem = if is_for_tests {
                "is for tests, and the account is not; send the live one, or register an account for tests"
            } else {
                "is live, and the account is for tests; send the one for tests"
            };
            return Err(Refusal::InvalidField { field: Field::Credentials, problem: problem.to_owned() });
        }
        let key = (context.account_id, self.provider);
        let before = context.set.find::<PayoutConnection>(&key)?.cloned();
        let created_at = before.as_ref().map_or(context.now, |before| before.created_at);
        let next_reconciliation_at = before.as_ref().and_then(|before| before.next_reconciliation_at);
        let connection = context.put(PayoutConnection {
            account_id: context.account_id,
            provider: self.provider,
            hint: self.hint.clone(),
            sealed: self.sealed.clone(),
            next_reconciliation_at: next_reconciliation_at.or(Some(context.now.plus_days(INTERVAL_DAYS))),
            open_reconciliation_id: before.as_ref().and_then(|before| before.open_reconciliation_id),
            last_reconciliation_id: before.as_ref().and_then(|before| before.last_reconciliation_id),
            created_at,
            updated_at: context.now,
        });
        context.tell(EventKind::PayoutConnectionSet, EventImage::PayoutConnection(Arc::clone(&connection)));
        Ok(connection)
    }
}

/// Remove the connection to a provider, with its credentials.
#[derive(Debug, Clone)]
pub struct RemovePayoutConnection {
    /// The provider.
    pub provider: PayoutProvider,
}

impl Rule for RemovePayoutConnection {
    type Answer = Arc<PayoutConnection>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutConnection>((account, self.provider));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let connection = Arc::clone(context.set.payout_connection(context.account_id, self.provider)?);
        context.set.remove::<PayoutConnection>(&(context.account_id, self.provider));
        context.tell(EventKind::PayoutConnectionRemoved, EventImage::PayoutConnection(Arc::clone(&connection)));
        Ok(connection)
    }
}
