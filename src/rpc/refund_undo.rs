//! Undone refunds on the wire.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, Warnings};
use super::call::render::id_or_empty;
use super::call::wire_enum::WireEnum;
use super::reward;
use crate::domain::conversion::RefundOutcome;
use crate::domain::refusal::Field;
use crate::domain::request::RecordedKind;
use crate::domain::rule::UndoRefund;
use crate::error::{Error, FieldPaths};
use crate::pb;

/// The maximum length of the reason.
const REASON_LENGTH_MAX: usize = 500;

impl Change for pb::UndoRefundRequest {
    type Rule = UndoRefund;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Conversion, "refund_event_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::RefundUndo, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::UndoRefundRequest,
            self,
            reason: canonical::trimmed(&self.reason),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, refund_event_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(UndoRefund, ()), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let refund_event_id = fields.required_key("refund_event_id", &self.refund_event_id);
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        fields.finish()?;
        Ok((UndoRefund { event_id, refund_event_id, reason, occurred_at }, ()))
    }

    fn render(undo: RefundOutcome, replayed: bool, (): (), _asking: &Asking) -> pb::UndoRefundResponse {
        let mut warnings = Warnings::new();
        if undo.was_undone {
            let explanation = "names a refund that was undone before; nothing was changed".to_owned();
            warnings.push(pb::Warning { field: "refund_event_id".to_owned(), explanation });
        }
        pb::UndoRefundResponse {
            outcome: undo.outcome.number(),
            conversion_id: undo.conversion_id.to_string(),
            sale_conversion_id: id_or_empty(undo.sale_id),
            rewards: undo.rewards.iter().map(reward::summary).collect(),
            replayed,
            warnings,
        }
    }
}
