//! The form of what a document of a payout says.

use super::field::Text;
use crate::domain::calendar::Day;
use crate::domain::id::RewardId;
use crate::domain::money::Money;
use crate::domain::payout_document::{
    DocumentContent, DocumentLine, DocumentLineKind, DocumentParty, InvoiceTax, TaxTreatment,
};

form! {
    /// What a document says.
    DocumentContentForm<'a> of DocumentContent {
        issued_on: Day,
        issuer: DocumentPartyForm<'a>,
        payee: DocumentPartyForm<'a>,
        tax: InvoiceTaxForm<'a>,
        net_minor: i64,
        lines: Vec<DocumentLineForm<'a>>,
    }
    unless_empty {
        tax_minor: i64,
        payment_terms: Text<'a>,
    }
}

form! {
    /// A party of a document.
    DocumentPartyForm<'a> of DocumentParty {
        name: Text<'a>,
    }
    unless_empty {
        address: Vec<Text<'a>>,
        tax_number: Text<'a>,
    }
}

form! {
    /// What an invoice says of tax.
    InvoiceTaxForm<'a> of InvoiceTax {
        treatment: TaxTreatment,
    }
    unless_empty {
        rate_ppm: i32,
        note: Text<'a>,
    }
}

form! {
    /// A line of a document.
    DocumentLineForm<'a> of DocumentLine {
        reward_id: RewardId,
        day: Day,
        kind: DocumentLineKind,
        amount_minor: i64,
    }
    unless_empty {
        rule: Text<'a>,
        event_id: Text<'a>,
        event_amount: Option<Money>,
    }
}
