//! CSV files: for the upload pages of PayPal and Wise, and a plain one for everything else. Quoted by RFC 4180, in UTF-8. No cell is a
//! formula, because people open these files in spreadsheets: a formula in an affiliate's name would run on the owner's machine.

use super::{Account, AccountKind, Checks, Line, WrongFields};
use crate::domain::money::{Currency, Money};
use crate::outbound::provider::{decimal_of, paypal};

/// Rows that PayPal's page takes.
pub const PAYPAL_LINES_MAX: usize = 5_000;

/// Rows that Wise's page takes.
pub const WISE_LINES_MAX: usize = 1_000;

/// Rows of a plain file.
pub const PLAIN_LINES_MAX: usize = 1_000_000;

/// The version of the plain file's columns.
const PLAIN_VERSION: &str = "1";

const NOTE_CHARACTERS_MAX: usize = 4_000;
const WISE_REFERENCE_CHARACTERS_MAX: usize = 35;
const EMAIL_LENGTH_MAX: usize = 127;

/// The file for PayPal's page "Payouts on the web": no header, one currency.
///
/// # Errors
/// [`WrongFields`].
pub fn paypal(lines: &[Line]) -> Result<Vec<u8>, WrongFields> {
    let mut checks = Checks::default();
    checks.count(lines, PAYPAL_LINES_MAX);
    let mut rows = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        checks.at(index);
        let currency = line.amount.currency;
        if lines.first().is_some_and(|first| first.amount.currency != currency) {
            checks.refuse("amount", "must be in the currency of the first line; make a file for each currency");
        }
        let receiver = match &line.account {
            Account::Email(address) => email(address),
            Account::ProviderId(id) => provider_id(id),
            Account::Iban { .. } | Account::UnitedStates { .. } | Account::Other(_) => {
                Err("must be an email address or an id of PayPal")
            }
        };
        let receiver = checks.value("account", receiver);
        let amount = checks.value("amount", amount_of(line.amount, paypal::exponent(currency)));
        let note: String = line.reference.chars().take(NOTE_CHARACTERS_MAX).collect();
        if let (Some(receiver), Some(amount)) = (receiver, amount) {
            let id = line.payout_id.to_string();
            rows.push(vec![receiver, amount, currency.code().to_owned(), id, text(&note), "PAYPAL".to_owned()]);
        }
    }
    checks.finish(Some(()))?;
    write(&rows)
}

/// The file for Wise's batch page, paid from a balance in this currency. Payees are all named by their email, or all by their number.
///
/// # Errors
/// [`WrongFields`].
pub fn wise(lines: &[Line], source_currency: Currency) -> Result<Vec<u8>, WrongFields> {
    let mut checks = Checks::default();
    checks.count(lines, WISE_LINES_MAX);
    let is_by_email = lines.first().is_some_and(|line| matches!(line.account, Account::Email(_)));
    let recipient = if is_by_email { "recipientEmail" } else { "recipientId" };
    let header =
        ["name", recipient, "sourceCurrency", "targetCurrency", "amountCurrency", "amount", "paymentReference"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (index, line) in lines.iter().enumerate() {
        checks.at(index);
        let account = match &line.account {
            Account::Email(address) if is_by_email => email(address),
            Account::ProviderId(id) if !is_by_email && id.bytes().all(|byte| byte.is_ascii_digit()) => provider_id(id),
            _ if is_by_email => Err("must be an email address as in the first line; make a file for each kind"),
            _ => Err("must be the number of a recipient at Wise, as in the first line"),
        };
        let account = checks.value("account", account);
        let payee = checks.value("payee", payee(line));
        let currency = line.amount.currency;
        let amount = checks.value("amount", amount_of(line.amount, currency.exponent()));
        let reference: String = line.reference.chars().take(WISE_REFERENCE_CHARACTERS_MAX).collect();
        if let (Some(account), Some(payee), Some(amount)) = (account, payee, amount) {
            let (source, target) = (source_currency.code().to_owned(), currency.code().to_owned());
            rows.push(vec![payee, account, source, target, "target".to_owned(), amount, text(&reference)]);
        }
    }
    checks.finish(Some(()))?;
    write(&rows)
}

/// A file for any other way to pay. Its first column is the version of its columns.
///
/// # Errors
/// [`WrongFields`].
pub fn plain(lines: &[Line]) -> Result<Vec<u8>, WrongFields> {
    let mut checks = Checks::default();
    checks.count(lines, PLAIN_LINES_MAX);
    let header =
        ["version", "payout_id", "payee", "account_type", "account", "bank", "amount", "currency", "reference"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (index, line) in lines.iter().enumerate() {
        checks.at(index);
        let currency = line.amount.currency;
        let payee = checks.value("payee", payee(line));
        let amount = checks.value("amount", amount_of(line.amount, currency.exponent()));
        let (kind, account, bank) = account_cells(&line.account);
        if account.trim().is_empty() {
            checks.refuse("account", "must not be empty");
        }
        if let (Some(payee), Some(amount)) = (payee, amount) {
            let (version, id) = (PLAIN_VERSION.to_owned(), line.payout_id.to_string());
            let (account, bank) = (text(account), text(bank));
            let (kind, code) = (kind.to_owned(), currency.code().to_owned());
            rows.push(vec![version, id, payee, kind, account, bank, amount, code, text(&line.reference)]);
        }
    }
    checks.finish(Some(()))?;
    write(&rows)
}

/// The kind of the account, the account, and its bank.
fn account_cells(account: &Account) -> (&'static str, &str, &str) {
    match account {
        Account::Iban { iban, bic } => ("iban", iban, bic.as_deref().unwrap_or("")),
        Account::UnitedStates { routing_number, number, kind: AccountKind::Checking } => {
            ("us_checking", number, routing_number)
        }
        Account::UnitedStates { routing_number, number, kind: AccountKind::Savings } => {
            ("us_savings", number, routing_number)
        }
        Account::Email(address) => ("email", address, ""),
        Account::ProviderId(id) => ("provider_id", id, ""),
        Account::Other(text) => ("other", text, ""),
    }
}

/// A cell with this text. A text that a spreadsheet would take for a formula begins with an apostrophe.
fn text(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// Whether a spreadsheet may take the text for a formula. The last four are the wide forms of the first four.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

fn payee(line: &Line) -> Result<String, &'static str> {
    let payee = text(&line.payee);
    if payee.is_empty() { Err("must not be empty") } else { Ok(payee) }
}

/// An address that the provider reads, so that it cannot be changed.
fn email(address: &str) -> Result<String, &'static str> {
    let is_plain = address.len() <= EMAIL_LENGTH_MAX
        && !address.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | ',' | ';' | '\''))
        && address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if !is_plain {
        Err("must be an email address of at most 127 characters")
    } else if is_formula(address) {
        Err("must not begin with =, +, - or @, because a spreadsheet takes that for a formula")
    } else {
        Ok(address.to_owned())
    }
}

/// An id that the provider reads, so that it cannot be changed.
fn provider_id(id: &str) -> Result<String, &'static str> {
    let is_plain = (1..=EMAIL_LENGTH_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_plain && !is_formula(id) { Ok(id.to_owned()) } else { Err("must be an id of letters and digits") }
}

fn amount_of(amount: Money, exponent: u32) -> Result<String, String> {
    decimal_of(amount, exponent)
        .ok_or_else(|| format!("must be above zero and have at most {exponent} decimals, is {amount}"))
}

fn write(rows: &[Vec<String>]) -> Result<Vec<u8>, WrongFields> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| WrongFields::of_writing(&error))?;
    }
    writer.into_inner().map_err(|error| WrongFields::of_writing(&error))
}
