//! Reads the rows that a batch needs into a working set. Each way to find a kind takes one statement per round, whatever the size
//! of the batch, and none when nothing asks for it. Rows that were looked up and not found are entered as absent. Knows the order
//! of kinds, not what rows mean.

use std::sync::Arc;

use sea_orm::sea_query::{IntoValueTuple, SelectStatement, ValueTuple};
use sea_orm::{DatabaseTransaction, DbBackend, EntityTrait};

use super::catalogue::Catalogues;
use super::keyed::rows_by;
use super::stored::{SqlKey, Stored, key_columns};
use crate::domain::set::Needs;
use crate::domain::set::WorkingSet;
use crate::store::backend::lane::WriteConnection;
use crate::store::backend::table::{Reads, Table};
use crate::store::ledger::load_balances;
use crate::store::{Snapshot, Source as _, StoreError, WriteTransaction};

/// The maximum number of rounds. A further round is needed when rows lead back to kinds that were read before. Refunds need one
/// further round, and hardly any other batch needs one. More rounds than the maximum mean that the rows lead in a cycle.
const ROUNDS_MAX: usize = 8;

/// Loads the needed rows, and the rows that they lead to.
///
/// # Errors
/// [`StoreError`].
pub async fn load(
    transaction: &WriteTransaction,
    needs: Needs,
    catalogues: &mut Catalogues,
    set: &mut WorkingSet,
) -> Result<(), StoreError> {
    load_from(&Connection::Writing(transaction.connection()), needs, catalogues, set).await
}

/// Loads rows as they are in a snapshot, for rules whose changes are not saved.
///
/// # Errors
/// [`StoreError`].
pub async fn load_to_try(
    snapshot: &Snapshot,
    needs: Needs,
    catalogues: &mut Catalogues,
    set: &mut WorkingSet,
) -> Result<(), StoreError> {
    load_from(&Connection::Reading(snapshot.connection()), needs, catalogues, set).await
}

async fn load_from(
    connection: &Connection<'_>,
    needs: Needs,
    catalogues: &mut Catalogues,
    set: &mut WorkingSet,
) -> Result<(), StoreError> {
    let mut loading = Loading { connection, catalogues, set, needs };
    for _ in 0..ROUNDS_MAX {
        if loading.needs == Needs::default() {
            return Ok(());
        }
        loading.round().await?;
    }
    // The error does not name the rows, because their keys contain names of people, and the text goes into the log.
    Err(StoreError::Unexpected(format!("rows lead to rows for more than {ROUNDS_MAX} rounds")))
}

/// The connection that rows are read from: that of a transaction that writes, or that of a snapshot.
pub(in crate::store) enum Connection<'source> {
    Writing(&'source WriteConnection),
    Reading(&'source DatabaseTransaction),
}

impl Reads for Connection<'_> {
    fn backend(&self) -> DbBackend {
        match self {
            Self::Writing(connection) => connection.backend(),
            Self::Reading(connection) => connection.backend(),
        }
    }

    async fn models<E: Table>(&self, query: &SelectStatement) -> Result<Vec<E::Model>, StoreError> {
        match self {
            Self::Writing(connection) => connection.models::<E>(query).await,
            Self::Reading(connection) => connection.models::<E>(query).await,
        }
    }

    async fn models_by<E: Table>(
        &self,
        columns: &[E::Column],
        keys: Vec<ValueTuple>,
    ) -> Result<Vec<E::Model>, StoreError> {
        match self {
            Self::Writing(connection) => connection.models_by::<E>(columns, keys).await,
            Self::Reading(connection) => connection.models_by::<E>(columns, keys).await,
        }
    }

    async fn last_models<E: Table>(
        &self,
        columns: [E::Column; 2],
        ranges: Vec<ValueTuple>,
    ) -> Result<Vec<E::Model>, StoreError> {
        match self {
            Self::Writing(connection) => connection.last_models::<E>(columns, ranges).await,
            Self::Reading(connection) => connection.last_models::<E>(columns, ranges).await,
        }
    }
}

/// A load in progress. The rows that are read add those that they lead to.
pub(in crate::store) struct Loading<'load> {
    pub(in crate::store) connection: &'load Connection<'load>,
    pub(in crate::store) catalogues: &'load mut Catalogues,
    pub(in crate::store) set: &'load mut WorkingSet,
    /// Not yet read.
    pub(in crate::store) needs: Needs,
}

/// Generates one round over all kinds.
macro_rules! round {
    ($($place:ident: $kind:ty,)*) => {
        impl Loading<'_> {
            async fn round(&mut self) -> Result<(), StoreError> {
                $(<$kind as Stored>::load(self).await?;)*
                load_balances(self).await
            }
        }
    };
}

crate::for_all_kinds!(round);

impl Loading<'_> {
    /// Reads the rows that are needed by their primary keys.
    pub(in crate::store) async fn by_key<S: Stored>(&mut self) -> Result<(), StoreError> {
        let mut missing = std::mem::take(S::needed(&mut self.needs));
        missing.retain(|key| {
            if S::rows(self.set).find(key).is_some() {
                return false;
            }
            match self.catalogues.row::<S>(key) {
                Some(row) => {
                    enter(self.set, &mut self.needs, row);
                    false
                }
                None => true,
            }
        });
        if missing.is_empty() {
            return Ok(());
        }
        self.by::<S, _>(&key_columns::<S::Table>(), missing.iter().map(SqlKey::values)).await?;
        missing.into_iter().for_each(|key| S::rows_mut(self.set).insert_absent(key));
        Ok(())
    }

    /// Reads the rows whose columns have one of these values.
    pub(in crate::store) async fn by<S: Stored, K: IntoValueTuple>(
        &mut self,
        columns: &[<S::Table as EntityTrait>::Column],
        values: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Arc<S>>, StoreError> {
        let rows = rows_by::<S::Table, _>(self.connection, columns, values).await?;
        rows.into_iter().map(|row| Ok(self.enter(S::from_row(row)?))).collect()
    }

    /// Enters a row that was read from the database, and caches it if it belongs to the catalogue.
    pub(in crate::store) fn enter<S: Stored>(&mut self, row: S) -> Arc<S> {
        let row = Arc::new(row);
        if S::IN_CATALOGUE {
            self.catalogues.keep(&row);
        }
        enter(self.set, &mut self.needs, Arc::clone(&row));
        row
    }

    /// Enters a row that was found in the cache.
    pub(in crate::store) fn enter_remembered<S: Stored>(&mut self, row: Arc<S>) {
        enter(self.set, &mut self.needs, row);
    }
}

fn enter<S: Stored>(set: &mut WorkingSet, needs: &mut Needs, row: Arc<S>) {
    row.leads_to(needs);
    set.load(row);
}
