//! Documents of payouts as PDF: self-billing invoices and statements. Pure: the same document gives the same bytes for ever, so the content of
//! an invoice is stored, and a change of the layout here needs a version of it.

use super::pdf::{PAGE_HEIGHT, PAGE_WIDTH, Pages, UnusableFont};
use crate::domain::id::PayoutId;
use crate::domain::money::Money;
use crate::domain::payout_document::{
    DocumentContent, DocumentLine, DocumentLineKind, DocumentParty, PayoutDocumentState, TaxTreatment,
};

const LEFT: i16 = 500;
const MIDDLE: i16 = 3_100;
const RIGHT: i16 = PAGE_WIDTH - 500;
const TOP: i16 = PAGE_HEIGHT - 600;
const BOTTOM: i16 = 700;
const FOOT: i16 = 400;
const COLUMN_WIDTH: i16 = 2_400;

const TITLE_SIZE: i16 = 180;
const TEXT_SIZE: i16 = 90;
const LINE_SIZE: i16 = 80;
const STEP: i16 = 130;

/// The left ends of the table's columns, and how wide their texts are at most.
const DAY: (i16, i16) = (LEFT, 560);
const KIND: (i16, i16) = (1_080, 800);
const RULE: (i16, i16) = (1_900, 1_180);
const EVENT: (i16, i16) = (3_100, 950);
/// The right ends of the columns with amounts.
const EVENT_AMOUNT_END: i16 = 4_800;

/// A document to print.
#[derive(Debug, Clone, Copy)]
pub struct Printed<'document> {
    /// The payout.
    pub payout_id: PayoutId,
    /// What is paid.
    pub amount: Money,
    /// The provider's fee, which the merchant bears. Only statements show it.
    pub fee: Option<Money>,
    /// The invoice. `None`: a statement.
    pub invoice: Option<Invoice<'document>>,
    /// What it says.
    pub content: &'document DocumentContent,
}

/// What an invoice has besides its content.
#[derive(Debug, Clone, Copy)]
pub struct Invoice<'document> {
    /// The state.
    pub state: PayoutDocumentState,
    /// The number. Empty for a draft.
    pub number: &'document str,
    /// When it became void, as people read it. Empty unless it is.
    pub voided_at: &'document str,
}

/// The document as a PDF.
///
/// # Errors
/// [`UnusableFont`] never happens with the font that is in the program.
pub fn pdf(printed: &Printed<'_>) -> Result<Vec<u8>, UnusableFont> {
    let mut sheet = Sheet { pages: Pages::new()?, y: TOP, amount: printed.amount };
    sheet.begin_page();
    let title = title(printed);
    sheet.head(printed, &title);
    sheet.parties(&printed.content.issuer, &printed.content.payee, printed.invoice.is_some());
    sheet.table(&printed.content.lines);
    sheet.totals(printed);
    sheet.feet(&title);
    sheet.pages.finish(&title)
}

fn title(printed: &Printed<'_>) -> String {
    match &printed.invoice {
        None => format!("Statement of payout {}", printed.payout_id),
        Some(invoice) if invoice.number.is_empty() => "Self-billing invoice (draft)".to_owned(),
        Some(invoice) => format!("Self-billing invoice {}", invoice.number),
    }
}

struct Sheet {
    pages: Pages,
    /// The baseline of the last line.
    y: i16,
    /// Any amount in the document's currency.
    amount: Money,
}

impl Sheet {
    fn page(&self) -> usize {
        self.pages.count().saturating_sub(1)
    }

    fn begin_page(&mut self) {
        self.pages.begin();
        self.y = TOP;
    }

    /// Goes down, to the next page if there is no room for so many lines.
    fn down(&mut self, lines: i16) {
        self.y -= STEP;
        if self.y - (lines - 1) * STEP < BOTTOM {
            self.begin_page();
        }
    }

    fn write(&mut self, x: i16, size: i16, text: &str) {
        self.pages.write(self.page(), (x, self.y), size, text);
    }

    fn write_to(&mut self, x: i16, size: i16, text: &str) {
        self.pages.write_to(self.page(), (x, self.y), size, text);
    }

    fn rule(&mut self) {
        self.pages.rule(self.page(), (LEFT, RIGHT), self.y - 40);
    }

    /// Writes a text of any length between the margins.
    fn paragraph(&mut self, text: &str) {
        for line in self.pages.wrap(TEXT_SIZE, RIGHT - LEFT, text) {
            self.down(1);
            self.write(LEFT, TEXT_SIZE, &line);
        }
    }

    fn head(&mut self, printed: &Printed<'_>, title: &str) {
        let size = if self.pages.width(TITLE_SIZE, title) > RIGHT - LEFT { TEXT_SIZE } else { TITLE_SIZE };
        self.write(LEFT, size, title);
        self.down(1);
        if let Some(invoice) = &printed.invoice {
            let state = match invoice.state {
                PayoutDocumentState::Draft => "Draft. It is no invoice until the payout is paid.".to_owned(),
                PayoutDocumentState::Finalized => String::new(),
                PayoutDocumentState::Voided => format!("VOID since {}. The payment was undone.", invoice.voided_at),
            };
            if !state.is_empty() {
                self.down(1);
                self.write(LEFT, TEXT_SIZE, &state);
            }
        }
        self.down(1);
        self.write(LEFT, TEXT_SIZE, &format!("Date: {}", printed.content.issued_on));
        self.write(MIDDLE, TEXT_SIZE, &format!("Payout: {}", printed.payout_id));
        self.down(1);
    }

    fn parties(&mut self, issuer: &DocumentParty, payee: &DocumentParty, is_invoice: bool) {
        let names = if is_invoice { ("Invoice recipient, who issues it", "Supplier") } else { ("From", "To") };
        let lines = [(LEFT, names.0, issuer), (MIDDLE, names.1, payee)].map(|(x, name, party)| {
            let mut lines = vec![name.to_owned()];
            let texts = std::iter::once(&party.name).chain(&party.address);
            lines.extend(texts.flat_map(|text| self.pages.wrap(TEXT_SIZE, COLUMN_WIDTH, text)));
            if !party.tax_number.is_empty() {
                lines.extend(self.pages.wrap(TEXT_SIZE, COLUMN_WIDTH, &format!("Tax number: {}", party.tax_number)));
            }
            (x, lines)
        });
        let count = lines.iter().map(|(_, lines)| lines.len()).max().unwrap_or_default();
        for index in 0..count {
            self.down(1);
            for (x, lines) in &lines {
                if let Some(line) = lines.get(index) {
                    self.write(*x, TEXT_SIZE, line);
                }
            }
        }
        self.down(1);
    }

    fn table(&mut self, lines: &[DocumentLine]) {
        self.down(3);
        self.table_head();
        for line in lines {
            let page = self.page();
            self.down(1);
            if self.page() != page {
                self.table_head();
                self.down(1);
            }
            let cells = [
                (DAY, line.day.to_string()),
                (KIND, describe(line.kind).to_owned()),
                (RULE, line.rule.clone()),
                (EVENT, line.event_id.clone()),
            ];
            for ((x, width), text) in cells {
                let text = self.pages.cut(LINE_SIZE, width, &text);
                self.write(x, LINE_SIZE, &text);
            }
            if let Some(amount) = line.event_amount {
                self.write_to(EVENT_AMOUNT_END, LINE_SIZE, &amount.to_string());
            }
            let amount = Money::new(line.amount_minor, self.amount.currency);
            self.write_to(RIGHT, LINE_SIZE, &amount.to_string());
        }
        self.rule();
    }

    fn table_head(&mut self) {
        for ((x, _), text) in [(DAY, "Day"), (KIND, "For"), (RULE, "Rule"), (EVENT, "Event")] {
            self.write(x, LINE_SIZE, text);
        }
        self.write_to(EVENT_AMOUNT_END, LINE_SIZE, "Amount of the event");
        self.write_to(RIGHT, LINE_SIZE, "Amount");
        self.rule();
    }

    fn totals(&mut self, printed: &Printed<'_>) {
        let content = printed.content;
        let money = |minor| Money::new(minor, printed.amount.currency).to_string();
        let mut sums = Vec::new();
        if printed.invoice.is_some() && content.tax.treatment == TaxTreatment::Rate {
            sums.push(("Net".to_owned(), money(content.net_minor)));
            sums.push((format!("Tax {}", percent(content.tax.rate_ppm)), money(content.tax_minor)));
        }
        sums.push(("Total".to_owned(), printed.amount.to_string()));
        if let Some(fee) = printed.fee {
            sums.push(("Fee of the provider, borne by the payer".to_owned(), fee.to_string()));
        }
        let count = i16::try_from(sums.len()).unwrap_or(i16::MAX);
        for (index, (name, amount)) in sums.iter().enumerate() {
            self.down(if index == 0 { count } else { 1 });
            self.write(MIDDLE, TEXT_SIZE, name);
            self.write_to(RIGHT, TEXT_SIZE, amount);
        }
        self.down(1);
        if printed.invoice.is_some() && content.tax.treatment == TaxTreatment::ReverseCharge {
            self.paragraph("Reverse charge: the recipient of the service owes the tax.");
        }
        for text in [&content.tax.note, &content.payment_terms] {
            if !text.is_empty() {
                self.paragraph(text);
            }
        }
    }

    /// Numbers the pages.
    fn feet(&mut self, title: &str) {
        let count = self.pages.count();
        for page in 0..count {
            self.pages.write(page, (LEFT, FOOT), LINE_SIZE, title);
            self.pages.write_to(page, (RIGHT, FOOT), LINE_SIZE, &format!("Page {} of {count}", page + 1));
        }
    }
}

/// A rate as people write it: `19 %`, `5.5 %`.
fn percent(rate_ppm: i32) -> String {
    let (whole, rest) = (rate_ppm / 10_000, rate_ppm % 10_000);
    let rest = format!("{rest:04}");
    match rest.trim_end_matches('0') {
        "" => format!("{whole} %"),
        rest => format!("{whole}.{rest} %"),
    }
}

const fn describe(kind: DocumentLineKind) -> &'static str {
    match kind {
        DocumentLineKind::Commission => "Commission",
        DocumentLineKind::Downline => "Downline",
        DocumentLineKind::TakenBack => "Taken back",
        DocumentLineKind::Correction => "Correction",
        DocumentLineKind::Click => "Click",
        DocumentLineKind::Bonus => "Bonus",
        DocumentLineKind::Submission => "Submission",
        DocumentLineKind::ByHand => "By hand",
    }
}

#[cfg(test)]
mod tests;
