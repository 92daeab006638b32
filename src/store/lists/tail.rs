//! The tail of an account: the entries of all its lists that are not folded yet. A row has the entries of one commit, and the number
//! of the last of them. Entries are numbered without gaps under the account's lock, so the order of numbers is that of commits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SelectStatement, ValueTuple};
use sea_orm::{
    ColumnTrait, DbBackend, EntityName, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};

use super::bytes::{from_entries, to_entries, to_places_of};
use super::{Entry, OwnList, Place, inconsistent};
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::store::StoreError;
use crate::store::backend::bulk::Writes;
use crate::store::backend::keys::{OTHER, join, query_for_each, wanted};
use crate::store::backend::table::Reads;
use crate::store::entity::{account_head as head_table, list_tail as table};
use crate::store::set::keyed::chunks;
use crate::store::set::stored::Stored;

/// The entries that a commit adds, by account.
#[derive(Default)]
pub(in crate::store) struct Entries(BTreeMap<AccountId, Vec<Entry>>);

impl Entries {
    /// Adds a row to the lists that it is on and was not on when it was loaded.
    pub(in crate::store) fn add_row<S: Stored>(&mut self, row: &S, loaded: Option<&S>) {
        let before = loaded.map(S::entries).unwrap_or_default();
        for own in row.entries().into_iter().filter(|own| !before.contains(own)) {
            self.add(own.0, own.1);
        }
    }

    /// Adds one place to a list.
    pub(in crate::store) fn add(&mut self, account_id: AccountId, entry: Entry) {
        self.0.entry(account_id).or_default().push(entry);
    }

    /// The accounts that have an entry.
    pub(in crate::store) fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.0.keys().copied()
    }

    /// Numbers the entries and queues the rows that have them, each with what is added to the account's figures. Returns the figures of
    /// accounts that have no entry.
    pub(in crate::store) fn write(
        self,
        writes: &mut Writes,
        heads: &mut BTreeMap<AccountId, AccountHead>,
        mut figures: BTreeMap<AccountId, Vec<u8>>,
    ) -> Result<BTreeMap<AccountId, Vec<u8>>, StoreError> {
        let mut rows = Vec::with_capacity(self.0.len());
        for (account_id, mut entries) in self.0 {
            let head = heads
                .get_mut(&account_id)
                .ok_or_else(|| StoreError::Unexpected(format!("the head of {account_id} is not locked")))?;
            entries.sort_unstable();
            entries.dedup();
            head.listed_count = head.listed_count.saturating_add_unsigned(entries.len() as u64);
            rows.push(table::Model {
                account_id: account_id.uuid(),
                last_number: head.listed_count,
                entries: from_entries(&entries),
                figures: figures.remove(&account_id).unwrap_or_default(),
            });
        }
        writes.insert::<table::Entity>(rows)?;
        Ok(figures)
    }
}

/// The entries of a row.
pub(super) fn entries_of(row: &table::Model) -> Result<Vec<Entry>, StoreError> {
    to_entries(&row.entries).map_err(|_| inconsistent(AccountId::from_uuid(row.account_id)))
}

/// The number up to which the account's entries are folded, as a part of a statement. The bound keeps the database from visiting
/// folded rows that it has not cleared away yet.
fn folded_count(account: Expr) -> Expr {
    let head = Alias::new(head_table::Entity.table_name());
    let count = Query::select()
        .column((head.clone(), head_table::Column::FoldedCount))
        .from(head_table::Entity)
        .and_where(Expr::col((head, head_table::Column::AccountId)).eq(account))
        .take();
    Func::coalesce([Expr::SubQuery(None, Box::new(count.into())), Expr::val(0_i64)]).into()
}

/// The places of one list in the entries of tail rows, in ascending order.
pub(super) fn places((account_id, list): OwnList, rows: &[Vec<u8>]) -> Result<BTreeSet<Place>, StoreError> {
    let mut places = BTreeSet::new();
    for entries in rows {
        places.extend(to_places_of(entries, list).map_err(|_| inconsistent(account_id))?);
    }
    Ok(places)
}

/// A query for the entries of an account's tail, with the columns that [`super::block::read_with`] needs.
pub(super) fn query(account_id: AccountId) -> SelectStatement {
    let query = in_tail_of(account_id).select_only().column(table::Column::AccountId);
    query.expr(Expr::val(Vec::<u8>::new())).column(table::Column::Entries).into_query()
}

/// What the rows of an account's tail add to its figures.
pub(in crate::store) async fn figures(
    connection: &impl Reads,
    account_id: AccountId,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = rows(connection, account_id).await?.into_iter();
    Ok(rows.map(|row| row.figures).filter(|figures| !figures.is_empty()).collect())
}

/// All rows of an account's tail, the oldest first.
pub(super) async fn rows(connection: &impl Reads, account_id: AccountId) -> Result<Vec<table::Model>, StoreError> {
    let query = in_tail_of(account_id).order_by_asc(table::Column::LastNumber);
    connection.models::<table::Entity>(&query.into_query()).await
}

fn in_tail_of(account_id: AccountId) -> Select<table::Entity> {
    table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(Expr::col(table::Column::LastNumber.as_column_ref()).gt(folded_count(Expr::val(account_id.uuid()))))
}

/// The places of several lists that are in the tails of their accounts. Lists without one are left out.
pub(super) async fn places_of(
    connection: &impl Reads,
    lists: &BTreeSet<OwnList>,
) -> Result<HashMap<OwnList, BTreeSet<Place>>, StoreError> {
    let accounts: BTreeSet<AccountId> = lists.iter().map(|(account_id, _)| *account_id).collect();
    let mut places: HashMap<OwnList, BTreeSet<Place>> = HashMap::new();
    for chunk in chunks(accounts.into_iter().map(AccountId::uuid)) {
        let query = query_of_tails(connection.backend(), chunk)?;
        for row in connection.models::<table::Entity>(&query).await? {
            let account_id = AccountId::from_uuid(row.account_id);
            for Entry { list, place } in entries_of(&row)? {
                if lists.contains(&(account_id, list)) {
                    places.entry((account_id, list)).or_default().insert(place);
                }
            }
        }
    }
    Ok(places)
}

/// A query for the tails of several accounts.
fn query_of_tails(backend: DbBackend, accounts: Vec<ValueTuple>) -> Result<SelectStatement, StoreError> {
    // The account of the list of keys, because a database uses only that as a bound for the scan of the table.
    let is_in_tail =
        |table: &str| Expr::col((Alias::new(table), table::Column::LastNumber)).gt(folded_count(wanted(1)));
    if backend == DbBackend::Postgres {
        let rows = Query::select()
            .from_as(table::Entity, OTHER)
            .and_where(Expr::col((OTHER, table::Column::AccountId)).eq(wanted(1)))
            .and_where(is_in_tail(OTHER))
            .order_by((OTHER, table::Column::LastNumber), Order::Asc)
            .take();
        return query_for_each::<table::Entity>(rows, accounts);
    }
    let mut query = table::Entity::find().into_query();
    join::<table::Entity>(backend, &mut query, &[table::Column::AccountId], accounts)?;
    query.and_where(is_in_tail(table::Entity.table_name()));
    Ok(query)
}
