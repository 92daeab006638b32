//! The details of a destination, as a request has them.

use crate::domain::bank::{self, BankAccountKind};
use crate::pb::{self, payout_details::Details};
use crate::rpc::call::canonical;
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX};
use crate::secrets::details::PayoutDetails;

/// The longest name of an account's owner that files for banks have room for.
const HOLDER_LENGTH_MAX: usize = 140;

/// The longest address that PayPal takes, in bytes.
const PAYPAL_EMAIL_BYTES_MAX: usize = 127;

/// Reads the details. They are required.
pub(super) fn read(fields: &mut Fields, field: &str, sent: Option<&pb::PayoutDetails>) -> Option<PayoutDetails> {
    let sent = fields.required(field, sent)?;
    let Some(details) = &sent.details else {
        fields.wrong(field, "must have one of paypal, stripe, wise, iban, united_states_bank and other");
        return None;
    };
    fields.within(field, |fields| match details {
        Details::Paypal(paypal) => fields.within("paypal", |fields| read_paypal(fields, paypal)),
        Details::Stripe(stripe) => fields.within("stripe", |fields| read_stripe(fields, stripe)),
        Details::Wise(wise) => fields.within("wise", |fields| read_wise(fields, wise)),
        Details::Iban(iban) => fields.within("iban", |fields| read_iban(fields, iban)),
        Details::UnitedStatesBank(bank) => fields.within("united_states_bank", |fields| read_bank(fields, bank)),
        Details::Other(other) => fields.within("other", |fields| {
            let text = fields.paragraph("instructions", &other.instructions);
            fields
                .required("instructions", Some(text).filter(|text| !text.is_empty()))
                .map(|text| PayoutDetails::Other { text })
        }),
    })
}

fn read_paypal(fields: &mut Fields, sent: &pb::PayPalDetails) -> Option<PayoutDetails> {
    let email = fields.email("email", &sent.email)?;
    if email.len() > PAYPAL_EMAIL_BYTES_MAX {
        fields.wrong("email", format!("has {} bytes; PayPal takes at most {PAYPAL_EMAIL_BYTES_MAX}", email.len()));
    }
    Some(PayoutDetails::PayPal { email })
}

fn read_stripe(fields: &mut Fields, sent: &pb::StripeDetails) -> Option<PayoutDetails> {
    let id = sent.connected_account_id.trim();
    let is_right = id.len() <= KEY_LENGTH_MAX
        && id
            .strip_prefix("acct_")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_right {
        fields.wrong("connected_account_id", "must be the id of a connected account, such as acct_1A2b3C4d5E6f7G8h");
        return None;
    }
    Some(PayoutDetails::Stripe { connected_account_id: id.to_owned() })
}

fn read_wise(fields: &mut Fields, sent: &pb::WiseDetails) -> Option<PayoutDetails> {
    if sent.recipient_number <= 0 {
        fields.wrong("recipient_number", "must be the number of a recipient at Wise, which is above zero");
        return None;
    }
    Some(PayoutDetails::Wise { recipient_id: sent.recipient_number })
}

fn read_iban(fields: &mut Fields, sent: &pb::IbanDetails) -> Option<PayoutDetails> {
    let iban = checked(fields, "iban", bank::iban_text(&sent.iban));
    let bic = checked(fields, "bic", bank::bic(&sent.bic));
    let holder = fields.required_line("holder_name", &sent.holder_name, HOLDER_LENGTH_MAX);
    Some(PayoutDetails::Iban { iban: iban?, bic: bic?, holder })
}

fn read_bank(fields: &mut Fields, sent: &pb::UnitedStatesBankDetails) -> Option<PayoutDetails> {
    let routing_number = checked(fields, "routing_number", bank::routing_number(sent.routing_number.trim()));
    let number = checked(fields, "account_number", bank::account_number(&sent.account_number));
    let account_kind = fields.value_of("account_kind", sent.account_kind, BankAccountKind::ALL);
    let holder = fields.required_line("holder_name", &sent.holder_name, HOLDER_LENGTH_MAX);
    let (routing_number, number, account_kind) = (routing_number?, number?, account_kind?);
    Some(PayoutDetails::UnitedStatesBank { routing_number, number, account_kind, holder })
}

/// The value, or nothing after a note of what is wrong with it.
fn checked<T>(fields: &mut Fields, field: &str, value: Result<T, &'static str>) -> Option<T> {
    value.map_err(|problem| fields.wrong(field, problem)).ok()
}

/// The details in the form that all spellings of the same details have.
pub(super) fn canonical(sent: Option<&pb::PayoutDetails>) -> Option<Option<pb::PayoutDetails>> {
    let details = sent?.details.as_ref()?;
    let details = match details {
        Details::Paypal(sent) => Details::Paypal(pb::PayPalDetails { email: canonical::email(&sent.email)? }),
        Details::Stripe(sent) => {
            let connected_account_id = canonical::trimmed(&sent.connected_account_id)?;
            Details::Stripe(pb::StripeDetails { connected_account_id })
        }
        Details::Wise(_) => return None,
        Details::Iban(sent) => Details::Iban(pb::IbanDetails {
            iban: bank::iban_text(&sent.iban).unwrap_or_else(|_| sent.iban.clone()),
            bic: bank::bic(&sent.bic).ok().flatten().unwrap_or_default(),
            holder_name: sent.holder_name.trim().to_owned(),
        }),
        Details::UnitedStatesBank(sent) => Details::UnitedStatesBank(pb::UnitedStatesBankDetails {
            routing_number: sent.routing_number.trim().to_owned(),
            account_number: bank::account_number(&sent.account_number).unwrap_or_else(|_| sent.account_number.clone()),
            account_kind: sent.account_kind,
            holder_name: sent.holder_name.trim().to_owned(),
        }),
        Details::Other(sent) => {
            Details::Other(pb::OtherDetails { instructions: canonical::trimmed(&sent.instructions)? })
        }
    };
    Some(Some(pb::PayoutDetails { details: Some(details) }))
}
