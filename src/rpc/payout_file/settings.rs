//! The settings of files, and which function writes each format.

use jiff::civil::Date;
use uuid::Uuid;

use crate::clock;
use crate::domain::calendar::Day;
use crate::domain::money::Currency;
use crate::domain::payout_export::PayoutFileFormat;
use crate::domain::time::Time;
use crate::outbound::file::nacha::{EntryClass, NachaFile};
use crate::outbound::file::sepa::SepaFile;
use crate::outbound::file::{Line, WrongFields, table};
use crate::pb;
use crate::pb::export_payout_file_request::Settings as Sent;
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX};

/// The settings of a file.
pub(super) enum Settings {
    Sepa(pb::SepaFileSettings, Date),
    Nacha(pb::NachaFileSettings, Date),
    Paypal,
    Wise(Currency),
    Plain,
}

/// Reads settings. What the format itself checks is checked when the file is written.
pub(super) fn read(fields: &mut Fields, sent: &Sent) -> Option<Settings> {
    match sent {
        Sent::Sepa(sepa) => fields.within("sepa", |fields| {
            for (field, text) in [("debtor", &sepa.debtor), ("debtor_iban", &sepa.debtor_iban)] {
                fields.required_line(field, text, KEY_LENGTH_MAX);
            }
            fields.line("debtor_bic", &sepa.debtor_bic, KEY_LENGTH_MAX);
            let date = date(fields, "execution_date", &sepa.execution_date)?;
            Some(Settings::Sepa(sepa.clone(), date))
        }),
        Sent::Nacha(nacha) => fields.within("nacha", |fields| {
            for (field, text) in [
                ("bank_routing_number", &nacha.bank_routing_number),
                ("bank_name", &nacha.bank_name),
                ("origin", &nacha.origin),
                ("company_name", &nacha.company_name),
                ("company_id", &nacha.company_id),
                ("entry_description", &nacha.entry_description),
            ] {
                fields.required_line(field, text, KEY_LENGTH_MAX);
            }
            if !matches!(nacha.entry_class, 0..=2) {
                fields.wrong("entry_class", "must be NACHA_ENTRY_CLASS_PERSONS or NACHA_ENTRY_CLASS_COMPANIES");
            }
            if nacha.modifier.chars().count() > 1 {
                fields.wrong("modifier", "must be one capital letter or digit");
            }
            let date = date(fields, "effective_date", &nacha.effective_date)?;
            Some(Settings::Nacha(nacha.clone(), date))
        }),
        Sent::Paypal(_) => Some(Settings::Paypal),
        Sent::Wise(wise) => fields
            .within("wise", |fields| fields.currency("source_currency_code", &wise.source_currency_code))
            .map(Settings::Wise),
        Sent::Plain(_) => Some(Settings::Plain),
    }
}

fn date(fields: &mut Fields, field: &str, text: &str) -> Option<Date> {
    fields.day(field, text).and_then(Day::date)
}

impl Settings {
    pub(super) const fn format(&self) -> PayoutFileFormat {
        match self {
            Self::Sepa(..) => PayoutFileFormat::Sepa,
            Self::Nacha(..) => PayoutFileFormat::Nacha,
            Self::Paypal => PayoutFileFormat::PaypalCsv,
            Self::Wise(_) => PayoutFileFormat::WiseCsv,
            Self::Plain => PayoutFileFormat::PlainCsv,
        }
    }

    /// The request's field.
    pub(super) const fn field(&self) -> &'static str {
        match self {
            Self::Sepa(..) => "sepa",
            Self::Nacha(..) => "nacha",
            Self::Paypal => "paypal",
            Self::Wise(_) => "wise",
            Self::Plain => "plain",
        }
    }

    /// The file.
    pub(super) fn write(&self, now: Time, lines: &[Line]) -> Result<Vec<u8>, WrongFields> {
        match self {
            Self::Sepa(sent, execution_date) => SepaFile {
                file_id: Uuid::from_bytes(clock::random_bytes()),
                created_at: now,
                debtor: sent.debtor.clone(),
                debtor_iban: sent.debtor_iban.clone(),
                debtor_bic: Some(sent.debtor_bic.clone()),
                execution_date: *execution_date,
                is_one_debit: sent.one_debit,
            }
            .write(lines),
            Self::Nacha(sent, effective_date) => NachaFile {
                created_at: now,
                modifier: sent.modifier.chars().next().unwrap_or('A'),
                bank_routing_number: sent.bank_routing_number.trim().to_owned(),
                bank_name: sent.bank_name.clone(),
                origin: sent.origin.trim().to_owned(),
                company_name: sent.company_name.clone(),
                company_id: sent.company_id.trim().to_owned(),
                entry_class: match sent.entry_class() {
                    pb::NachaEntryClass::Companies => EntryClass::Companies,
                    pb::NachaEntryClass::Unspecified | pb::NachaEntryClass::Persons => EntryClass::Persons,
                },
                description: sent.entry_description.clone(),
                effective_date: *effective_date,
            }
            .write(lines),
            Self::Paypal => table::paypal(lines),
            Self::Wise(source_currency) => table::wise(lines, *source_currency),
            Self::Plain => table::plain(lines),
        }
    }
}
