//! BatchRecordEvents: up to 1,000 events in one call. Each event gets the answer that the single call would have got.

use super::call::Call;
use super::call::change::{self, Asking, Change, Method};
use super::call::parse::{Fields, LIST_LENGTH_MAX, Warnings};
use crate::app::Answer;
use crate::domain::rule::Envelope;
use crate::error::{Error, FieldPaths};
use crate::pb::batch_item::Item;
use crate::pb::batch_result::Answer as ItemResult;
use crate::pb::{self, batch_result};

/// A parsed item, and the function that turns its answer into a result.
struct ReadItem {
    envelope: Envelope,
    paths: FieldPaths,
    render: Render,
    warnings: Warnings,
}

/// Turns an answer into a result.
type Render = fn(Answer, Warnings, &Asking) -> Result<ItemResult, Error>;

pub(super) async fn record(
    call: Call,
    message: pb::BatchRecordEventsRequest,
) -> Result<pb::BatchRecordEventsResponse, Error> {
    let count = message.items.len();
    if !(1..=LIST_LENGTH_MAX).contains(&count) {
        let mut fields = Fields::default();
        fields.wrong("items", format!("has {count} events; send 1 to {LIST_LENGTH_MAX}"));
        return Err(fields.into_error());
    }
    let asking = call.asking();
    let mut envelopes = Vec::with_capacity(count);
    // For each item: its error, or what is needed to turn its answer into a result.
    let mut read = Vec::with_capacity(count);
    for item in &message.items {
        read.push(read_item(&call, item.item.as_ref(), &asking).map(|item| {
            envelopes.push(item.envelope);
            (item.paths, item.render, item.warnings)
        }));
    }
    let mut answers = match envelopes.len() {
        0 => Vec::new(),
        _ => call.rpc.app.submit_batch(envelopes, Some(call.deadline)).await?,
    }
    .into_iter();
    let results = read.into_iter().map(|read| {
        let result = read.and_then(|(paths, render, warnings)| match answers.next() {
            Some(Ok(answer)) => render(answer, warnings, &asking),
            Some(Err(error)) => Err(Error::from(error).with_paths(paths)),
            None => Err(Error::Internal("a batch has fewer answers than events".to_owned())),
        });
        let result = result.unwrap_or_else(|error| batch_result::Answer::Error(error.into_rpc_status(&call.name)));
        pb::BatchResult { answer: Some(result) }
    });
    Ok(pb::BatchRecordEventsResponse { results: results.collect() })
}

fn read_item(call: &Call, item: Option<&Item>, asking: &Asking) -> Result<ReadItem, Error> {
    match item {
        Some(Item::Click(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::RecordClickRequest>(answer, warnings, asking).map(ItemResult::Click)
        }),
        Some(Item::Lead(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::RecordLeadRequest>(answer, warnings, asking).map(ItemResult::Lead)
        }),
        Some(Item::Sale(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::RecordSaleRequest>(answer, warnings, asking).map(ItemResult::Sale)
        }),
        Some(Item::Refund(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::RecordRefundRequest>(answer, warnings, asking).map(ItemResult::Refund)
        }),
        Some(Item::Cancellation(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::RecordCancellationRequest>(answer, warnings, asking).map(ItemResult::Cancellation)
        }),
        Some(Item::Appointment(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::RecordAppointmentRequest>(answer, warnings, asking).map(ItemResult::Appointment)
        }),
        Some(Item::CustomEvent(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::RecordCustomEventRequest>(answer, warnings, asking).map(ItemResult::CustomEvent)
        }),
        Some(Item::Dispute(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::OpenDisputeRequest>(answer, warnings, asking).map(ItemResult::Dispute)
        }),
        Some(Item::DisputeResolution(message)) => read_change(call, message, asking, |answer, warnings, asking| {
            result::<pb::ResolveDisputeRequest>(answer, warnings, asking).map(ItemResult::DisputeResolution)
        }),
        None => {
            let mut fields = Fields::default();
            let items =
                "click, lead, sale, refund, cancellation, appointment, custom_event, dispute and dispute_resolution";
            fields.wrong("item", format!("must have one of {items}"));
            Err(fields.into_error())
        }
    }
}

fn read_change<M: Change<Kept = Warnings>>(
    call: &Call,
    message: &M,
    asking: &Asking,
    render: Render,
) -> Result<ReadItem, Error> {
    let (rule, warnings) = message.read(asking)?;
    Ok(ReadItem { envelope: call.envelope(message, rule), paths: M::PATHS, render, warnings })
}

fn result<M: Change<Kept = Warnings>>(
    answer: Answer,
    warnings: Warnings,
    asking: &Asking,
) -> Result<<M as Method>::Response, Error> {
    Ok(M::render(change::answer::<M>(answer.outcome)?, answer.replayed, warnings, asking))
}
