//! Steps that record appointments and custom events.

use headwater::pb;
use tonic::Status;

use super::World;
use super::play::{Player, outcome_text, replayed, values_text};
use super::request::{customer, money, occur_time};
use super::script::Step;

impl<W: World> Player<'_, W> {
    /// `appointment ID CUSTOMER`, or `event ID CUSTOMER KIND`.
    pub(super) async fn other_event_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, external_id) = customer(step.word(1));
        let event_id = step.word(0).to_owned();
        let tid = self.tid(step);
        let ref_id = step.option("ref").unwrap_or_default().to_owned();
        let coupon_code = step.option("coupon").unwrap_or_default().to_owned();
        let occur_time = occur_time(step);
        let (outcome, credits, rewards, was_replayed) = if step.verb == "appointment" {
            let request = pb::RecordAppointmentRequest {
                event_id,
                email,
                external_id,
                tid,
                ref_id,
                coupon_code,
                occur_time,
                ..Default::default()
            };
            let answer = self.world.change(request).await?;
            (answer.outcome(), answer.credits, answer.rewards, answer.replayed)
        } else {
            let request = pb::RecordCustomEventRequest {
                event_id,
                custom_kind: step.word(2).to_owned(),
                email,
                external_id,
                tid,
                ref_id,
                coupon_code,
                occur_time,
                // In dollars, or in another currency with its code: `5.00-EUR`.
                amount: step.option("value").map(|value| {
                    let (value, currency) = value.split_once('-').unwrap_or((value, "USD"));
                    money(value, currency)
                }),
                ..Default::default()
            };
            let answer = self.world.change(request).await?;
            (answer.outcome(), answer.credits, answer.rewards, answer.replayed)
        };
        let text = match outcome {
            pb::ConversionOutcome::Attributed => {
                format!("attributed {}{}", self.credited(&credits), values_text(&rewards))
            }
            outcome => outcome_text(outcome),
        };
        Ok(replayed(was_replayed, text))
    }
}
