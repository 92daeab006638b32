//! Accounts and API keys: who the merchant is, and what may act for it.
//! Knows nothing of how a key's text is made or checked: that is `auth.rs`.

use std::sync::Arc;

use super::id::{AccountId, ApiKeyId};
use super::text_enum::text_enum;
use super::time::Time;

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The merchant's name.
    pub display_name: String,
    /// The owner's email address in lower case, unique on the server.
    pub email: String,
    /// How many active coupons one affiliate may have.
    pub max_active_coupons_per_affiliate: i32,
    /// When it was registered.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

text_enum! {
    /// What a key may do; `auth.rs` has the table of methods.
    KeyKind {
        /// Registers accounts.
        Operator = "operator",
        /// Everything inside the account but moving money out.
        Admin = "admin",
        /// Records events.
        Tracking = "tracking",
        /// Reads.
        Read = "read",
        /// Reads rewards, balances and the ledger.
        Payout = "payout",
        /// Records clicks.
        Publishable = "publishable",
    }
}

/// An API key. Its text is known to its holder alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The account it acts for; [`AccountId::SERVER`] for operator keys.
    pub account_id: AccountId,
    /// What it may do.
    pub kind: KeyKind,
    /// The merchant's name for it.
    pub display_name: String,
    /// The public beginning of its text, by which it is looked up; unique on the server.
    pub prefix: String,
    /// SHA-256 of its text. Left out of what is kept for repeated requests.
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created_at: Time,
    /// When it stops working.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl ApiKey {
    /// Whether it works at this time.
    pub fn is_valid(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// What RegisterAccount answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationOutcome {
    /// The account.
    pub account: Arc<Account>,
    /// Its first admin key.
    pub key: Arc<ApiKey>,
}
