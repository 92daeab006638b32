//! Steps that record refunds and undo them.

use headwater::pb;
use tonic::Status;

use super::World;
use super::play::{Player, outcome_text, replayed, rewards_text};
use super::request::{customer, money, occur_time};
use super::script::Step;

impl<W: World> Player<'_, W> {
    /// `refund ID AMOUNT CURRENCY` or `refund-total ID TOTAL CURRENCY`. The answer ends with `known` if the total was.
    pub(super) async fn refund_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, external_id) = step.option("customer").map(customer).unwrap_or_default();
        let told = Some(step.word(1)).filter(|text| *text != "-").map(|text| money(text, step.word(2)));
        let (amount, refunded_total) = if step.verb == "refund" { (told, None) } else { (None, told) };
        let request = pb::RecordRefundRequest {
            event_id: step.word(0).to_owned(),
            sale_event_id: step.option("sale").unwrap_or_default().to_owned(),
            email,
            external_id,
            amount,
            refunded_total,
            lines: super::line::refund_lines(step, step.word(2)),
            occur_time: occur_time(step),
            commission_adjustment: step.option("adjustment").map(|text| money(text, step.word(2))),
            ..Default::default()
        };
        let answer = self.world.change(request).await?;
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => format!("attributed{}", rewards_text(&answer.rewards)),
            outcome => outcome_text(outcome),
        };
        let is_known = answer.warnings.iter().any(|warning| warning.field == "refunded_total");
        Ok(replayed(answer.replayed, if is_known { format!("{text} known") } else { text }))
    }

    /// `undo ID REFUND`. The answer ends with `before` if the refund had been undone.
    pub(super) async fn undo_step(&mut self, step: &Step) -> Result<String, Status> {
        let request = pb::UndoRefundRequest {
            event_id: step.word(0).to_owned(),
            refund_event_id: step.word(1).to_owned(),
            occur_time: occur_time(step),
            ..Default::default()
        };
        let answer = self.world.change(request).await?;
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => format!("attributed{}", rewards_text(&answer.rewards)),
            outcome => outcome_text(outcome),
        };
        Ok(replayed(answer.replayed, if answer.warnings.is_empty() { text } else { format!("{text} before") }))
    }
}
