//! NACHA files, read again by the positions of the format's rules.

use headwater::outbound::file::nacha::{EntryClass, NachaFile, entry_id};
use headwater::outbound::file::{AccountKind, Line};
use jiff::civil::date;
use proptest::prelude::*;

use super::{CREATED_AT, iban, line, text, united_states, wrong};
use crate::support::golden::assert_golden;

fn file() -> NachaFile {
    NachaFile {
        created_at: CREATED_AT,
        modifier: 'A',
        bank_routing_number: "091000019".to_owned(),
        bank_name: "Wells Fargo".to_owned(),
        origin: "1123456789".to_owned(),
        company_name: "Shop".to_owned(),
        company_id: "1123456789".to_owned(),
        entry_class: EntryClass::Persons,
        description: "PAYOUT".to_owned(),
        effective_date: date(2026, 11, 30),
    }
}

fn lines() -> Vec<Line> {
    vec![
        line(1, "Ann Affiliate", united_states("021000021", "12345678", AccountKind::Checking), (1_234, "USD"), ""),
        line(
            2,
            "José Ñandú, who has a very long name",
            united_states("121042882", "00-77 AB", AccountKind::Savings),
            (9_999_999_999, "USD"),
            "Rewards of October",
        ),
    ]
}

/// Positions of a record, counted from one as in the rules, without the spaces at the end.
fn at(record: &str, from: usize, to: usize) -> &str {
    record[from - 1..to].trim_end()
}

fn number(record: &str, from: usize, to: usize) -> u64 {
    record[from - 1..to].parse().unwrap_or_else(|_| panic!("{from} to {to} of {record:?}"))
}

/// Checks every total of the file against its entries.
fn check_file(text: &str, lines: &[Line]) -> Vec<String> {
    assert!(text.ends_with('\n') && text.is_ascii());
    let records: Vec<&str> = text.lines().collect();
    assert!(records.iter().all(|record| record.len() == 94), "{records:?}");
    assert_eq!(records.len() % 10, 0);
    let (head, rest) = records.split_at(2);
    assert!(head[0].starts_with("101 ") && at(head[0], 35, 40) == "094101", "{head:?}");
    assert!(head[1].starts_with("5220") && head[1].as_bytes()[78] == b'1', "{head:?}");
    let body: Vec<&str> = rest.iter().copied().take_while(|record| record.starts_with(['6', '7'])).collect();
    let tail = &rest[body.len()..];
    let (batch, end, fill) = (tail[0], tail[1], &tail[2..]);
    assert!(batch.starts_with("8220") && end.starts_with('9'), "{tail:?}");
    assert!(fill.iter().all(|record| *record == "9".repeat(94)) && fill.len() < 10, "{fill:?}");

    let entries: Vec<&str> = body.iter().copied().filter(|record| record.starts_with('6')).collect();
    assert_eq!(entries.len(), lines.len());
    let hash = entries.iter().map(|entry| number(entry, 4, 11)).sum::<u64>() % 10_000_000_000;
    let cents: u64 = entries.iter().map(|entry| number(entry, 30, 39)).sum();
    let told: i64 = lines.iter().map(|line| line.amount.amount_minor).sum();
    assert_eq!(cents, told.unsigned_abs());
    for (record, from) in [(batch, 11), (end, 22)] {
        assert_eq!(number(record, from, from + 9), hash);
        assert_eq!(number(record, from + 10, from + 21), 0);
        assert_eq!(number(record, from + 22, from + 33), cents);
    }
    let count = body.len() as u64;
    assert_eq!((number(batch, 5, 10), number(end, 14, 21)), (count, count));
    assert_eq!((number(end, 2, 7), number(end, 8, 13)), (1, records.len() as u64 / 10));
    // The batch ends as it begins.
    assert_eq!((at(head[1], 41, 50), at(head[1], 80, 94)), (at(batch, 45, 54), at(batch, 80, 94)));
    let own = at(head[0], 5, 12);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(at(entry, 80, 94), format!("{own}{:07}", index + 1));
        assert_eq!(at(entry, 40, 54), entry_id(lines[index].payout_id));
    }
    for pair in body.windows(2) {
        let has_addenda = pair[0].starts_with('6') && at(pair[0], 79, 79) == "1";
        assert_eq!(pair[1].starts_with("705"), has_addenda, "{pair:?}");
        if has_addenda {
            assert_eq!(at(pair[1], 84, 94), format!("0001{}", at(pair[0], 88, 94)));
        }
    }
    records.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_file_keeps_the_positions_of_its_format() {
    let text = text(file().write(&lines()));
    let records = check_file(&text, &lines());
    assert_eq!(at(&records[0], 4, 13), " 091000019");
    assert_eq!(at(&records[0], 14, 23), "1123456789");
    assert_eq!(at(&records[0], 24, 34), "2611281020A");
    assert_eq!((at(&records[0], 41, 63), at(&records[0], 64, 86)), ("Wells Fargo", "Shop"));
    assert_eq!((at(&records[1], 5, 20), at(&records[1], 51, 63)), ("Shop", "PPDPAYOUT"));
    assert_eq!((at(&records[1], 64, 75), at(&records[1], 76, 79)), ("261130261130", "   1"));
    assert_eq!((at(&records[2], 1, 12), at(&records[2], 13, 29)), ("622021000021", "12345678"));
    assert_eq!((at(&records[2], 55, 76), at(&records[2], 79, 79)), ("Ann Affiliate", "0"));
    assert_eq!((at(&records[3], 1, 12), at(&records[3], 13, 29)), ("632121042882", "00-77AB"));
    assert_eq!(at(&records[3], 55, 76), "Jose Nandu, who has a");
    assert_eq!(at(&records[4], 4, 83), "Rewards of October");
    assert_golden("payout_files/nacha.txt", &text);
    assert_eq!(file().write(&lines()), file().write(&lines()));
    let companies = super::text(NachaFile { entry_class: EntryClass::Companies, ..file() }.write(&lines()));
    assert!(companies.contains("CCDPAYOUT"));
}

#[test]
fn the_blocks_are_filled_for_every_number_of_lines() {
    for count in 1..=25 {
        let lines: Vec<Line> =
            (0..count).map(|payout| line(payout, "Ann", lines()[0].account.clone(), (1, "USD"), "")).collect();
        let records = check_file(&text(file().write(&lines)), &lines).len();
        let count = usize::try_from(count).unwrap();
        assert_eq!(records, (count + 4).div_ceil(10) * 10);
    }
}

#[test]
fn every_wrong_field_of_every_line_is_named_and_there_is_no_file() {
    let account = |routing: &str, number: &str| united_states(routing, number, AccountKind::Checking);
    let wrong_lines = [
        lines().remove(0),
        // The check digit, the district, and their length.
        line(2, "Ann", account("021000022", "1"), (1, "USD"), ""),
        line(3, "Ann", account("991000010", "1"), (1, "USD"), ""),
        line(4, "Ann", account("02100002", "1"), (1, "USD"), ""),
        line(5, "Ann", account("021000021", ""), (1, "USD"), ""),
        line(6, "Ann", account("021000021", "123456789012345678"), (1, "USD"), ""),
        line(7, "Ann", account("021000021", "12;34"), (1, "EUR"), ""),
        line(8, "王", account("021000021", "1"), (10_000_000_000, "USD"), ""),
        line(9, "Ann", iban("NL91ABNA0417164300"), (0, "USD"), ""),
    ];
    let broken = NachaFile {
        modifier: 'a',
        bank_routing_number: "1".to_owned(),
        bank_name: String::new(),
        origin: "12345678901".to_owned(),
        company_name: "?".to_owned(),
        company_id: "a b".to_owned(),
        description: String::new(),
        effective_date: date(2026, 11, 27),
        ..file()
    };
    assert_eq!(
        wrong(broken.write(&wrong_lines)),
        [
            " bank_routing_number",
            " bank_name",
            " origin",
            " company_name",
            " company_id",
            " entry_description",
            " modifier",
            " effective_date",
            "2 account.routing_number",
            "3 account.routing_number",
            "4 account.routing_number",
            "5 account.number",
            "6 account.number",
            "7 amount",
            "7 account.number",
            "8 payee",
            "8 amount",
            "9 amount",
            "9 account",
        ]
    );
    assert_eq!(wrong(file().write(&[])), [" lines"]);
    // Twelve digits of cents are the most of a file.
    let many = vec![lines().remove(1); 101];
    assert_eq!(wrong(file().write(&many)), [" lines"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_and_amount_gives_a_right_file(
        rows in prop::collection::vec(("[A-Z]\\PC{0,40}", "\\PC{0,100}", 1..=9_999_999_999_i64, any::<bool>()), 1..30),
    ) {
        let rows: Vec<Line> = (1..)
            .zip(&rows)
            .map(|(payout, (payee, reference, cents, is_savings))| {
                let kind = if *is_savings { AccountKind::Savings } else { AccountKind::Checking };
                line(payout, payee, united_states("021000021", "123456", kind), (*cents, "USD"), reference)
            })
            .collect();
        check_file(&text(file().write(&rows)), &rows);
    }
}
