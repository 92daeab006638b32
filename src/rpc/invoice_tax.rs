//! What an affiliate's invoices say of tax, on the wire.

use super::call::canonical;
use super::call::parse::Fields;
use super::call::wire_enum::WireEnum;
use crate::domain::payout_document::{InvoiceTax, TaxTreatment};
use crate::pb;

/// The highest rate: the tax is as much as the net amount.
const RATE_PPM_MAX: i32 = 1_000_000;

pub(super) fn read(fields: &mut Fields, sent: Option<&pb::InvoiceTax>) -> Option<InvoiceTax> {
    let sent = sent?;
    fields.within("invoice_tax", |fields| {
        let treatment = fields.optional_value("treatment", sent.treatment).unwrap_or(TaxTreatment::Untaxed);
        let rate_ppm = match (treatment, sent.percent_ppm) {
            (TaxTreatment::Rate, rate_ppm) => fields.number("percent_ppm", rate_ppm, 1..=RATE_PPM_MAX),
            (_, 0) => 0,
            _ => {
                fields.wrong("percent_ppm", "must be 0 unless the treatment is RATE");
                0
            }
        };
        let tax = InvoiceTax { treatment, rate_ppm, note: fields.paragraph("note", &sent.note) };
        (tax != InvoiceTax::default()).then_some(tax)
    })
}

/// No tax is the same whether it is sent or left out.
pub(super) fn canonical(sent: Option<&pb::InvoiceTax>) -> Option<Option<pb::InvoiceTax>> {
    let sent = sent?;
    let mut short = sent.clone();
    if short.treatment == TaxTreatment::Untaxed.number() {
        short.treatment = 0;
    }
    if let Some(note) = canonical::trimmed(&short.note) {
        short.note = note;
    }
    if short == pb::InvoiceTax::default() { Some(None) } else { (short != *sent).then_some(Some(short)) }
}

pub(super) fn render(tax: &InvoiceTax) -> pb::InvoiceTax {
    pb::InvoiceTax { treatment: tax.treatment.number(), percent_ppm: tax.rate_ppm, note: tax.note.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(treatment: TaxTreatment, percent_ppm: i32, note: &str) -> pb::InvoiceTax {
        pb::InvoiceTax { treatment: treatment.number(), percent_ppm, note: note.to_owned() }
    }

    #[test]
    fn no_tax_is_the_same_as_nothing_sent() {
        assert_eq!(canonical(None), None);
        for nothing in [pb::InvoiceTax::default(), sent(TaxTreatment::Untaxed, 0, " ")] {
            assert_eq!(canonical(Some(&nothing)), Some(None));
            assert_eq!(read(&mut Fields::default(), Some(&nothing)), None);
        }
        let rate = sent(TaxTreatment::Rate, 190_000, "19 %");
        assert_eq!(canonical(Some(&rate)), None);
        assert_eq!(canonical(Some(&sent(TaxTreatment::Rate, 190_000, " 19 % "))), Some(Some(rate)));
    }

    #[test]
    fn only_a_rate_has_a_rate() {
        for (treatment, percent_ppm, is_valid) in [
            (TaxTreatment::Rate, 190_000, true),
            (TaxTreatment::Rate, 0, false),
            (TaxTreatment::Rate, 1_000_001, false),
            (TaxTreatment::ReverseCharge, 0, true),
            (TaxTreatment::ReverseCharge, 1, false),
            (TaxTreatment::Untaxed, 1, false),
        ] {
            let mut fields = Fields::default();
            read(&mut fields, Some(&sent(treatment, percent_ppm, "")));
            assert_eq!(fields.finish().is_ok(), is_valid, "{treatment} with {percent_ppm}");
        }
    }
}
