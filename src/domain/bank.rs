//! The names of bank accounts, and their check digits. The texts say what is right, and never repeat what was sent.

use iban::{Iban, IbanLike};

use super::text_enum::text_enum;

text_enum! {
    /// How an account in the United States is used.
    BankAccountKind {
        /// For payments.
        Checking = "checking",
        /// For savings.
        Savings = "savings",
    }
}

/// An IBAN, without spaces and in capitals.
///
/// # Errors
/// What it must be.
pub fn iban(text: &str) -> Result<Iban, &'static str> {
    let text: String = text.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_uppercase();
    text.parse().map_err(|_| "must be an IBAN with the right check digits, such as DE89 3704 0044 0532 0130 00")
}

/// An IBAN as it is stored.
///
/// # Errors
/// What it must be.
pub fn iban_text(text: &str) -> Result<String, &'static str> {
    iban(text).map(|iban| iban.electronic_str().to_owned())
}

/// A BIC in capitals. `None` for an empty text.
///
/// # Errors
/// What it must be.
pub fn bic(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let bic = text.to_ascii_uppercase();
    let is_right = matches!(bic.len(), 8 | 11)
        && bic.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && bic.bytes().skip(4).take(2).all(|byte| byte.is_ascii_uppercase());
    if is_right {
        Ok(Some(bic))
    } else {
        Err("must be a BIC of 8 or 11 characters, such as COBADEFFXXX, or be left out")
    }
}

/// The routing number of a bank in the United States: nine digits, of which the last is a check digit.
///
/// # Errors
/// What it must be.
pub fn routing_number(text: &str) -> Result<String, &'static str> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let is_nine = digits.len() == 9 && text.len() == 9;
    let sum: u32 = digits.iter().zip([3, 7, 1].iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    // The districts of the Federal Reserve, thrift institutions, electronic ones, and traveller's cheques.
    let is_district = text
        .get(..2)
        .and_then(|district| district.parse::<u32>().ok())
        .is_some_and(|district| matches!(district, 1..=12 | 21..=32 | 61..=72 | 80));
    if is_nine && is_district && sum.is_multiple_of(10) {
        Ok(text.to_owned())
    } else {
        Err("must be a routing number of nine digits with the right check digit, such as 021000021")
    }
}

/// The number of an account at a bank in the United States, without spaces.
///
/// # Errors
/// What it must be.
pub fn account_number(text: &str) -> Result<String, &'static str> {
    let number: String = text.chars().filter(|c| *c != ' ').collect();
    let is_right = (1..=17).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && number.bytes().any(|byte| byte.is_ascii_digit());
    if is_right { Ok(number) } else { Err("must have 1 to 17 letters, digits and hyphens") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_digit_is_noticed() {
        assert_eq!(iban_text("de89 3704 0044 0532 0130 00").as_deref(), Ok("DE89370400440532013000"));
        assert!(iban_text("DE89370400440532013001").is_err());
        assert_eq!(bic(" cobadeffxxx "), Ok(Some("COBADEFFXXX".to_owned())));
        assert_eq!(bic(""), Ok(None));
        assert!(bic("COBA1EFF").is_err());
        assert!(routing_number("021000021").is_ok());
        for wrong in ["021000022", "02100002", "0210000211", "131000021", "02100002x", ""] {
            assert!(routing_number(wrong).is_err(), "{wrong}");
        }
        assert_eq!(account_number("12 34-5").as_deref(), Ok("1234-5"));
        assert!(account_number("abc").is_err());
        assert!(account_number("123456789012345678").is_err());
    }
}
