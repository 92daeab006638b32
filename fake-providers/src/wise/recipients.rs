//! Recipients: the form that a currency asks for, and the accounts made with it.

use serde_json::{Value, json};

use super::{Call, Wise, errors};
use crate::exchange::Answer;
use crate::money::is_currency;
use crate::world::Common;

/// A type of account, and the details that it requires.
const TYPES: [(&str, &[&str]); 4] = [
    ("iban", &["legalType", "IBAN"]),
    ("sort_code", &["legalType", "sortCode", "accountNumber"]),
    ("aba", &["legalType", "abartn", "accountNumber", "accountType"]),
    ("email", &["email"]),
];

#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) profile: i64,
    pub(super) currency: String,
    kind: String,
    holder: String,
    is_own: Value,
    details: Value,
    pub(super) is_active: bool,
    /// Who it is in the ledger: the same person for two recipients with the same bank account.
    pub(super) name: String,
}

impl Recipient {
    fn json(&self, id: i64) -> Value {
        json!({
            "id": id, "profile": self.profile, "currency": self.currency, "type": self.kind,
            "accountHolderName": self.holder, "ownedByCustomer": self.is_own, "details": self.details,
            "active": self.is_active,
        })
    }
}

/// The types that a currency offers.
fn types_of(currency: &str) -> [&'static str; 2] {
    let bank = match currency {
        "GBP" => "sort_code",
        "USD" => "aba",
        _ => "iban",
    };
    [bank, "email"]
}

fn fields_of(kind: &str) -> &'static [&'static str] {
    TYPES.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, fields)| *fields)
}

impl Wise {
    /// The forms for the quote's target currency.
    pub(super) fn requirements(&self, call: &Call<'_>, id: &str) -> Result<Answer, Answer> {
        let quote = self.quotes.get(id).ok_or_else(errors::not_found)?;
        self.own_profile(call, &quote.profile.to_string())?;
        let form = |kind: &str| {
            let field = |key: &&str| json!({"name": key, "group": [{"key": key, "name": key, "type": "text", "required": true}]});
            let fields: Vec<Value> = fields_of(kind).iter().map(field).collect();
            json!({"type": kind, "title": kind, "fields": fields})
        };
        let forms: Vec<Value> = types_of(&quote.target_currency).into_iter().map(form).collect();
        Ok(Answer::json(200, &Value::Array(forms)))
    }

    pub(super) fn create_recipient(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, Answer> {
        let body = &call.body;
        let profile = self.profile_field(call, body["profile"].as_i64().map(|id| id.to_string()))?;
        let currency = body["currency"].as_str().filter(|text| is_currency(text));
        let currency = currency.ok_or_else(|| errors::wrong("currency", "A currency is required"))?.to_owned();
        let kind = body["type"].as_str().unwrap_or("").to_owned();
        let mut wrong = Vec::new();
        if !types_of(&currency).contains(&kind.as_str()) {
            wrong.push(errors::entry("NOT_VALID", "The currency has no such type", "type"));
        }
        let holder = body["accountHolderName"].as_str().unwrap_or("").trim().to_owned();
        if holder.is_empty() {
            wrong.push(errors::entry("NOT_VALID", "Please enter the name", "accountHolderName"));
        }
        for field in fields_of(&kind) {
            if detail(&body["details"], field).is_none_or(str::is_empty) {
                wrong.push(errors::entry("NOT_VALID", "Please enter this", field));
            }
        }
        if !wrong.is_empty() {
            return Err(Answer::json(422, &json!({"errors": wrong})));
        }
        let id = common.ids.number();
        let names = ["email", "IBAN", "accountNumber"];
        let name = names.iter().find_map(|field| detail(&body["details"], field));
        let recipient = Recipient {
            profile,
            currency,
            kind,
            holder,
            is_own: body["ownedByCustomer"].clone(),
            name: name.map_or_else(|| id.to_string(), |name| name.replace(' ', "").to_lowercase()),
            details: body["details"].clone(),
            is_active: true,
        };
        let answer = Answer::json(200, &recipient.json(id));
        self.recipients.insert(id, recipient);
        Ok(answer)
    }

    /// The recipient with this id, if it is the caller's.
    pub(super) fn own_recipient(&self, call: &Call<'_>, id: i64) -> Result<&Recipient, Answer> {
        let recipient = self.recipients.get(&id).ok_or_else(errors::not_found)?;
        self.own_profile(call, &recipient.profile.to_string())?;
        Ok(recipient)
    }

    pub(super) fn read_recipient(&self, call: &Call<'_>, id: &str) -> Result<Answer, Answer> {
        let id = id.parse().map_err(|_| errors::not_found())?;
        Ok(Answer::json(200, &self.own_recipient(call, id)?.json(id)))
    }

    pub(super) fn list_recipients(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let profile = self.profile_field(call, call.request.query("profile").map(str::to_owned))?;
        let currency = call.request.query("currency");
        let own = self.recipients.iter().filter(|(_, recipient)| {
            recipient.profile == profile
                && recipient.is_active
                && currency.is_none_or(|currency| recipient.currency == currency)
        });
        Ok(Answer::json(200, &own.map(|(id, recipient)| recipient.json(*id)).collect()))
    }

    pub(super) fn delete_recipient(&mut self, call: &Call<'_>, id: &str) -> Result<Answer, Answer> {
        let id = id.parse().map_err(|_| errors::not_found())?;
        self.own_recipient(call, id)?;
        if let Some(recipient) = self.recipients.get_mut(&id) {
            recipient.is_active = false;
        }
        Ok(Answer::empty(200))
    }
}

/// A detail by its name, in any case: `IBAN` is also written `iban`.
fn detail<'a>(details: &'a Value, name: &str) -> Option<&'a str> {
    let found = details.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found?.1.as_str()
}
