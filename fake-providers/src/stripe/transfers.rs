//! Transfers from the platform's balance to a connected account. A transfer has no state: it is made, so the money has moved.

use serde_json::{Value, json};

use super::{Call, Stripe, connected_account, currency, errors, list, page, platform_account};
use crate::exchange::Answer;
use crate::ledger::{Kind, Movement};
use crate::world::Common;

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) id: String,
    pub(super) platform: String,
    pub(super) created_ms: i64,
    pub(super) currency: String,
    pub(super) amount_minor: i64,
    pub(super) reversed_minor: i64,
    pub(super) destination: String,
    payment: String,
    balance_transaction: String,
    description: Value,
    metadata: Value,
    transfer_group: Value,
    source_transaction: Value,
    source_type: String,
    pub(super) reversals: Vec<Value>,
}

impl Transfer {
    pub(super) fn json(&self) -> Value {
        let url = format!("/v1/transfers/{}/reversals", self.id);
        json!({
            "id": self.id, "object": "transfer", "amount": self.amount_minor, "amount_reversed": self.reversed_minor,
            "balance_transaction": self.balance_transaction, "created": self.created_ms / 1000,
            "currency": currency::lower(&self.currency), "description": self.description,
            "destination": self.destination, "destination_payment": self.payment, "livemode": false,
            "metadata": self.metadata, "reversals": list(&url, &self.reversals, false),
            "reversed": self.reversed_minor == self.amount_minor, "source_transaction": self.source_transaction,
            "source_type": self.source_type, "transfer_group": self.transfer_group,
        })
    }
}

impl Stripe {
    pub(super) fn create_transfer(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, errors::Refusal> {
        let (currency, amount_minor) = currency::amount(call)?;
        let destination = call.text("destination").ok_or_else(|| errors::no_field("destination"))?.to_owned();
        let Some(account) = self.accounts.get(&destination).filter(|account| account.platform == call.platform) else {
            return Err(errors::missing(&destination, "destination"));
        };
        if account.transfers != "active" {
            let message = "Your destination account needs to have the transfers capability enabled.";
            return Err(errors::refused("insufficient_capabilities_for_transfer", message));
        }
        let from = platform_account(&call.platform);
        if common.ledger.balance(&from, &currency) < amount_minor {
            return Err(errors::refused("balance_insufficient", "You have insufficient available funds."));
        }
        let transfer = Transfer {
            id: common.ids.prefixed("tr"),
            platform: call.platform.clone(),
            created_ms: common.clock.now_ms(),
            currency,
            amount_minor,
            reversed_minor: 0,
            payment: common.ids.prefixed("py"),
            balance_transaction: common.ids.prefixed("txn"),
            description: call.fields["description"].clone(),
            metadata: call.metadata(),
            transfer_group: call.fields["transfer_group"].clone(),
            source_transaction: call.fields["source_transaction"].clone(),
            source_type: call.text("source_type").unwrap_or("card").to_owned(),
            reversals: Vec::new(),
            destination,
        };
        let movement = Movement {
            kind: Kind::Payment,
            from: &from,
            to: &connected_account(&transfer.destination),
            currency: &transfer.currency,
            amount_minor,
            object: &transfer.id,
        };
        common.ledger.post(transfer.created_ms, &movement);
        let body = transfer.json();
        self.transfer_by_id.insert(transfer.id.clone(), self.transfers.len());
        self.transfers.push(transfer);
        self.tell(common, &call.platform, "transfer.created", &body, None);
        Ok(Answer::json(200, &body))
    }

    pub(super) fn own_transfer(&self, call: &Call<'_>, id: &str) -> Result<usize, errors::Refusal> {
        let index = self.transfer_by_id.get(id).copied();
        let own = index.filter(|index| self.transfers.get(*index).is_some_and(|one| one.platform == call.platform));
        own.ok_or_else(|| errors::missing(id, "id"))
    }

    pub(super) fn read_transfer(&self, call: &Call<'_>, id: &str) -> Result<Answer, errors::Refusal> {
        let index = self.own_transfer(call, id)?;
        Ok(Answer::json(200, &self.transfers.get(index).map_or(Value::Null, Transfer::json)))
    }

    pub(super) fn list_transfers(&self, call: &Call<'_>) -> Result<Answer, errors::Refusal> {
        let created = created_of(call)?;
        let wanted = |transfer: &&Transfer| {
            transfer.platform == call.platform
                && call.text("transfer_group").is_none_or(|group| transfer.transfer_group == group)
                && call.text("destination").is_none_or(|destination| transfer.destination == destination)
                && created.contains(transfer.created_ms / 1000)
        };
        let found = self.transfers.iter().rev().filter(wanted).map(Transfer::json).collect();
        page(call, "/v1/transfers", found)
    }
}

/// A range of seconds.
struct Created {
    least: i64,
    most: i64,
}

impl Created {
    fn contains(&self, seconds: i64) -> bool {
        (self.least..=self.most).contains(&seconds)
    }
}

/// The field `created`: a time, or limits in brackets.
fn created_of(call: &Call<'_>) -> Result<Created, errors::Refusal> {
    let created = &call.fields["created"];
    let seconds = |value: &Value| match value {
        Value::Null => Ok(None),
        value => {
            let parsed = value.as_str().and_then(|text| text.parse::<i64>().ok());
            parsed.map(Some).ok_or_else(|| errors::invalid("Invalid time", Some("created")))
        }
    };
    if !created.is_object() {
        let exact = seconds(created)?;
        return Ok(Created { least: exact.unwrap_or(i64::MIN), most: exact.unwrap_or(i64::MAX) });
    }
    let above = seconds(&created["gt"])?.map(|time| time.saturating_add(1));
    let below = seconds(&created["lt"])?.map(|time| time.saturating_sub(1));
    let least = above.or(seconds(&created["gte"])?).unwrap_or(i64::MIN);
    let most = below.or(seconds(&created["lte"])?).unwrap_or(i64::MAX);
    Ok(Created { least, most })
}
