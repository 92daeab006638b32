//! Stripe's own table of decimals, and amounts in the smallest unit.

use super::{Call, errors};
use crate::money::{AMOUNT_MINOR_MAX, is_currency};

const ZERO_DECIMALS: [&str; 16] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
const THREE_DECIMALS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// How many decimals amounts of the currency have here.
pub(super) fn exponent(currency: &str) -> u32 {
    if ZERO_DECIMALS.contains(&currency) {
        0
    } else if THREE_DECIMALS.contains(&currency) {
        3
    } else {
        2
    }
}

/// All currencies whose amounts have not two decimals.
pub(super) fn exponents() -> serde_json::Value {
    let all = ZERO_DECIMALS.iter().chain(&THREE_DECIMALS);
    all.map(|currency| ((*currency).to_owned(), serde_json::json!(exponent(currency)))).collect()
}

/// The currency in upper case, and the amount.
pub(super) fn amount(call: &Call<'_>) -> Result<(String, i64), errors::Refusal> {
    let currency = call.text("currency").ok_or_else(|| errors::no_field("currency"))?.to_uppercase();
    if !is_currency(&currency) {
        return Err(errors::invalid("Invalid currency", Some("currency")));
    }
    let amount = whole(call, "amount")?.ok_or_else(|| errors::no_field("amount"))?;
    check(&currency, amount)?;
    Ok((currency, amount))
}

/// An amount that may be left out.
pub(super) fn whole(call: &Call<'_>, name: &str) -> Result<Option<i64>, errors::Refusal> {
    let Some(text) = call.text(name) else { return Ok(None) };
    let amount = text.parse::<i64>().ok().filter(|amount| (1..=AMOUNT_MINOR_MAX).contains(amount));
    amount.map(Some).ok_or_else(|| errors::invalid(&format!("Invalid positive integer: {text}"), Some(name)))
}

/// The last of three decimals must be zero.
fn check(currency: &str, amount: i64) -> Result<(), errors::Refusal> {
    if exponent(currency) == 3 && amount % 10 != 0 {
        return Err(errors::invalid("The last decimal of this currency must be 0", Some("amount")));
    }
    Ok(())
}

/// A currency as Stripe writes it.
pub(super) fn lower(currency: &str) -> String {
    currency.to_lowercase()
}
