//! Databases for single tests, of each kind that Headwater supports, with its schema or empty. Knows nothing of Headwater's
//! tables.

use std::time::Duration;

use tempfile::TempDir;
use testkit::database::{self, PostgresDatabase};

use super::template;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// A test's database. Dropping it removes the database.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    pub(crate) kind: DatabaseKind,
    _folder: Option<TempDir>,
    postgres: Option<PostgresDatabase>,
}

impl TestDatabase {
    /// A SQLite file with the schema, which no server has opened yet. It is a file, because connections and the journal are part
    /// of the test.
    pub(crate) async fn sqlite() -> TestDatabase {
        let database = Self::empty_sqlite().await;
        std::fs::write(database.url.trim_start_matches("sqlite://"), template::sqlite_file().await).unwrap();
        database
    }

    /// A SQLite file that does not exist yet.
    #[expect(clippy::unused_async, reason = "as the other ways to one")]
    pub(crate) async fn empty_sqlite() -> TestDatabase {
        let folder = tempfile::Builder::new().prefix("headwater-sqlite-").tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("headwater.sqlite").display());
        TestDatabase { url, kind: DatabaseKind::Sqlite, _folder: Some(folder), postgres: None }
    }

    /// A PostgreSQL database with the schema, which no server has opened yet. `None` if PostgreSQL is neither present nor
    /// required.
    pub(crate) async fn postgres() -> Option<TestDatabase> {
        let server = database::server().unwrap()?;
        Some(Self::on_postgres(template::postgres_copy(server).await))
    }

    /// An empty PostgreSQL database. `None` if PostgreSQL is neither present nor required.
    pub(crate) async fn empty_postgres() -> Option<TestDatabase> {
        let server = database::server().unwrap()?;
        Some(Self::on_postgres(server.create().await.unwrap()))
    }

    /// A copy with everything in it, as a backup is. No server may have it open.
    pub(crate) async fn copy(&self) -> TestDatabase {
        if let Some(original) = &self.postgres {
            return Self::on_postgres(database::server().unwrap().unwrap().copy(original).await.unwrap());
        }
        let copy = Self::empty_sqlite().await;
        let path = |database: &Self| database.url.trim_start_matches("sqlite://").to_owned();
        std::fs::copy(path(self), path(&copy)).unwrap();
        copy
    }

    fn on_postgres(database: PostgresDatabase) -> TestDatabase {
        let url = database.url.clone();
        TestDatabase { url, kind: DatabaseKind::Postgres, _folder: None, postgres: Some(database) }
    }

    /// Terminates every connection to a PostgreSQL database.
    pub(crate) async fn cut_connections(&self) {
        self.postgres.as_ref().expect("it is on PostgreSQL").cut_connections().await.unwrap();
    }
}

impl Drop for TestDatabase {
    /// Does nothing, but makes an `async move` block capture the whole value. Otherwise the block would capture only the fields
    /// that it uses, and the folder would be removed before the test begins.
    fn drop(&mut self) {}
}

/// The longest that a test may take. A test that waits for ever must fail by its name, and not stop all the others. It is many
/// times what the slowest test needs, so that a busy machine does not fail it.
pub(crate) const TEST_TIME_MAX: Duration = Duration::from_secs(600);

/// Runs one test on both databases: `db_test!(name, |database: TestDatabase| async move { .. });` makes the tests `name::sqlite`
/// and `name::postgres`. The databases have the schema; `db_test!(name, empty, ..)` is for tests of the migration.
macro_rules! db_test {
    ($name:ident, empty, $test:expr) => {
        db_test!($name, empty_sqlite, empty_postgres, $test);
    };
    ($name:ident, $test:expr) => {
        db_test!($name, sqlite, postgres, $test);
    };
    ($name:ident, $sqlite:ident, $postgres:ident, $test:expr) => {
        mod $name {
            use super::*;

            async fn run(database: $crate::support::database::TestDatabase) {
                let limit = $crate::support::database::TEST_TIME_MAX;
                tokio::time::timeout(limit, ($test)(database)).await.expect("the test has not ended in time");
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                run($crate::support::database::TestDatabase::$sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(database) = $crate::support::database::TestDatabase::$postgres().await {
                    run(database).await;
                }
            }
        }
    };
}

mod tests {
    use headwater::store::Store;
    use sea_orm::sea_query::{Expr, Query};
    use sea_orm::{ConnectionTrait, Database};
    use uuid::Uuid;

    use super::{DatabaseKind, TestDatabase};
    use crate::support::store;

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

    db_test!(a_copy_is_a_database_of_its_own_with_the_whole_schema, |copy: TestDatabase| async move {
        let (empty, second) = match copy.kind {
            DatabaseKind::Sqlite => (TestDatabase::empty_sqlite().await, TestDatabase::sqlite().await),
            DatabaseKind::Postgres => {
                (TestDatabase::empty_postgres().await.unwrap(), TestDatabase::postgres().await.unwrap())
            }
        };
        let mut schemas = Vec::new();
        for (number, database) in [copy, second, empty].iter().enumerate() {
            let mut options = store::options(database);
            options.new_identity.database_id = Uuid::from_u128(number as u128);
            let store = Store::open(&options).await.unwrap();
            // The identity must be new, because with a copied one two databases would accept each other's cursors.
            assert!(store.identity == options.new_identity);
            schemas.push(store.schema_text().await.unwrap());
        }
        assert!(schemas.iter().all(|schema| *schema == schemas[0] && !schema.is_empty()));
    });
}
