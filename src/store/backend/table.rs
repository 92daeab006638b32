//! The properties of a table that generic statements need, and the sources that tables are read from.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use sea_orm::sea_query::{SelectStatement, ValueTuple};
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    FromQueryResult, IdenStatic, IntoActiveModel, Iterable, PrimaryKeyToColumn, QueryResult, TryIntoModel, Value,
};

use super::super::StoreError;
use super::keys::{query_by_keys, query_of_covering, query_of_last};
use super::kind::Kind;

/// A table that generic statements can read and write.
pub(in crate::store) trait Table:
    EntityTrait<
        Model: IntoActiveModel<<Self as EntityTrait>::ActiveModel>,
        ActiveModel: ActiveModelTrait<Entity = Self> + TryIntoModel<<Self as EntityTrait>::Model>,
    >
{
}

impl<E> Table for E
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E> + TryIntoModel<E::Model>,
{
}

/// Columns that have no value in most new rows, by table. PostgreSQL takes time for each column of an INSERT, also for one without values, so
/// these are left out together if none of them has a value. One list for each table keeps the number of statements small that PostgreSQL must
/// prepare.
const RARE_COLUMNS: [(&str, &[&str]); 4] = [
    ("conversion", &["sale_id", "as_recorded"]),
    ("lead", &["mrr_minor", "mrr_currency", "merged_into", "deleted_at"]),
    ("request", &["expires_at"]),
    ("reward", &["reverses", "by_hand", "click", "review", "payout_id", "approved_at", "dispute"]),
];

/// The columns of an INSERT.
pub(super) struct Columns {
    /// Their places among all columns of the table.
    pub(super) places: Vec<usize>,
    /// Their names, as a list.
    pub(super) names: String,
    /// A name for each in rows that are not in the table yet, as a list.
    pub(super) aliases: String,
}

impl Columns {
    fn of(all: &[&str], places: Vec<usize>) -> Self {
        let names: Vec<String> = places.iter().map(|place| format!("\"{}\"", all[*place])).collect();
        let aliases: Vec<String> = (0..places.len()).map(|place| format!("c{place}")).collect();
        Self { places, names: names.join(", "), aliases: aliases.join(", ") }
    }
}

/// The parts that statements about a table share.
pub(super) struct Shape {
    pub(super) table: &'static str,
    /// The types of the columns, in the order in which rows are read and written.
    pub(super) kinds: Vec<Kind>,
    /// All columns.
    pub(super) all: Columns,
    /// The columns without the rare ones. `None`: the table has no rare columns.
    pub(super) common: Option<Columns>,
    /// The places of the rare columns.
    pub(super) rare: Vec<usize>,
    /// The end of an INSERT that replaces rows with the same primary key.
    pub(super) replace: String,
    /// PostgreSQL's queries for rows by keys, by the names of the columns of the keys. The keys are parameters, so the text is the same
    /// for all of them. SeaORM takes longer to build it than the writer takes for everything else that it does to read rows.
    queries_by_keys: RwLock<Vec<(Vec<&'static str>, Arc<str>)>>,
}

impl Shape {
    /// The text of the query for rows by keys of these columns. The text is built if it is not known yet.
    pub(super) fn query_by_keys(
        &self,
        columns: &[&'static str],
        build: impl FnOnce() -> Result<String, StoreError>,
    ) -> Result<Arc<str>, StoreError> {
        let known = self.queries_by_keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = known.iter().find(|(names, _)| names == columns) {
            return Ok(Arc::clone(text));
        }
        drop(known);
        let text: Arc<str> = build()?.into();
        let mut known = self.queries_by_keys.write().unwrap_or_else(PoisonError::into_inner);
        known.push((columns.to_vec(), Arc::clone(&text)));
        Ok(text)
    }
}

/// A table's shape. It is cached, because SeaORM builds the descriptions of columns anew at every call.
pub(super) fn shape<E: Table>() -> Result<Arc<Shape>, StoreError> {
    static SHAPES: LazyLock<RwLock<HashMap<TypeId, Arc<Shape>>>> = LazyLock::new(RwLock::default);
    let known = SHAPES.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<E>()).cloned();
    if let Some(shape) = known {
        return Ok(shape);
    }
    let all: Vec<E::Column> = E::Column::iter().collect();
    let all_names: Vec<&str> = all.iter().map(IdenStatic::as_str).collect();
    let table = E::default().table_name();
    let rare_names = RARE_COLUMNS.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, names)| *names);
    let (rare, common): (Vec<usize>, Vec<usize>) =
        (0..all.len()).partition(|place| rare_names.contains(&all_names[*place]));
    let key: Vec<&str> = E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect();
    let quoted = |name: &&str| format!("\"{name}\"");
    let others = all_names.iter().filter(|name| !key.contains(name));
    let changes: Vec<String> = others.map(|name| format!("\"{name}\" = excluded.\"{name}\"")).collect();
    let shape = Arc::new(Shape {
        table,
        kinds: all.iter().map(|column| Kind::of(column.def().get_column_type())).collect::<Result<_, _>>()?,
        all: Columns::of(&all_names, (0..all.len()).collect()),
        common: (!rare.is_empty()).then(|| Columns::of(&all_names, common)),
        rare,
        replace: format!(
            " ON CONFLICT ({}) DO UPDATE SET {}",
            key.iter().map(quoted).collect::<Vec<_>>().join(", "),
            changes.join(", ")
        ),
        queries_by_keys: RwLock::default(),
    });
    SHAPES.write().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<E>(), Arc::clone(&shape));
    Ok(shape)
}

/// A source of rows: the connections that only read, or one that writes.
pub(in crate::store) trait Reads: Sync {
    /// Which database it is.
    fn backend(&self) -> DbBackend;

    /// The rows that a query finds. The query selects all columns of the table, in their order.
    fn models<E: Table>(
        &self,
        query: &SelectStatement,
    ) -> impl Future<Output = Result<Vec<E::Model>, StoreError>> + Send;

    /// The rows whose columns match one of the keys. There are at most as many keys as one statement takes.
    fn models_by<E: Table>(
        &self,
        columns: &[E::Column],
        keys: Vec<ValueTuple>,
    ) -> impl Future<Output = Result<Vec<E::Model>, StoreError>> + Send {
        let query = query_by_keys::<E>(self.backend(), columns, keys);
        async move { self.models::<E>(&query?).await }
    }

    /// The row of each range that has the greatest value of the second column. A range is a value of the first column, and the least
    /// and the greatest value of the second. There are at most as many ranges as one statement takes.
    fn last_models<E: Table>(
        &self,
        columns: [E::Column; 2],
        ranges: Vec<ValueTuple>,
    ) -> impl Future<Output = Result<Vec<E::Model>, StoreError>> + Send {
        let query = query_of_last::<E>(self.backend(), columns, ranges);
        async move { self.models::<E>(&query?).await }
    }

    /// The rows that the keys of each range belong to, but at most so many. A key belongs to the last row that is not after it. A range is
    /// a value of the first column, and the first and the last key, which are bytes of the second column. A row is found once for each of
    /// its ranges. There are at most as many ranges as one statement takes.
    fn covering_models<E: Table>(
        &self,
        columns: [E::Column; 2],
        ranges: Vec<ValueTuple>,
        limit: u64,
    ) -> impl Future<Output = Result<Vec<E::Model>, StoreError>> + Send {
        let query = query_of_covering::<E>(self.backend(), columns, ranges, limit);
        async move { self.models::<E>(&query?).await }
    }
}

impl Reads for DatabaseTransaction {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn models<E: Table>(&self, query: &SelectStatement) -> Result<Vec<E::Model>, StoreError> {
        models_of_rows::<E>(&self.query_all(query).await?)
    }
}

/// Rows of a table from the rows of a query for all its columns.
///
/// PostgreSQL's rows are read by place. SeaORM looks up each column by its name, and formats an error for each value that is absent,
/// which together take longer than the rest of the reading.
pub(super) fn models_of_rows<E: Table>(rows: &[QueryResult]) -> Result<Vec<E::Model>, StoreError> {
    let shape = shape::<E>()?;
    rows.iter()
        .map(|row| match row.try_as_pg_row() {
            Some(row) => model::<E>(values_of_row(row, &shape.kinds)?),
            None => Ok(E::Model::from_query_result(row, "")?),
        })
        .collect()
}

/// The values of a row of PostgreSQL, whose columns are of these kinds.
pub(super) fn values_of_row(row: &PgRow, kinds: &[Kind]) -> Result<Vec<Value>, DbErr> {
    let mut values = Vec::with_capacity(kinds.len());
    for (place, kind) in kinds.iter().enumerate() {
        values.push(kind.value_of(row, place)?);
    }
    Ok(values)
}

/// A row of a table from the values of all its columns.
pub(super) fn model<E: Table>(values: Vec<Value>) -> Result<E::Model, StoreError> {
    let mut model = <E::ActiveModel as ActiveModelTrait>::default();
    for (column, value) in E::Column::iter().zip(values) {
        model.try_set(column, value)?;
    }
    Ok(model.try_into_model()?)
}
