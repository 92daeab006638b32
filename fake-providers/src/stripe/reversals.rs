//! Reversals: money of a transfer that is taken back, in whole or in part.

use serde_json::{Value, json};

use super::transfers::Transfer;
use super::{Call, Stripe, connected_account, currency, errors, platform_account};
use crate::exchange::Answer;
use crate::ledger::{Kind, Movement};
use crate::world::Common;

impl Stripe {
    pub(super) fn create_reversal(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        id: &str,
    ) -> Result<Answer, errors::Refusal> {
        let index = self.own_transfer(call, id)?;
        let wanted = currency::whole(call, "amount")?;
        let Some(transfer) = self.transfers.get_mut(index) else { return Err(errors::missing(id, "id")) };
        let remainder = transfer.amount_minor - transfer.reversed_minor;
        let amount_minor = wanted.unwrap_or(remainder);
        if amount_minor > remainder || remainder == 0 {
            let message = "Transfer reversal amount is greater than the unreversed amount of the transfer.";
            return Err(Refused::TooMuch.of(message));
        }
        let from = connected_account(&transfer.destination);
        if common.ledger.balance(&from, &transfer.currency) < amount_minor {
            return Err(Refused::NoBalance.of("The connected account has insufficient available funds."));
        }
        let now = common.clock.now_ms();
        transfer.reversed_minor += amount_minor;
        let reversal = json!({
            "id": common.ids.prefixed("trr"), "object": "transfer_reversal", "amount": amount_minor,
            "balance_transaction": common.ids.prefixed("txn"), "created": now / 1000,
            "currency": currency::lower(&transfer.currency), "metadata": call.metadata(),
            "destination_payment_refund": common.ids.prefixed("pyr"), "source_refund": null, "transfer": transfer.id,
        });
        transfer.reversals.push(reversal.clone());
        let movement = Movement {
            kind: Kind::Return,
            from: &from,
            to: &platform_account(&call.platform),
            currency: &transfer.currency,
            amount_minor,
            object: &transfer.id,
        };
        common.ledger.post(now, &movement);
        let body = self.transfers.get(index).map_or(Value::Null, Transfer::json);
        self.tell(common, &call.platform, "transfer.reversed", &body, None);
        self.tell(common, &call.platform, "transfer.updated", &body, None);
        Ok(Answer::json(200, &reversal))
    }
}

/// Why a reversal is refused.
enum Refused {
    TooMuch,
    NoBalance,
}

impl Refused {
    fn of(self, message: &str) -> errors::Refusal {
        match self {
            Refused::TooMuch => errors::invalid(message, Some("amount")),
            Refused::NoBalance => errors::refused("balance_insufficient", message),
        }
    }
}
