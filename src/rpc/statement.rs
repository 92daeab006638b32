//! Statements on the wire: an affiliate's ledger entries in a period, with the balances before and after them.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::call::parse::Fields;
use super::call::render::{id_or_empty, reward_value, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::ledger::{balances_at, refuse_future, render_balance};
use super::program::thresholds;
use super::reward::{render_calculation, render_click};
use crate::domain::calendar::Day;
use crate::domain::conversion::Conversion;
use crate::domain::id::{ConversionId, RewardId};
use crate::domain::ledger::{Balance, LedgerEntry, LedgerReason};
use crate::domain::reward::Reward;
use crate::domain::time::Interval;
use crate::error::Error;
use crate::pb;
use crate::pb::calculate_commissions_request::Period;
use crate::store;
use crate::store::ledger::as_of::sequence_at;
use crate::store::list::{ListOrder, Walk};

pub(super) async fn calculate(
    call: Call,
    message: pb::CalculateCommissionsRequest,
) -> Result<pb::CalculateCommissionsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::Shape::new(page::size(&mut fields, message.page_size), ListOrder::OldestFirst);
    let affiliate = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let period = period(&call, &mut fields, message.period.as_ref()).await?;
    let affiliate = fields.complete(affiliate)?;
    let filter = pb::CalculateCommissionsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page_of_scan(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate(&affiliate).await?.id;
    let (store, account_id) = (call.store(), call.account_id());

    let head = store::account_head::head(store, account_id).await?;
    let first = match period.start {
        Some(start) => sequence_at(store, &head, start.plus_micros(-1)).await?,
        None => 0,
    };
    let place = page.walk().after.map(Place::of_id);
    let last = match (place, period.end) {
        // All pages of a statement end with the same entry, also if it has no end and there are further entries now.
        (Some(place), _) => place.last.min(head.ledger_sequence),
        (None, Some(end)) => sequence_at(store, &head, end.plus_micros(-1)).await?,
        (None, None) => head.ledger_sequence,
    };
    let after = place.map_or(first, |place| place.sequence.max(first));
    let walk = Walk { order: ListOrder::OldestFirst, after: Some(after), limit: page.walk().limit };
    let mut entries = store::ledger::list(store, account_id, Some(affiliate_id), walk).await?;
    entries.retain(|entry| entry.sequence <= last);
    let behind = Behind::of(&call, &entries).await?;
    let opening_balances = balances_at(&call, affiliate_id, first).await?;
    let closing_balances = balances_at(&call, affiliate_id, last).await?;
    call.works_on(entries.len()).await;
    let id = |entry: &LedgerEntry| Place { sequence: entry.sequence, last }.id();
    let (lines, next_page_token) = page.fill(entries, id, |entry| behind.render(&entry));
    Ok(pb::CalculateCommissionsResponse {
        affiliate_id: affiliate_id.to_string(),
        start_time: period.start.map(timestamp),
        end_time: period.end.map(timestamp),
        opening_balances,
        closing_balances,
        lines,
        next_page_token,
    })
}

/// A place in a statement, as a page token has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The entry before it.
    sequence: i64,
    /// The last entry of the statement.
    last: i64,
}

impl Place {
    fn id(self) -> Uuid {
        Uuid::from_u64_pair(self.last.cast_unsigned(), self.sequence.cast_unsigned())
    }

    /// A token is not signed, so the numbers may be any.
    fn of_id(id: Uuid) -> Self {
        let (last, sequence) = id.as_u64_pair();
        let number = |bits: u64| i64::try_from(bits).unwrap_or(i64::MAX);
        Self { sequence: number(sequence), last: number(last) }
    }
}

/// Reads the period.
async fn period(call: &Call, fields: &mut Fields, sent: Option<&Period>) -> Result<Interval, Error> {
    let (period, start_field, end_field) = match sent {
        None => {
            fields.wrong("interval", "is required, or days: the period of the statement");
            return Ok(Interval::default());
        }
        Some(Period::Interval(sent)) => {
            (fields.interval("interval", Some(sent)), "interval.start_time", "interval.end_time")
        }
        Some(Period::Days(sent)) => {
            let days = fields.within("days", |fields| days(fields, sent));
            let Some((first, last)) = days else { return Ok(Interval::default()) };
            let mut calendar = store::statistic::calendar_of(call.store(), call.account_id()).await?;
            let (start, end) = (calendar.start(first), calendar.start(Day(last.0 + 1)));
            (Interval { start: Some(start), end: Some(end) }, "days.first_day", "days.last_day")
        }
    };
    refuse_future(call, fields, start_field, period.start).await?;
    // The end is no part of the period.
    refuse_future(call, fields, end_field, period.end.map(|end| end.plus_micros(-1))).await?;
    Ok(period)
}

fn days(fields: &mut Fields, sent: &pb::StatementDays) -> Option<(Day, Day)> {
    let first = fields.day("first_day", &sent.first_day);
    let last = fields.day("last_day", &sent.last_day);
    let (first, last) = first.zip(last)?;
    if last < first {
        fields.wrong("last_day", "must not be before first_day");
        return None;
    }
    Some((first, last))
}

/// The rewards behind entries, and the conversions behind these.
struct Behind {
    rewards: HashMap<RewardId, Reward>,
    conversions: HashMap<ConversionId, Conversion>,
}

impl Behind {
    async fn of(call: &Call, entries: &[LedgerEntry]) -> Result<Self, Error> {
        let ids: BTreeSet<RewardId> = entries.iter().filter_map(|entry| entry.posting.subject.reward_id()).collect();
        let rewards = store::reward::by_ids(call.store(), call.account_id(), ids).await?;
        let conversions = rewards.values().filter_map(|reward| reward.conversion_id);
        let conversions = store::conversion::by_ids(call.store(), call.account_id(), conversions).await?;
        Ok(Self { rewards, conversions })
    }

    /// An entry as a line. A line has nothing of a reward or a conversion that changes later, so that it stays as it is.
    fn render(&self, entry: &LedgerEntry) -> pb::StatementLine {
        let posting = &entry.posting;
        let mut change = Balance::default();
        // An amount fits, because a balance of it does.
        let _ = change.post(posting);
        let line = pb::StatementLine {
            sequence: entry.sequence,
            post_time: Some(timestamp(posting.posted_at)),
            reason: posting.reason.number(),
            change: Some(render_balance(&posting.balance_key(), change)),
            reward_id: id_or_empty(posting.subject.reward_id()),
            payout_id: id_or_empty(posting.subject.payout_id()),
            ..pb::StatementLine::default()
        };
        let Some(reward) = posting.subject.reward_id().and_then(|id| self.rewards.get(&id)) else { return line };
        let calculation = reward.calculation.as_ref();
        let is_denial = posting.reason == LedgerReason::Denied;
        pb::StatementLine {
            reward_value: Some(reward_value(reward.unit, reward.value)),
            reverses_reward_id: id_or_empty(reward.reverses),
            program_id: reward.program_id.to_string(),
            enrollment_id: reward.enrollment_id.to_string(),
            calculation: calculation.map(|calculation| render_calculation(calculation, reward.value.currency)),
            conversion: reward.conversion_id.and_then(|id| self.conversions.get(&id)).map(render_conversion),
            create_reason: reward.by_hand.as_ref().map(|by_hand| by_hand.reason.clone()).unwrap_or_default(),
            bonus_terms_version: reward.by_hand.as_ref().map_or(0, |by_hand| by_hand.bonus_terms_version),
            submission_id: id_or_empty(reward.by_hand.as_ref().and_then(|by_hand| by_hand.submission_id)),
            click: reward.click.as_ref().map(render_click),
            threshold: (reward.by_hand.as_ref())
                .and_then(|by_hand| by_hand.threshold.as_deref())
                .map(thresholds::render_reached),
            deny_reason: if is_denial { reward.deny_reason.clone() } else { String::new() },
            ..line
        }
    }
}

fn render_conversion(conversion: &Conversion) -> pb::StatementConversion {
    pb::StatementConversion {
        id: conversion.id.to_string(),
        kind: conversion.kind.number(),
        event_id: conversion.event_id.clone(),
        occur_time: Some(timestamp(conversion.occurred_at)),
        order_id: conversion.order.order_id.clone(),
        order_number: conversion.order.order_number.clone(),
        refund_id: conversion.order.refund_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_any_other_id_is_harmless() {
        let place = Place { sequence: 7, last: i64::MAX };
        assert_eq!(Place::of_id(place.id()), place);
        assert_eq!(Place::of_id(Uuid::max()), Place { sequence: i64::MAX, last: i64::MAX });
    }
}
