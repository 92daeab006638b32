//! Form of payouts.

use super::field::Text;
use crate::domain::id::{AccountId, AffiliateId, PayoutId};
use crate::domain::money::Money;
use crate::domain::payout::{Payout, PayoutProvider, PayoutState};
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
        paid_at: Time,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        reference: Text<'a>,
        note: Text<'a>,
        message: Text<'a>,
    }
}
