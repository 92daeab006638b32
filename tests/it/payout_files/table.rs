//! CSV files, and that no cell of them is a formula.

use headwater::outbound::file::table::{PAYPAL_LINES_MAX, WISE_LINES_MAX, paypal, plain, wise};
use headwater::outbound::file::{Account, AccountKind, Line};
use proptest::prelude::*;

use super::{email, iban, line, text, united_states, wrong};
use crate::support::golden::assert_golden;

fn id(id: &str) -> Account {
    Account::ProviderId(id.to_owned())
}

fn lines() -> Vec<Line> {
    vec![
        line(1, "Ann Affiliate", email("ann@example.com"), (1_234, "EUR"), "Thanks, \"Ann\""),
        line(2, "=HYPERLINK(\"http://evil.example\")", email("bob@example.com"), (1, "EUR"), "+1 for you"),
    ]
}

/// The cells of a file, after a check of its form.
fn cells(text: &str) -> Vec<Vec<String>> {
    assert!(text.ends_with("\r\n") && !text.contains("\r\n\r\n"), "{text:?}");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Vec<Vec<String>> = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']), "{cell:?} is a formula");
        assert!(!cell.chars().any(char::is_control), "{cell:?}");
    }
    rows
}

#[test]
fn paypals_file_has_no_header_and_one_currency() {
    let text = text(paypal(&lines()));
    let rows = cells(&text);
    assert_eq!(rows[0][..3], ["ann@example.com", "12.34", "EUR"]);
    assert_eq!(rows[0][3..], [lines()[0].payout_id.to_string(), "Thanks, \"Ann\"".to_owned(), "PAYPAL".to_owned()]);
    assert_eq!(rows[1][4], "'+1 for you");
    assert_golden("payout_files/paypal.csv", &text);
    assert_eq!(paypal(&lines()), paypal(&lines()));

    // Two decimals in ISO 4217, none at PayPal.
    let forint = |amount| vec![line(1, "Ann", id("ANN7"), (amount, "HUF"), "")];
    assert_eq!(cells(&super::text(paypal(&forint(50_000))))[0][..3], ["ANN7", "500", "HUF"]);
    assert_eq!(wrong(paypal(&forint(50_050))), ["1 amount"]);
    let mut mixed = lines();
    mixed.push(line(3, "Ann", email("ann@example.com"), (1, "USD"), ""));
    assert_eq!(wrong(paypal(&mixed)), ["3 amount"]);
    assert_eq!(wrong(paypal(&vec![lines().remove(0); PAYPAL_LINES_MAX + 1])), [" lines"]);
}

#[test]
fn wises_file_names_all_payees_in_the_same_way() {
    let euro = "EUR".parse().unwrap();
    let text = text(wise(&lines(), "USD".parse().unwrap()));
    let rows = cells(&text);
    let header = "name,recipientEmail,sourceCurrency,targetCurrency,amountCurrency,amount,paymentReference";
    assert_eq!(rows[0].join(","), header);
    assert_eq!(rows[1][..6], ["Ann Affiliate", "ann@example.com", "USD", "EUR", "target", "12.34"]);
    assert_eq!(rows[2][0], "'=HYPERLINK(\"http://evil.example\")");
    assert_golden("payout_files/wise.csv", &text);

    let by_number = [line(1, "Ann", id("50000001"), (500, "JPY"), ""), lines().remove(0)];
    assert_eq!(wrong(wise(&by_number, euro)), ["2 account"]);
    let rows = cells(&super::text(wise(&by_number[..1], euro)));
    assert_eq!((rows[0][1].as_str(), rows[1][1].as_str(), rows[1][5].as_str()), ("recipientId", "50000001", "500"));
    let mut mixed = lines();
    mixed.push(line(3, "", id("1"), (0, "EUR"), ""));
    assert_eq!(wrong(wise(&mixed, euro)), ["3 account", "3 payee", "3 amount"]);
    assert_eq!(wrong(wise(&vec![lines().remove(0); WISE_LINES_MAX + 1], euro)), [" lines"]);
}

#[test]
fn the_plain_file_has_every_kind_of_account() {
    let mut rows = lines();
    let with_bic = Account::Iban { iban: "NL91ABNA0417164300".to_owned(), bic: Some("ABNANL2A".to_owned()) };
    rows.extend([
        line(3, "Ann", with_bic, (5, "KWD"), ""),
        line(4, "Ann", united_states("021000021", "-12", AccountKind::Savings), (5, "JPY"), "line\r\nbreak"),
        line(5, "Ann", united_states("021000021", "12", AccountKind::Checking), (5, "USD"), "\t=1+1"),
        line(6, "Ann", id("U1"), (5, "USD"), "＝1"),
    ]);
    let text = text(plain(&rows));
    let cells = cells(&text);
    assert_eq!(cells[0].join(","), "version,payout_id,payee,account_type,account,bank,amount,currency,reference");
    assert!(cells[1..].iter().all(|row| row[0] == "1" && row.len() == 9));
    assert_eq!(cells[3][3..8], ["iban", "NL91ABNA0417164300", "ABNANL2A", "0.005", "KWD"]);
    assert_eq!(cells[4][3..], ["us_savings", "'-12", "021000021", "5", "JPY", "line  break"]);
    assert_eq!(cells[5][8], "'=1+1");
    assert_golden("payout_files/plain.csv", &text);
    assert_eq!(plain(&rows), plain(&rows));
    let empty = [line(1, " ", iban(""), (0, "USD"), "")];
    assert_eq!(wrong(plain(&empty)), ["1 payee", "1 amount", "1 account"]);
    assert_eq!(wrong(plain(&[])), [" lines"]);
}

#[test]
fn an_address_that_a_spreadsheet_would_run_is_refused() {
    for address in
        ["=cmd@example.com", "+1@example.com", "@example.com", "ann", "a b@example.com", "a,b@example.com", ""]
    {
        assert_eq!(wrong(paypal(&[line(1, "Ann", email(address), (1, "EUR"), "")])), ["1 account"], "{address}");
    }
    for account in [id("-1"), id("a b"), id(""), iban("NL91ABNA0417164300")] {
        assert_eq!(wrong(paypal(&[line(1, "Ann", account, (1, "EUR"), "")])), ["1 account"]);
    }
}

proptest! {
    #[test]
    fn no_text_becomes_a_formula_or_another_row(payee in "[=+@\\-\t\r\n\", a-z＝＠]{0,12}x", reference in "[=+@\\-\t\r\n\", a-z＝＠]{0,20}") {
        let rows = [line(1, &payee, email("ann@example.com"), (1, "EUR"), &reference)];
        prop_assert_eq!(cells(&text(plain(&rows))).len(), 2);
        prop_assert_eq!(cells(&text(wise(&rows, "EUR".parse().unwrap()))).len(), 2);
        prop_assert_eq!(cells(&text(paypal(&rows))).len(), 1);
    }
}
