//! The database's statistics of its tables.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, Database};

use super::open_with_account;
use crate::support::database::{DatabaseKind, TestDatabase};

db_test!(statistics_are_renewed_where_the_database_goes_by_them, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    store.renew_statistics().await.unwrap();
    if database.kind == DatabaseKind::Sqlite {
        return;
    }
    // The count is negative until the table is analysed for the first time.
    let never_looked_at = Query::select()
        .column(Alias::new("relname"))
        .from(Alias::new("pg_class"))
        .and_where(Expr::col(Alias::new("reltuples")).lt(0))
        .and_where(Expr::col(Alias::new("relname")).is_in([
            "affiliate",
            "click",
            "conversion",
            "lead",
            "request",
            "reward",
        ]))
        .take();
    let connection = Database::connect(&database.url).await.unwrap();
    let rows = connection.query_all(&never_looked_at).await.unwrap();
    assert_eq!(rows.len(), 0, "tables that were not looked at");
    connection.close().await.unwrap();
});
