//! Amounts as providers write them, to and from integers of minor units. Nothing is rounded and no float is calculated with.

use serde_json::Value;

/// The largest amount of one payment, in minor units. Far above every limit of a provider, and a JSON number can still carry it.
pub(crate) const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000;

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MoneyError {
    /// No decimal number.
    Malformed,
    /// More decimals than the currency has.
    TooFine,
    /// Above [`AMOUNT_MINOR_MAX`].
    TooLarge,
}

/// The minor units of a decimal text such as `12.34`. Fewer decimals than the currency has are fine.
pub(crate) fn parse(text: &str, exponent: u32) -> Result<i64, MoneyError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || text.ends_with('.') {
        return Err(MoneyError::Malformed);
    }
    let places = usize::try_from(exponent).map_err(|_| MoneyError::TooFine)?;
    let (kept, rest) = fraction.split_at(fraction.len().min(places));
    if rest.bytes().any(|digit| digit != b'0') || (exponent == 0 && !fraction.is_empty()) {
        return Err(MoneyError::TooFine);
    }
    let digits = format!("{whole}{kept:0<places$}");
    let amount: i64 = digits.parse().map_err(|_| MoneyError::TooLarge)?;
    if amount > AMOUNT_MINOR_MAX { Err(MoneyError::TooLarge) } else { Ok(amount) }
}

/// The decimal text of an amount, with all decimals of the currency.
pub(crate) fn format(amount_minor: i64, exponent: u32) -> String {
    let sign = if amount_minor < 0 { "-" } else { "" };
    let places = usize::try_from(exponent).unwrap_or(0);
    let digits = format!("{:0>width$}", amount_minor.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The minor units of a JSON number in major units. The shortest text of a number is the text that was sent, up to 15 digits.
pub(crate) fn parse_number(value: &Value, exponent: u32) -> Result<i64, MoneyError> {
    let Value::Number(number) = value else { return Err(MoneyError::Malformed) };
    let text = number.to_string();
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text.len() > 16 { Err(MoneyError::TooLarge) } else { parse(text, exponent) }
}

/// The JSON number of an amount in major units.
pub(crate) fn number(amount_minor: i64, exponent: u32) -> Value {
    let text = format(amount_minor, exponent);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// A share of an amount in parts per million, rounded up.
pub(crate) fn share(amount_minor: i64, parts_per_million: i64) -> i64 {
    let parts = i128::from(amount_minor) * i128::from(parts_per_million);
    i64::try_from((parts + 999_999) / 1_000_000).unwrap_or(i64::MAX)
}

/// Whether the text has the form of a currency's code, in upper case.
pub(crate) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(parse("12.34", 2), Ok(1234));
        assert_eq!(parse("12", 2), Ok(1200));
        assert_eq!(parse("0.1", 2), Ok(10));
        assert_eq!(parse("12.340", 2), Ok(1234));
        assert_eq!(parse("12.345", 2), Err(MoneyError::TooFine));
        assert_eq!(parse("12", 0), Ok(12));
        assert_eq!(parse("12.0", 0), Err(MoneyError::TooFine));
        for text in ["", ".", ".5", "5.", "-1", "+1", "1,0", "1e3", " 1", "1.2.3"] {
            assert_eq!(parse(text, 2), Err(MoneyError::Malformed), "{text:?}");
        }
        assert_eq!(parse("99999999999999999999", 2), Err(MoneyError::TooLarge));
    }

    #[test]
    fn amounts_come_back_as_they_were() {
        for amount in [0, 1, 9, 10, 99, 100, 123_456, AMOUNT_MINOR_MAX] {
            for exponent in [0, 2, 3] {
                assert_eq!(parse(&format(amount, exponent), exponent), Ok(amount));
                assert_eq!(parse_number(&number(amount, exponent), exponent), Ok(amount));
            }
        }
        assert_eq!(format(-5, 2), "-0.05");
    }

    #[test]
    fn shares_are_rounded_up() {
        assert_eq!(share(100, 20_000), 2);
        assert_eq!(share(101, 20_000), 3);
    }
}
