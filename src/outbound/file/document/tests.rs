//! The text of a document is read back from its bytes: the numbers of the glyphs, and what the file says that they mean.

use std::collections::HashMap;

use uuid::Uuid;

use super::*;
use crate::domain::calendar::Day;
use crate::domain::id::RewardId;
use crate::domain::payout_document::InvoiceTax;

fn money(amount_minor: i64) -> Money {
    Money::new(amount_minor, "EUR".parse().unwrap())
}

fn line(number: u128, amount_minor: i64) -> DocumentLine {
    DocumentLine {
        reward_id: RewardId::from_uuid(Uuid::from_u128(number)),
        day: Day(20_000),
        kind: DocumentLineKind::Commission,
        rule: "Herbstaktion für Łódź, Győr und Timișoara".to_owned(),
        event_id: format!("order-{number}"),
        event_amount: Some(money(10 * amount_minor)),
        amount_minor,
    }
}

fn content(lines: Vec<DocumentLine>, tax: InvoiceTax) -> DocumentContent {
    let total = lines.iter().map(|line| line.amount_minor).sum();
    let (net_minor, tax_minor) = tax.split(total).unwrap();
    DocumentContent {
        issued_on: Day(20_454),
        issuer: DocumentParty {
            name: "Ströme & Söhne GmbH".to_owned(),
            address: vec!["Große Straße 1".to_owned(), "10115 Berlin".to_owned(), "DE".to_owned()],
            tax_number: "DE123456789".to_owned(),
        },
        payee: DocumentParty {
            name: "Łucja Őrsi-Șerban Παπαδόπουλος Щербак".to_owned(),
            address: vec!["ul. Żółta 7".to_owned(), "90-001 Łódź".to_owned(), "PL".to_owned()],
            tax_number: "PL1234567890".to_owned(),
        },
        tax,
        net_minor,
        tax_minor,
        payment_terms: "Paid by bank transfer.".to_owned(),
        lines,
    }
}

fn invoice(content: &DocumentContent, state: PayoutDocumentState) -> Vec<u8> {
    let voided_at = if state == PayoutDocumentState::Voided { "2026-01-05 10:00 UTC" } else { "" };
    let number = if state == PayoutDocumentState::Draft { "" } else { "INV-2026-00017" };
    let amount = money(content.net_minor + content.tax_minor);
    let payout_id = PayoutId::from_uuid(Uuid::from_u128(7));
    let invoice = Some(Invoice { state, number, voided_at });
    pdf(&Printed { payout_id, amount, fee: None, invoice, content }).unwrap()
}

fn find(bytes: &[u8], part: &[u8], from: usize) -> Option<usize> {
    bytes[from..].windows(part.len()).position(|window| window == part).map(|place| from + place)
}

/// The texts of all pages, one a line.
fn texts(bytes: &[u8]) -> Vec<String> {
    let mut characters: HashMap<u16, char> = HashMap::new();
    let mut from = 0;
    while let Some(start) = find(bytes, b"beginbfchar\n", from) {
        let start = start + b"beginbfchar\n".len();
        from = find(bytes, b"endbfchar", start).unwrap();
        for pair in std::str::from_utf8(&bytes[start..from]).unwrap().lines() {
            let numbers: Vec<u16> =
                pair.split(' ').map(|number| u16::from_str_radix(&number[1..number.len() - 1], 16).unwrap()).collect();
            let [glyph, unit] = numbers[..] else { panic!("{pair}") };
            characters.insert(glyph, char::decode_utf16([unit]).next().unwrap().unwrap());
        }
    }
    let mut texts = Vec::new();
    let mut from = 0;
    while let Some(end) = find(bytes, b" Tj\n", from) {
        let shown = shown_before(bytes, end);
        texts.push(shown.chunks(2).map(|pair| characters[&u16::from_be_bytes([pair[0], pair[1]])]).collect());
        from = end + 1;
    }
    texts
}

/// The bytes of the string that ends at a place: hexadecimal, or in parentheses.
fn shown_before(bytes: &[u8], end: usize) -> Vec<u8> {
    let line_start = bytes[..end].windows(4).rposition(|window| window == b" Td\n").unwrap() + 4;
    let string = &bytes[line_start..end];
    if string[0] == b'<' {
        let digits = std::str::from_utf8(&string[1..string.len() - 1]).unwrap();
        return (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    }
    let mut shown = Vec::new();
    let mut rest = string[1..string.len() - 1].iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            shown.push(byte);
            continue;
        }
        match rest.next().unwrap() {
            b'n' => shown.push(b'\n'),
            b'r' => shown.push(b'\r'),
            b't' => shown.push(b'\t'),
            b'b' => shown.push(8),
            b'f' => shown.push(12),
            digit @ b'0'..=b'7' => {
                let others = [rest.next().unwrap(), rest.next().unwrap()];
                shown.push(others.iter().fold(digit - b'0', |sum, digit| (sum << 3) | (digit - b'0')));
            }
            other => shown.push(other),
        }
    }
    shown
}

#[test]
fn an_invoice_shows_names_numbers_and_sums() {
    let tax = InvoiceTax { treatment: TaxTreatment::Rate, rate_ppm: 190_000, note: "USt. nach § 12 UStG".to_owned() };
    let content = content(vec![line(1, 10_000), line(2, 1_900)], tax);
    let texts = texts(&invoice(&content, PayoutDocumentState::Finalized));
    for wanted in [
        "Self-billing invoice INV-2026-00017",
        "Date: 2026-01-01",
        "Ströme & Söhne GmbH",
        "Łucja Őrsi-Șerban Παπαδόπουλος Щербак",
        "90-001 Łódź",
        "Tax number: PL1234567890",
        "order-1",
        "1000.00 EUR",
        "100.00 EUR",
        "Net",
        "Tax 19 %",
        "19.00 EUR",
        "Total",
        "119.00 EUR",
        "USt. nach § 12 UStG",
        "Paid by bank transfer.",
        "Page 1 of 1",
    ] {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} is missing in {texts:#?}");
    }
    assert!(texts.iter().any(|text| text.starts_with("Herbstaktion für Łódź")), "{texts:#?}");
    assert!(!texts.iter().any(|text| text.contains("VOID") || text.contains("Draft")));
}

#[test]
fn the_same_document_has_the_same_bytes() {
    let content = content(vec![line(1, 500)], InvoiceTax::default());
    let bytes = invoice(&content, PayoutDocumentState::Finalized);
    assert_eq!(bytes, invoice(&content, PayoutDocumentState::Finalized));
    // Another layout, or another version of a library, must not change invoices that were sent. See ADR 75.
    assert_eq!((bytes.len(), crc32fast::hash(&bytes)), (LENGTH, CHECKSUM), "the bytes of invoices have changed");
}

/// The file of the test above, as it was when its layout was made.
const LENGTH: usize = 16_445;
const CHECKSUM: u32 = 1_256_886_654;

#[test]
fn a_draft_and_a_void_invoice_say_so() {
    let content = content(vec![line(1, 500)], InvoiceTax::default());
    let draft = texts(&invoice(&content, PayoutDocumentState::Draft));
    assert!(draft.iter().any(|text| text.starts_with("Draft.")), "{draft:#?}");
    assert!(!draft.iter().any(|text| text.contains("INV-")));
    let void = texts(&invoice(&content, PayoutDocumentState::Voided));
    assert!(void.iter().any(|text| text == "VOID since 2026-01-05 10:00 UTC. The payment was undone."), "{void:#?}");
    let full: Vec<_> = texts(&invoice(&content, PayoutDocumentState::Finalized));
    assert_eq!(void.len(), full.len() + 1, "nothing else differs");
}

#[test]
fn a_thousand_lines_have_pages_of_their_own() {
    let content = content((1..=1_000).map(|number| line(number, 100)).collect(), InvoiceTax::default());
    let bytes = invoice(&content, PayoutDocumentState::Finalized);
    let texts = texts(&bytes);
    for number in 1..=1_000 {
        assert!(texts.contains(&format!("order-{number}")));
    }
    let feet = texts.iter().filter(|text| text.starts_with("Page ")).count();
    assert!(feet > 15, "{feet} pages");
    assert_eq!(
        texts.iter().filter(|text| *text == "Amount of the event").count(),
        feet,
        "each page has the names of the columns"
    );
    assert!(texts.contains(&"1000.00 EUR".to_owned()));
    assert!(bytes.len() < 1_000_000, "{} bytes", bytes.len());
}

#[test]
fn what_the_font_does_not_have_and_what_is_too_long_is_shown() {
    let mut content = content(vec![line(1, 500)], InvoiceTax::default());
    content.payee.name = "山田".to_owned();
    content.issuer.name = "W".repeat(500);
    content.lines[0].rule = "long ".repeat(100);
    let texts = texts(&invoice(&content, PayoutDocumentState::Finalized));
    assert!(texts.contains(&"\u{fffd}\u{fffd}".to_owned()), "{texts:#?}");
    assert!(texts.iter().any(|text| text.starts_with("long long") && text.ends_with('…')));
    assert_eq!(texts.iter().filter(|text| text.starts_with('W')).map(String::len).sum::<usize>(), 500);
}

#[test]
fn rates_are_written_as_people_do() {
    for (rate_ppm, text) in [(190_000, "19 %"), (55_000, "5.5 %"), (81, "0.0081 %"), (0, "0 %"), (1_000_000, "100 %")] {
        assert_eq!(percent(rate_ppm), text);
    }
}
