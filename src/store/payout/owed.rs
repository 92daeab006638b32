//! The amounts that are owed in all, summed by the database. Balances have them. The part that is due is the sum over the rewards that are due,
//! which indexes by state find.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};
use uuid::Uuid;

use super::super::entity::{balance as balance_table, reward as reward_table};
use super::super::row::RowName;
use super::super::{Source, Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, ProgramId};
use crate::domain::money::Currency;
use crate::domain::reward::{RewardState, RewardUnit};
use crate::domain::time::Time;
use crate::store::reward::is_in_state;

/// A filter of what is owed. All fields that are set must match.
#[derive(Debug, Clone)]
pub struct OwedQuery {
    /// Only what is owed to this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only what is owed for the rewards of this program.
    pub program_id: Option<ProgramId>,
    /// Only what is owed in one of these currencies. Empty: any currency.
    pub currencies: Vec<Currency>,
    /// Rewards that were approved up to this time are due.
    pub due_until: Time,
    /// Unapproved rewards whose hold period ended up to this time are overdue.
    pub overdue_until: Time,
}

/// The amounts that are owed in one currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct AmountOwed {
    /// Approved, and in no payout.
    pub approved: i128,
    /// The part of `approved` that is due.
    pub approved_overdue: i128,
    /// The part of `approved` that belongs to affiliates with a sum below zero.
    pub negative: i128,
    pub unapproved: i128,
    /// The part of `unapproved` that would be due if it had been approved in time.
    pub unapproved_overdue: i128,
    pub in_flight: i128,
    /// How many affiliates have a sum above zero in `approved`.
    pub affiliate_count: i64,
}

impl AmountOwed {
    /// Adds what the rewards of one affiliate in a state add up to.
    fn add(&mut self, state: RewardState, sum: i128) {
        match state {
            RewardState::Approved => {
                self.approved += sum;
                self.negative += sum.min(0);
                self.affiliate_count += i64::from(sum > 0);
            }
            RewardState::InPayout => self.in_flight += sum,
            _ => self.unapproved += sum,
        }
    }
}

/// The amounts that are owed in each currency, as of one moment.
///
/// # Errors
/// [`StoreError`].
pub async fn sum(
    store: &Store,
    account_id: AccountId,
    wanted: &OwedQuery,
) -> Result<BTreeMap<Currency, AmountOwed>, StoreError> {
    let snapshot = store.snapshot().await?;
    let name = RowName::new("balance", account_id.uuid());
    let currency = |code: &str| name.parse::<Currency>(code);
    let mut sums = BTreeMap::new();
    let open = match wanted.program_id {
        None => of_balances(&snapshot, account_id, wanted).await?,
        Some(program_id) => of_program(&snapshot, account_id, wanted, program_id).await?,
    };
    for (code, owed) in open {
        sums.insert(currency(&code)?, owed);
    }
    for (code, high, low) in due(&snapshot, account_id, wanted, RewardState::Approved).await? {
        sums.entry(currency(&code)?).or_default().approved_overdue = whole((high, low));
    }
    for state in [RewardState::Pending, RewardState::Held] {
        for (code, high, low) in due(&snapshot, account_id, wanted, state).await? {
            sums.entry(currency(&code)?).or_default().unapproved_overdue += whole((high, low));
        }
    }
    Ok(sums)
}

/// The database adds numbers up in two parts, because SQLite refuses a sum that does not fit into 64 bits: how often the base fits into
/// each, and the rests.
const BASE: i64 = 1 << 32;

type Parts = (i64, i64);

fn whole((high, low): Parts) -> i128 {
    i128::from(high) * i128::from(BASE) + i128::from(low)
}

fn bigint(sum: Expr) -> Expr {
    sum.cast_as(Alias::new("bigint"))
}

fn high(value: Expr) -> Expr {
    bigint(value.div(BASE).sum())
}

fn low(value: Expr) -> Expr {
    bigint(value.modulo(BASE).sum())
}

/// Currency, owed, owed below zero, pending, in flight, how many are owed something.
type Row = (String, i64, i64, i64, i64, i64, i64, i64, i64, i64);

async fn of_balances(
    source: &impl Source,
    account_id: AccountId,
    wanted: &OwedQuery,
) -> Result<Vec<(String, AmountOwed)>, StoreError> {
    use balance_table::Column;
    let column = |column: Column| Expr::col(column.as_column_ref());
    let below_zero: Expr = Expr::case(Column::OwedMinor.lt(0), column(Column::OwedMinor)).finally(0_i64).into();
    let one_if_owed: Expr = Expr::case(Column::OwedMinor.gt(0), 1_i64).finally(0_i64).into();
    let mut query = balance_table::Entity::find()
        .select_only()
        .column(Column::Currency)
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::Unit.eq(RewardUnit::Cash.as_str()))
        .apply_if(wanted.affiliate_id, |query, id| query.filter(Column::AffiliateId.eq(id.uuid())));
    let values = [column(Column::OwedMinor), below_zero, column(Column::PendingMinor), column(Column::InFlightMinor)];
    for (index, value) in values.into_iter().enumerate() {
        query = query.expr_as(high(value.clone()), format!("high_{index}"));
        query = query.expr_as(low(value), format!("low_{index}"));
    }
    let query = query.expr_as(bigint(one_if_owed.sum()), "affiliate_count").group_by(Column::Currency);
    let query = in_currencies(query, Column::Currency, &wanted.currencies);
    let rows: Vec<Row> = query.into_tuple().all(source.connection()).await?;
    let sums = |row: Row| {
        let owed = AmountOwed {
            approved: whole((row.1, row.2)),
            negative: whole((row.3, row.4)),
            unapproved: whole((row.5, row.6)),
            in_flight: whole((row.7, row.8)),
            affiliate_count: row.9,
            ..AmountOwed::default()
        };
        (row.0, owed)
    };
    Ok(rows.into_iter().map(sums).collect())
}

/// The same for the rewards of one program. Balances have no program, so the rewards are summed.
async fn of_program(
    source: &impl Source,
    account_id: AccountId,
    wanted: &OwedQuery,
    program_id: ProgramId,
) -> Result<Vec<(String, AmountOwed)>, StoreError> {
    use reward_table::Column;
    let mut sums: BTreeMap<String, AmountOwed> = BTreeMap::new();
    for state in [RewardState::Approved, RewardState::Pending, RewardState::Held, RewardState::InPayout] {
        let value = Expr::col(Column::ValueMinor.as_column_ref());
        let query = reward_table::Entity::find()
            .select_only()
            .column(Column::Currency)
            .column(Column::AffiliateId)
            .expr_as(high(value.clone()), "high")
            .expr_as(low(value), "low")
            .filter(Column::AccountId.eq(account_id.uuid()))
            .filter(Column::ProgramId.eq(program_id.uuid()))
            .filter(is_in_state(state))
            .filter(Column::Unit.eq(RewardUnit::Cash.as_str()))
            .apply_if(wanted.affiliate_id, |query, id| query.filter(Column::AffiliateId.eq(id.uuid())))
            .group_by(Column::Currency)
            .group_by(Column::AffiliateId);
        let query = in_currencies(query, Column::Currency, &wanted.currencies);
        let rows: Vec<(String, Uuid, i64, i64)> = query.into_tuple().all(source.connection()).await?;
        for (code, _, high, low) in rows {
            sums.entry(code).or_default().add(state, whole((high, low)));
        }
    }
    Ok(sums.into_iter().collect())
}

/// The sums of the due rewards in this state, by currency.
async fn due(
    source: &impl Source,
    account_id: AccountId,
    wanted: &OwedQuery,
    state: RewardState,
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    use reward_table::Column;
    let value = Expr::col(Column::ValueMinor.as_column_ref());
    let query = reward_table::Entity::find()
        .select_only()
        .column(Column::Currency)
        .expr_as(high(value.clone()), "high")
        .expr_as(low(value), "low")
        .filter(is_in_state(state))
        .filter(Column::Unit.eq(RewardUnit::Cash.as_str()))
        .apply_if(wanted.affiliate_id, |query, id| query.filter(Column::AffiliateId.eq(id.uuid())))
        .apply_if(wanted.program_id, |query, id| query.filter(Column::ProgramId.eq(id.uuid())))
        .group_by(Column::Currency);
    let until = wanted.overdue_until.micros();
    let query = match state {
        RewardState::Approved => query
            .filter(Column::AccountId.eq(account_id.uuid()))
            .filter(Column::ApprovedAt.is_null().or(Column::ApprovedAt.lte(wanted.due_until.micros()))),
        RewardState::Pending => {
            // The index of pending rewards has no account. Hardly any of them is past its time, and an account may have very many.
            let account = Expr::col(Column::AccountId.as_column_ref());
            let account = Func::coalesce([account.clone(), account]);
            query.filter(Expr::from(account).eq(account_id.uuid())).filter(Column::AutoApproveAt.lte(until))
        }
        _ => query.filter(Column::AccountId.eq(account_id.uuid())).filter(Column::AutoApproveAt.lte(until)),
    };
    let query = in_currencies(query, Column::Currency, &wanted.currencies);
    Ok(query.into_tuple().all(source.connection()).await?)
}

fn in_currencies<E: EntityTrait>(query: Select<E>, column: E::Column, currencies: &[Currency]) -> Select<E> {
    if currencies.is_empty() {
        return query;
    }
    query.filter(column.is_in(currencies.iter().map(|currency| currency.code())))
}
