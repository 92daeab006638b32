//! A database of each kind with Headwater's schema in it and nothing else, made once per process and copied for each test:
//! migrating takes longer than many a test does with what it gets. The server has never opened it, so that each copy is given an
//! identity and an operator key of its own.

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::{ConnectOptions, Database, TransactionTrait};
use testkit::database::{DatabaseServer, PostgresDatabase};
use tokio::sync::OnceCell;

/// The SQLite file.
pub(super) async fn sqlite_file() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    FILE.get_or_init(|| async {
        let folder = tempfile::Builder::new().prefix("headwater-template-").tempdir().unwrap();
        let path = folder.path().join("template.sqlite");
        let mut options = ConnectOptions::new(format!("sqlite://{}", path.display()));
        // As the server has it. The journal is folded into the file when the connection is closed.
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true).journal_mode(SqliteJournalMode::Wal));
        migrate(options).await;
        std::fs::read(&path).unwrap()
    })
    .await
}

/// A copy on PostgreSQL. Somebody else's server would be left with the template, so there an empty database is given.
pub(super) async fn postgres_copy(server: &'static DatabaseServer) -> PostgresDatabase {
    static TEMPLATE: OnceCell<PostgresDatabase> = OnceCell::const_new();
    if !server.is_private() {
        return server.create().await.unwrap();
    }
    let template = TEMPLATE.get_or_init(|| async {
        let template = server.create().await.unwrap();
        migrate(ConnectOptions::new(&template.url)).await;
        template
    });
    server.copy(template.await).await.unwrap()
}

async fn migrate(mut options: ConnectOptions) {
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await.unwrap();
    let transaction = connection.begin().await.unwrap();
    Migrator::up(&transaction, None).await.unwrap();
    transaction.commit().await.unwrap();
    connection.close().await.unwrap();
}
