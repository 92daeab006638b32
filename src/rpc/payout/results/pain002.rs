//! Results in a report of a SEPA bank: pain.002 of ISO 20022, in any of its versions. A transfer is told by the id that its payout has in the
//! file, or the bank accepts or refuses the file as a whole.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{KEY_LENGTH_MAX, REASON_LENGTH_MAX, Report, Subject, Told, line, payout_id, problem};
use crate::domain::money::{Currency, Money};
use crate::domain::rule::PayoutResultKind;

/// Reports have about ten levels.
const DEPTH_MAX: usize = 40;

/// What a report says of a file, of a batch, or of a transfer.
#[derive(Debug, Default, Clone)]
struct Status {
    word: String,
    code: String,
    text: String,
}

/// A transfer of a report.
#[derive(Debug, Default)]
struct Transfer {
    status: Status,
    id: String,
    reference: String,
    amount: String,
    currency: String,
}

/// A report while it is read.
#[derive(Debug, Default)]
struct Walk {
    path: Vec<String>,
    text: String,
    file: Status,
    batch: Option<Status>,
    transfer: Option<Transfer>,
    /// The transfers of a batch, and of all batches.
    of_batch: usize,
    transfers: usize,
    /// Whether a batch was told that has no transfers of its own.
    has_whole_batch: bool,
}

/// Reads the file.
pub(super) fn read(report: &mut Report<'_>, text: &str) {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut walk = Walk::default();
    loop {
        let Ok(event) = reader.read_event() else {
            return report.wrong_file("is no XML");
        };
        match event {
            Event::Start(start) => {
                if let Err(problem) = walk.start(&start) {
                    return report.wrong_file(problem);
                }
            }
            Event::End(_) => walk.end(report),
            Event::Text(text) => walk.text.push_str(&text),
            Event::CData(text) => walk.text.push_str(&text),
            Event::GeneralRef(reference) => {
                let letter = match &*reference {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().ok().flatten(),
                };
                walk.text.extend(letter);
            }
            // Entities of a document type could be as long as its author likes.
            Event::DocType(_) => return report.wrong_file("has a document type, which no report of a bank has"),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        if report.is_full() {
            return;
        }
    }
    if !walk.path.is_empty() {
        return report.wrong_file("is no XML that ends");
    }
    // The bank told of the file and of nothing in it.
    if walk.transfers == 0 && !walk.has_whole_batch && !walk.file.word.is_empty() {
        add(report, "the file", Subject::All, &walk.file, None, String::new());
    }
}

impl Walk {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), &'static str> {
        let name = start.local_name().into_inner();
        match self.path.len() {
            0 if name != "Document" => return Err("is no pain.002, whose first element is Document"),
            1 if name != "CstmrPmtStsRpt" => return Err("is no pain.002, which has CstmrPmtStsRpt in its Document"),
            DEPTH_MAX.. => return Err("has more levels than any report of a bank"),
            _ => {}
        }
        match name {
            "OrgnlPmtInfAndSts" => (self.batch, self.of_batch) = (Some(Status::default()), 0),
            "TxInfAndSts" => self.transfer = Some(Transfer::default()),
            "InstdAmt" => {
                let currency = start.attributes().flatten().find(|attribute| attribute.key.as_ref() == "Ccy");
                if let (Some(transfer), Some(currency)) = (&mut self.transfer, currency) {
                    transfer.currency = currency.value.into_owned();
                }
            }
            _ => {}
        }
        self.path.push(name.to_owned());
        self.text.clear();
        Ok(())
    }

    /// The innermost status that is open.
    fn status(&mut self) -> &mut Status {
        match (&mut self.transfer, &mut self.batch) {
            (Some(transfer), _) => &mut transfer.status,
            (None, Some(batch)) => batch,
            (None, None) => &mut self.file,
        }
    }

    fn end(&mut self, report: &mut Report<'_>) {
        let Some(name) = self.path.pop() else { return };
        let text = std::mem::take(&mut self.text).trim().to_owned();
        let parent = self.path.last().map_or("", String::as_str).to_owned();
        match (parent.as_str(), name.as_str()) {
            (_, "GrpSts" | "PmtInfSts" | "TxSts") => self.status().word = text,
            ("Rsn", "Cd" | "Prtry") if self.status().code.is_empty() => self.status().code = text,
            ("StsRsnInf", "AddtlInf") if self.status().text.is_empty() => self.status().text = text,
            (_, "OrgnlPmtInfAndSts") => self.end_batch(report),
            (_, "TxInfAndSts") => self.end_transfer(report),
            (_, name) => {
                let Some(transfer) = &mut self.transfer else { return };
                match name {
                    "OrgnlEndToEndId" => transfer.id = text,
                    "AcctSvcrRef" => transfer.reference = text,
                    "InstdAmt" => transfer.amount = text,
                    _ => {}
                }
            }
        }
    }

    /// A batch without transfers is told as a whole. A file that Headwater made has one batch.
    fn end_batch(&mut self, report: &mut Report<'_>) {
        let Some(batch) = self.batch.take() else { return };
        if self.of_batch == 0 && !batch.word.is_empty() {
            self.has_whole_batch = true;
            add(report, "the batch", Subject::All, &batch, None, String::new());
        }
    }

    fn end_transfer(&mut self, report: &mut Report<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        self.of_batch += 1;
        self.transfers += 1;
        let place = format!("transfer {}", self.transfers);
        let Some(payout_id) = payout_id(&transfer.id) else {
            return report.wrong(&place, "has no OrgnlEndToEndId of 32 hexadecimal digits");
        };
        let amount = match amount(&transfer) {
            Ok(amount) => amount,
            Err(problem) => return report.wrong(&place, problem),
        };
        // A transfer without a status of its own has that of its batch, and else that of the file.
        let outer = self.batch.as_ref().filter(|batch| !batch.word.is_empty()).unwrap_or(&self.file);
        let status = if transfer.status.word.is_empty() { outer } else { &transfer.status };
        add(report, &place, Subject::Payout(payout_id), status, amount, transfer.reference);
    }
}

/// The amount of a transfer, if the bank repeats it.
fn amount(transfer: &Transfer) -> Result<Option<Money>, &'static str> {
    if transfer.amount.is_empty() {
        return Ok(None);
    }
    let currency = transfer.currency.parse::<Currency>().map_err(|_| "has an InstdAmt without a currency")?;
    let (whole, decimals) = transfer.amount.split_once('.').unwrap_or((&transfer.amount, ""));
    let decimals = decimals.trim_end_matches('0');
    let exponent = usize::try_from(currency.exponent()).unwrap_or_default();
    let digits = format!("{whole}{decimals:0<exponent$}");
    let is_number = decimals.len() <= exponent && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(minor) if is_number => Ok(Some(Money::new(minor, currency))),
        _ => Err("has an InstdAmt that is no amount of its currency"),
    }
}

fn add(
    report: &mut Report<'_>,
    place: &str,
    subject: Subject,
    status: &Status,
    amount: Option<Money>,
    reference: String,
) {
    let reference = match line(Some(&reference), "AcctSvcrRef", KEY_LENGTH_MAX) {
        Ok(reference) => reference,
        Err(problem) => return report.wrong(place, &problem),
    };
    let (kind, reason) = match status.word.as_str() {
        "ACSC" | "ACCC" => (PayoutResultKind::Paid, String::new()),
        "RJCT" | "CANC" => {
            let words = [status.word.as_str(), &status.code, &status.text];
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            let words: String = words.join(" ").chars().filter(|letter| !letter.is_control()).collect();
            let reason: String = words.chars().take(REASON_LENGTH_MAX).collect();
            (PayoutResultKind::Failed(problem(&status.code)), reason.trim().to_owned())
        }
        // The bank goes on with it, and tells the end later.
        "ACCP" | "ACSP" | "ACTC" | "ACFC" | "ACWC" | "ACWP" | "PATC" | "PART" | "PDNG" | "RCVD" => {
            (PayoutResultKind::Noted, String::new())
        }
        "" => return report.wrong(place, "has no status"),
        _ => return report.wrong(place, "has a status that is not known"),
    };
    report.add(place.to_owned(), subject, Told { kind, amount, reference, reason });
}
