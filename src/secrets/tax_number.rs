//! Tax numbers, in plain. They exist only while they are sealed and while a document is made.

use super::details::last_of;
use super::{CannotOpen, KeyMissing, Purpose, Secrets};
use crate::domain::id::AccountId;
use crate::domain::payout_method::Sealed;
use crate::domain::tax_number::TaxNumberKind;
use crate::domain::tax_profile::TaxNumber;

/// How many letters of a VAT id its country has.
const PREFIX_LENGTH: usize = 2;

/// A tax number as a row has it.
///
/// # Errors
/// [`KeyMissing`].
pub fn seal(
    secrets: &Secrets,
    account_id: AccountId,
    kind: TaxNumberKind,
    number: &str,
) -> Result<TaxNumber, KeyMissing> {
    let sealed = secrets.seal(Purpose::TaxNumber, account_id, number.as_bytes())?;
    Ok(TaxNumber { kind, hint: hint(kind, number), sealed })
}

/// The number that was sealed.
///
/// # Errors
/// [`CannotOpen`].
pub fn open(secrets: &Secrets, account_id: AccountId, sealed: &Sealed) -> Result<String, CannotOpen> {
    let number = secrets.open(Purpose::TaxNumber, account_id, sealed)?;
    String::from_utf8(number).map_err(|_| CannotOpen::Changed)
}

/// The number for people, masked.
fn hint(kind: TaxNumberKind, number: &str) -> String {
    match kind {
        TaxNumberKind::Vat => {
            let prefix: String = number.chars().take(PREFIX_LENGTH).collect();
            let rest: String = number.chars().skip(PREFIX_LENGTH).collect();
            format!("{prefix}{}", last_of(&rest))
        }
        _ => last_of(number),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_number_is_sealed_and_opened_and_shown_in_part() {
        let secrets = Secrets::parse(&"1".repeat(64)).unwrap();
        let (account, other) = (AccountId::from_uuid(Uuid::from_u128(1)), AccountId::from_uuid(Uuid::from_u128(2)));
        let number = seal(&secrets, account, TaxNumberKind::Ssn, "123456789").unwrap();
        assert_eq!(number.hint, "…789");
        assert_eq!(open(&secrets, account, &number.sealed).as_deref(), Ok("123456789"));
        assert_eq!(open(&secrets, other, &number.sealed), Err(CannotOpen::Changed));
        assert!(!format!("{number:?}").contains("12345"));
        let hint = |kind, text| seal(&secrets, account, kind, text).unwrap().hint;
        assert_eq!(hint(TaxNumberKind::Vat, "DE123456789"), "DE…789");
        assert_eq!(hint(TaxNumberKind::Vat, "RO12"), "RO…");
        assert_eq!(hint(TaxNumberKind::Foreign, "1"), "…");
        assert_eq!(seal(Secrets::NONE, account, TaxNumberKind::Ein, "123456789"), Err(KeyMissing));
    }
}
