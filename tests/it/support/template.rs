//! A database of each kind that has only Headwater's schema. It is made once per process and copied for each test, because
//! migrating takes longer than many tests. No server has opened it, so each copy gets an identity and an operator key of its own.

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::{ConnectOptions, Database, TransactionTrait};
use testkit::database::{DatabaseServer, PostgresDatabase};
use tokio::sync::OnceCell;

/// The bytes of the SQLite file.
pub(super) async fn sqlite_file() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    FILE.get_or_init(|| async {
        let folder = tempfile::Builder::new().prefix("headwater-template-").tempdir().unwrap();
        let path = folder.path().join("template.sqlite");
        let mut options = ConnectOptions::new(format!("sqlite://{}", path.display()));
        // These are the server's settings. Closing the connection copies the journal into the file.
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true).journal_mode(SqliteJournalMode::Wal));
        migrate(options).await;
        std::fs::read(&path).unwrap()
    })
    .await
}

/// A copy on PostgreSQL. On somebody else's server the database is empty, because a template would stay there after the tests.
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
