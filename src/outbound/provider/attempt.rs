//! A try to pay one payout: who gets how much, and the key that the provider knows it by.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::SETTLING_MICROS;
use crate::domain::id::PayoutId;
use crate::domain::money::Money;
use crate::domain::time::Time;

/// Who gets the money, as the provider knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// PayPal: an email address.
    PayPalEmail(String),
    /// PayPal: an account's id.
    PayPalId(String),
    /// PayPal: a phone number.
    PayPalPhone(String),
    /// Venmo: a user's handle.
    VenmoHandle(String),
    /// Stripe: a connected account, such as `acct_1A2b`.
    StripeAccount(String),
    /// Wise: the number of a recipient.
    WiseRecipient(i64),
}

/// Tries under the same key whose effect is not known. A try that was certainly not carried out ([`super::Submission::Later`]) is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EarlierTries {
    pub first_at: Time,
    pub last_at: Time,
}

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The payout.
    pub payout_id: PayoutId,
    /// One for the first. It grows only after an answer that proves that the attempt before made nothing.
    pub number: u32,
    /// The receiver gets this much; fees come on top.
    pub amount: Money,
    /// Who gets it.
    pub receiver: Receiver,
    /// A text that the receiver sees. May be empty.
    pub note: String,
    /// The provider's name for the payment, once it is known.
    pub provider_id: Option<String>,
    /// Tries under this number whose effect is not known. `None` before the first.
    pub earlier: Option<EarlierTries>,
}

impl Attempt {
    /// The key at the provider: the payout's id, and the attempt's number.
    pub fn key(&self) -> String {
        key(self.payout_id, self.number)
    }

    /// The key as a UUID, for providers that take nothing else. The first attempt has the payout's own.
    pub fn key_uuid(&self) -> Uuid {
        key_uuid(self.payout_id, self.number)
    }

    /// Whether a list of the provider shows by now what earlier tries made.
    pub fn is_settled(&self, now: Time) -> bool {
        self.earlier.is_none_or(|earlier| earlier.last_at.plus_micros(SETTLING_MICROS) <= now)
    }
}

/// See [`Attempt::key`].
fn key(payout_id: PayoutId, number: u32) -> String {
    format!("{payout_id}-a{number}")
}

/// See [`Attempt::key_uuid`].
pub fn key_uuid(payout_id: PayoutId, number: u32) -> Uuid {
    if number <= 1 {
        return payout_id.uuid();
    }
    let digest: [u8; 32] = Sha256::digest(key(payout_id, number)).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_attempt_has_keys_of_its_own_that_never_change() {
        let amount = Money::new(1, "USD".parse().unwrap());
        let attempt = |payout: u128, number| Attempt {
            payout_id: PayoutId::from_uuid(Uuid::from_u128(payout)),
            number,
            amount,
            receiver: Receiver::WiseRecipient(1),
            note: String::new(),
            provider_id: None,
            earlier: None,
        };
        assert_eq!(attempt(7, 1).key(), "pay_00000000000000000000000000000007-a1");
        assert_eq!(attempt(7, 1).key_uuid(), Uuid::from_u128(7));
        assert_eq!(attempt(7, 2).key_uuid().to_string(), "cdecd034-15e7-897d-91c6-8ba009b0d63f");
        let mut keys = HashSet::new();
        for payout in 1..20 {
            for number in 1..20 {
                assert!(keys.insert(attempt(payout, number).key()));
                assert!(keys.insert(attempt(payout, number).key_uuid().to_string()));
            }
        }
    }
}
