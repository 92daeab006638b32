//! What happens to batches and items as time passes, and the money that moves with it.

use super::settings::{Receiver, Unknown};
use super::{BatchStatus, ITEM_STATES, PayPal, Place, sender_account};
use crate::ledger::{Kind, Movement};
use crate::world::Common;

const DAY_MS: i64 = 86_400_000;

impl PayPal {
    /// Lets all that is due by now happen, each at its own time.
    pub(crate) fn settle(&mut self, common: &mut Common) {
        let now = common.clock.now_ms();
        let open: Vec<usize> = self.open.iter().copied().collect();
        for index in open {
            let Some(batch) = self.batches.get_mut(index) else { continue };
            let created = batch.created_ms;
            let begins = created.saturating_add(self.settings.processing_after_ms);
            let ends = created.saturating_add(self.settings.done_after_ms);
            if batch.status == BatchStatus::Pending && now >= begins.min(ends) {
                batch.status = BatchStatus::Processing;
                self.tell_batch(common, index, "PROCESSING", begins.min(ends));
            }
            if now >= ends {
                self.open.remove(&index);
                self.process(common, index, ends);
            }
        }
        while let Some((due, index)) = self.unclaimed.first().copied().filter(|(due, _)| *due <= now) {
            self.place(common, index, "RETURNED", due);
            self.tell_item(common, index, "RETURNED", due);
        }
    }

    /// Pays a batch, or denies it whole if the balance no longer suffices.
    fn process(&mut self, common: &mut Common, index: usize, at: i64) {
        let Some(batch) = self.batches.get(index) else { return };
        let account = sender_account(&batch.client_id);
        let needed = batch.total_minor.saturating_add(batch.fees_minor);
        let is_short = common.ledger.balance(&account, &batch.currency) < needed;
        let own = self.senders.get(&batch.client_id).map(|sender| sender.address.clone()).unwrap_or_default();
        let items = batch.items.clone();
        let is_all_own = self.items.get(items.clone()).unwrap_or_default().iter().all(|item| item.receiver == own);
        let is_denied = is_short || is_all_own;
        for item in items {
            let outcome = if is_short {
                Receiver { status: "FAILED", error: Some("INSUFFICIENT_FUNDS".to_owned()) }
            } else {
                self.outcome(item, &own)
            };
            self.finish(common, item, &outcome, at);
        }
        let status = if is_denied { BatchStatus::Denied } else { BatchStatus::Success };
        if let Some(batch) = self.batches.get_mut(index) {
            batch.status = status;
            batch.completed_ms = Some(at);
            let items = self.items.get(batch.items.clone()).unwrap_or_default();
            batch.fees_minor = items.iter().filter(|item| item.is_charged).map(|item| item.fee_minor).sum();
        }
        self.tell_batch(common, index, status.name(), at);
    }

    /// What becomes of an item by its receiver and amount.
    fn outcome(&self, index: usize, own: &str) -> Receiver {
        let failed = |name: &str| Receiver { status: "FAILED", error: Some(name.to_owned()) };
        let Some(item) = self.items.get(index) else { return failed("INTERNAL_ERROR") };
        if item.receiver == own {
            return failed("SELF_PAY_NOT_ALLOWED");
        }
        if self.settings.item_limit_minor > 0 && item.amount_minor > self.settings.item_limit_minor {
            return failed("TRANSACTION_LIMIT_EXCEEDED");
        }
        if let Some(known) = self.receivers.get(&item.receiver) {
            return known.clone();
        }
        if item.receiver.starts_with("paypal_id:") {
            return failed("RECEIVER_ACCOUNT_INVALID");
        }
        match self.settings.unknown_receivers {
            Unknown::Paid => Receiver { status: "SUCCESS", error: None },
            Unknown::Unclaimed => Receiver { status: "UNCLAIMED", error: Some("RECEIVER_UNREGISTERED".to_owned()) },
        }
    }

    fn finish(&mut self, common: &mut Common, index: usize, outcome: &Receiver, at: i64) {
        let (transaction_id, activity_id) = (common.ids.upper(17), common.ids.upper(17));
        if let Some(item) = self.items.get_mut(index) {
            item.error.clone_from(&outcome.error);
            item.processed_ms = Some(at);
            item.transaction_id = Some(transaction_id);
            item.activity_id = Some(activity_id);
        }
        self.place(common, index, outcome.status, at);
        self.charge(common, index, at);
        self.tell_item(common, index, event_of(outcome.status), at);
    }

    /// Charges the fee if the money has left the sender.
    fn charge(&mut self, common: &mut Common, index: usize, at: i64) {
        let Some(item) = self.items.get_mut(index).filter(|item| item.place != Place::Sender) else { return };
        let Some(batch) = self.batches.get(item.batch) else { return };
        item.is_charged = true;
        let movement = Movement {
            kind: Kind::Fee,
            from: &sender_account(&batch.client_id),
            to: "paypal/fees",
            currency: &item.currency,
            amount_minor: item.fee_minor,
            object: &item.id,
        };
        common.ledger.post(at, &movement);
    }

    /// Gives an item this state, and moves its money to where it is in this state.
    pub(super) fn place(&mut self, common: &mut Common, index: usize, status: &'static str, at: i64) {
        let Some(item) = self.items.get_mut(index) else { return };
        let Some(batch) = self.batches.get(item.batch) else { return };
        let account = |place: Place| match place {
            Place::Sender => sender_account(&batch.client_id),
            Place::Held => format!("paypal/held/{}", item.id),
            Place::Receiver => format!("paypal/receiver/{}", item.receiver),
        };
        let known = ITEM_STATES.iter().find(|(name, _)| *name == status);
        let to = known.map_or(Place::Sender, |(_, place)| *place);
        if to != item.place {
            let kind = match (item.place, to) {
                (_, Place::Receiver) => Kind::Payment,
                (Place::Receiver, _) => Kind::Return,
                _ => Kind::Internal,
            };
            let movement = Movement {
                kind,
                from: &account(item.place),
                to: &account(to),
                currency: &item.currency,
                amount_minor: item.amount_minor,
                object: &item.id,
            };
            common.ledger.post(at, &movement);
        }
        item.place = to;
        item.status = status;
        if let Some(due) = item.returns_ms.take() {
            self.unclaimed.remove(&(due, index));
        }
        if status == "UNCLAIMED" {
            let due = at.saturating_add(self.settings.unclaimed_days.saturating_mul(DAY_MS));
            item.returns_ms = Some(due);
            self.unclaimed.insert((due, index));
        } else if status == "SUCCESS" {
            item.error = None;
        }
    }
}

/// The last word of the event that tells of a state.
pub(super) fn event_of(status: &str) -> &'static str {
    match status {
        "SUCCESS" => "SUCCEEDED",
        "UNCLAIMED" => "UNCLAIMED",
        "ONHOLD" => "HELD",
        "BLOCKED" => "BLOCKED",
        "RETURNED" => "RETURNED",
        "REFUNDED" => "REFUNDED",
        "REVERSED" => "REVERSED",
        _ => "FAILED",
    }
}
