//! Results in a file of ACH: returns of entries, with codes from R01 on, and notices of changes, with codes from C01 on. A notice says that the
//! entry was paid and that the account has other details.

use super::{Report, Subject, TRACE_LENGTH, Told, problem};
use crate::domain::money::{Currency, Money};
use crate::domain::rule::PayoutResultKind;

const RECORD_LENGTH: usize = 94;

/// An entry before its addenda.
struct Entry {
    amount_minor: i64,
    id: String,
}

/// Reads the file.
pub(super) fn read(report: &mut Report<'_>, text: &str) {
    let Ok(dollars) = "USD".parse::<Currency>() else { return };
    if !text.is_ascii() {
        return report.wrong_file("is no file of ACH, which is in ASCII");
    }
    let mut entry = None;
    for (index, record) in text.lines().enumerate() {
        let place = format!("record {}", index + 1);
        if record.trim().is_empty() {
            continue;
        }
        // Some banks cut the blanks at the end.
        let record = format!("{:<RECORD_LENGTH$}", record.trim_end());
        if record.len() != RECORD_LENGTH {
            report.wrong(&place, "has more than 94 characters");
            continue;
        }
        match &record[..1] {
            "6" => match record[29..39].parse() {
                Ok(amount_minor) => entry = Some(Entry { amount_minor, id: record[39..54].trim().to_owned() }),
                Err(_) => report.wrong(&place, "has no amount"),
            },
            "7" => match addenda(&record, entry.take(), dollars) {
                Ok((subject, told)) => report.add(place, subject, told),
                Err(problem) => report.wrong(&place, problem),
            },
            "1" | "5" | "8" | "9" => {}
            _ => report.wrong(&place, "begins with no digit of a record"),
        }
        if report.is_full() {
            return;
        }
    }
}

fn addenda(record: &str, entry: Option<Entry>, dollars: Currency) -> Result<(Subject, Told), &'static str> {
    let entry = entry.ok_or("has no entry before it")?;
    let (code, trace) = (record[3..6].to_owned(), record[6..6 + TRACE_LENGTH].to_owned());
    let (kind, number) = code.split_at(1);
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<u8>().ok().filter(|_| is_number).ok_or("has no code of a letter and two digits")?;
    if !trace.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("has no number of the entry that it is about, of 15 digits");
    }
    let told = match (&record[1..3], kind, number) {
        // Codes from R61 on are of the bank's dispute about a return, and not of a payment.
        ("99", "R", 1..=59 | 80..=85) => Told {
            kind: PayoutResultKind::Returned(problem(&code)),
            amount: Some(Money::new(entry.amount_minor, dollars)),
            reference: String::new(),
            reason: format!("{code}: {}", return_text(&code)),
        },
        // The new details stay in the file, because a note is read by many and details are stored encrypted.
        ("98", "C", 1..=14) => Told {
            kind: PayoutResultKind::Noted,
            amount: None,
            reference: String::new(),
            reason: format!("{code}: {}; the bank's file has the right one", change_text(&code)),
        },
        ("98" | "99", ..) => return Err("has a code that is neither of a return nor of a change; a person must look"),
        _ => return Err("has an addenda that is neither a return (99) nor a notice of change (98)"),
    };
    Ok((Subject::Entry { trace, entry_id: entry.id }, told))
}

/// The reason of a return in words.
fn return_text(code: &str) -> &'static str {
    match code {
        "R01" => "insufficient funds",
        "R02" => "the account is closed",
        "R03" => "there is no such account",
        "R04" => "the account number is invalid",
        "R10" | "R29" => "not authorized",
        "R16" => "the account is frozen",
        "R17" => "the bank could not read the entry",
        "R20" => "the account takes no transfers",
        "R23" => "the receiver refused it",
        "R24" => "the bank took it for a duplicate",
        _ => "the bank sent it back",
    }
}

/// What a notice of change is about.
fn change_text(code: &str) -> &'static str {
    match code {
        "C01" => "another account number",
        "C02" => "another routing number",
        "C03" => "another routing number and account number",
        "C04" => "another name",
        "C05" => "another kind of account",
        "C06" => "another account number and kind of account",
        "C07" => "another routing number, account number and kind of account",
        "C08" => "another number of the receiving bank",
        "C09" => "another id of the receiver",
        "C13" => "another form of the addenda",
        _ => "other details",
    }
}
