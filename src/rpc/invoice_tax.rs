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
