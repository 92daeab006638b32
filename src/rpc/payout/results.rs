//! ImportPayoutResults on the wire: reads a CSV file of what became of payouts. All wrong rows are found at once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::render;
use crate::domain::id::PayoutId;
use crate::domain::payout::Payout;
use crate::domain::refusal::Field;
use crate::domain::rule::{ImportPayoutResults, PayoutResult};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX};

/// The most rows of a file.
const ROWS_MAX: usize = 1_000;

/// The most wrong rows that an answer names.
const WRONG_ROWS_MAX: usize = 100;

const FILE_BYTES_MAX: usize = 1 << 20;

const REASON_LENGTH_MAX: usize = 500;

impl Change for pb::ImportPayoutResultsRequest {
    type Rule = ImportPayoutResults;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::PayoutId, "csv"), (Field::PayoutIds, "csv")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ImportPayoutResultsRequest,
            self,
            paid_time: canonical::time(self.paid_time.as_ref());
            as_sent: request_id, csv,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(ImportPayoutResults, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let results = file(&mut fields, &self.csv);
        let paid_at = super::paid_time(&mut fields, self.paid_time.as_ref(), asking);
        fields.finish()?;
        Ok((ImportPayoutResults { results, paid_at }, ()))
    }

    fn render(payouts: Vec<Arc<Payout>>, replayed: bool, (): (), _asking: &Asking) -> pb::ImportPayoutResultsResponse {
        pb::ImportPayoutResultsResponse { payouts: payouts.iter().map(|payout| render(payout)).collect(), replayed }
    }
}

/// The places of the columns in a row.
struct Columns {
    payout_id: usize,
    result: usize,
    reference: Option<usize>,
    reason: Option<usize>,
}

/// Reads the file.
fn file(fields: &mut Fields, text: &str) -> Vec<PayoutResult> {
    if text.len() > FILE_BYTES_MAX {
        fields.wrong("csv", format!("has {} bytes; at most {FILE_BYTES_MAX} are taken", text.len()));
        return Vec::new();
    }
    // Spreadsheets write this mark at the beginning.
    let text = text.trim_start_matches('\u{feff}');
    let first_row = text.lines().next().unwrap_or_default();
    let delimiter = if first_row.contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let Some(columns) = columns(fields, &mut reader) else { return Vec::new() };
    let (mut results, mut seen, mut wrong_count) = (Vec::new(), BTreeMap::new(), 0);
    for (index, record) in reader.records().enumerate() {
        // The first row has the names of the columns.
        let number = index + 2;
        if index >= ROWS_MAX {
            fields.wrong("csv", format!("has more than {ROWS_MAX} payouts; make several files of it"));
            break;
        }
        let read = record.map_err(|_| "is no row of a CSV file; quote texts with commas and quotes".to_owned());
        let read = read.and_then(|record| row(&record, &columns)).and_then(|result| {
            match seen.insert(result.payout_id, number) {
                Some(before) => Err(format!("is about the same payout as row {before}; each payout has one row")),
                None => Ok(result),
            }
        });
        match read {
            Ok(result) => results.push(result),
            Err(problem) if wrong_count < WRONG_ROWS_MAX => {
                wrong_count += 1;
                fields.wrong("csv", format!("row {number} {problem}"));
            }
            Err(_) => {}
        }
    }
    if results.is_empty() && wrong_count == 0 {
        fields.wrong("csv", "has no payout; a row for each belongs below the names of the fields");
    }
    results
}

/// Finds the columns by their names.
fn columns(fields: &mut Fields, reader: &mut csv::Reader<&[u8]>) -> Option<Columns> {
    let names = reader.headers().ok()?.clone();
    let place = |wanted: &str| names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    let (payout_id, result) = (place("payout_id"), place("result"));
    for (name, found) in [("payout_id", payout_id), ("result", result)] {
        if found.is_none() {
            fields.wrong("csv", format!("lacks {name} in its first row, which has the names of the fields"));
        }
    }
    Some(Columns { payout_id: payout_id?, result: result?, reference: place("reference"), reason: place("reason") })
}

fn row(record: &csv::StringRecord, columns: &Columns) -> Result<PayoutResult, String> {
    let cell = |place: usize| record.get(place).unwrap_or_default().trim();
    let id = cell(columns.payout_id);
    let payout_id = id
        .parse::<PayoutId>()
        .or_else(|_| format!("pay_{}", id.to_ascii_lowercase()).parse())
        .map_err(|_| "has no payout_id of pay_ and 32 hexadecimal digits".to_owned())?;
    let is_paid = match cell(columns.result).to_ascii_lowercase().as_str() {
        "paid" => true,
        "failed" => false,
        _ => return Err("has a result that is neither paid nor failed".to_owned()),
    };
    let text = |place: Option<usize>, name: &str, length_max: usize| {
        let text = place.map(cell).unwrap_or_default();
        if text.chars().count() > length_max {
            return Err(format!("has a {name} of more than {length_max} characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("has a {name} with a line break or another control character"));
        }
        Ok(text.to_owned())
    };
    let reference = text(columns.reference, "reference", KEY_LENGTH_MAX)?;
    let reason = text(columns.reason, "reason", REASON_LENGTH_MAX)?;
    Ok(PayoutResult { payout_id, is_paid, reference, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<PayoutResult>, Vec<String>> {
        let mut fields = Fields::default();
        let results = file(&mut fields, text);
        match fields.finish() {
            Ok(()) => Ok(results),
            Err(Error::InvalidFields(violations)) => Err(violations.into_iter().map(|v| v.description).collect()),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn id(number: u128) -> PayoutId {
        PayoutId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_file_is_read_whatever_its_columns_and_separator() {
        let paid =
            PayoutResult { payout_id: id(1), is_paid: true, reference: "TRX, 17".to_owned(), reason: String::new() };
        let failed = PayoutResult {
            payout_id: id(2),
            is_paid: false,
            reference: String::new(),
            reason: "closed; account".to_owned(),
        };
        let (first, second) = (id(1), format!("{:032X}", 2));
        let commas = format!(
            "payout_id,result,reference,reason\r\n{first},paid,\"TRX, 17\",\r\n{second},FAILED,,closed; account\r\n"
        );
        // The first row decides which character separates.
        let semicolons = format!(
            "\u{feff}bank;Reason;Result;reference;payout_id\nX;;paid;TRX, 17;{first}\nY;\"closed; account\";failed;;{second}\n"
        );
        assert_eq!(read(&commas), Ok(vec![paid.clone(), failed.clone()]));
        assert_eq!(read(&semicolons), Ok(vec![paid.clone(), failed]));
        let few = format!("payout_id,result\n{first},paid");
        assert_eq!(read(&few), Ok(vec![PayoutResult { reference: String::new(), ..paid }]));
    }

    #[test]
    fn all_wrong_rows_are_named() {
        let (first, second) = (id(1), id(2));
        let text = format!("payout_id,result\npay_1,paid\n{first},maybe\n{second},paid\n{second},failed\n");
        assert_eq!(
            read(&text),
            Err(vec![
                "row 2 has no payout_id of pay_ and 32 hexadecimal digits".to_owned(),
                "row 3 has a result that is neither paid nor failed".to_owned(),
                "row 5 is about the same payout as row 4; each payout has one row".to_owned(),
            ])
        );
        let no_column = "lacks result in its first row, which has the names of the fields";
        assert_eq!(read("payout_id\nx"), Err(vec![no_column.to_owned()]));
        let empty = read("payout_id,result\n").unwrap_err();
        assert!(empty[0].starts_with("has no payout"), "{empty:?}");
        let long = format!("payout_id,result,reference\n{first},paid,{}\n", "x".repeat(129));
        assert_eq!(read(&long), Err(vec!["row 2 has a reference of more than 128 characters".to_owned()]));
        let rows: String = (1..=1_001).map(|number| format!("{},paid\n", id(number))).collect();
        let many = read(&format!("payout_id,result\n{rows}")).unwrap_err();
        assert_eq!(many, ["has more than 1000 payouts; make several files of it"]);
    }
}
