//! ImportPayoutResults on the wire: reads a file of what became of payouts, a CSV, a report of a SEPA bank, or returns of ACH. All that is wrong
//! in a file is found at once.

mod nacha;
mod pain002;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::render;
use crate::domain::id::{PayoutExportId, PayoutId};
use crate::domain::money::Money;
use crate::domain::payout::{Payout, PayoutProblem};
use crate::domain::payout_export::{PayoutExport, WrongFileField};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ImportPayoutResults, PayoutResult, PayoutResultKind, problem_of_code};
use crate::error::{Error, FieldPaths};
use crate::outbound::file::nacha::entry_id;
use crate::pb;
use crate::rpc::call::Call;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX};
use crate::store;

/// The most payouts of a file.
const ROWS_MAX: usize = 1_000;

/// The most wrong rows that an answer names.
const WRONG_ROWS_MAX: usize = 100;

const FILE_BYTES_MAX: usize = 1 << 20;

const REASON_LENGTH_MAX: usize = 500;

/// The digits of an entry's number in a NACHA file: eight of the bank, and seven of the entry.
const TRACE_LENGTH: usize = 15;

/// What a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Payout(PayoutId),
    /// An entry of a NACHA file, by its number and by the id that it has there. The id may be empty.
    Entry {
        trace: String,
        entry_id: String,
    },
    /// All payouts of the export.
    All,
}

/// What a file says about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    kind: PayoutResultKind,
    amount: Option<Money>,
    reference: String,
    reason: String,
}

/// A file while it is read.
struct Report<'fields> {
    fields: &'fields mut Fields,
    /// The request's field with the file.
    field: &'static str,
    /// The result of each subject, with its place in the file.
    rows: Vec<(String, Subject, Told)>,
    wrong_count: usize,
}

impl Report<'_> {
    fn add(&mut self, place: String, subject: Subject, told: Told) {
        self.rows.push((place, subject, told));
        if self.rows.len() > ROWS_MAX {
            self.wrong_file(&format!("has more than {ROWS_MAX} payouts; make several files of it"));
        }
    }

    /// A part of the file is wrong.
    fn wrong(&mut self, place: &str, problem: &str) {
        self.wrong_count += 1;
        if self.wrong_count <= WRONG_ROWS_MAX {
            self.fields.wrong(self.field, format!("{place} {problem}"));
        }
    }

    /// The whole file is wrong.
    fn wrong_file(&mut self, problem: &str) {
        self.wrong_count += 1;
        self.fields.wrong(self.field, problem);
    }

    /// Whether nothing more need be read.
    fn is_full(&self) -> bool {
        self.rows.len() > ROWS_MAX
    }
}

/// The results of a file, before its entries are found among the payouts of an export.
#[derive(Debug)]
pub struct Found {
    field: &'static str,
    export_id: Option<PayoutExportId>,
    rows: Vec<(String, Subject, Told)>,
}

impl Change for pb::ImportPayoutResultsRequest {
    type Rule = ImportPayoutResults;
    type Kept = Found;

    const PATHS: FieldPaths = &[(Field::PayoutId, "csv"), (Field::PayoutIds, "csv")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ImportPayoutResultsRequest,
            self,
            paid_time: canonical::time(self.paid_time.as_ref());
            as_sent: request_id, csv, sepa_status_report, ach_returns, payout_export_id,
        )
    }

    /// The rule has the results whose payouts the file names itself.
    fn read(&self, asking: &Asking) -> Result<(ImportPayoutResults, Found), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let export_id = fields.optional_id("payout_export_id", &self.payout_export_id);
        let (field, rows) = file(self, &mut fields);
        let found = Found { field, export_id, rows };
        let results = match found.export_id {
            // The handler finds the payouts of the export.
            Some(_) => Vec::new(),
            None if self.payout_export_id.is_empty() => found.results(&mut fields, None),
            None => Vec::new(),
        };
        let paid_at = super::paid_time(&mut fields, self.paid_time.as_ref(), asking);
        fields.finish()?;
        Ok((ImportPayoutResults { results, paid_at }, found))
    }

    fn render(
        payouts: Vec<Arc<Payout>>,
        replayed: bool,
        _found: Found,
        _asking: &Asking,
    ) -> pb::ImportPayoutResultsResponse {
        pb::ImportPayoutResultsResponse { payouts: payouts.iter().map(|payout| render(payout)).collect(), replayed }
    }
}

/// Reads a file, finds its entries among the payouts of the export, and records the results.
pub(in crate::rpc) async fn import(
    call: Call,
    message: pb::ImportPayoutResultsRequest,
) -> Result<pb::ImportPayoutResultsResponse, Error> {
    let asking = call.asking();
    let (mut rule, found) = message.read(&asking)?;
    if let Some(id) = found.export_id {
        let export = store::payout_export::find(call.store(), call.account_id(), id).await?;
        let export = export.ok_or_else(|| Refusal::not_found(Resource::PayoutExport, id))?;
        let mut fields = Fields::default();
        rule.results = found.results(&mut fields, Some(&export));
        fields.finish()?;
    }
    let paths: FieldPaths = match found.field {
        "sepa_status_report" => &[(Field::PayoutId, "sepa_status_report"), (Field::PayoutIds, "sepa_status_report")],
        "ach_returns" => &[(Field::PayoutId, "ach_returns"), (Field::PayoutIds, "ach_returns")],
        _ => pb::ImportPayoutResultsRequest::PATHS,
    };
    let answer = call.carry_out_with(&message, rule, paths).await;
    let (payouts, replayed) = answer.map_err(|error| in_field(error, found.field))?;
    Ok(pb::ImportPayoutResultsRequest::render(payouts, replayed, found, &asking))
}

/// Names the request's field with the file in what is wrong with its payouts.
fn in_field(error: Error, field: &str) -> Error {
    let Error::Refused(Refusal::PayoutFile { wrong }, paths) = error else { return error };
    let named = |wrong: WrongFileField| {
        let subject = wrong.payout_id.map_or_else(String::new, |id| format!("{id}: "));
        let part = if wrong.field == "amount" { "amount " } else { "" };
        WrongFileField {
            payout_id: None,
            field: field.to_owned(),
            problem: format!("{subject}{part}{}", wrong.problem),
        }
    };
    Error::Refused(Refusal::PayoutFile { wrong: wrong.into_iter().map(named).collect() }, paths)
}

/// A reader of a kind of file.
type Reader = fn(&mut Report<'_>, &str);

/// Reads the one file that was sent. Returns its field, and its rows.
fn file(message: &pb::ImportPayoutResultsRequest, fields: &mut Fields) -> (&'static str, Vec<(String, Subject, Told)>) {
    let files: [(&'static str, &str, Reader); 3] = [
        ("csv", &message.csv, table::read),
        ("sepa_status_report", &message.sepa_status_report, pain002::read),
        ("ach_returns", &message.ach_returns, nacha::read),
    ];
    let sent: Vec<_> = files.into_iter().filter(|(_, text, _)| !text.is_empty()).collect();
    let (field, text, read) = match sent[..] {
        [] => {
            fields.wrong("csv", "is required, or sepa_status_report, or ach_returns");
            return ("csv", Vec::new());
        }
        [file] => file,
        [_, (second, ..), ..] => {
            fields.wrong(second, "is one file too many; send one of csv, sepa_status_report and ach_returns");
            return (second, Vec::new());
        }
    };
    if text.len() > FILE_BYTES_MAX {
        fields.wrong(field, format!("has {} bytes; at most {FILE_BYTES_MAX} are taken", text.len()));
        return (field, Vec::new());
    }
    let mut report = Report { fields, field, rows: Vec::new(), wrong_count: 0 };
    read(&mut report, text);
    if report.rows.is_empty() && report.wrong_count == 0 {
        report.wrong_file("tells nothing of any payout");
    }
    (field, report.rows)
}

impl Found {
    /// The results by payout. What a payout has twice, and what is in no payout of the export, is a wrong field.
    fn results(&self, fields: &mut Fields, export: Option<&PayoutExport>) -> Vec<PayoutResult> {
        let (mut results, mut places) = (Vec::new(), BTreeMap::new());
        let mut report = Report { fields, field: self.field, rows: Vec::new(), wrong_count: 0 };
        for (place, subject, told) in &self.rows {
            let payout_ids = match payouts_of(subject, export) {
                Ok(payout_ids) => payout_ids,
                Err(problem) => {
                    report.wrong(place, &problem);
                    continue;
                }
            };
            for payout_id in payout_ids {
                if let Some(before) = places.insert(payout_id, place) {
                    report.wrong(place, &format!("is about the same payout as {before}; each payout has one result"));
                    continue;
                }
                let Told { kind, amount, reference, reason } = told.clone();
                results.push(PayoutResult { payout_id, kind, amount, reference, reason });
            }
        }
        results
    }
}

/// The payouts of a subject, or why there are none.
fn payouts_of(subject: &Subject, export: Option<&PayoutExport>) -> Result<Vec<PayoutId>, String> {
    let Some(export) = export else {
        return match subject {
            Subject::Payout(payout_id) => Ok(vec![*payout_id]),
            Subject::Entry { .. } => Err(
                "names an entry by its number, which is in many files; send the payout_export_id of the file that it is about"
                    .to_owned(),
            ),
            Subject::All => {
                Err("is about a file as a whole; send the payout_export_id of this file".to_owned())
            }
        };
    };
    match subject {
        Subject::Payout(payout_id) if export.payout_ids.contains(payout_id) => Ok(vec![*payout_id]),
        Subject::Payout(payout_id) => Err(format!("is about {payout_id}, which is not in {}", export.id)),
        Subject::Entry { trace, entry_id } => entry(export, trace, entry_id).map(|payout_id| vec![payout_id]),
        Subject::All => Ok(export.payout_ids.clone()),
    }
}

/// The payout of an entry. Both of its names must be of the same payout.
fn entry(export: &PayoutExport, trace: &str, told_id: &str) -> Result<PayoutId, String> {
    let number = trace.get(TRACE_LENGTH - 7..).and_then(|digits| digits.parse::<usize>().ok()).unwrap_or_default();
    let found = number.checked_sub(1).and_then(|index| export.payout_ids.get(index));
    match found {
        Some(payout_id) if told_id.is_empty() || told_id.eq_ignore_ascii_case(&entry_id(*payout_id)) => Ok(*payout_id),
        Some(_) => Err(format!("has the number of entry {number} of {}, and the id of another one", export.id)),
        None => Err(format!("names entry {number}, and {} has {}", export.id, export.payout_ids.len())),
    }
}

/// A payout's id, with `pay_` or without it.
fn payout_id(text: &str) -> Option<PayoutId> {
    text.parse().ok().or_else(|| format!("pay_{}", text.to_ascii_lowercase()).parse().ok())
}

/// The problem behind a code of a bank.
fn problem(code: &str) -> PayoutProblem {
    PayoutProblem::new(problem_of_code(code), code, "")
}

/// A text of one line, if it is short enough.
fn line(text: Option<&str>, name: &str, length_max: usize) -> Result<String, String> {
    let text = text.unwrap_or_default().trim();
    if text.chars().count() > length_max {
        return Err(format!("has a {name} of more than {length_max} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("has a {name} with a line break or another control character"));
    }
    Ok(text.to_owned())
}
