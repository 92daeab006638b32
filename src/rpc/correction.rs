//! Corrections of sales on the wire.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, Warnings};
use super::call::render::id_or_empty;
use super::call::wire_enum::WireEnum;
use super::{line, reward};
use crate::domain::conversion::RefundOutcome;
use crate::domain::refusal::Field;
use crate::domain::request::RecordedKind;
use crate::domain::rule::CorrectSale;
use crate::error::{Error, FieldPaths};
use crate::pb;

/// The maximum length of the reason.
const REASON_LENGTH_MAX: usize = 500;

impl Change for pb::CorrectSaleRequest {
    type Rule = CorrectSale;
    type Kept = Warnings;

    const PATHS: FieldPaths = &[(Field::Conversion, "sale_event_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Correction, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CorrectSaleRequest,
            self,
            reason: canonical::trimmed(&self.reason),
            occur_time: canonical::time(self.occur_time.as_ref()),
            lines: line::canonical_sale_lines(&self.lines);
            as_sent: event_id, sale_event_id, amount,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(CorrectSale, Warnings), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let sale_event_id = fields.required_key("sale_event_id", &self.sale_event_id);
        let amount = fields.money("amount", self.amount.as_ref());
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let lines = line::sale_lines(&mut fields, &self.lines, amount);
        let warnings = fields.take_warnings();
        let amount = fields.complete(amount)?;
        Ok((CorrectSale { event_id, sale_event_id, amount, lines, reason, occurred_at }, warnings))
    }

    fn render(
        correction: RefundOutcome,
        replayed: bool,
        mut warnings: Warnings,
        _asking: &Asking,
    ) -> pb::CorrectSaleResponse {
        if correction.is_outdated {
            let explanation =
                "is before the latest correction of the sale, which stays; nothing was changed".to_owned();
            warnings.push(pb::Warning { field: "occur_time".to_owned(), explanation });
        }
        pb::CorrectSaleResponse {
            outcome: correction.outcome.number(),
            conversion_id: correction.conversion_id.to_string(),
            sale_conversion_id: id_or_empty(correction.sale_id),
            rewards: correction.rewards.iter().map(reward::summary).collect(),
            replayed,
            warnings,
        }
    }
}
