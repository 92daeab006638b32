//! BatchRecord: up to 1,000 events in one call, each answered as the single call would have been.

use super::parse::{Fields, LIST_LENGTH_MAX};
use super::{Call, click, lead, sale, unexpected_outcome};
use crate::app::Answer;
use crate::domain::command::{Command, Envelope};
use crate::domain::conversion::ConversionKind;
use crate::domain::request::Fingerprint;
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb::{self, record_item::Item, record_result};

pub(super) async fn record(call: Call, message: pb::BatchRecordRequest) -> Result<pb::BatchRecordResponse, Error> {
    let count = message.items.len();
    if !(1..=LIST_LENGTH_MAX).contains(&count) {
        let mut fields = Fields::default();
        fields.wrong("items", format!("has {count} events; send 1 to {LIST_LENGTH_MAX}"));
        return Err(fields.into_error());
    }
    let now = call.now();
    let mut envelopes = Vec::with_capacity(count);
    // What each item comes to, as far as its form already says.
    let mut refused = Vec::with_capacity(count);
    for item in &message.items {
        match parse(&call, item.item.as_ref(), now) {
            Ok((fingerprint, command)) => {
                envelopes.push(Envelope { account_id: call.account_id(), fingerprint, command });
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let mut answers = match envelopes.len() {
        0 => Vec::new(),
        _ => call.rpc.app.submit_batch(envelopes, Some(call.deadline)).await?,
    }
    .into_iter();
    let results = message.items.iter().zip(refused).map(|(item, refused)| {
        let result = match refused {
            Some(error) => Err(error),
            None => match answers.next() {
                Some(answer) => {
                    answer.map_err(Error::from).and_then(|answer| render(&call, item.item.as_ref(), answer))
                }
                None => Err(Error::Internal("a batch has fewer answers than events".to_owned())),
            },
        };
        let result =
            result.unwrap_or_else(|error| record_result::Result::Error(error.into_rpc_status(&call.caller.call)));
        pb::RecordResult { result: Some(result) }
    });
    Ok(pb::BatchRecordResponse { results: results.collect() })
}

fn parse(call: &Call, item: Option<&Item>, now: Time) -> Result<(Option<Fingerprint>, Command), Error> {
    match item {
        Some(Item::Click(message)) => {
            let fingerprint = call.event_key(None, &message.event_id, message);
            Ok((fingerprint, Command::RecordClick(click::parse(message, now)?)))
        }
        Some(Item::Lead(message)) => {
            let fingerprint = call.event_key(Some(ConversionKind::Lead), &message.event_id, message);
            Ok((fingerprint, Command::RecordLead(lead::parse(message, now)?)))
        }
        Some(Item::Sale(message)) => {
            let fingerprint = call.event_key(Some(ConversionKind::Sale), &message.event_id, message);
            Ok((fingerprint, Command::RecordSale(sale::parse(message, now)?)))
        }
        Some(Item::Refund(message)) => {
            let fingerprint = call.event_key(Some(ConversionKind::Refund), &message.event_id, message);
            Ok((fingerprint, Command::RecordRefund(sale::parse_refund(message, now)?)))
        }
        Some(Item::Cancellation(message)) => {
            let fingerprint = call.event_key(Some(ConversionKind::Cancellation), &message.event_id, message);
            Ok((fingerprint, Command::RecordCancellation(lead::parse_cancellation(message, now)?)))
        }
        None => {
            let mut fields = Fields::default();
            fields.wrong("item", "must have one of click, lead, sale, refund and cancellation");
            Err(fields.into_error())
        }
    }
}

fn render(call: &Call, item: Option<&Item>, answer: Answer) -> Result<record_result::Result, Error> {
    Ok(match item {
        Some(Item::Click(_)) => record_result::Result::Click(click::render(answer, call.caller.principal.kind)?),
        Some(Item::Lead(_)) => record_result::Result::Lead(lead::render_recorded(answer)?),
        Some(Item::Sale(_)) => record_result::Result::Sale(sale::render(answer)?),
        Some(Item::Refund(_)) => record_result::Result::Refund(sale::render_refund(answer)?),
        Some(Item::Cancellation(_)) => record_result::Result::Cancellation(lead::render_cancellation(answer)?),
        None => return Err(unexpected_outcome()),
    })
}
