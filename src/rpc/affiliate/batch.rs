//! BatchChangeAffiliates: up to 1,000 changes of affiliates in one call. Each gets the answer that the single call would have got.

use super::change::{SELECTED_PATHS, settle_pending};
use crate::app::Answer;
use crate::domain::affiliate::Affiliate;
use crate::domain::outcome::Outcome;
use crate::domain::rule::Envelope;
use crate::error::{Error, FieldPaths};
use crate::pb::affiliate_batch_item::Item;
use crate::pb::affiliate_batch_result::Answer as ItemResult;
use crate::pb::{self, affiliate_batch_result};
use crate::rpc::call::Call;
use crate::rpc::call::change::{self, Asking, Change, Method};
use crate::rpc::call::parse::{Fields, LIST_LENGTH_MAX};
use crate::rpc::enrollment;

/// A parsed item, and what is needed to turn its answer into a result.
struct ReadItem {
    envelope: Envelope,
    paths: FieldPaths,
    render: Render,
    /// The reason of a deactivation.
    reason: Option<String>,
}

/// Turns an answer into a result.
type Render = fn(Answer, &Asking) -> Result<ItemResult, Error>;

/// See the head of the file.
pub(in crate::rpc) async fn change_many(
    call: Call,
    message: pb::BatchChangeAffiliatesRequest,
) -> Result<pb::BatchChangeAffiliatesResponse, Error> {
    let count = message.items.len();
    if !(1..=LIST_LENGTH_MAX).contains(&count) {
        let mut fields = Fields::default();
        fields.wrong("items", format!("has {count} changes; send 1 to {LIST_LENGTH_MAX}"));
        return Err(fields.into_error());
    }
    let asking = call.asking();
    let mut envelopes = Vec::with_capacity(count);
    let mut read = Vec::with_capacity(count);
    for item in &message.items {
        let item = read_item(&call, item.item.as_ref(), &asking).await;
        read.push(item.map(|item| {
            envelopes.push(item.envelope);
            (item.paths, item.render, item.reason)
        }));
    }
    let mut answers = match envelopes.len() {
        0 => Vec::new(),
        _ => call.rpc.app.submit_batch(envelopes, Some(call.deadline)).await?,
    }
    .into_iter();
    let mut results = Vec::with_capacity(count);
    for item in read {
        let result = match item {
            Ok((paths, render, reason)) => match answers.next() {
                Some(Ok(answer)) => finish(&call, answer, render, reason.as_deref(), &asking).await,
                Some(Err(error)) => Err(Error::from(error).with_paths(paths)),
                None => Err(Error::Internal("a batch has fewer answers than changes".to_owned())),
            },
            Err(error) => Err(error),
        };
        let answer =
            result.unwrap_or_else(|error| affiliate_batch_result::Answer::Error(error.into_rpc_status(&call.name)));
        results.push(pb::AffiliateBatchResult { answer: Some(answer) });
    }
    Ok(pb::BatchChangeAffiliatesResponse { results })
}

/// Denies or holds the pending rewards of an affiliate that was deactivated, if that was asked for, and renders the answer.
async fn finish(
    call: &Call,
    answer: Answer,
    render: Render,
    reason: Option<&str>,
    asking: &Asking<'_>,
) -> Result<ItemResult, Error> {
    if let (Some(reason), Some(affiliate)) = (reason, affiliate_of(&answer)) {
        settle_pending(call, affiliate, reason).await?;
    }
    render(answer, asking)
}

fn affiliate_of(answer: &Answer) -> Option<&Affiliate> {
    match &answer.outcome {
        Outcome::ChangedAffiliate(affiliate) => Some(affiliate),
        _ => None,
    }
}

async fn read_item(call: &Call, item: Option<&Item>, asking: &Asking<'_>) -> Result<ReadItem, Error> {
    match item {
        Some(Item::Approve(message)) => Ok(read(call, message, message.read(asking)?.0, |answer, asking| {
            result::<pb::ApproveAffiliateRequest>(answer, asking).map(ItemResult::Approve)
        })),
        Some(Item::Reject(message)) => Ok(read(call, message, message.read(asking)?.0, |answer, asking| {
            result::<pb::RejectAffiliateRequest>(answer, asking).map(ItemResult::Reject)
        })),
        Some(Item::Deactivate(message)) => {
            let rule = message.read(asking)?.0;
            let reason = Some(rule.reason.clone());
            let item = read(call, message, rule, |answer, asking| {
                result::<pb::DeactivateAffiliateRequest>(answer, asking).map(ItemResult::Deactivate)
            });
            Ok(ReadItem { reason, ..item })
        }
        Some(Item::Enroll(message)) => {
            let rule = enrollment::read_enroll(call, message, asking).await?;
            Ok(read(call, message, rule, |answer, asking| {
                result::<pb::EnrollAffiliateRequest>(answer, asking).map(ItemResult::Enroll)
            }))
        }
        Some(Item::Update(message)) => {
            // A thousand of them would take the server's processors for half a minute.
            if message.update_mask.iter().flat_map(|mask| &mask.paths).any(|path| path == "password") {
                let mut fields = Fields::default();
                fields.wrong("update_mask", "cannot name `password` here; change passwords by UpdateAffiliate");
                return Err(fields.into_error());
            }
            let item = read(call, message, message.read(asking)?.0, |answer, asking| {
                result::<pb::UpdateAffiliateRequest>(answer, asking).map(ItemResult::Update)
            });
            let paths = if message.selector.is_some() { SELECTED_PATHS } else { item.paths };
            Ok(ReadItem { paths, ..item })
        }
        None => {
            let mut fields = Fields::default();
            fields.wrong("item", "must have one of approve, reject, deactivate, enroll and update");
            Err(fields.into_error())
        }
    }
}

fn read<M: Change>(call: &Call, message: &M, rule: M::Rule, render: Render) -> ReadItem {
    ReadItem { envelope: call.envelope(message, rule), paths: M::PATHS, render, reason: None }
}

fn result<M: Change<Kept = ()>>(answer: Answer, asking: &Asking) -> Result<<M as Method>::Response, Error> {
    Ok(M::render(change::answer::<M>(answer.outcome)?, answer.replayed, (), asking))
}
