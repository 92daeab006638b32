//! Cancelling an item, which is possible while nobody has claimed it.

use super::{BatchStatus, PayPal, errors, triggers};
use crate::exchange::{Answer, Request};
use crate::world::Common;

impl PayPal {
    pub(super) fn cancel(&mut self, common: &mut Common, request: &Request, client_id: &str, id: &str) -> Answer {
        if let Some(answer) = triggers::of_cancelled_id(common, id) {
            return answer;
        }
        let Some(index) = self.item_index(client_id, id) else {
            return errors::named(&mut common.ids, "INVALID_RESOURCE_ID");
        };
        let refusal = self.items.get(index).and_then(|item| {
            let batch = self.batches.get(item.batch)?;
            if matches!(batch.status, BatchStatus::Pending | BatchStatus::Processing) {
                Some("BATCH_NOT_COMPLETED")
            } else if item.is_cancelled {
                Some("ITEM_ALREADY_CANCELLED")
            } else if item.status != "UNCLAIMED" {
                Some("ITEM_INCORRECT_STATUS")
            } else {
                None
            }
        });
        if let Some(name) = refusal {
            return errors::named(&mut common.ids, name);
        }
        let now = common.clock.now_ms();
        if let Some(item) = self.items.get_mut(index) {
            item.is_cancelled = true;
        }
        self.place(common, index, "RETURNED", now);
        self.tell_item(common, index, "CANCELED", now);
        match self.items.get(index) {
            Some(item) => Answer::json(200, &self.item_json(&request.base, item)),
            None => errors::named(&mut common.ids, "INTERNAL_ERROR"),
        }
    }
}
