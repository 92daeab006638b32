//! The connections that write. Each lane has one connection. One transaction at a time holds it, and it keeps its prepared
//! statements.
//!
//! These connections are not pooled. A pool pings every returned connection and hands it over through a task, and each batch
//! would wait for both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sea_query::{SelectStatement, ValueTuple};
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::{DbBackend, DbErr, IdenStatic, RuntimeErr, Statement, StatementBuilder, Value, Values};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::super::StoreError;
use super::WAIT;
use super::keys::{parameters_of_keys, query_by_keys, query_of_last};
use super::kind::Kind;
use super::postgres::{self, PostgresWriter};
use super::sqlite::SqliteWriter;
use super::table::{self, Reads, Table};
use super::watched;
use crate::outage::{Access, Outage};

/// How long the roll-back of an abandoned transaction may take, before its connection is closed instead.
const UNDO: Duration = Duration::from_secs(1);

/// A connection that writes.
pub(super) enum Writer {
    Sqlite(SqliteWriter),
    Postgres(PostgresWriter),
}

impl Writer {
    async fn begin(&mut self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(writer) => writer.begin(),
            Self::Postgres(writer) => writer.begin().await,
        }
    }

    async fn commit(&mut self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(writer) => writer.commit(),
            Self::Postgres(writer) => writer.commit().await,
        }
    }

    async fn close(&mut self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(writer) => writer.close(),
            Self::Postgres(writer) => writer.close().await,
        }
    }
}

/// All connections that write.
pub(in crate::store) struct Lanes {
    lanes: Vec<Arc<Mutex<Writer>>>,
    outage: Arc<Outage>,
}

impl Lanes {
    pub(super) fn new(writers: Vec<Writer>, outage: Arc<Outage>) -> Self {
        Self { lanes: writers.into_iter().map(|writer| Arc::new(Mutex::new(writer))).collect(), outage }
    }

    /// No connection at all, for a process that only reads.
    pub(in crate::store) fn none() -> Self {
        Self::new(Vec::new(), Arc::default())
    }

    /// Begins a transaction in the lane of this number, once it is free.
    pub(in crate::store) async fn begin(&self, number: usize) -> Result<WriteConnection, StoreError> {
        let lane = self.lanes.get(number % self.lanes.len().max(1)).ok_or(StoreError::Unavailable)?;
        let writer = timeout(WAIT, Arc::clone(lane).lock_owned()).await.map_err(|_| {
            let cause = "another transaction holds the connection that writes";
            self.outage.failed(Access::Write, &StoreError::Unavailable.to_string(), cause);
            StoreError::Unavailable
        })?;
        WriteConnection::begin(writer, Arc::clone(&self.outage)).await
    }

    /// Begins a transaction in a free lane. If there is none, waits for lane 0.
    pub(in crate::store) async fn begin_in_any(&self) -> Result<WriteConnection, StoreError> {
        match self.lanes.iter().find_map(|lane| Arc::clone(lane).try_lock_owned().ok()) {
            Some(writer) => WriteConnection::begin(writer, Arc::clone(&self.outage)).await,
            None => self.begin(0).await,
        }
    }

    /// Closes the connection of a lane if it belongs to the runtime of the lane's writer. The next use opens it again.
    pub(in crate::store) async fn rest(&self, number: usize) {
        let Some(lane) = self.lanes.get(number) else { return };
        if let Writer::Postgres(writer) = &mut *lane.lock().await
            && let Err(error) = writer.close().await
        {
            tracing::debug!(%error, "a connection did not close in good order");
        }
    }

    /// PostgreSQL does such work in processes of its own.
    pub(in crate::store) async fn keep_pauses_short(&self, number: usize, are_short: bool) {
        let Some(lane) = self.lanes.get(number) else { return };
        if let Writer::Sqlite(writer) = &*lane.lock().await {
            writer.keep_checkpoints_short(are_short);
        }
    }

    /// Waits for open transactions and closes every connection for good.
    pub(in crate::store) async fn close(&self) -> Result<(), StoreError> {
        for lane in &self.lanes {
            lane.lock().await.close().await?;
        }
        Ok(())
    }
}

/// A transaction that may write. Dropped without [`WriteConnection::commit`], it is rolled back.
pub(in crate::store) struct WriteConnection {
    /// None once it has ended.
    writer: Mutex<Option<OwnedMutexGuard<Writer>>>,
    backend: DbBackend,
    outage: Arc<Outage>,
    /// Whether a statement changed a row. A commit without a change works even on a full disk.
    has_changed: AtomicBool,
}

impl WriteConnection {
    async fn begin(mut writer: OwnedMutexGuard<Writer>, outage: Arc<Outage>) -> Result<Self, StoreError> {
        let begun = writer.begin().await;
        watched::note(&outage, Access::Write, &begun);
        begun?;
        let backend = match &*writer {
            Writer::Sqlite(_) => DbBackend::Sqlite,
            Writer::Postgres(_) => DbBackend::Postgres,
        };
        Ok(Self { writer: Mutex::new(Some(writer)), backend, outage, has_changed: AtomicBool::new(false) })
    }

    pub(in crate::store) async fn commit(mut self) -> Result<(), DbErr> {
        let committed = match self.writer.get_mut().take() {
            Some(mut writer) => writer.commit().await,
            None => Err(ended()),
        };
        if committed.is_ok() && *self.has_changed.get_mut() {
            self.outage.worked(Access::Write);
        }
        self.note(committed)
    }

    /// Notes a failure that is a sign of an outage.
    fn note<T>(&self, result: Result<T, DbErr>) -> Result<T, DbErr> {
        watched::note(&self.outage, Access::Write, &result);
        result
    }

    fn note_change(&self) {
        self.has_changed.store(true, Ordering::Relaxed);
    }

    /// Runs a SQLite statement once per row. A row has `width` values.
    pub(super) async fn execute_rows(&self, sql: &str, width: usize, values: &[Value]) -> Result<(), StoreError> {
        match self.writer.lock().await.as_deref_mut() {
            Some(Writer::Sqlite(writer)) => self.note(writer.execute_rows(sql, width, values))?,
            _ => return Err(ended().into()),
        }
        self.note_change();
        Ok(())
    }

    /// Overwrites what this transaction removes, also in pages that become free. Only SQLite can.
    pub(in crate::store) async fn overwrite_removed(&self) -> Result<(), StoreError> {
        if let Some(Writer::Sqlite(writer)) = self.writer.lock().await.as_deref_mut() {
            self.note(writer.overwrite_removed(true))?;
        }
        Ok(())
    }

    /// Empties the log once this transaction is committed, because the log has former contents of rows. Only SQLite can.
    pub(in crate::store) async fn empty_log_afterwards(&self) -> Result<(), StoreError> {
        match self.writer.lock().await.as_deref_mut() {
            Some(Writer::Sqlite(writer)) => writer.empty_log_afterwards(),
            Some(Writer::Postgres(_)) => {}
            None => return Err(ended().into()),
        }
        Ok(())
    }

    /// Runs a SQLite statement. Returns how many rows it changed, those of the tables behind a virtual table too.
    pub(super) async fn execute_counting_all(&self, sql: &str) -> Result<u64, StoreError> {
        let count = match self.writer.lock().await.as_deref_mut() {
            Some(Writer::Sqlite(writer)) => self.note(writer.execute_counting_all(sql))?,
            _ => return Err(ended().into()),
        };
        self.note_change();
        Ok(count)
    }

    /// Runs a PostgreSQL statement with columns as array parameters.
    pub(super) async fn execute_arrays(&self, sql: String, arguments: PgArguments) -> Result<(), StoreError> {
        match self.writer.lock().await.as_deref_mut() {
            Some(Writer::Postgres(writer)) => self.note(writer.execute_arrays(sql, arguments).await)?,
            _ => return Err(ended().into()),
        }
        self.note_change();
        Ok(())
    }

    /// Runs a statement that changes rows. Returns how many.
    pub(in crate::store) async fn execute(&self, statement: &impl StatementBuilder) -> Result<u64, StoreError> {
        let Statement { sql, values, .. } = self.backend.build(statement);
        let count = match self.writer.lock().await.as_deref_mut() {
            Some(Writer::Sqlite(writer)) => self.note(writer.execute(&sql, &values_of(values)))?,
            Some(Writer::Postgres(writer)) => self.note(writer.execute(sql, values_of(values)).await)?,
            None => return Err(ended().into()),
        };
        if count > 0 {
            self.note_change();
        }
        Ok(count)
    }

    /// The rows that a query finds, with columns of these kinds.
    pub(in crate::store) async fn values(
        &self,
        query: &SelectStatement,
        kinds: &[Kind],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let Statement { sql, values, .. } = self.backend.build(query);
        match self.writer.lock().await.as_deref_mut() {
            Some(Writer::Sqlite(writer)) => Ok(self.note(writer.query(&sql, &values_of(values), kinds))?),
            Some(Writer::Postgres(writer)) => {
                let rows = self.note(writer.query(sql.into(), values_of(values)).await)?;
                Ok(rows.iter().map(|row| table::values_of_row(row, kinds)).collect::<Result<_, DbErr>>()?)
            }
            None => Err(ended().into()),
        }
    }

    /// The rows of a PostgreSQL table whose columns match one of the keys.
    async fn models_of_keys<E: Table>(
        &self,
        columns: &[E::Column],
        keys: Vec<ValueTuple>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let shape = table::shape::<E>()?;
        let names: Vec<&'static str> = columns.iter().map(IdenStatic::as_str).collect();
        let sql = shape.query_by_keys(&names, || {
            let some = keys.first().cloned().into_iter().collect();
            Ok(self.backend.build(&query_by_keys::<E>(self.backend, columns, some)?).sql)
        })?;
        let mut writer = self.writer.lock().await;
        let Some(Writer::Postgres(writer)) = writer.as_deref_mut() else {
            return Err(ended().into());
        };
        let rows = self.note(writer.query(sql, parameters_of_keys(keys)?).await)?;
        rows.iter().map(|row| table::model::<E>(table::values_of_row(row, &shape.kinds)?)).collect()
    }

    /// The rows that a SQLite query finds for each key. `rest` is the query after its WHERE.
    async fn models_each<E: Table>(&self, rest: &str, keys: Vec<ValueTuple>) -> Result<Vec<E::Model>, StoreError> {
        let shape = table::shape::<E>()?;
        let sql = format!("SELECT {} FROM \"{}\" WHERE {rest}", shape.all.names, shape.table);
        let writer = self.writer.lock().await;
        let Some(Writer::Sqlite(writer)) = writer.as_deref() else {
            return Err(ended().into());
        };
        let keys = keys.into_iter().map(|key| key.into_iter().collect::<Vec<Value>>());
        let mut rows = Vec::new();
        for key in keys {
            rows.extend(self.note(writer.query(&sql, &key, &shape.kinds))?);
        }
        rows.into_iter().map(table::model::<E>).collect()
    }
}

impl Reads for WriteConnection {
    fn backend(&self) -> DbBackend {
        self.backend
    }

    async fn models<E: Table>(&self, query: &SelectStatement) -> Result<Vec<E::Model>, StoreError> {
        let rows = self.values(query, &table::shape::<E>()?.kinds).await?;
        rows.into_iter().map(table::model::<E>).collect()
    }

    /// SQLite runs one query per key, always with the same statement. It reads the same pages as with a list of keys.
    async fn models_by<E: Table>(
        &self,
        columns: &[E::Column],
        keys: Vec<ValueTuple>,
    ) -> Result<Vec<E::Model>, StoreError> {
        if self.backend == DbBackend::Postgres {
            return self.models_of_keys::<E>(columns, keys).await;
        }
        let conditions: Vec<String> = columns.iter().map(|column| format!("\"{}\" = ?", column.as_str())).collect();
        self.models_each::<E>(&conditions.join(" AND "), keys).await
    }

    /// SQLite runs one query per range, like [`Self::models_by`].
    async fn last_models<E: Table>(
        &self,
        columns: [E::Column; 2],
        ranges: Vec<ValueTuple>,
    ) -> Result<Vec<E::Model>, StoreError> {
        if self.backend == DbBackend::Postgres {
            return self.models::<E>(&query_of_last::<E>(self.backend, columns, ranges)?).await;
        }
        let [first, second] = columns.map(|column| column.as_str());
        let is_last =
            format!("\"{first}\" = ? AND \"{second}\" >= ? AND \"{second}\" <= ? ORDER BY \"{second}\" DESC LIMIT 1");
        self.models_each::<E>(&is_last, ranges).await
    }
}

impl Drop for WriteConnection {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.get_mut().take() else { return };
        let postgres = match &mut *writer {
            Writer::Sqlite(sqlite) => return sqlite.undo(),
            Writer::Postgres(postgres) => postgres,
        };
        // The connection is taken out of the lane until it is rolled back. If the task below never runs, the connection is
        // closed, which rolls back too.
        let Some(connection) = postgres.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let undone = postgres::undo(connection, UNDO).await;
            if let (Some(connection), Writer::Postgres(postgres)) = (undone, &mut *writer) {
                postgres.put_back(connection);
            }
        });
    }
}

fn values_of(values: Option<Values>) -> Vec<Value> {
    values.map(|values| values.0).unwrap_or_default()
}

fn ended() -> DbErr {
    DbErr::Exec(RuntimeErr::Internal("the transaction has ended".to_owned()))
}
