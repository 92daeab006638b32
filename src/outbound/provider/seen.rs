//! Payments as a provider tells them, whoever asked for them. For reconciliations, which compare them with what is known here.

use std::time::Duration;

use uuid::Uuid;

use super::answer::NoUse;
use super::outcome::PaymentState;
use crate::domain::id::PayoutId;
use crate::domain::money::Money;
use crate::domain::time::Time;

/// A payment at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SeenPayment {
    pub provider_id: String,
    pub key: PaymentKey,
    /// When it was made, if the provider tells it.
    pub made_at: Option<Time>,
    /// `None`: it cannot be read, such as one in a currency that is not known here.
    pub amount: Option<Money>,
    pub state: PaymentState,
    /// The provider's fee, if it tells it.
    pub fee: Option<Money>,
    /// The part of the amount that came back, if the provider tells it.
    pub returned: Option<Money>,
}

/// The key of a payment at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentKey {
    /// A key of ours.
    Payout {
        /// The payout that it names.
        payout_id: PayoutId,
        /// The number of the attempt. `None`: the key does not have it.
        number: Option<u32>,
    },
    /// A UUID, which may be a key of ours.
    Uuid(Uuid),
    /// No key of ours.
    Other,
}

impl PaymentKey {
    /// Reads a key as [`super::Attempt::key`] writes it, or a payout's id alone.
    pub fn of_text(text: &str) -> Self {
        let (payout_id, number) = match text.rsplit_once("-a") {
            Some((payout_id, number)) => (payout_id, number.parse().ok()),
            None => (text, None),
        };
        payout_id.parse().map_or(Self::Other, |payout_id| Self::Payout { payout_id, number })
    }
}

/// Payments that were made in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The provider has no list. Payments are read one by one.
    NotPossible,
    /// A page of them.
    Page {
        /// The payments with a key that may be ours.
        payments: Vec<SeenPayment>,
        /// Where the next page begins. `None`: this is the last one.
        next: Option<String>,
    },
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRead {
    /// The provider will refuse until a person has mended the account or the connection.
    Refused {
        /// The provider's word for it.
        code: String,
    },
    /// The answer about this payment cannot be read.
    Unreadable {
        /// The provider's word for its state, or ours.
        code: String,
    },
    /// A later call may be answered.
    Later {
        /// How long the provider wants to be left alone, if it said so.
        after: Option<Duration>,
        /// The provider's word for it, or ours.
        code: String,
    },
}

impl From<NoUse> for NotRead {
    fn from(no_use: NoUse) -> Self {
        match no_use {
            NoUse::Later(after) => Self::Later { after, code: "later".to_owned() },
            NoUse::Doubt(doubt) => {
                Self::Later { after: doubt.after, code: doubt.code.unwrap_or_else(|| format!("{:?}", doubt.reason)) }
            }
        }
    }
}

impl NotRead {
    /// The meaning of a refusal with this status.
    pub(super) fn of_status(status: u16, code: String, after: Option<Duration>) -> Self {
        match status {
            401 | 403 => Self::Refused { code },
            200..300 => Self::Unreadable { code },
            _ => Self::Later { after, code },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_ours_are_recognised() {
        let payout_id = PayoutId::from_uuid(Uuid::from_u128(7));
        let read = |text: &str| PaymentKey::of_text(text);
        assert_eq!(read(&format!("{payout_id}-a3")), PaymentKey::Payout { payout_id, number: Some(3) });
        assert_eq!(read(&payout_id.to_string()), PaymentKey::Payout { payout_id, number: None });
        assert_eq!(read(&format!("{payout_id}-ax")), PaymentKey::Payout { payout_id, number: None });
        for other in ["", "-a1", "order 7", "pay_1-a1", "prn_00000000000000000000000000000007"] {
            assert_eq!(read(other), PaymentKey::Other, "{other}");
        }
    }
}
