//! What invoices of an affiliate say of tax.

use super::money::{Overflow, Rounding, quotient};
use super::text_enum::text_enum;

/// The whole, in parts per million.
const WHOLE_PPM: i64 = 1_000_000;

text_enum! {
    /// How an invoice treats tax. The merchant says it.
    TaxTreatment {
        /// The invoice shows no tax.
        Untaxed = "untaxed",
        /// The invoice shows no tax, because the receiver of the service owes it.
        ReverseCharge = "reverse_charge",
        /// The amount that is paid contains tax of a rate.
        Rate = "rate",
    }
}

/// What an invoice says of tax.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct InvoiceTax {
    pub treatment: TaxTreatment,
    /// The tax, in parts per million of the net amount. 0 unless there is a rate.
    pub rate_ppm: i32,
    /// The merchant's sentence about it, printed as it is. May be empty.
    pub note: String,
}

impl Default for InvoiceTax {
    fn default() -> Self {
        Self { treatment: TaxTreatment::Untaxed, rate_ppm: 0, note: String::new() }
    }
}

impl InvoiceTax {
    /// The net amount and the tax in an amount that is paid, in minor units. They always add up to it.
    ///
    /// # Errors
    /// [`Overflow`] never happens with a rate of zero or more.
    pub fn split(&self, amount_minor: i64) -> Result<(i64, i64), Overflow> {
        if self.treatment != TaxTreatment::Rate {
            return Ok((amount_minor, 0));
        }
        let product = i128::from(amount_minor) * i128::from(WHOLE_PPM);
        let net_minor = quotient(product, WHOLE_PPM + i64::from(self.rate_ppm), Rounding::HalfEven)?;
        Ok((net_minor, amount_minor - net_minor))
    }
}
