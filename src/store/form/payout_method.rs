//! Forms of payout methods and of connections to providers. Neither has what is sealed, and a method has no personal data, because a repeated
//! request gets the method that is there.

use super::field::Text;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_connection::PayoutConnection;
use crate::domain::payout_method::{PayoutMethod, Sealed};
use crate::domain::time::Time;

form! {
    /// A payout method.
    PayoutMethodForm of PayoutMethod {
        account_id: AccountId,
        affiliate_id: AffiliateId,
        created_at: Time,
        updated_at: Time,
    }
    left_out {
        current: None,
        pending: None,
        override_reason: String::new(),
    }
}

form! {
    /// A connection to a payout provider.
    PayoutConnectionForm<'a> of PayoutConnection {
        account_id: AccountId,
        provider: PayoutProvider,
        hint: Text<'a>,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        next_reconciliation_at: Option<Time>,
    }
    left_out {
        sealed: Sealed::new([]),
        open_reconciliation_id: None,
        last_reconciliation_id: None,
    }
}
