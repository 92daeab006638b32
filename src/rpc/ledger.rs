//! Balances and the ledger on the wire.

use std::collections::HashMap;
use std::fmt::Write;

use uuid::Uuid;

use super::call::parse::Fields;
use super::call::render::{id_or_empty, reward_value, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use crate::app::verify;
use crate::domain::id::{AffiliateId, ConversionId, RewardId};
use crate::domain::ledger::{Balance, BalanceKey, LedgerEntry};
use crate::domain::money::Money;
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::ledger::BalanceQuery;
use crate::store::list::Walk;

pub(super) async fn balance(call: Call, message: pb::GetBalanceRequest) -> Result<pb::GetBalanceResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let as_of = as_of(&call, &mut fields, message.as_of_time.as_ref()).await?;
    let wanted = fields.complete(wanted)?;
    let affiliate = call.affiliate(&wanted).await?;
    let balances = match as_of {
        None => balances(&call, affiliate.id).await?,
        Some(time) => {
            let sequence = sequence_at(&call, time).await?;
            let _long = call.store().long_read(call.account_id()).await;
            balances_at(&call, affiliate.id, sequence).await?
        }
    };
    Ok(pb::GetBalanceResponse { affiliate_id: affiliate.id.to_string(), balances })
}

/// The balances of an affiliate as messages, in order.
pub(super) async fn balances(call: &Call, affiliate_id: AffiliateId) -> Result<Vec<pb::Balance>, Error> {
    Ok(render_balances(store::ledger::balances(call.store(), call.account_id(), affiliate_id).await?))
}

/// Reads `as_of_time`.
async fn as_of(call: &Call, fields: &mut Fields, sent: Option<&prost_types::Timestamp>) -> Result<Option<Time>, Error> {
    const FIELD: &str = "as_of_time";
    let time = fields.time(FIELD, sent);
    refuse_future(call, fields, FIELD, time).await?;
    Ok(time)
}

/// Refuses a time in the future, for which there are no books yet. The time of the newest commit is past, also if the clock was set back
/// since.
pub(super) async fn refuse_future(
    call: &Call,
    fields: &mut Fields,
    field: &str,
    time: Option<Time>,
) -> Result<(), Error> {
    let now = call.now();
    if let Some(time) = time.filter(|time| *time > now)
        && time > store::account_head::head(call.store(), call.account_id()).await?.committed_at
    {
        fields.wrong(field, "is in the future; send a time that is past, or leave it out for now");
    }
    Ok(())
}

/// The sequence of the newest entry as of a time.
async fn sequence_at(call: &Call, time: Time) -> Result<i64, Error> {
    let head = store::account_head::head(call.store(), call.account_id()).await?;
    Ok(store::ledger::as_of::sequence_at(call.store(), &head, time).await?)
}

/// The balances of an affiliate after the entry with this sequence as messages, in order.
pub(super) async fn balances_at(
    call: &Call,
    affiliate_id: AffiliateId,
    sequence: i64,
) -> Result<Vec<pb::Balance>, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let balances = store::ledger::as_of::balances_at(store, account_id, &[affiliate_id], sequence).await?;
    Ok(render_balances(balances.into_iter().collect()))
}

pub(super) fn render_balance(key: &BalanceKey, balance: Balance) -> pb::Balance {
    let value = |minor: i64| Some(reward_value(key.unit, Money::new(minor, key.currency)));
    pb::Balance {
        earned: value(balance.earned_minor()),
        pending: value(balance.pending_minor),
        owed: value(balance.owed_minor),
        in_flight: value(balance.in_flight_minor),
        in_dispute: value(balance.frozen_minor),
        paid: value(balance.paid_minor),
    }
}

pub(super) async fn list_balances(
    call: Call,
    message: pb::ListBalancesRequest,
) -> Result<pb::ListBalancesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let units = fields.values("units", &message.units);
    let currencies = fields.currencies("currencies", &message.currencies);
    let as_of = as_of(&call, &mut fields, message.as_of_time.as_ref()).await?;
    fields.finish()?;
    let filter = pb::ListBalancesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = match as_of {
        None => call.page(&filter, shape, &message.page_token).await?,
        Some(_) => call.page_of_scan(&filter, shape, &message.page_token).await?,
    };
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = BalanceQuery { affiliate_id, units, currencies, owed_only: message.owed_only };
    let (store, account_id, walk) = (call.store(), call.account_id(), page.walk());
    let (rows, ended_at) = match as_of {
        None => (store::ledger::list_balances(store, account_id, &query, walk).await?, None),
        Some(time) => {
            let sequence = sequence_at(&call, time).await?;
            store::ledger::as_of::list_balances_at(store, account_id, &query, sequence, walk).await?
        }
    };
    call.works_on(rows.len()).await;
    let render = |(affiliate_id, balances): (AffiliateId, Vec<(BalanceKey, Balance)>)| pb::AffiliateBalances {
        affiliate_id: affiliate_id.to_string(),
        balances: render_balances(balances),
    };
    let (affiliates, next_page_token) =
        page.fill_until(rows, ended_at, |(affiliate_id, _)| affiliate_id.uuid(), render);
    Ok(pb::ListBalancesResponse { affiliates, next_page_token })
}

/// An affiliate's balances as messages, ordered by unit and currency.
fn render_balances(mut balances: Vec<(BalanceKey, Balance)>) -> Vec<pb::Balance> {
    balances.sort_by_key(|(key, _)| (key.unit, key.currency.code()));
    balances.iter().map(|(key, balance)| render_balance(key, *balance)).collect()
}

pub(super) async fn list(
    call: Call,
    message: pb::ListLedgerEntriesRequest,
) -> Result<pb::ListLedgerEntriesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    fields.finish()?;
    let filter = pb::ListLedgerEntriesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id_of_list(affiliate.as_ref()).await?;
    let Walk { order, after, limit } = page.walk();
    let walk = Walk { order, after: after.map(sequence_of), limit };
    let entries = store::ledger::list(call.store(), call.account_id(), affiliate_id, walk).await?;
    call.check_unless_found(&entries, affiliate.as_ref()).await?;
    let conversions = store::ledger::conversions(call.store(), call.account_id(), &entries).await?;
    let render = |entry: LedgerEntry| render_entry(&entry, &conversions);
    call.works_on(entries.len()).await;
    let (entries, next_page_token) = page.fill(entries, |entry| place_of(entry.sequence), render);
    Ok(pb::ListLedgerEntriesResponse { entries, next_page_token })
}

/// The id that a page token has for an entry. Page tokens contain ids, but entries have a number and no id.
fn place_of(sequence: i64) -> Uuid {
    Uuid::from_u128(u128::from(sequence.unsigned_abs()))
}

fn sequence_of(place: Uuid) -> i64 {
    i64::try_from(place.as_u128()).unwrap_or(i64::MAX)
}

/// An entry as a message. The fields about a reward are empty for an entry about anything else.
fn render_entry(entry: &LedgerEntry, conversions: &HashMap<RewardId, ConversionId>) -> pb::LedgerEntry {
    let posting = &entry.posting;
    let reward_id = posting.subject.reward_id();
    let conversion_id = reward_id.and_then(|id| conversions.get(&id));
    pb::LedgerEntry {
        sequence: entry.sequence,
        debit: posting.debit.number(),
        credit: posting.credit.number(),
        value: Some(reward_value(posting.unit, Money::new(posting.amount_minor, posting.currency))),
        affiliate_id: posting.affiliate_id.to_string(),
        reward_id: reward_id.map(|id| id.to_string()).unwrap_or_default(),
        conversion_id: conversion_id.map(ToString::to_string).unwrap_or_default(),
        reason: posting.reason.number(),
        post_time: Some(timestamp(posting.posted_at)),
        entry_hash: hexadecimal(&entry.hash),
        payout_id: id_or_empty(posting.subject.payout_id()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) async fn verify(call: Call, _: pb::VerifyLedgerRequest) -> Result<pb::VerifyLedgerResponse, Error> {
    let _running = call.rpc.app.begin_heavy(call.account_id())?;
    let report = verify::verify(call.store(), call.account_id()).await?;
    let mut totals = Vec::with_capacity(report.totals.len());
    for ((unit, currency, account), sum) in report.totals {
        let sum = i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });
        let value = Some(reward_value(unit, Money::new(sum, currency)));
        totals.push(pb::LedgerTotal { ledger_account: account.number(), value });
    }
    Ok(pb::VerifyLedgerResponse {
        ok: report.differences.is_empty(),
        entry_count: report.entry_count,
        reward_count: report.reward_count,
        event_count: report.event_count,
        totals,
        differences: report.differences,
    })
}
