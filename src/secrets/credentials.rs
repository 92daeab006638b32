//! The credentials of connections to payout providers, in plain. They exist only while they are sealed and while a provider is called.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::details::last_of;
use super::{CannotOpen, KeyMissing, Purpose, Secrets};
use crate::domain::id::AccountId;
use crate::domain::money::Currency;
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_method::Sealed;

/// What a provider knows an account by. The text that is sealed is JSON, and grows only by optional fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub enum ProviderCredentials {
    /// An app of PayPal.
    #[serde(rename = "paypal")]
    PayPal {
        client_id: String,
        client_secret: String,
        /// The id of the webhook, by which callbacks are signed. Empty: callbacks are not taken.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        webhook_id: String,
    },
    /// A secret or restricted key of Stripe.
    Stripe {
        secret_key: String,
        /// The secret by which callbacks are signed. Empty: callbacks are not taken.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        webhook_secret: String,
    },
    /// A token of Wise.
    Wise {
        token: String,
        profile_id: i64,
        /// The balance that payouts are paid from.
        source_currency: Currency,
    },
}

/// Without the credentials.
impl fmt::Debug for ProviderCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProviderCredentials").field("provider", &self.provider()).finish_non_exhaustive()
    }
}

impl ProviderCredentials {
    /// Whose they are.
    pub const fn provider(&self) -> PayoutProvider {
        match self {
            Self::PayPal { .. } => PayoutProvider::PayPal,
            Self::Stripe { .. } => PayoutProvider::Stripe,
            Self::Wise { .. } => PayoutProvider::Wise,
        }
    }

    /// The credentials for people, masked: the end of the part that is least secret.
    pub fn hint(&self) -> String {
        match self {
            Self::PayPal { client_id, .. } => last_of(client_id),
            Self::Stripe { secret_key, .. } => last_of(secret_key),
            Self::Wise { token, .. } => last_of(token),
        }
    }

    /// The credentials as a row has them.
    ///
    /// # Errors
    /// [`KeyMissing`].
    pub fn seal(&self, secrets: &Secrets, account_id: AccountId) -> Result<Sealed, KeyMissing> {
        // JSON can hold all of it.
        let text = serde_json::to_vec(self).map_err(|_| KeyMissing)?;
        secrets.seal(Purpose::ProviderCredentials, account_id, &text)
    }

    /// The credentials that were sealed.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(secrets: &Secrets, account_id: AccountId, sealed: &Sealed) -> Result<Self, CannotOpen> {
        let text = secrets.open(Purpose::ProviderCredentials, account_id, sealed)?;
        serde_json::from_slice(&text).map_err(|_| CannotOpen::Changed)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn credentials_are_sealed_and_opened_and_never_shown() {
        let secrets = Secrets::parse(&Secrets::new_key_text()).unwrap();
        let account_id = AccountId::from_uuid(Uuid::from_u128(1));
        let stripe = ProviderCredentials::Stripe {
            secret_key: "sk_test_abcdefgh4242".to_owned(),
            webhook_secret: "whsec_1".to_owned(),
        };
        let sealed = stripe.seal(&secrets, account_id).unwrap();
        assert_eq!(ProviderCredentials::open(&secrets, account_id, &sealed), Ok(stripe.clone()));
        assert_eq!(stripe.hint(), "…4242");
        let shown = format!("{stripe:?}");
        assert!(!shown.contains("sk_test") && !shown.contains("whsec"), "{shown}");
        let other = AccountId::from_uuid(Uuid::from_u128(2));
        assert_eq!(ProviderCredentials::open(&secrets, other, &sealed), Err(CannotOpen::Changed));
    }
}
