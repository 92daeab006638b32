//! An empty database for one test, of each kind that Headwater runs on. Knows nothing of Headwater's tables.

use tempfile::TempDir;
use testkit::database::{self, PostgresDatabase};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// The database goes when this is dropped.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    pub(crate) kind: DatabaseKind,
    _folder: Option<TempDir>,
    postgres: Option<PostgresDatabase>,
}

impl TestDatabase {
    /// A file, not memory: the several connections and the journal are part of what is tested.
    pub(crate) fn sqlite() -> TestDatabase {
        let folder = tempfile::Builder::new().prefix("headwater-sqlite-").tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("headwater.sqlite").display());
        TestDatabase { url, kind: DatabaseKind::Sqlite, _folder: Some(folder), postgres: None }
    }

    /// `None` where there is no PostgreSQL and none is required.
    pub(crate) async fn postgres() -> Option<TestDatabase> {
        let database = database::server().unwrap()?.create().await.unwrap();
        let url = database.url.clone();
        Some(TestDatabase { url, kind: DatabaseKind::Postgres, _folder: None, postgres: Some(database) })
    }

    /// Ends every connection to a PostgreSQL database, whatever it is doing.
    pub(crate) async fn cut_connections(&self) {
        self.postgres.as_ref().expect("it is on PostgreSQL").cut_connections().await.unwrap();
    }
}

impl Drop for TestDatabase {
    /// Does nothing, yet keeps the whole together: without it an `async move` block takes along the fields that it names
    /// and leaves the folder to be removed before the test begins.
    fn drop(&mut self) {}
}

/// Runs one test against both databases: `db_test!(name, |database: TestDatabase| async move { .. });` makes the tests
/// `name::sqlite` and `name::postgres`.
macro_rules! db_test {
    ($name:ident, $test:expr) => {
        mod $name {
            use super::*;

            async fn run(database: $crate::support::database::TestDatabase) {
                ($test)(database).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                run($crate::support::database::TestDatabase::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(database) = $crate::support::database::TestDatabase::postgres().await {
                    run(database).await;
                }
            }
        }
    };
}

mod tests {
    use sea_orm::sea_query::{Expr, Query};
    use sea_orm::{ConnectionTrait, Database};

    use super::{DatabaseKind, TestDatabase};

    db_test!(both_databases_answer, |database: TestDatabase| async move {
        let url = match database.kind {
            DatabaseKind::Sqlite => format!("{}?mode=rwc", database.url),
            DatabaseKind::Postgres => database.url.clone(),
        };
        let connection = Database::connect(url).await.unwrap();
        let row = connection.query_one(Query::select().expr(Expr::val(1))).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i32>(0).unwrap(), 1);
        connection.close().await.unwrap();
    });
}
