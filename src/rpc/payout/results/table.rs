//! Results in a CSV file, whose first row has the names of the columns.

use super::{KEY_LENGTH_MAX, REASON_LENGTH_MAX, Report, Subject, TRACE_LENGTH, Told, line, payout_id, problem};
use crate::domain::rule::PayoutResultKind;

/// The places of the columns in a row.
struct Columns {
    payout_id: usize,
    result: usize,
    reference: Option<usize>,
    reason: Option<usize>,
}

/// Reads the file.
pub(super) fn read(report: &mut Report<'_>, text: &str) {
    // Spreadsheets write this mark at the beginning.
    let text = text.trim_start_matches('\u{feff}');
    let first_row = text.lines().next().unwrap_or_default();
    let delimiter = if first_row.contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let Some(columns) = columns(report, &mut reader) else { return };
    for (index, record) in reader.records().enumerate() {
        // The first row has the names of the columns.
        let place = format!("row {}", index + 2);
        let read = record.map_err(|_| "is no row of a CSV file; quote texts with commas and quotes".to_owned());
        match read.and_then(|record| row(&record, &columns)) {
            Ok((subject, told)) => report.add(place, subject, told),
            Err(problem) => report.wrong(&place, &problem),
        }
        if report.is_full() {
            break;
        }
    }
}

/// Finds the columns by their names.
fn columns(report: &mut Report<'_>, reader: &mut csv::Reader<&[u8]>) -> Option<Columns> {
    let names = reader.headers().ok()?.clone();
    let place = |wanted: &str| names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    let (payout_id, result) = (place("payout_id"), place("result"));
    for (name, found) in [("payout_id", payout_id), ("result", result)] {
        if found.is_none() {
            report.wrong_file(&format!("lacks {name} in its first row, which has the names of the fields"));
        }
    }
    Some(Columns { payout_id: payout_id?, result: result?, reference: place("reference"), reason: place("reason") })
}

fn row(record: &csv::StringRecord, columns: &Columns) -> Result<(Subject, Told), String> {
    let cell = |place: usize| record.get(place).unwrap_or_default().trim();
    let subject = subject(cell(columns.payout_id))?;
    let text = |place: Option<usize>, name: &str, length_max: usize| line(place.map(cell), name, length_max);
    let reference = text(columns.reference, "reference", KEY_LENGTH_MAX)?;
    let reason = text(columns.reason, "reason", REASON_LENGTH_MAX)?;
    let kind = match cell(columns.result).to_ascii_lowercase().as_str() {
        "paid" => PayoutResultKind::Paid,
        // Many banks give nothing but their code.
        "failed" => PayoutResultKind::Failed(problem(if is_code(&reason) { &reason } else { "" })),
        _ => return Err("has a result that is neither paid nor failed".to_owned()),
    };
    Ok((subject, Told { kind, amount: None, reference, reason }))
}

/// The payout by its id, or by the number that its entry has in a NACHA file.
fn subject(id: &str) -> Result<Subject, String> {
    if id.len() == TRACE_LENGTH && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Subject::Entry { trace: id.to_owned(), entry_id: String::new() });
    }
    payout_id(id).map(Subject::Payout).ok_or_else(|| "has no payout_id of pay_ and 32 hexadecimal digits".to_owned())
}

/// Whether a text is a code of a bank and nothing else.
fn is_code(text: &str) -> bool {
    (3..=4).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}
