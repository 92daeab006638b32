//! Reconciliations of payouts on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::canonical;
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use super::payout_connection::PROVIDERS;
use crate::domain::payout_reconciliation::{PERIOD_DAYS, PERIOD_DAYS_MAX, PayoutDifference, PayoutReconciliation};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::rule::ReconcilePayouts;
use crate::domain::time::Interval;
use crate::error::Error;
use crate::pb;
use crate::store;

impl Change for pb::ReconcilePayoutsRequest {
    type Rule = ReconcilePayouts;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ReconcilePayoutsRequest, self; as_sent: request_id, provider, payment_interval)
    }

    fn read(&self, asking: &Asking<'_>) -> Result<(ReconcilePayouts, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let provider = fields.value_of("provider", self.provider, &PROVIDERS);
        let Interval { start, end } = fields.interval("payment_interval", self.payment_interval.as_ref());
        let end_or_now = end.unwrap_or(asking.now).min(asking.now);
        let earliest = end_or_now.plus_days(PERIOD_DAYS_MAX.saturating_neg());
        if start.is_some_and(|start| start < earliest) {
            fields.wrong(
                "payment_interval.start_time",
                format!("must be at most {PERIOD_DAYS_MAX} days before the end of the period; it is {PERIOD_DAYS} if you send none"),
            );
        }
        if start.is_some_and(|start| start >= end_or_now) {
            fields.wrong("payment_interval.start_time", "must be before now and before the end of the period");
        }
        Ok((ReconcilePayouts { provider: fields.complete(provider)?, start_at: start, end_at: end }, ()))
    }

    fn render(
        row: Arc<PayoutReconciliation>,
        replayed: bool,
        (): (),
        _asking: &Asking<'_>,
    ) -> pb::ReconcilePayoutsResponse {
        pb::ReconcilePayoutsResponse { payout_reconciliation: Some(render(&row)), replayed }
    }
}

/// Begins a reconciliation, and wakes the worker that reads what the provider has.
pub(super) async fn reconcile(
    call: Call,
    message: pb::ReconcilePayoutsRequest,
) -> Result<pb::ReconcilePayoutsResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let (row, replayed) = call.carry_out(&message, rule).await?;
    call.rpc.app.wake_reconciliations();
    Ok(pb::ReconcilePayoutsRequest::render(row, replayed, (), &asking))
}

pub(super) async fn get(
    call: Call,
    message: pb::GetPayoutReconciliationRequest,
) -> Result<pb::GetPayoutReconciliationResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("payout_reconciliation_id", &message.payout_reconciliation_id);
    let id = fields.complete(id)?;
    let found = store::payout_reconciliation::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::PayoutReconciliation, id))?;
    Ok(pb::GetPayoutReconciliationResponse { payout_reconciliation: Some(render(&found)) })
}

pub(super) async fn list(
    call: Call,
    message: pb::ListPayoutReconciliationsRequest,
) -> Result<pb::ListPayoutReconciliationsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let provider = fields.optional_value("provider", message.provider);
    fields.finish()?;
    let filter = pb::ListPayoutReconciliationsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let found = store::payout_reconciliation::list(call.store(), call.account_id(), provider, page.walk()).await?;
    call.works_on(found.len()).await;
    let (payout_reconciliations, next_page_token) = page.fill(found, |row| row.id.uuid(), |row| image(&row));
    Ok(pb::ListPayoutReconciliationsResponse { payout_reconciliations, next_page_token })
}

/// A reconciliation without its differences, as in lists and in the feed.
pub(super) fn image(row: &PayoutReconciliation) -> pb::PayoutReconciliation {
    pb::PayoutReconciliation {
        id: row.id.to_string(),
        provider: row.provider.number(),
        state: row.state.number(),
        payment_interval: Some(pb::TimeInterval {
            start_time: Some(timestamp(row.start_at)),
            end_time: Some(timestamp(row.end_at)),
        }),
        payment_count: row.payment_count,
        payout_count: row.payout_count,
        unread_count: row.unread_count,
        looked_at_count: row.looked_at_count,
        difference_count: row.difference_count,
        new_difference_count: row.new_difference_count,
        differences: Vec::new(),
        problem_code: row.problem_code.clone(),
        creator_key_id: id_or_empty(row.created_by),
        create_time: Some(timestamp(row.created_at)),
        end_time: row.ended_at.map(timestamp),
    }
}

fn render(row: &PayoutReconciliation) -> pb::PayoutReconciliation {
    pb::PayoutReconciliation { differences: row.differences.iter().map(difference).collect(), ..image(row) }
}

fn difference(difference: &PayoutDifference) -> pb::PayoutDifference {
    let (here, there) = (difference.here.as_ref(), &difference.there);
    pb::PayoutDifference {
        kind: difference.kind.number(),
        payout_id: id_or_empty(here.map(|here| here.payout_id)),
        payout_state: here.map_or(0, |here| here.state.number()),
        payout_amount: here.map(|here| money(here.amount)),
        payout_fee: here.and_then(|here| here.fee).map(money),
        payout_returned: here.and_then(|here| here.returned).map(money),
        provider_payment_id: difference.provider_payment_id.clone(),
        key: difference.key.clone(),
        payment_state: there.state.number(),
        payment_amount: there.amount.map(money),
        payment_fee: there.fee.map(money),
        payment_returned: there.returned.map(money),
        looked_at_again: difference.is_looked_at,
    }
}
