//! NACHA files: credits to accounts in the United States by ACH, in one batch. Lines of 94 characters, in blocks of ten.

use super::latin::{ascii, cut};
use super::{Account, AccountKind, Checks, Line, WrongFields, positive, utc};
use crate::domain::bank::{account_number, routing_number};
use crate::domain::id::PayoutId;
use crate::domain::time::Time;

/// The length of each line, without its end.
const RECORD_LENGTH: usize = 94;

/// Lines of a block.
const BLOCK_RECORDS: usize = 10;

/// The number of an entry has seven digits, and an entry may have an addenda.
pub const LINES_MAX: usize = 100_000;

/// Ten digits of cents.
const AMOUNT_MINOR_MAX: i64 = 9_999_999_999;

/// Twelve digits of cents.
const TOTAL_MINOR_MAX: i64 = 999_999_999_999;

/// Only credits.
const SERVICE_CLASS: &str = "220";

const BATCH_NUMBER: &str = "0000001";

/// Who is paid by a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryClass {
    /// Persons: PPD.
    Persons,
    /// Companies: CCD.
    Companies,
}

/// The settings of a file. Texts are written in ASCII and cut to the length that the format has for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NachaFile {
    /// When the file is made.
    pub created_at: Time,
    /// Tells the files of a day apart: a capital letter or a digit.
    pub modifier: char,
    /// The routing number of the bank that takes the file.
    pub bank_routing_number: String,
    /// The bank's name.
    pub bank_name: String,
    /// The number that the bank gave the sender of files, of up to ten characters. Often a 1 and the EIN.
    pub origin: String,
    /// The company that pays.
    pub company_name: String,
    /// The company's number, of up to ten characters. Often the same as `origin`.
    pub company_id: String,
    /// Who is paid.
    pub entry_class: EntryClass,
    /// A word that the payee sees, such as `PAYOUT`. Ten characters.
    pub description: String,
    /// The day on which the payees should have the money.
    pub effective_date: jiff::civil::Date,
}

/// The file's own fields, as they stand in its lines.
struct Head {
    bank: String,
    bank_name: String,
    origin: String,
    company_name: String,
    company_id: String,
    description: String,
}

/// A line that is right.
struct Entry {
    code: &'static str,
    routing_number: String,
    account: String,
    amount_minor: i64,
    payee: String,
    id: String,
    addenda: String,
}

impl NachaFile {
    /// The file with these lines.
    ///
    /// # Errors
    /// [`WrongFields`].
    pub fn write(&self, lines: &[Line]) -> Result<Vec<u8>, WrongFields> {
        let mut checks = Checks::default();
        checks.count(lines, LINES_MAX);
        let head = self.head(&mut checks);
        let mut entries = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate() {
            checks.at(index);
            entries.extend(entry(line, &mut checks));
        }
        checks.line = None;
        let total_minor = entries.iter().map(|entry| entry.amount_minor).sum();
        if total_minor > TOTAL_MINOR_MAX {
            checks.refuse("lines", "must pay less than 10 billion USD in total; make several files");
        }
        let head = checks.finish(head)?;
        Ok(self.records(&head, &entries, total_minor))
    }

    fn head(&self, checks: &mut Checks) -> Option<Head> {
        let bank = checks.value("bank_routing_number", routing_number(&self.bank_routing_number));
        let bank_name = checks.value("bank_name", name(&self.bank_name, 23));
        let origin = checks.value("origin", number(&self.origin));
        let company_name = checks.value("company_name", name(&self.company_name, 16));
        let company_id = checks.value("company_id", number(&self.company_id));
        let description = checks.value("entry_description", name(&self.description, 10));
        if !(self.modifier.is_ascii_uppercase() || self.modifier.is_ascii_digit()) {
            checks.refuse("modifier", "must be a capital letter or a digit");
        }
        if self.effective_date < utc(self.created_at).date() {
            checks.refuse("effective_date", "must not be before the day on which the file is made");
        }
        Some(Head {
            bank: bank?,
            bank_name: bank_name?,
            origin: origin?,
            company_name: company_name?,
            company_id: company_id?,
            description: description?,
        })
    }

    fn records(&self, head: &Head, entries: &[Entry], total_minor: i64) -> Vec<u8> {
        let own = &head.bank[..8];
        let mut records = vec![self.file_header(head), self.batch_header(head)];
        for (index, entry) in entries.iter().enumerate() {
            let sequence = format!("{:07}", index + 1);
            let Entry { code, routing_number, account, amount_minor, payee, id, addenda } = entry;
            let has_addenda = u8::from(!addenda.is_empty());
            records.push(format!(
                "6{code}{routing_number}{account:<17}{amount_minor:010}{id:<15}{payee:<22}  {has_addenda}{own}{sequence}"
            ));
            if !addenda.is_empty() {
                records.push(format!("705{addenda:<80}0001{sequence}"));
            }
        }
        let count = records.len() - 2;
        let hash = entries.iter().filter_map(|entry| entry.routing_number[..8].parse::<u64>().ok()).sum::<u64>();
        let sums = format!("{:010}{:012}{total_minor:012}", hash % 10_000_000_000, 0);
        records.push(format!(
            "8{SERVICE_CLASS}{count:06}{sums}{:<10}{:19}{:6}{own}{BATCH_NUMBER}",
            head.company_id, "", ""
        ));
        let blocks = (records.len() + 1).div_ceil(BLOCK_RECORDS);
        records.push(format!("9{:06}{blocks:06}{count:08}{sums}{:39}", 1, ""));
        records.resize(blocks * BLOCK_RECORDS, "9".repeat(RECORD_LENGTH));
        let mut file = records.join("\n");
        file.push('\n');
        file.into_bytes()
    }

    fn file_header(&self, head: &Head) -> String {
        let made = utc(self.created_at);
        format!(
            "101 {bank}{origin:>10}{date}{hour:02}{minute:02}{modifier}094101{bank_name:<23}{company_name:<23}{reference:8}",
            bank = head.bank,
            origin = head.origin,
            date = date(made.date()),
            hour = made.hour(),
            minute = made.minute(),
            modifier = self.modifier,
            bank_name = head.bank_name,
            company_name = head.company_name,
            reference = "",
        )
    }

    fn batch_header(&self, head: &Head) -> String {
        let class = match self.entry_class {
            EntryClass::Persons => "PPD",
            EntryClass::Companies => "CCD",
        };
        format!(
            "5{SERVICE_CLASS}{company_name:<16}{free:20}{company_id:<10}{class}{description:<10}{date}{date}   1{own}{BATCH_NUMBER}",
            company_name = head.company_name,
            free = "",
            company_id = head.company_id,
            description = head.description,
            date = date(self.effective_date),
            own = &head.bank[..8],
        )
    }
}

/// The id of a line in the bank's reports: the last digits of the payout's id, because the format has room for 15 characters.
pub fn entry_id(payout_id: PayoutId) -> String {
    let digits = payout_id.uuid().simple().to_string();
    digits[digits.len() - 15..].to_ascii_uppercase()
}

fn entry(line: &Line, checks: &mut Checks) -> Option<Entry> {
    let payee = checks.value("payee", name(&line.payee, 22));
    let amount_minor = checks.value("amount", positive(line.amount, "USD", AMOUNT_MINOR_MAX));
    let Account::UnitedStates { routing_number: bank, number, kind } = &line.account else {
        checks.refuse("account", "must be an account at a bank in the United States");
        return None;
    };
    let routing_number = checks.value("account.routing_number", routing_number(bank));
    let account = checks.value("account.number", account_number(number));
    Some(Entry {
        code: match kind {
            AccountKind::Checking => "22",
            AccountKind::Savings => "32",
        },
        routing_number: routing_number?,
        account: account?,
        amount_minor: amount_minor?,
        payee: payee?,
        id: entry_id(line.payout_id),
        addenda: cut(&ascii(&line.reference), 80).to_owned(),
    })
}

fn date(date: jiff::civil::Date) -> String {
    format!("{:02}{:02}{:02}", date.year().rem_euclid(100), date.month(), date.day())
}

fn name(text: &str, length_max: usize) -> Result<String, &'static str> {
    let name = ascii(text);
    if name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        Ok(cut(&name, length_max).to_owned())
    } else {
        Err("must have Latin letters, or letters that can be written in Latin ones")
    }
}

fn number(text: &str) -> Result<String, &'static str> {
    let is_right = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_right { Ok(text.to_owned()) } else { Err("must have 1 to 10 letters and digits, as the bank gave it") }
}
