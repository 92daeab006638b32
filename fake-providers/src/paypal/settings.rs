//! What the control can set for PayPal, with the real provider's values where they are known.

use serde::{Deserialize, Serialize};

/// Limits and delays.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// How long a batch is PENDING.
    pub(super) processing_after_ms: i64,
    /// How long until a batch is processed, since it was made.
    pub(super) done_after_ms: i64,
    /// How long an item stays unclaimed.
    pub(super) unclaimed_days: i64,
    pub(super) fee_parts_per_million: i64,
    pub(super) fee_cap_minor: i64,
    /// An item above it fails with TRANSACTION_LIMIT_EXCEEDED. Zero is no limit.
    pub(super) item_limit_minor: i64,
    /// Batches that may be made in a minute. Zero is no limit.
    pub(super) posts_per_minute: usize,
    pub(super) token_seconds: i64,
    /// The balance that is told is this old.
    pub(super) balance_lag_seconds: i64,
    /// What becomes of an item to an address that nothing is known of.
    pub(super) unknown_receivers: Unknown,
    /// The address of certificates in webhooks, without the id. By default the fake's own.
    pub(super) cert_url_base: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unknown {
    /// As at the real provider: it waits until somebody claims it.
    Unclaimed,
    Paid,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            processing_after_ms: 10_000,
            done_after_ms: 30_000,
            unclaimed_days: 30,
            fee_parts_per_million: 20_000,
            fee_cap_minor: 2_000,
            item_limit_minor: 6_000_000,
            posts_per_minute: 400,
            token_seconds: 32_400,
            balance_lag_seconds: 0,
            unknown_receivers: Unknown::Unclaimed,
            cert_url_base: None,
        }
    }
}

/// What becomes of items to a receiver.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) status: &'static str,
    /// The name of the error, such as `RECEIVER_ACCOUNT_LOCKED`.
    pub(super) error: Option<String>,
}
