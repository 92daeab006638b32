//! Forms of accounts and API keys.

use ipnet::IpNet;

use super::field::Text;
use super::payout::PayoutPolicyForm;
use crate::domain::account::{Account, ApiKey, KeyKind, RegistrationOutcome};
use crate::domain::calendar::ZoneSince;
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::time::Time;

form! {
    /// An account.
    AccountForm<'a> of Account {
        id: AccountId,
        display_name: Text<'a>,
        email: Text<'a>,
        max_active_coupons_per_affiliate: i32,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        suspended_at: Option<Time>,
        suspension_reason: Text<'a>,
        email_verified_at: Option<Time>,
        time_zones: Vec<ZoneSinceForm<'a>>,
        calls_per_minute: i32,
        is_test: bool,
        payout_policy: Option<PayoutPolicyForm>,
    }
    left_out {
        verification: None,
    }
}

form! {
    /// A time zone of an account.
    ZoneSinceForm<'a> of ZoneSince {
        name: Text<'a>,
        since: Time,
    }
}

form! {
    /// An API key, stored without the hash of its text.
    ApiKeyForm<'a> of ApiKey {
        id: ApiKeyId,
        account_id: AccountId,
        kind: KeyKind,
        display_name: Text<'a>,
        text_prefix: Text<'a>,
        created_at: Time,
    }
    unless_empty {
        expires_at: Option<Time>,
        revoked_at: Option<Time>,
        updated_at: Option<Time>,
        allowed_networks: Vec<IpNet>,
        allowed_origins: Vec<Text<'a>>,
    }
    left_out {
        secret_hash: [0; 32],
    }
}

form! {
    /// A registered account and its first key.
    RegistrationOutcomeForm<'a> of RegistrationOutcome {
        account: Box<AccountForm<'a>>,
        key: Box<ApiKeyForm<'a>>,
    }
}
