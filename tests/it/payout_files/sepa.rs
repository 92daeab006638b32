//! pain.001.001.09 by the rules of its published schema and of the EPC's guidelines, written down here again: the order of the elements,
//! how often each may stand there, and the form of its text.

use headwater::outbound::file::sepa::{LINES_MAX, SepaFile, end_to_end_id};
use headwater::outbound::file::{Account, Line};
use jiff::civil::date;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use uuid::Uuid;

use super::{CREATED_AT, iban, line, text, united_states, wrong};
use crate::support::golden::assert_golden;

fn file() -> SepaFile {
    SepaFile {
        file_id: Uuid::from_u128(0x0192_7c41_aaaa_7000_8000_0000_0000_0001),
        created_at: CREATED_AT,
        debtor: "Müller & Söhne GmbH".to_owned(),
        debtor_iban: "DE89 3704 0044 0532 0130 00".to_owned(),
        debtor_bic: Some("COBADEFFXXX".to_owned()),
        execution_date: date(2026, 11, 30),
        is_one_debit: true,
    }
}

fn lines() -> Vec<Line> {
    let with_bic =
        Account::Iban { iban: "FR1420041010050500013M02606".to_owned(), bic: Some("psstfrppxxx".to_owned()) };
    vec![
        line(1, "Ann Affiliate", iban("NL91ABNA0417164300"), (1_234, "EUR"), "Rewards of October 2026"),
        line(2, "Élodie Çelik", with_bic, (10_000_000, "EUR"), "Prämie & Bonus <1>"),
        line(3, "Γιώργος Παπαδόπουλος", iban("GR1601101250000000012300695"), (1, "EUR"), ""),
    ]
}

/// An element with its children, or with its text.
#[derive(Debug)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn all(&self, path: &str) -> Vec<&Element> {
        path.split('/').fold(vec![self], |found, name| {
            found.iter().flat_map(|element| &element.children).filter(|child| child.name == name).collect()
        })
    }

    fn one(&self, path: &str) -> &str {
        match self.all(path).as_slice() {
            [element] => &element.text,
            found => panic!("{path}: {found:?}"),
        }
    }
}

fn parse(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Element { name: String::new(), attributes: vec![], children: vec![], text: String::new() }];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(Element {
                name: start.name().as_ref().to_owned(),
                attributes: start
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        (attribute.key.as_ref().to_owned(), attribute.value.into_owned())
                    })
                    .collect(),
                children: vec![],
                text: String::new(),
            }),
            Event::End(_) => {
                let element = open.pop().unwrap();
                open.last_mut().unwrap().children.push(element);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
            // The one character of the SEPA schemes that XML may write in another way.
            Event::GeneralRef(reference) => {
                assert_eq!(&*reference, "apos");
                open.last_mut().unwrap().text.push('\'');
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let mut root = open.pop().unwrap();
    root.children.pop().unwrap()
}

/// The children of each element in the order of the schema, with how many there must and may be. Only elements that may be written
/// here are listed, so that any other one is an error.
type Children = &'static [(&'static str, usize, usize)];

const SCHEMA: &[(&str, Children)] = &[
    ("Document", &[("CstmrCdtTrfInitn", 1, 1)]),
    ("CstmrCdtTrfInitn", &[("GrpHdr", 1, 1), ("PmtInf", 1, 1)]),
    ("GrpHdr", &[("MsgId", 1, 1), ("CreDtTm", 1, 1), ("NbOfTxs", 1, 1), ("CtrlSum", 1, 1), ("InitgPty", 1, 1)]),
    ("InitgPty", &[("Nm", 1, 1)]),
    (
        "PmtInf",
        &[
            ("PmtInfId", 1, 1),
            ("PmtMtd", 1, 1),
            ("BtchBookg", 0, 1),
            ("NbOfTxs", 1, 1),
            ("CtrlSum", 1, 1),
            ("PmtTpInf", 1, 1),
            ("ReqdExctnDt", 1, 1),
            ("Dbtr", 1, 1),
            ("DbtrAcct", 1, 1),
            ("DbtrAgt", 1, 1),
            ("ChrgBr", 1, 1),
            ("CdtTrfTxInf", 1, usize::MAX),
        ],
    ),
    ("PmtTpInf", &[("SvcLvl", 1, 1)]),
    ("SvcLvl", &[("Cd", 1, 1)]),
    ("ReqdExctnDt", &[("Dt", 1, 1)]),
    ("Dbtr", &[("Nm", 1, 1)]),
    ("DbtrAcct", &[("Id", 1, 1)]),
    ("DbtrAgt", &[("FinInstnId", 1, 1)]),
    // Either of them, see below.
    ("FinInstnId", &[("BICFI", 0, 1), ("Othr", 0, 1)]),
    ("Othr", &[("Id", 1, 1)]),
    (
        "CdtTrfTxInf",
        &[("PmtId", 1, 1), ("Amt", 1, 1), ("CdtrAgt", 0, 1), ("Cdtr", 1, 1), ("CdtrAcct", 1, 1), ("RmtInf", 0, 1)],
    ),
    ("PmtId", &[("EndToEndId", 1, 1)]),
    ("Amt", &[("InstdAmt", 1, 1)]),
    ("CdtrAgt", &[("FinInstnId", 1, 1)]),
    ("Cdtr", &[("Nm", 1, 1)]),
    ("CdtrAcct", &[("Id", 1, 1)]),
    ("RmtInf", &[("Ustrd", 1, 1)]),
    // Of an account. That of `Othr` is a text.
    ("Id", &[("IBAN", 1, 1)]),
];

fn check(element: &Element, parent: &str) {
    let is_text = element.children.is_empty();
    let rules = SCHEMA.iter().find(|(name, _)| *name == element.name && !(is_text && parent == "Othr"));
    let Some((name, children)) = rules else { return check_text(&element.name, &element.text) };
    assert_eq!(element.text.trim(), "", "{name} has a text");
    let mut rest = element.children.as_slice();
    for (child, least, most) in *children {
        let count = rest.iter().take_while(|element| element.name == *child).count();
        assert!((*least..=*most).contains(&count), "{name}/{child}: {count}");
        rest = &rest[count..];
    }
    assert!(rest.is_empty(), "{name} has {} in a wrong place", rest[0].name);
    if element.name == "FinInstnId" {
        assert_eq!(element.children.len(), 1);
    }
    element.children.iter().for_each(|child| check(child, name));
}

fn check_text(name: &str, text: &str) {
    let length = text.chars().count();
    let is_sepa = text.chars().all(|c| c.is_ascii_alphanumeric() || "/-?:().,'+ ".contains(c));
    let is_id = is_sepa && !text.starts_with('/') && !text.ends_with('/') && !text.contains("//");
    let is_decimal = |digits_max: usize| {
        let (whole, cents) = text.split_once('.').unwrap();
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        is_digits(whole) && is_digits(cents) && cents.len() == 2 && (1..=digits_max).contains(&whole.len())
    };
    let is_right = match name {
        "MsgId" | "PmtInfId" | "EndToEndId" => (1..=35).contains(&length) && is_id,
        "Nm" => (1..=70).contains(&length) && is_sepa,
        "Ustrd" => (1..=140).contains(&length) && is_sepa,
        "CreDtTm" => text.parse::<jiff::Timestamp>().is_ok(),
        "Dt" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "NbOfTxs" => (1..=15).contains(&length) && text.bytes().all(|byte| byte.is_ascii_digit()),
        "CtrlSum" => is_decimal(15),
        "InstdAmt" => is_decimal(9),
        "PmtMtd" => text == "TRF",
        "BtchBookg" => ["true", "false"].contains(&text),
        "Cd" => text == "SEPA",
        "ChrgBr" => text == "SLEV",
        "Id" => text == "NOTPROVIDED",
        "BICFI" => {
            let (bank, rest) = text.split_at(4);
            matches!(length, 8 | 11)
                && bank
                    .bytes()
                    .chain(rest.bytes().skip(2))
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                && rest.bytes().take(2).all(|byte| byte.is_ascii_uppercase())
        }
        "IBAN" => is_iban(text),
        other => panic!("{other} is no element of the schema here"),
    };
    assert!(is_right, "{name}: {text:?}");
}

/// ISO 13616: letters become numbers, the first four characters go to the end, and the remainder by 97 is one.
fn is_iban(text: &str) -> bool {
    let (head, tail) = text.split_at(4);
    let digits = tail.chars().chain(head.chars()).map(|c| c.to_digit(36).unwrap());
    let remainder = digits.fold(0, |sum, digit| (sum * if digit > 9 { 100 } else { 10 } + digit) % 97);
    remainder == 1 && (15..=34).contains(&text.len()) && !text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Checks the whole file, and that it says what the lines say.
fn check_file(xml: &str, lines: &[Line]) -> Element {
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{xml}");
    let document = parse(xml);
    let namespace = ("xmlns".to_owned(), "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09".to_owned());
    assert_eq!((document.name.as_str(), &document.attributes), ("Document", &vec![namespace]));
    check(&document, "");
    let cents: i64 = lines.iter().map(|line| line.amount.amount_minor).sum();
    for group in ["CstmrCdtTrfInitn/GrpHdr", "CstmrCdtTrfInitn/PmtInf"] {
        assert_eq!(document.one(&format!("{group}/NbOfTxs")), lines.len().to_string());
        assert_eq!(document.one(&format!("{group}/CtrlSum")), format!("{}.{:02}", cents / 100, cents % 100));
    }
    let payments = document.all("CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf");
    for (payment, line) in payments.iter().zip(lines) {
        let cents = line.amount.amount_minor;
        assert_eq!(payment.one("Amt/InstdAmt"), format!("{}.{:02}", cents / 100, cents % 100));
        assert_eq!(payment.all("Amt/InstdAmt")[0].attributes, [("Ccy".to_owned(), "EUR".to_owned())]);
        assert_eq!(payment.one("PmtId/EndToEndId"), end_to_end_id(line));
        let Account::Iban { iban, .. } = &line.account else { panic!("{line:?}") };
        assert_eq!(payment.one("CdtrAcct/Id/IBAN"), iban.replace(' ', ""));
    }
    document
}

#[test]
fn the_file_keeps_the_rules_of_its_schema() {
    let xml = text(file().write(&lines()));
    let document = check_file(&xml, &lines());
    let payment = |at: usize, path: &str| document.all("CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf")[at].one(path).to_owned();
    assert_eq!(document.one("CstmrCdtTrfInitn/PmtInf/Dbtr/Nm"), "Mueller + Soehne GmbH");
    assert_eq!(document.one("CstmrCdtTrfInitn/GrpHdr/CreDtTm"), "2026-11-28T10:20:30Z");
    assert_eq!(payment(0, "Cdtr/Nm"), "Ann Affiliate");
    assert_eq!(payment(1, "RmtInf/Ustrd"), "Praemie + Bonus .1.");
    assert_eq!(payment(1, "CdtrAgt/FinInstnId/BICFI"), "PSSTFRPPXXX");
    assert_eq!(payment(2, "Cdtr/Nm"), "Giorgos Papadopoulos");
    assert_golden("payout_files/sepa.xml", &xml);
    let without_bic = SepaFile { debtor_bic: None, ..file() };
    check_file(&text(without_bic.write(&lines())), &lines());
}

#[test]
fn the_same_lines_give_the_same_bytes() {
    assert_eq!(file().write(&lines()), file().write(&lines()));
}

#[test]
fn every_wrong_field_of_every_line_is_named_and_there_is_no_file() {
    let mut wrong_lines = lines();
    let account = |text: &str, bic: Option<&str>| Account::Iban { iban: text.to_owned(), bic: bic.map(str::to_owned) };
    wrong_lines.extend([
        line(4, "王", iban("NL91ABNA0417164300"), (100, "EUR"), ""),
        line(5, "Ann", iban("NL91ABNA0417164301"), (100, "USD"), ""),
        // A right one, outside the SEPA area.
        line(6, "Ann", iban("BR1800360305000010009795493C1"), (0, "EUR"), ""),
        line(7, "Ann", account("NL91ABNA0417164300", Some("ABNA")), (99_999_999_999 + 1, "EUR"), ""),
        line(8, "", united_states("021000021", "1", headwater::outbound::file::AccountKind::Savings), (-5, "EUR"), ""),
    ]);
    let broken = SepaFile {
        debtor: "   ".to_owned(),
        debtor_iban: "DE00".to_owned(),
        debtor_bic: Some("1".to_owned()),
        execution_date: date(2026, 11, 27),
        ..file()
    };
    assert_eq!(
        wrong(broken.write(&wrong_lines)),
        [
            " debtor",
            " debtor_iban",
            " debtor_bic",
            " execution_date",
            "4 payee",
            "5 amount",
            "5 account.iban",
            "6 amount",
            "6 account.iban",
            "7 amount",
            "7 account.bic",
            "8 payee",
            "8 amount",
            "8 account",
        ]
    );
    assert_eq!(wrong(file().write(&[])), [" lines"]);
    let many = vec![lines().remove(0); LINES_MAX + 1];
    assert_eq!(wrong(file().write(&many)), [" lines"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_and_amount_gives_a_right_file(
        rows in prop::collection::vec(("[A-Z]\\PC{0,90}", "\\PC{0,200}", 1..=99_999_999_999_i64), 1..20),
    ) {
        let rows: Vec<Line> = (1..)
            .zip(&rows)
            .map(|(payout, (payee, reference, cents))| {
                line(payout, payee, iban("NL91ABNA0417164300"), (*cents, "EUR"), reference)
            })
            .collect();
        check_file(&text(file().write(&rows)), &rows);
    }
}
