//! Steps that make items and offers, and claim offers.

use headwater::pb;
use prost_types::Timestamp;
use tonic::Status;

use super::World;
use super::play::Player;
use super::request::time;
use super::script::Step;

/// The item that a step names by its SKU.
pub(super) fn item(step: &Step) -> Option<pb::ItemSelector> {
    let selector = pb::item_selector::Selector::Sku(step.option("item")?.to_owned());
    Some(pb::ItemSelector { selector: Some(selector) })
}

/// The beginning of a day.
pub(super) fn day(step: &Step, option: &str) -> Option<Timestamp> {
    let micros = time(step.option(option)?, None).micros();
    Some(Timestamp { seconds: micros.div_euclid(1_000_000), nanos: 0 })
}

/// A limit; 0 if the step has none.
pub(super) fn limit(step: &Step, option: &str) -> i32 {
    step.option(option).map_or(0, |limit| limit.parse().unwrap())
}

impl<W: World> Player<'_, W> {
    pub(super) async fn offer_step(&mut self, step: &Step) -> Result<String, Status> {
        let name = step.word(0).to_owned();
        match step.verb.as_str() {
            "item" => {
                let request = pb::CreateItemRequest { sku: name.clone(), ..Default::default() };
                let item = self.world.change(request).await?.item.unwrap();
                self.items.insert(name, item.id);
            }
            "archive-item" => {
                let item_id = self.items[&name].clone();
                self.world.change(pb::ArchiveItemRequest { item_id, ..Default::default() }).await?;
            }
            "offer" => {
                let request = pb::CreateOfferRequest {
                    program_id: self.program_id(step),
                    display_name: name.clone(),
                    item: item(step),
                    start_time: day(step, "from"),
                    end_time: day(step, "until"),
                    max_claims: limit(step, "max"),
                    max_claims_per_affiliate: limit(step, "each"),
                    max_uses_per_coupon: limit(step, "uses"),
                    ..Default::default()
                };
                let offer = self.world.change(request).await?.offer.unwrap();
                self.offers.insert(name, offer.id);
            }
            _ => {
                let request = pb::ClaimOfferRequest {
                    offer_id: self.offers[&name].clone(),
                    affiliate: self.selector(step.word(1)),
                    code: step.word(2).to_owned(),
                    ..Default::default()
                };
                let claimed = self.world.change(request).await?.offer.unwrap();
                return Ok(format!("{} claimed", claimed.claim_count));
            }
        }
        Ok("ok".to_owned())
    }
}
