//! Yearly totals: sums over payouts and fees, which change in the transaction that changes a payout. What changes no payout costs nothing.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::backend::bulk::Writes;
use super::backend::table::Reads;
use super::entity::ledger_entry;
use super::entity::yearly_total as table;
use super::list::Walk;
use super::payout::PayoutQuery;
use super::row::RowName;
use super::set::keyed::rows_by;
use super::{Snapshot, Source, Store, StoreError, ledger, payout, statistic};
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::ledger::{LedgerAccount, Posting};
use crate::domain::money::Currency;
use crate::domain::reward::RewardUnit;
use crate::domain::set::WorkingSet;
use crate::domain::yearly_total::{YearlyTotal, YearlyTotalKey, YearlyTotals};

/// A sum is kept as its whole billions and the rest, so that the database can store every sum.
const BILLION: i128 = 1_000_000_000;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

/// The most rows that a check reads at once.
const PAGE_LENGTH: u64 = 1_000;

/// The whole billions of a change, and the rest. A change fits, because a payout's amount does.
fn split(change_minor: i128) -> (i64, i64) {
    let billions = i64::try_from(change_minor / BILLION).unwrap_or_default();
    (billions, i64::try_from(change_minor % BILLION).unwrap_or_default())
}

fn sum(billions: i64, rest_minor: i64) -> i128 {
    i128::from(billions) * BILLION + i128::from(rest_minor)
}

/// Queues the changes of the totals that the changes of payouts make, and those of these fees.
pub(super) fn add_changes(writes: &mut Writes, set: &WorkingSet, fees: &[Posting]) -> Result<(), StoreError> {
    let changes = set.yearly_total_changes(fees);
    let changes = changes.map_err(|refusal| StoreError::Unexpected(format!("yearly totals: {refusal}")))?;
    let rows = changes.0.into_iter().map(|(key, total)| {
        let (paid_billions, paid_rest_minor) = split(total.paid_minor);
        let (returned_billions, returned_rest_minor) = split(total.returned_minor);
        let (fee_billions, fee_rest_minor) = split(total.fee_minor);
        table::Model {
            account_id: key.account_id.uuid(),
            year: key.year,
            affiliate_id: key.affiliate_id.uuid(),
            currency: key.currency.to_owned(),
            paid_billions,
            paid_rest_minor,
            returned_billions,
            returned_rest_minor,
            fee_billions,
            fee_rest_minor,
            payout_count: total.payout_count,
        }
    });
    use table::Column::{
        FeeBillions, FeeRestMinor, PaidBillions, PaidRestMinor, PayoutCount, ReturnedBillions, ReturnedRestMinor,
    };
    let sums =
        [PaidBillions, PaidRestMinor, ReturnedBillions, ReturnedRestMinor, FeeBillions, FeeRestMinor, PayoutCount];
    writes.add::<table::Entity>(rows.collect(), &sums)
}

fn from_row(row: &table::Model) -> Result<(YearlyTotalKey, YearlyTotal), StoreError> {
    let currency: Currency = RowName::new("yearly_total", row.affiliate_id).parse(&row.currency)?;
    let key = YearlyTotalKey {
        account_id: AccountId::from_uuid(row.account_id),
        year: row.year,
        affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
        currency: currency.code(),
    };
    let total = YearlyTotal {
        paid_minor: sum(row.paid_billions, row.paid_rest_minor),
        returned_minor: sum(row.returned_billions, row.returned_rest_minor),
        fee_minor: sum(row.fee_billions, row.fee_rest_minor),
        payout_count: row.payout_count,
    };
    Ok((key, total))
}

/// The totals of an affiliate in a year, ordered by the codes of their currencies.
pub type OfAffiliate = (AffiliateId, Vec<(Currency, YearlyTotal)>);

/// One page of the affiliates that have totals in a year.
///
/// # Errors
/// [`StoreError`].
pub async fn list(store: &Store, account_id: AccountId, year: i32, walk: Walk) -> Result<Vec<OfAffiliate>, StoreError> {
    use table::Column;
    // A total whose payments were all undone is a row of zeros. A payout has more than zero, so none has payouts and no amount.
    let has_something =
        Condition::any().add(Column::PayoutCount.ne(0)).add(Column::FeeBillions.ne(0)).add(Column::FeeRestMinor.ne(0));
    let of_year = table::Entity::find()
        .select_only()
        .column(Column::AffiliateId)
        .distinct()
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::Year.eq(year))
        .filter(has_something);
    let ids: Vec<Uuid> = walk.cut(of_year, Column::AffiliateId).into_tuple().all(store.read()).await?;
    let keys = ids.iter().map(|id| (account_id.uuid(), year, *id));
    let columns = [Column::AccountId, Column::Year, Column::AffiliateId];
    let mut of_affiliates: BTreeMap<AffiliateId, Vec<(Currency, YearlyTotal)>> = BTreeMap::new();
    for row in rows_by::<table::Entity, _>(store.read(), &columns, keys).await? {
        let (key, total) = from_row(&row)?;
        let currency: Currency = RowName::new("yearly_total", row.affiliate_id).parse(&row.currency)?;
        if total != YearlyTotal::default() {
            of_affiliates.entry(key.affiliate_id).or_default().push((currency, total));
        }
    }
    of_affiliates.values_mut().for_each(|totals| totals.sort_by_key(|(currency, _)| currency.code()));
    let ids = ids.into_iter().map(AffiliateId::from_uuid);
    Ok(ids.map(|id| (id, of_affiliates.remove(&id).unwrap_or_default())).collect())
}

/// The differences between the account's totals, its payouts and its ledger, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let expected = recounted(snapshot, account_id).await?.0;
    let mut kept: BTreeMap<YearlyTotalKey, YearlyTotal> = BTreeMap::new();
    let rows = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    for row in rows.all(snapshot.connection()).await? {
        let (key, total) = from_row(&row)?;
        kept.insert(key, total);
    }
    let keys = expected.keys().chain(kept.keys().filter(|key| !expected.contains_key(*key)));
    let total_of = |totals: &BTreeMap<YearlyTotalKey, YearlyTotal>, key| totals.get(key).copied().unwrap_or_default();
    let different = keys.map(|key| (key, total_of(&kept, key), total_of(&expected, key)));
    let text = |(key, kept, expected): (&YearlyTotalKey, YearlyTotal, YearlyTotal)| {
        let YearlyTotalKey { affiliate_id, year, currency, .. } = key;
        format!(
            "the total of {affiliate_id} for {year} in {currency} is {} and should be {}",
            describe(kept),
            describe(expected)
        )
    };
    let mut differences: Vec<String> = different.filter(|(_, kept, expected)| kept != expected).map(text).collect();
    differences.extend(differences_of_balances(snapshot, account_id, &kept).await?);
    differences.truncate(DIFFERENCES_MAX);
    Ok(differences)
}

fn describe(total: YearlyTotal) -> String {
    let YearlyTotal { paid_minor, returned_minor, fee_minor, payout_count } = total;
    format!("{paid_minor} paid by {payout_count} payouts, {returned_minor} returned, {fee_minor} fees")
}

/// The totals that the account's payouts and the fees of its ledger give.
async fn recounted(snapshot: &Snapshot, account_id: AccountId) -> Result<YearlyTotals, StoreError> {
    let mut calendar = statistic::calendar_of(snapshot, account_id).await?;
    let mut totals = YearlyTotals::default();
    let mut walk = Walk::first(PAGE_LENGTH);
    loop {
        let payouts = payout::list(snapshot, account_id, &PayoutQuery::default(), walk).await?;
        payouts.iter().for_each(|payout| totals.payout(&mut calendar, payout, 1));
        let Some(last) = payouts.last().filter(|_| payouts.len() as u64 == PAGE_LENGTH) else { break };
        walk.after = Some(last.id.uuid());
    }
    let mut after = 0;
    loop {
        let fees = ledger_entry::Entity::find()
            .filter(ledger_entry::Column::AccountId.eq(account_id.uuid()))
            .filter(ledger_entry::Column::Debit.eq(LedgerAccount::ProviderFee.as_str()))
            .filter(ledger_entry::Column::Sequence.gt(after))
            .order_by_asc(ledger_entry::Column::Sequence)
            .limit(PAGE_LENGTH)
            .into_query();
        let rows = snapshot.connection().models::<ledger_entry::Entity>(&fees).await?;
        let is_last = (rows.len() as u64) < PAGE_LENGTH;
        for row in rows {
            after = row.sequence;
            totals.fee(&mut calendar, &ledger::from_row(row)?.posting);
        }
        if is_last {
            break;
        }
    }
    totals.0.retain(|_, total| *total != YearlyTotal::default());
    Ok(totals)
}

/// The affiliates whose balances say that they were paid something else than their totals, less what came back.
async fn differences_of_balances(
    snapshot: &Snapshot,
    account_id: AccountId,
    kept: &BTreeMap<YearlyTotalKey, YearlyTotal>,
) -> Result<Vec<String>, StoreError> {
    let mut paid: BTreeMap<(AffiliateId, &'static str), i128> = BTreeMap::new();
    for (key, total) in kept {
        *paid.entry((key.affiliate_id, key.currency)).or_default() += total.paid_minor - total.returned_minor;
    }
    let mut after = None;
    loop {
        let page = ledger::balances_after(snapshot, account_id, after, PAGE_LENGTH).await?;
        for (key, balance) in page.balances.iter().filter(|(key, _)| key.unit == RewardUnit::Cash) {
            *paid.entry((key.affiliate_id, key.currency.code())).or_default() -= i128::from(balance.paid_minor);
        }
        match page.last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    let text = |((affiliate_id, currency), more): (&(AffiliateId, &str), &i128)| {
        format!("the totals of {affiliate_id} in {currency} have {more} more paid than its balance")
    };
    Ok(paid.iter().filter(|(_, more)| **more != 0).map(text).collect())
}
