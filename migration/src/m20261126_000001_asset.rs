//! Assets, which affiliates advertise with.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column::{id, table, text, time};

/// See the head of the file.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut statement = table("asset", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text("display_name"))
            .col(text("url"))
            .col(time("created_at"))
            .take();
        if manager.get_database_backend() == DbBackend::Sqlite {
            statement.extra("WITHOUT ROWID");
        }
        manager.create_table(statement).await
    }
}
