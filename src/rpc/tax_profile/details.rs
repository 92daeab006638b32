//! The payee as a request describes it. All parts are checked against each other, so that the caller gets all violations at once.

use crate::domain::affiliate::PostalAddress;
use crate::domain::calendar::Day;
use crate::domain::tax_number::{TaxNumberKind, tax_number};
use crate::domain::tax_profile::{PayeeKind, TaxForm, form_expires_at};
use crate::domain::time::Time;
use crate::pb;
use crate::rpc::call::canonical;
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};
use crate::rpc::postal_address;

/// The longest text of a number, with its blanks and hyphens.
const NUMBER_LENGTH_MAX: usize = 64;

/// By how many hours the earliest time zone is ahead of UTC: a day has begun somewhere by then.
const ZONE_HOURS_MAX: i32 = 14;

/// The parts of a tax profile, with the number in plain.
pub(super) struct PlainDetails {
    pub(super) payee_kind: PayeeKind,
    pub(super) legal_name: String,
    pub(super) address: PostalAddress,
    pub(super) residence_country: String,
    pub(super) form: TaxForm,
    pub(super) signed_on: Option<Day>,
    pub(super) number: Option<(TaxNumberKind, String)>,
}

pub(super) fn read(fields: &mut Fields, sent: &pb::SetTaxProfileRequest, now: Time) -> Option<PlainDetails> {
    let payee_kind = fields.value_of("payee_kind", sent.payee_kind, PayeeKind::ALL);
    let legal_name = fields.required_line("legal_name", &sent.legal_name, NAME_LENGTH_MAX);
    let address = postal_address::read_required(fields, "address", sent.address.as_ref());
    let residence_country = fields.country("residence_country_code", &sent.residence_country_code);
    if residence_country.is_none() && sent.residence_country_code.trim().is_empty() {
        fields.wrong("residence_country_code", "is required");
    }
    let form = fields.value_of("form", sent.form, TaxForm::ALL);
    if let Some(fault) = form.zip(payee_kind).and_then(|(form, kind)| form.fault_of_kind(kind)) {
        fields.wrong("payee_kind", fault);
    }
    if let Some(fault) =
        form.zip(residence_country.as_deref()).and_then(|(form, country)| form.fault_of_residence(country))
    {
        fields.wrong("residence_country_code", fault);
    }
    let signed_on = read_sign_date(fields, &sent.sign_date, form, now);
    let number = sent.number.as_ref().map(|number| fields.within("number", |fields| read_number(fields, number, form)));
    let number = match number {
        None => None,
        Some(read) => Some(read?),
    };
    Some(PlainDetails {
        payee_kind: payee_kind?,
        legal_name,
        address: address?,
        residence_country: residence_country?,
        form: form?,
        signed_on,
        number,
    })
}

/// The day on which the form was signed, if somebody signs forms of this kind.
fn read_sign_date(fields: &mut Fields, sent: &str, form: Option<TaxForm>, now: Time) -> Option<Day> {
    const FIELD: &str = "sign_date";
    let text = sent.trim();
    if text.is_empty() {
        if form.is_some_and(TaxForm::is_signed) {
            fields.wrong(FIELD, "is required for W_9, W_8BEN and W_8BEN_E");
        }
        return None;
    }
    let day = fields.day(FIELD, text)?;
    if form.is_some_and(|form| !form.is_signed()) {
        fields.wrong(FIELD, "must be empty for forms that nobody signs");
    }
    if day.0 > now.plus_hours(ZONE_HOURS_MAX).day() {
        fields.wrong(FIELD, "must not be in the future");
    }
    let has_expired = matches!(form, Some(TaxForm::W8Ben | TaxForm::W8BenE))
        && form_expires_at(day).is_some_and(|expires_at| expires_at <= now);
    if has_expired {
        fields.wrong(FIELD, "is so long ago that the form has expired; send a form that is signed anew");
    }
    Some(day)
}

fn read_number(fields: &mut Fields, sent: &pb::TaxNumber, form: Option<TaxForm>) -> Option<(TaxNumberKind, String)> {
    let kinds = form.map_or(TaxNumberKind::ALL, TaxForm::numbers);
    let kind = fields.value_of("kind", sent.kind, kinds);
    let text = fields.required_line("text", &sent.text, NUMBER_LENGTH_MAX);
    let kind = kind.filter(|_| (1..=NUMBER_LENGTH_MAX).contains(&text.chars().count()))?;
    let number = tax_number(kind, &text).map_err(|problem| fields.wrong("text", problem)).ok()?;
    Some((kind, number))
}

/// The number without its text, because the text could be guessed from a hash of the request.
pub(super) fn canonical_number(sent: Option<&pb::TaxNumber>) -> Option<Option<pb::TaxNumber>> {
    let sent = sent?;
    canonical::secret(&sent.text).map(|text| Some(pb::TaxNumber { text, ..*sent }))
}
