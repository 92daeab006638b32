//! Money in integer minor units, rates in parts per million, and the one place where anything is rounded.
//!
//! Exponents are those of ISO 4217 (JPY 0, USD 2, KWD 3). No floats, no decimals.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use hashbrown::HashMap;
use iso_currency::IntoEnumIterator;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text_enum::text_enum;

/// The largest amount accepted from outside, in minor units. It is far above any sale and far below overflow.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;

/// One whole, in parts per million.
pub const PPM: i64 = 1_000_000;

/// An ISO 4217 currency, in use or not. Stored as its code, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(Code);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Code {
    Listed(iso_currency::Currency),
    Withdrawn(WithdrawnCurrency),
}

text_enum! {
    /// Currencies that ISO 4217 withdrew since 2006 and that the library does not list.
    WithdrawnCurrency {
        /// Netherlands Antillean guilder, until 2025.
        Ang = "ANG",
        /// Azerbaijani manat, until 2006.
        Azm = "AZM",
        /// Belarusian ruble, until 2016.
        Byr = "BYR",
        /// Serbian dinar, until 2006.
        Csd = "CSD",
        /// Cypriot pound, until 2008.
        Cyp = "CYP",
        /// Estonian kroon, until 2011.
        Eek = "EEK",
        /// Ghanaian cedi, until 2007.
        Ghc = "GHC",
        /// Lithuanian litas, until 2015.
        Ltl = "LTL",
        /// Latvian lats, until 2014.
        Lvl = "LVL",
        /// Mauritanian ouguiya, until 2018.
        Mro = "MRO",
        /// Maltese lira, until 2008.
        Mtl = "MTL",
        /// Mozambican metical, until 2006.
        Mzm = "MZM",
        /// Sudanese dinar, until 2007.
        Sdd = "SDD",
        /// Slovenian tolar, until 2007.
        Sit = "SIT",
        /// Slovak koruna, until 2009.
        Skk = "SKK",
        /// Dobra of Sao Tome and Principe, until 2018.
        Std = "STD",
        /// Turkmenistani manat, until 2009.
        Tmm = "TMM",
        /// Venezuelan bolivar, until 2008.
        Veb = "VEB",
        /// Venezuelan bolivar, until 2018.
        Vef = "VEF",
        /// Zambian kwacha, until 2013.
        Zmk = "ZMK",
        /// Zimbabwean dollar, until 2008.
        Zwd = "ZWD",
        /// Zimbabwean dollar, until 2009.
        Zwn = "ZWN",
        /// Zimbabwean dollar, until 2009.
        Zwr = "ZWR",
    }
}

impl WithdrawnCurrency {
    const fn exponent(self) -> u16 {
        match self {
            Self::Byr => 0,
            _ => 2,
        }
    }
}

/// The text is no ISO 4217 currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO 4217 currency code in capitals, such as USD")]
pub struct UnknownCurrency;

/// Why a code is not taken for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPayment {
    /// The text is no code.
    #[error(transparent)]
    Unknown(#[from] UnknownCurrency),
    /// Nobody pays in it.
    #[error(
        "is an ISO 4217 code that nobody pays in, such as that of a fund or a metal; send the currency that was paid"
    )]
    NotPaid,
}

/// What we know of a code.
#[derive(Clone, Copy)]
struct Known {
    currency: Currency,
    /// Whether the currency has a minor unit to count in. Gold and special drawing rights have none.
    is_countable: bool,
    is_paid: bool,
}

/// Whether ISO 4217 gives the code to amounts without a currency.
fn is_none(code: iso_currency::Currency) -> bool {
    code == iso_currency::Currency::XXX
}

impl Known {
    fn find(code: &str) -> Result<Self, UnknownCurrency> {
        // The library compares a code with all others in turn, and each sale parses several.
        static BY_CODE: LazyLock<HashMap<&str, Known>> = LazyLock::new(|| {
            let withdrawn = WithdrawnCurrency::ALL.iter().map(|code| (code.as_str(), Known::withdrawn(*code)));
            withdrawn.chain(iso_currency::Currency::iter().map(|code| (code.code(), Known::listed(code)))).collect()
        });
        BY_CODE.get(code).copied().ok_or(UnknownCurrency)
    }

    fn withdrawn(code: WithdrawnCurrency) -> Self {
        Self { currency: Currency(Code::Withdrawn(code)), is_countable: true, is_paid: true }
    }

    fn listed(code: iso_currency::Currency) -> Self {
        // Merchants in Chile bill rents, insurances and subscriptions in this fund's unit.
        let is_billed = code == iso_currency::Currency::CLF;
        let is_countable = code.exponent().is_some() || is_none(code);
        let is_paid = is_countable && (is_billed || !code.is_fund()) && !code.is_special();
        Self { currency: Currency(Code::Listed(code)), is_countable, is_paid }
    }
}

impl Currency {
    /// The currency of what is counted and is no money, such as points: `XXX`, the code of ISO 4217 for no currency. One of them is
    /// the minor unit.
    pub const NONE: Self = Self(Code::Listed(iso_currency::Currency::XXX));

    /// The currency of a payment that a merchant tells us of.
    ///
    /// A currency that is no longer in use is taken whenever the payment was: old sales are imported, and refunds, disputes and
    /// corrections come after a currency has ended. The last days also differ between ISO 4217, the law and the banks. A refusal
    /// would lose a sale, and it would protect nobody.
    ///
    /// # Errors
    /// See [`NoPayment`].
    pub fn of_payment(code: &str) -> Result<Self, NoPayment> {
        let known = Known::find(code)?;
        if known.is_paid { Ok(known.currency) } else { Err(NoPayment::NotPaid) }
    }

    /// The code in capitals.
    pub fn code(self) -> &'static str {
        match self.0 {
            Code::Listed(code) => code.code(),
            Code::Withdrawn(code) => code.as_str(),
        }
    }

    /// How many decimals people write: 0 for JPY, 2 for USD, 3 for KWD.
    pub fn exponent(self) -> u32 {
        u32::from(match self.0 {
            Code::Listed(code) => code.exponent().unwrap_or(0),
            Code::Withdrawn(code) => code.exponent(),
        })
    }
}

/// Reads what is stored. Rows may have a currency that is no longer taken for payments.
impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        Known::find(code).and_then(|known| if known.is_countable { Ok(known.currency) } else { Err(UnknownCurrency) })
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = Cow::<'de, str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// An amount in one currency. Stored in JSON with these field names for ever. A further field needs a new type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Money {
    /// The amount in minor units of the currency.
    pub amount_minor: i64,
    pub currency: Currency,
}

impl Money {
    /// An amount in a currency.
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// The same amount with the other sign.
    pub const fn negated(self) -> Self {
        Self { amount_minor: -self.amount_minor, currency: self.currency }
    }
}

impl fmt::Display for Money {
    /// As people write it: `12.34 USD`, `500 JPY`, `-1.250 KWD`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent();
        let scale = 10_u64.pow(exponent);
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let magnitude = self.amount_minor.unsigned_abs();
        let whole = magnitude / scale;
        if exponent == 0 {
            return write!(formatter, "{sign}{whole} {}", self.currency);
        }
        let width = exponent as usize;
        write!(formatter, "{sign}{whole}.{:0width$} {}", magnitude % scale, self.currency)
    }
}

text_enum! {
    /// How an amount that is not a whole number of minor units is rounded. Every way is symmetric about zero.
    Rounding {
        /// To the nearest; a half to the even neighbour.
        HalfEven = "half_even",
        /// To the nearest; a half away from zero.
        HalfUp = "half_up",
        /// Towards zero.
        Down = "down",
    }
}

/// The result of a computation does not fit into 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large to compute with")]
pub struct Overflow;

/// `value x part / whole`, rounded. The one place where money is rounded.
///
/// Rounds the magnitude and then restores the sign, so that `portion(-v, ..) == -portion(v, ..)`. A `whole` of zero gives zero.
///
/// # Errors
/// [`Overflow`] when the result does not fit into 64 bits.
pub fn portion(value: i64, part: i64, whole: i64, rounding: Rounding) -> Result<i64, Overflow> {
    // Two 64-bit factors always fit into 128 bits.
    quotient(i128::from(value) * i128::from(part), whole, rounding)
}

/// `round(product / whole)`, zero if `whole` is zero.
///
/// # Errors
/// [`Overflow`] when the result does not fit into 64 bits.
pub fn quotient(product: i128, whole: i64, rounding: Rounding) -> Result<i64, Overflow> {
    if whole == 0 {
        return Ok(0);
    }
    let negative = (product < 0) != (whole < 0);
    let magnitude = product.unsigned_abs();
    let divisor = u128::from(whole.unsigned_abs());
    let (quotient, remainder) = (magnitude / divisor, magnitude % divisor);
    // `remainder >= divisor - remainder` means "at least a half", without doubling the remainder.
    let up = match rounding {
        Rounding::Down => false,
        Rounding::HalfUp => remainder != 0 && remainder >= divisor - remainder,
        Rounding::HalfEven => {
            let other = divisor - remainder;
            remainder > other || (remainder == other && quotient % 2 == 1)
        }
    };
    let rounded = i128::try_from(quotient + u128::from(up)).map_err(|_| Overflow)?;
    i64::try_from(if negative { -rounded } else { rounded }).map_err(|_| Overflow)
}

/// An amount before it is rounded. Both parts have the same sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Unrounded {
    /// Whole minor units, towards zero.
    pub whole_minor: i64,
    /// The rest, in millionths of a minor unit.
    pub millionths: i32,
    pub currency: Currency,
}

impl Unrounded {
    /// `money x ppm / 1,000,000`, exactly.
    ///
    /// # Errors
    /// [`Overflow`] when the whole part does not fit into 64 bits.
    pub fn part(money: Money, ppm: i32) -> Result<Self, Overflow> {
        let product = i128::from(money.amount_minor) * i128::from(ppm);
        let (whole, rest) = (product / i128::from(PPM), product % i128::from(PPM));
        Ok(Self {
            whole_minor: i64::try_from(whole).map_err(|_| Overflow)?,
            millionths: i32::try_from(rest).map_err(|_| Overflow)?,
            currency: money.currency,
        })
    }

    /// A whole amount.
    pub const fn whole(money: Money) -> Self {
        Self { whole_minor: money.amount_minor, millionths: 0, currency: money.currency }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn amounts_are_written_with_the_currencys_decimals() {
        for (amount_minor, code, text) in [
            (1234, "USD", "12.34 USD"),
            (-5, "USD", "-0.05 USD"),
            (500, "JPY", "500 JPY"),
            (-1250, "KWD", "-1.250 KWD"),
            (12345, "CLF", "1.2345 CLF"),
        ] {
            assert_eq!(Money::new(amount_minor, currency(code)).to_string(), text);
        }
    }

    #[test]
    fn only_currencies_with_minor_units_are_known() {
        for wrong in ["", "usd", "US", "USDX", "XAU", "ZZZ"] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn currencies_that_are_no_longer_in_use_are_taken() {
        let listed = ["BGN", "CUC", "HRK", "SLL", "VES", "ZWL"];
        for code in WithdrawnCurrency::ALL.iter().map(|code| code.as_str()).chain(listed) {
            let currency = Currency::of_payment(code).unwrap();
            assert_eq!((currency.code(), currency), (code, code.parse().unwrap()));
            assert_eq!(currency.exponent(), if code == "BYR" { 0 } else { 2 }, "{code}");
        }
        // Every currency that the library says another one has replaced.
        let replaced = iso_currency::Currency::iter().filter(|currency| currency.is_superseded().is_some());
        assert!(replaced.clone().count() >= listed.len());
        assert!(replaced.into_iter().all(|currency| Currency::of_payment(currency.code()).is_ok()));
    }

    #[test]
    fn codes_that_nobody_pays_in_are_refused_but_read_from_rows() {
        for code in ["USN", "BOV", "CHE", "CHW", "COU", "MXV", "UYI", "UYW", "XAD"] {
            assert_eq!(Currency::of_payment(code), Err(NoPayment::NotPaid), "{code}");
            assert!(code.parse::<Currency>().is_ok(), "{code}");
        }
        assert_eq!(Currency::of_payment("XXX"), Err(NoPayment::NotPaid));
        assert_eq!("XXX".parse(), Ok(Currency::NONE));
        assert_eq!((Currency::NONE.code(), Currency::NONE.exponent()), ("XXX", 0));
        for code in ["XAU", "XAG", "XPT", "XBA", "XDR", "XSU", "XUA", "XTS"] {
            assert_eq!(Currency::of_payment(code), Err(NoPayment::NotPaid), "{code}");
            assert!(code.parse::<Currency>().is_err(), "{code}");
        }
        let special = iso_currency::Currency::iter().filter(|code| code.is_special());
        assert!(special.into_iter().all(|code| Currency::of_payment(code.code()) == Err(NoPayment::NotPaid)));
        assert_eq!(Currency::of_payment("usd"), Err(NoPayment::Unknown(UnknownCurrency)));
        // Currencies whose codes look like those of funds.
        for code in ["XAF", "XCD", "XCG", "XOF", "XPF", "CLF"] {
            assert!(Currency::of_payment(code).is_ok(), "{code}");
        }
    }

    #[test]
    fn halves_are_rounded_as_named() {
        // value x 1 / 2: the halves of 1, 3 and 5.
        for (value, even, up, down) in [(1, 0, 1, 0), (3, 2, 2, 1), (5, 2, 3, 2), (-3, -2, -2, -1), (-5, -2, -3, -2)] {
            assert_eq!(portion(value, 1, 2, Rounding::HalfEven), Ok(even), "{value}");
            assert_eq!(portion(value, 1, 2, Rounding::HalfUp), Ok(up), "{value}");
            assert_eq!(portion(value, 1, 2, Rounding::Down), Ok(down), "{value}");
        }
    }

    #[test]
    fn a_result_that_does_not_fit_is_an_error() {
        assert_eq!(portion(i64::MAX, i64::MAX, 1, Rounding::Down), Err(Overflow));
    }

    fn any_rounding() -> impl Strategy<Value = Rounding> {
        prop::sample::select(Rounding::ALL)
    }

    proptest! {
        #[test]
        fn rounding_is_symmetric(
            value in -AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX, ppm in 0..=PPM, rounding in any_rounding(),
        ) {
            let there = portion(value, ppm, PPM, rounding)?;
            prop_assert_eq!(portion(-value, ppm, PPM, rounding)?, -there);
        }

        #[test]
        fn rounding_is_off_by_less_than_one(
            value in 0..=AMOUNT_MINOR_MAX, ppm in 0..=PPM, rounding in any_rounding(),
        ) {
            let rounded = i128::from(portion(value, ppm, PPM, rounding)?);
            let exact = i128::from(value) * i128::from(ppm);
            prop_assert!((rounded * i128::from(PPM) - exact).abs() < i128::from(PPM));
        }

        #[test]
        fn the_whole_is_the_whole(value in -AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX, whole in 1..=AMOUNT_MINOR_MAX, rounding in any_rounding()) {
            prop_assert_eq!(portion(value, whole, whole, rounding)?, value);
        }
    }
}
