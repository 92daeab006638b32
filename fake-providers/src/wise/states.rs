//! The states of a transfer, the money that moves with them, and what happens as time passes.

use super::{Wise, profile_account};
use crate::ledger::{Kind, Movement, OUTSIDE};
use crate::world::Common;

const UNFUNDED_MS: i64 = 14 * 86_400_000;

/// Where a transfer's money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Sender,
    /// Wise has it.
    Held,
    Receiver,
}

/// All states, and where the money of a funded transfer is then.
const STATES: [(&str, Place); 11] = [
    ("incoming_payment_waiting", Place::Sender),
    ("incoming_payment_initiated", Place::Held),
    ("processing", Place::Held),
    ("funds_converted", Place::Held),
    ("outgoing_payment_sent", Place::Receiver),
    ("waiting_recipient_input_to_proceed", Place::Held),
    ("bounced_back", Place::Held),
    ("cancelled", Place::Sender),
    ("funds_refunded", Place::Sender),
    ("charged_back", Place::Sender),
    ("unknown", Place::Held),
];

/// The state with this name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    STATES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

impl Wise {
    /// Lets all that is due by now happen.
    pub(crate) fn settle(&mut self, common: &mut Common) {
        let now = common.clock.now_ms();
        let step = self.settings.step_ms;
        let open: Vec<usize> = self.open.iter().copied().collect();
        for index in open {
            while let Some(transfer) = self.transfers.get(index) {
                let (wait, next) = match transfer.state {
                    "incoming_payment_waiting" => (UNFUNDED_MS, "cancelled"),
                    "processing" if step > 0 => (step, "funds_converted"),
                    "funds_converted" if step > 0 => (step, "outgoing_payment_sent"),
                    _ => break,
                };
                let due = transfer.changed_ms.saturating_add(wait);
                if due > now {
                    break;
                }
                self.change(common, index, next, due);
            }
        }
        self.settle_groups(common);
    }

    /// Gives a transfer a state, moves its money to where it is then, and tells of it.
    pub(super) fn change(&mut self, common: &mut Common, index: usize, state: &'static str, at: i64) {
        let Some(transfer) = self.transfers.get_mut(index) else { return };
        let before = transfer.state;
        if before == state {
            return;
        }
        transfer.state = state;
        transfer.changed_ms = at;
        if ["incoming_payment_waiting", "processing", "funds_converted"].contains(&state) {
            self.open.insert(index);
        } else {
            self.open.remove(&index);
        }
        let to = STATES.iter().find(|(name, _)| *name == state).map_or(Place::Sender, |(_, place)| *place);
        self.move_money(common, index, to, at);
        self.tell_state(common, index, before, at);
    }

    fn move_money(&mut self, common: &mut Common, index: usize, to: Place, at: i64) {
        let Some(transfer) = self.transfers.get_mut(index) else { return };
        let quote = &transfer.quote;
        let (sender, held) = (profile_account(quote.profile), format!("wise/held/{}", transfer.id));
        let receiver = format!("wise/receiver/{}", transfer.receiver);
        let object = transfer.id.to_string();
        let net = quote.source_minor - quote.fee_minor;
        let mut post = |kind, from: &str, to: &str, currency: &str, amount_minor| {
            common.ledger.post(at, &Movement { kind, from, to, currency, amount_minor, object: &object });
        };
        // Money that the receiver has, or gives back, is changed from one currency to the other.
        let exchange = "wise/exchange";
        if transfer.place == Place::Receiver && to != Place::Receiver {
            post(Kind::Return, &receiver, exchange, &quote.target_currency, quote.target_minor);
            post(Kind::Internal, exchange, &held, &quote.source_currency, net);
        }
        let is_funded = transfer.funded_by.is_some();
        match (transfer.place, to) {
            (Place::Sender, Place::Held | Place::Receiver) => {
                // A transfer that was not paid from the balance was paid from outside.
                let payer = if is_funded { sender.as_str() } else { OUTSIDE };
                post(Kind::Internal, payer, &held, &quote.source_currency, net);
                post(Kind::Fee, payer, "wise/fees", &quote.source_currency, quote.fee_minor);
            }
            (Place::Held | Place::Receiver, Place::Sender) => {
                let kept = self.settings.refund_fee_minor.min(net);
                post(Kind::Internal, &held, &sender, &quote.source_currency, net - kept);
                post(Kind::Fee, &held, "wise/fees", &quote.source_currency, kept);
                transfer.funded_by = None;
            }
            _ => {}
        }
        if transfer.place != Place::Receiver && to == Place::Receiver {
            post(Kind::Internal, &held, exchange, &quote.source_currency, net);
            post(Kind::Payment, exchange, &receiver, &quote.target_currency, quote.target_minor);
        }
        transfer.place = to;
    }
}
