//! Amounts as providers write them. Their currencies do not all have the decimals of ISO 4217. A conversion refuses what it would have to
//! round.

use crate::domain::money::{Currency, Money};

/// More digits than a JSON number keeps exactly.
const DIGITS_MAX: usize = 15;

/// An amount of ours in units of 10^-`exponent`, or nothing if it is no whole number of them.
pub(super) fn to_units(amount: Money, exponent: u32) -> Option<i64> {
    let ours = amount.currency.exponent();
    if exponent >= ours {
        amount.amount_minor.checked_mul(10_i64.checked_pow(exponent - ours)?)
    } else {
        let size = 10_i64.checked_pow(ours - exponent)?;
        (amount.amount_minor % size == 0).then_some(amount.amount_minor / size)
    }
}

/// The opposite of [`to_units`].
pub(super) fn from_units(units: i64, exponent: u32, currency: Currency) -> Option<Money> {
    let ours = currency.exponent();
    let amount_minor = if ours >= exponent {
        units.checked_mul(10_i64.checked_pow(ours - exponent)?)?
    } else {
        let size = 10_i64.checked_pow(exponent - ours)?;
        if units % size != 0 {
            return None;
        }
        units / size
    };
    Some(Money::new(amount_minor, currency))
}

/// Units of 10^-`exponent` as a decimal number, such as `12.34`. Not for negative amounts.
pub(in crate::outbound) fn decimal(units: i64, exponent: u32) -> String {
    let units = units.unsigned_abs();
    let places = exponent as usize;
    if places == 0 {
        return units.to_string();
    }
    let digits = format!("{units:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{whole}.{fraction}")
}

/// Our amount as a decimal number with the provider's decimals.
pub(in crate::outbound) fn decimal_of(amount: Money, exponent: u32) -> Option<String> {
    let units = to_units(amount, exponent).filter(|units| *units > 0)?;
    let text = decimal(units, exponent);
    let digits = text.trim_start_matches(['0', '.']).bytes().filter(u8::is_ascii_digit).count();
    (digits <= DIGITS_MAX).then_some(text)
}

/// The money that a decimal number means, such as `12.34`, `12.3` and `12`. `None` for other texts, and for an amount that is no whole
/// number of our minor units.
pub(super) fn parse_decimal(text: &str, currency: Currency) -> Option<Money> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let places = currency.exponent() as usize;
    let (kept, rest) = fraction.split_at(fraction.len().min(places));
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let amount_minor = format!("{whole}{kept:0<places$}").parse().ok()?;
    Some(Money::new(amount_minor, currency))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money::new(amount_minor, code.parse().unwrap())
    }

    #[test]
    fn an_amount_that_the_provider_cannot_write_is_refused_and_not_rounded() {
        // Two decimals in ISO 4217, none at PayPal.
        assert_eq!(decimal_of(money(50_000, "HUF"), 0).as_deref(), Some("500"));
        assert_eq!(decimal_of(money(50_050, "HUF"), 0), None);
        // None in ISO 4217, two at Stripe.
        assert_eq!(to_units(money(500, "ISK"), 2), Some(50_000));
        assert_eq!(from_units(50_000, 2, "ISK".parse().unwrap()), Some(money(500, "ISK")));
        assert_eq!(from_units(50_050, 2, "ISK".parse().unwrap()), None);
        assert_eq!(decimal_of(money(5, "USD"), 2).as_deref(), Some("0.05"));
        assert_eq!(decimal_of(money(1_234, "USD"), 2).as_deref(), Some("12.34"));
        assert_eq!(decimal_of(money(1_250, "KWD"), 3).as_deref(), Some("1.250"));
        assert_eq!(decimal_of(money(500, "JPY"), 0).as_deref(), Some("500"));
        for wrong in [0, -5, 1_000_000_000_000_000] {
            assert_eq!(decimal_of(money(wrong, "USD"), 2), None, "{wrong}");
        }
        assert_eq!(to_units(money(i64::MAX, "ISK"), 2), None);
    }

    #[test]
    fn only_decimal_numbers_are_read() {
        let parse = |text, code: &str| parse_decimal(text, code.parse().unwrap()).map(|money| money.amount_minor);
        for (text, code, amount) in [
            ("12.34", "USD", 1_234),
            ("12.3", "USD", 1_230),
            ("12", "USD", 1_200),
            ("12.340", "USD", 1_234),
            ("500", "HUF", 50_000),
            ("500.00", "JPY", 500),
            ("1.25", "KWD", 1_250),
            ("0.00", "USD", 0),
        ] {
            assert_eq!(parse(text, code), Some(amount), "{text} {code}");
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", " 1", "1,5", "12.345", "99999999999999999999"] {
            assert_eq!(parse(text, "USD"), None, "{text}");
        }
        assert_eq!(parse("0.5", "JPY"), None);
    }

    proptest! {
        #[test]
        fn amounts_come_back_as_they_were(amount in 1..=999_999_999_999_i64, code in "USD|JPY|KWD|HUF|ISK", exponent in 0..=3_u32) {
            let money = money(amount, &code);
            if let Some(text) = decimal_of(money, exponent) {
                prop_assert_eq!(parse_decimal(&text, money.currency), Some(money));
            }
            if let Some(units) = to_units(money, exponent) {
                prop_assert_eq!(from_units(units, exponent, money.currency), Some(money));
            }
        }
    }
}
