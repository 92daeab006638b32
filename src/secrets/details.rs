//! The details of payout methods, in plain. They exist only while they are sealed and while a payout is sent or exported.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CannotOpen, KeyMissing, Purpose, Secrets};
use crate::domain::bank::BankAccountKind;
use crate::domain::id::AccountId;
use crate::domain::payout_method::{PayoutDestination, PayoutMethodKind, Sealed};

/// Where the money of a payout goes. The text that is sealed is JSON, and grows only by optional fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub enum PayoutDetails {
    /// A PayPal account.
    #[serde(rename = "paypal")]
    PayPal { email: String },
    /// A connected account at Stripe, such as `acct_1A2b`.
    Stripe { connected_account_id: String },
    /// A recipient at Wise.
    Wise { recipient_id: i64 },
    /// A bank account with an IBAN.
    Iban {
        iban: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bic: Option<String>,
        holder: String,
    },
    /// A bank account in the United States.
    #[serde(rename = "us_bank")]
    UnitedStatesBank { routing_number: String, number: String, account_kind: BankAccountKind, holder: String },
    /// Something else, in words.
    Other { text: String },
}

/// Without the details.
impl fmt::Debug for PayoutDetails {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PayoutDetails").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl PayoutDetails {
    /// The kind of the destination.
    pub const fn kind(&self) -> PayoutMethodKind {
        match self {
            Self::PayPal { .. } => PayoutMethodKind::PayPal,
            Self::Stripe { .. } => PayoutMethodKind::Stripe,
            Self::Wise { .. } => PayoutMethodKind::Wise,
            Self::Iban { .. } => PayoutMethodKind::Iban,
            Self::UnitedStatesBank { .. } => PayoutMethodKind::UnitedStatesBank,
            Self::Other { .. } => PayoutMethodKind::Other,
        }
    }

    /// The destination for people, masked.
    pub fn hint(&self) -> String {
        match self {
            Self::PayPal { email } => masked_email(email),
            Self::Stripe { connected_account_id } => last_of(connected_account_id),
            Self::Wise { recipient_id } => last_of(&recipient_id.to_string()),
            Self::Iban { iban, .. } => format!("{}{}", first(iban, 2), last_of(iban)),
            Self::UnitedStatesBank { number, .. } => last_of(number),
            // Nobody knows which part of a free text is secret.
            Self::Other { .. } => "…".to_owned(),
        }
    }

    /// The text that is the same for the same account, whoever is named as its holder.
    fn identity(&self) -> String {
        let kind = self.kind().as_str();
        match self {
            Self::PayPal { email } => format!("{kind} {email}"),
            Self::Stripe { connected_account_id } => format!("{kind} {connected_account_id}"),
            Self::Wise { recipient_id } => format!("{kind} {recipient_id}"),
            Self::Iban { iban, .. } => format!("{kind} {iban}"),
            Self::UnitedStatesBank { routing_number, number, .. } => {
                let number: String = number.chars().filter(char::is_ascii_alphanumeric).collect();
                format!("{kind} {routing_number} {}", number.to_ascii_uppercase())
            }
            Self::Other { text } => format!("{kind} {text}"),
        }
    }

    /// The details as a row has them, and their fingerprint.
    ///
    /// # Errors
    /// [`KeyMissing`].
    pub fn seal(&self, secrets: &Secrets, account_id: AccountId) -> Result<(PayoutDestination, [u8; 32]), KeyMissing> {
        // JSON can hold all of it.
        let text = serde_json::to_vec(self).map_err(|_| KeyMissing)?;
        let sealed = secrets.seal(Purpose::PayoutDetails, account_id, &text)?;
        let fingerprint = self.fingerprint(secrets, account_id)?;
        Ok((PayoutDestination { kind: self.kind(), hint: self.hint(), sealed }, fingerprint))
    }

    /// The fingerprint of the account that gets the money.
    ///
    /// # Errors
    /// [`KeyMissing`].
    pub fn fingerprint(&self, secrets: &Secrets, account_id: AccountId) -> Result<[u8; 32], KeyMissing> {
        secrets.fingerprint(account_id, &self.identity())
    }

    /// The fingerprints that rows have which were not sealed anew yet.
    pub fn older_fingerprints(&self, secrets: &Secrets, account_id: AccountId) -> Vec<[u8; 32]> {
        secrets.older_fingerprints(account_id, &self.identity())
    }

    /// The details that were sealed.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(secrets: &Secrets, account_id: AccountId, sealed: &Sealed) -> Result<Self, CannotOpen> {
        let text = secrets.open(Purpose::PayoutDetails, account_id, sealed)?;
        serde_json::from_slice(&text).map_err(|_| CannotOpen::Changed)
    }
}

/// The first letter and the host. A short name is not shown at all.
fn masked_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((name, host)) if name.chars().count() > 1 => format!("{}…@{host}", first(name, 1)),
        Some((_, host)) => format!("…@{host}"),
        None => "…".to_owned(),
    }
}

fn first(text: &str, count: usize) -> String {
    text.chars().take(count).collect()
}

/// The last four characters, or fewer of a short text: never more than a third.
pub(super) fn last_of(text: &str) -> String {
    let length = text.chars().count();
    let shown = (length / 3).min(4);
    let last: String = text.chars().skip(length - shown).collect();
    format!("…{last}")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn iban(holder: &str) -> PayoutDetails {
        PayoutDetails::Iban { iban: "DE89370400440532013000".to_owned(), bic: None, holder: holder.to_owned() }
    }

    #[test]
    fn hints_show_little() {
        let hint = |details: PayoutDetails| details.hint();
        let paypal = |email: &str| hint(PayoutDetails::PayPal { email: email.to_owned() });
        assert_eq!(paypal("lena@example.com"), "l…@example.com");
        assert_eq!(paypal("l@example.com"), "…@example.com");
        assert_eq!(hint(iban("Lena")), "DE…3000");
        let bank = |number: &str| PayoutDetails::UnitedStatesBank {
            routing_number: "021000021".to_owned(),
            number: number.to_owned(),
            account_kind: BankAccountKind::Checking,
            holder: "Lena".to_owned(),
        };
        assert_eq!(hint(bank("000123456789")), "…6789");
        assert_eq!(hint(bank("1234")), "…4");
        assert_eq!(hint(bank("12")), "…");
        assert_eq!(hint(PayoutDetails::Other { text: "bar, at Joe's".to_owned() }), "…");
        assert_eq!(hint(PayoutDetails::Wise { recipient_id: 40_000_123 }), "…23");
        assert_eq!(hint(PayoutDetails::Stripe { connected_account_id: "acct_1A2b3C4d".to_owned() }), "…3C4d");
    }

    #[test]
    fn details_are_sealed_and_opened_and_never_shown() {
        let secrets = Secrets::parse(&Secrets::new_key_text()).unwrap();
        let account_id = AccountId::from_uuid(Uuid::from_u128(1));
        let (destination, fingerprint) = iban("Lena").seal(&secrets, account_id).unwrap();
        assert_eq!(PayoutDetails::open(&secrets, account_id, &destination.sealed), Ok(iban("Lena")));
        assert_eq!(iban("Somebody else").seal(&secrets, account_id).unwrap().1, fingerprint, "it is the same account");
        for text in [format!("{destination:?}"), format!("{:?}", iban("Lena"))] {
            assert!(!text.contains("0532") && !text.contains("Lena"), "{text}");
        }
    }

    #[test]
    fn the_sealed_text_has_its_form() {
        let text = |details: &PayoutDetails| serde_json::to_string(details).unwrap();
        assert_eq!(text(&iban("L")), r#"{"kind":"iban","iban":"DE89370400440532013000","holder":"L"}"#);
        let email = PayoutDetails::PayPal { email: "l@example.com".to_owned() };
        assert_eq!(text(&email), r#"{"kind":"paypal","email":"l@example.com"}"#);
        let stripe = PayoutDetails::Stripe { connected_account_id: "acct_1".to_owned() };
        assert_eq!(text(&stripe), r#"{"kind":"stripe","connected_account_id":"acct_1"}"#);
        assert_eq!(text(&PayoutDetails::Wise { recipient_id: 1 }), r#"{"kind":"wise","recipient_id":1}"#);
    }
}
