//! What statements that suit every table need of it, and what tables can be read from.

use sea_orm::sea_query::SelectStatement;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, FromQueryResult, IntoActiveModel,
    TryIntoModel,
};

use super::super::StoreError;

/// A table of ours.
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

/// Where rows are read from: connections that only read, and those that write.
pub(in crate::store) trait Reads: Sync {
    /// Which database it is.
    fn backend(&self) -> DbBackend;

    /// The rows that a query of all columns of a table finds.
    fn models<E: Table>(
        &self,
        query: &SelectStatement,
    ) -> impl Future<Output = Result<Vec<E::Model>, StoreError>> + Send;
}

impl Reads for DatabaseConnection {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn models<E: Table>(&self, query: &SelectStatement) -> Result<Vec<E::Model>, StoreError> {
        let rows = self.query_all(query).await?;
        Ok(rows.iter().map(|row| E::Model::from_query_result(row, "")).collect::<Result<_, _>>()?)
    }
}
