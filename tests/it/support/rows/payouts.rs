//! Payouts.

use headwater::domain::id::PayoutId;
use headwater::domain::payout::{Payout, PayoutProvider, PayoutState};

use super::{ACCOUNT, NOW, affiliate, usd, uuid};

pub(crate) fn payout() -> Payout {
    Payout {
        id: PayoutId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        affiliate_id: affiliate().id,
        amount: usd(1_250),
        provider: PayoutProvider::Manual,
        state: PayoutState::Paid,
        reward_count: 2,
        reference: "TRX 17".to_owned(),
        note: "November".to_owned(),
        message: "Thank you".to_owned(),
        paid_at: NOW,
        created_at: NOW.plus_days(1),
        updated_at: NOW.plus_days(1),
    }
}
