//! SEPA credit transfers: pain.001.001.09 of ISO 20022, as the EPC's rules for credit transfers restrict it. One payment with all lines.
//! No address is written, because unstructured ones are refused since November 2026, and a structured one is not needed.

use std::io;

use iban::IbanLike;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use uuid::Uuid;

use super::latin::{cut, sepa};
use super::{Account, Checks, Line, WrongFields, positive, utc};
use crate::domain::bank;
use crate::domain::time::Time;
use crate::outbound::provider::decimal;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// Banks refuse longer files; the schema has no limit.
pub const LINES_MAX: usize = 50_000;

const NAME_LENGTH_MAX: usize = 70;
const REFERENCE_LENGTH_MAX: usize = 140;

/// The largest amount of the schemes.
const AMOUNT_MINOR_MAX: i64 = 99_999_999_999;

/// The countries of the SEPA area, as they stand in IBANs. Territories have the IBANs of their countries.
const COUNTRIES: [&str; 42] = [
    "AD", "AL", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GI", "GR", "HR", "HU",
    "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MD", "ME", "MK", "MT", "NL", "NO", "PL", "PT", "RO", "RS", "SE",
    "SI", "SK", "SM", "VA",
];

/// The settings of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SepaFile {
    /// The file's id, which a bank takes once.
    pub file_id: Uuid,
    /// When the file is made.
    pub created_at: Time,
    /// The owner of the account that is debited.
    pub debtor: String,
    /// The account that is debited.
    pub debtor_iban: String,
    /// Its bank, if it is known.
    pub debtor_bic: Option<String>,
    /// The day on which the bank executes the payments.
    pub execution_date: jiff::civil::Date,
    /// One debit for all lines, instead of one for each.
    pub is_one_debit: bool,
}

/// A line that is right.
struct Payment {
    end_to_end_id: String,
    amount_minor: i64,
    name: String,
    iban: String,
    bic: Option<String>,
    reference: String,
}

/// The file's own fields that are right.
struct Debtor {
    name: String,
    iban: String,
    bic: Option<String>,
}

impl SepaFile {
    /// The file with these lines.
    ///
    /// # Errors
    /// [`WrongFields`].
    pub fn write(&self, lines: &[Line]) -> Result<Vec<u8>, WrongFields> {
        let mut checks = Checks::default();
        checks.count(lines, LINES_MAX);
        let debtor = self.debtor(&mut checks);
        let mut payments = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate() {
            checks.at(index);
            payments.extend(payment(line, &mut checks));
        }
        let debtor = checks.finish(debtor)?;
        let mut xml = Writer::new(Vec::new());
        self.document(&mut xml, &debtor, &payments).map_err(|error| WrongFields::of_writing(&error))?;
        Ok(xml.into_inner())
    }

    fn debtor(&self, checks: &mut Checks) -> Option<Debtor> {
        let name = checks.value("debtor", name_of(&self.debtor));
        let iban = checks.value("debtor_iban", iban_of(&self.debtor_iban));
        let bic = checks.value("debtor_bic", bic_of(self.debtor_bic.as_deref()));
        if self.execution_date < utc(self.created_at).date() {
            checks.refuse("execution_date", "must not be before the day on which the file is made");
        }
        Some(Debtor { name: name?, iban: iban?, bic: bic? })
    }

    fn document(&self, xml: &mut Writer<Vec<u8>>, debtor: &Debtor, payments: &[Payment]) -> io::Result<()> {
        let file_id = self.file_id.simple().to_string();
        let count = payments.len().to_string();
        let sum = decimal(payments.iter().map(|payment| payment.amount_minor).sum(), 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let document = xml.create_element("Document").with_attribute(("xmlns", NAMESPACE));
        document.write_inner_content(|xml| {
            parent(xml, "CstmrCdtTrfInitn", |xml| {
                parent(xml, "GrpHdr", |xml| {
                    text(xml, "MsgId", &file_id)?;
                    text(xml, "CreDtTm", &format!("{}Z", utc(self.created_at)))?;
                    text(xml, "NbOfTxs", &count)?;
                    text(xml, "CtrlSum", &sum)?;
                    parent(xml, "InitgPty", |xml| text(xml, "Nm", &debtor.name))
                })?;
                parent(xml, "PmtInf", |xml| {
                    text(xml, "PmtInfId", &file_id)?;
                    text(xml, "PmtMtd", "TRF")?;
                    text(xml, "BtchBookg", if self.is_one_debit { "true" } else { "false" })?;
                    text(xml, "NbOfTxs", &count)?;
                    text(xml, "CtrlSum", &sum)?;
                    parent(xml, "PmtTpInf", |xml| parent(xml, "SvcLvl", |xml| text(xml, "Cd", "SEPA")))?;
                    parent(xml, "ReqdExctnDt", |xml| text(xml, "Dt", &self.execution_date.to_string()))?;
                    parent(xml, "Dbtr", |xml| text(xml, "Nm", &debtor.name))?;
                    account(xml, "DbtrAcct", &debtor.iban)?;
                    parent(xml, "DbtrAgt", |xml| {
                        parent(xml, "FinInstnId", |xml| match &debtor.bic {
                            Some(bic) => text(xml, "BICFI", bic),
                            None => parent(xml, "Othr", |xml| text(xml, "Id", "NOTPROVIDED")),
                        })
                    })?;
                    text(xml, "ChrgBr", "SLEV")?;
                    payments.iter().try_for_each(|payment| payment.write(xml))
                })
            })
        })?;
        Ok(())
    }
}

impl Payment {
    fn write(&self, xml: &mut Writer<Vec<u8>>) -> io::Result<()> {
        parent(xml, "CdtTrfTxInf", |xml| {
            parent(xml, "PmtId", |xml| text(xml, "EndToEndId", &self.end_to_end_id))?;
            parent(xml, "Amt", |xml| {
                let amount = xml.create_element("InstdAmt").with_attribute(("Ccy", "EUR"));
                amount.write_text_content(BytesText::new(&decimal(self.amount_minor, 2)))?;
                Ok(())
            })?;
            if let Some(bic) = &self.bic {
                parent(xml, "CdtrAgt", |xml| parent(xml, "FinInstnId", |xml| text(xml, "BICFI", bic)))?;
            }
            parent(xml, "Cdtr", |xml| text(xml, "Nm", &self.name))?;
            account(xml, "CdtrAcct", &self.iban)?;
            if !self.reference.is_empty() {
                parent(xml, "RmtInf", |xml| text(xml, "Ustrd", &self.reference))?;
            }
            Ok(())
        })
    }
}

/// The id that the payee's bank and the bank's report show: the payout's digits, because banks take neither its length nor its
/// underscore.
pub fn end_to_end_id(line: &Line) -> String {
    line.payout_id.uuid().simple().to_string()
}

fn payment(line: &Line, checks: &mut Checks) -> Option<Payment> {
    let name = checks.value("payee", name_of(&line.payee));
    let amount_minor = checks.value("amount", positive(line.amount, "EUR", AMOUNT_MINOR_MAX));
    let Account::Iban { iban, bic } = &line.account else {
        checks.refuse("account", "must be an IBAN");
        return None;
    };
    let iban = checks.value("account.iban", iban_of(iban));
    let bic = checks.value("account.bic", bic_of(bic.as_deref()));
    Some(Payment {
        end_to_end_id: end_to_end_id(line),
        amount_minor: amount_minor?,
        name: name?,
        iban: iban?,
        bic: bic?,
        reference: cut(&sepa(&line.reference), REFERENCE_LENGTH_MAX).to_owned(),
    })
}

fn name_of(name: &str) -> Result<String, &'static str> {
    let name = sepa(name);
    // A name of which nothing was left but full stops would not be known by the bank.
    if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        return Err("must have Latin letters, or letters that can be written in Latin ones");
    }
    Ok(cut(&name, NAME_LENGTH_MAX).to_owned())
}

/// An IBAN of the SEPA area.
fn iban_of(text: &str) -> Result<String, &'static str> {
    let iban = bank::iban(text)?;
    if !COUNTRIES.contains(&iban.country_code()) {
        return Err("must be an account in the SEPA area");
    }
    Ok(iban.electronic_str().to_owned())
}

/// The BIC, if there is one.
fn bic_of(text: Option<&str>) -> Result<Option<String>, &'static str> {
    bank::bic(text.unwrap_or_default())
}

fn parent(
    xml: &mut Writer<Vec<u8>>,
    name: &str,
    content: impl FnOnce(&mut Writer<Vec<u8>>) -> io::Result<()>,
) -> io::Result<()> {
    xml.create_element(name).write_inner_content(content)?;
    Ok(())
}

fn text(xml: &mut Writer<Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(text))?;
    Ok(())
}

fn account(xml: &mut Writer<Vec<u8>>, name: &str, iban: &str) -> io::Result<()> {
    parent(xml, name, |xml| parent(xml, "Id", |xml| text(xml, "IBAN", iban)))
}
