//! The connections that read. Each statement tells whether the database answers, so that an outage is noticed by the calls that it
//! fails. Knows no table.

use std::sync::Arc;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::super::StoreError;
use super::table::{Reads, Table, models_of_rows};
use crate::outage::{Access, Outage};

/// See the head of the file.
pub struct Watched {
    inner: DatabaseConnection,
    outage: Arc<Outage>,
}

impl Watched {
    /// Watches this connection.
    pub(in crate::store) fn new(inner: DatabaseConnection, outage: Arc<Outage>) -> Self {
        Self { inner, outage }
    }

    /// The connection itself, for statements that are no read of a call.
    pub(in crate::store) fn inner(&self) -> &DatabaseConnection {
        &self.inner
    }

    /// Notes the result of a call's read.
    pub(in crate::store) fn note<T>(&self, result: Result<T, DbErr>) -> Result<T, DbErr> {
        if note(&self.outage, Access::Read, &result) {
            self.outage.count_failed_calls(Access::Read, 1);
        }
        result
    }
}

/// Notes whether the database answered. Returns whether the result is a sign of an outage.
pub(in crate::store) fn note<T>(outage: &Outage, access: Access, result: &Result<T, DbErr>) -> bool {
    let error = match result {
        Ok(_) if access == Access::Read => {
            outage.worked(access);
            return false;
        }
        // Only a commit shows that a write works.
        Ok(_) => return false,
        Err(error) => error,
    };
    let kind = StoreError::of(error);
    if kind.is_outage() {
        outage.failed(access, &kind.to_string(), &error.to_string());
    }
    kind.is_outage()
}

#[async_trait]
impl ConnectionTrait for Watched {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.note(self.inner.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.note(self.inner.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.note(self.inner.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.note(self.inner.query_all_raw(statement).await)
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }
}

impl Reads for Watched {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn models<E: Table>(&self, query: &SelectStatement) -> Result<Vec<E::Model>, StoreError> {
        models_of_rows::<E>(&self.query_all(query).await?)
    }
}
