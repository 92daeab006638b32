//! The migrated schema must match the entities and the golden files. These tests also check which databases are refused.

use std::collections::{BTreeMap, BTreeSet};

use headwater::store::{SchemaColumn, Store, StoreError, StoreOptions};
use sea_orm::sea_query::{ColumnType, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, Database, DatabaseConnection, EntityTrait, IdenStatic, Iterable};
use url::Url;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::golden::assert_golden;
use crate::support::store::{open, options};

/// A column as its entity declares it.
struct EntityColumn {
    column_type: ColumnType,
    is_nullable: bool,
}

macro_rules! columns_of_entities {
    ($($entity:ident),*) => {
        [$({
            use headwater::store::entity::$entity::{Column, Entity};
            let columns = Column::iter().map(|column| {
                let definition = column.def();
                let is_nullable = definition.is_null();
                let column = column.as_str().to_owned();
                (column, EntityColumn { column_type: definition.get_column_type().clone(), is_nullable })
            });
            let primary_key = <Entity as EntityTrait>::PrimaryKey::iter().count();
            assert!(primary_key > 0, "{}", stringify!($entity));
            (stringify!($entity), columns.collect::<BTreeMap<_, _>>())
        }),*]
    };
}

/// Whether the database type has exactly the range of the entity's field.
fn fits(kind: DatabaseKind, entity: &ColumnType, database: &str) -> bool {
    let name = database.split('(').next().unwrap_or_default();
    match (kind, entity) {
        (DatabaseKind::Sqlite, ColumnType::Uuid) => name == "uuid_text",
        (DatabaseKind::Sqlite, ColumnType::BigInteger | ColumnType::Integer) => matches!(name, "integer" | "bigint"),
        (DatabaseKind::Sqlite, ColumnType::VarBinary(_)) => name == "blob",
        (DatabaseKind::Postgres, ColumnType::Uuid) => name == "uuid",
        (DatabaseKind::Postgres, ColumnType::BigInteger) => name == "bigint",
        (DatabaseKind::Postgres, ColumnType::Integer) => name == "integer",
        (DatabaseKind::Postgres, ColumnType::VarBinary(_)) => name == "bytea",
        (_, ColumnType::String(_)) => matches!(name, "text" | "varchar" | "character varying"),
        (_, ColumnType::Boolean) => name == "boolean",
        (_, other) => panic!("no entity should have a {other:?}"),
    }
}

db_test!(entities_and_migrations_agree, empty, |database: TestDatabase| async move {
    let store = open(&database).await;
    let mut tables: BTreeMap<String, BTreeMap<String, SchemaColumn>> = BTreeMap::new();
    for column in store.schema_columns().await.unwrap() {
        tables.entry(column.table.clone()).or_default().insert(column.name.clone(), column);
    }
    let entities: BTreeMap<_, _> = headwater::for_all_entities!(columns_of_entities).into_iter().collect();

    let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let of_tables = names(tables.keys().map(String::as_str).collect());
    assert_eq!(names(entities.keys().copied().collect()), of_tables, "one entity per table");
    for (table, columns) in &entities {
        let of_table = &tables[*table];
        assert_eq!(
            names(columns.keys().map(String::as_str).collect()),
            names(of_table.keys().map(String::as_str).collect()),
            "the columns of {table}"
        );
        for (name, column) in columns {
            let found = &of_table[name];
            assert_eq!(column.is_nullable, found.is_nullable, "{table}.{name}: whether it may be null");
            assert!(
                fits(database.kind, &column.column_type, &found.type_name),
                "{table}.{name}: {:?} in the entity, {} in the database",
                column.column_type,
                found.type_name
            );
        }
    }
});

db_test!(the_schema_is_the_golden_one, empty, |database: TestDatabase| async move {
    let text = open(&database).await.schema_text().await.unwrap();
    match database.kind {
        DatabaseKind::Sqlite => assert_golden("schema.sqlite.sql", &text),
        DatabaseKind::Postgres => assert_golden("schema.postgres.sql", &text),
    }
});

/// The indexes of a SQLite database that are no primary keys: the table, the index, its first two columns, and its statement.
const INDEXES: &str = "SELECT list.name, indexes.name, first.name, second.name, made.sql \
    FROM pragma_table_list AS list, pragma_index_list(list.name) AS indexes, sqlite_schema AS made, \
        pragma_index_info(indexes.name) AS first, pragma_index_info(indexes.name) AS second \
    WHERE list.type = 'table' AND indexes.origin = 'c' AND made.name = indexes.name \
        AND first.seqno = 0 AND second.seqno = 1";

#[tokio::test]
async fn sqlite_uses_an_index_for_the_columns_that_it_begins_with() {
    let database = TestDatabase::sqlite().await;
    let connection = rusqlite::Connection::open(database.url.trim_start_matches("sqlite://")).unwrap();
    let mut indexes = connection.prepare(INDEXES).unwrap();
    let indexes =
        indexes.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])).unwrap();
    let indexes: Vec<[String; 5]> = indexes.map(Result::unwrap).collect();
    assert!(indexes.len() > 10, "{indexes:?}");
    for [table, index, first, second, made] in indexes {
        // Some indexes have only rows that meet a condition.
        let condition = made.split_once(" WHERE ").map_or("TRUE", |(_, condition)| condition);
        let query = format!("SELECT * FROM \"{table}\" WHERE \"{first}\" = ? AND \"{second}\" = ? AND {condition}");
        let query = format!("EXPLAIN QUERY PLAN {query}");
        let plan: String = connection.query_row(&query, ["", ""], |row| row.get(3)).unwrap();
        assert!(plan.contains(&format!("INDEX {index} ({first}=? AND {second}=?")), "{table} by {second}: {plan}");
    }
    // The number of rows that a list reads does not depend on the number of the account's rows, and that of a worker not on those of all accounts.
    for (query, part) in [
        (
            "SELECT * FROM payout_schedule WHERE next_run_at <= ?1 ORDER BY next_run_at, id LIMIT 1",
            "INDEX payout_schedule_next (next_run_at<?)",
        ),
        ("SELECT * FROM affiliate WHERE account_id = ?1 ORDER BY id LIMIT 50", "USING PRIMARY KEY (account_id=?)"),
        ("SELECT * FROM conversion WHERE account_id = ?1 AND id > ?2 ORDER BY id LIMIT 50", "(account_id=? AND id>?)"),
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let values = vec![""; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(steps.len() == 1 && steps[0].contains(part), "{query}: {steps:?}");
    }
}

db_test!(a_store_that_is_opened_again_is_the_same, empty, |database: TestDatabase| async move {
    let first = open(&database).await;
    let identity = first.identity.clone();
    first.close().await.unwrap();
    let mut options = options(&database);
    options.new_identity.database_id = uuid::Uuid::from_u128(99);
    let second = Store::open(&options).await.unwrap();
    assert!(second.identity == identity);
    second.try_read().await.unwrap();
    assert_eq!(second.wants_polling(), database.kind == DatabaseKind::Postgres);
});

db_test!(a_newer_schema_is_refused, empty, |database: TestDatabase| async move {
    open(&database).await.close().await.unwrap();
    let connection = Database::connect(&database.url).await.unwrap();
    let newer = Query::insert()
        .into_table("seaql_migrations")
        .columns(["version", "applied_at"])
        .values_panic(["m29990101_000001_from_the_future".into(), 0_i64.into()])
        .take();
    connection.execute(&newer).await.unwrap();
    connection.close().await.unwrap();

    let refusal = refusal_of(&options(&database)).await;
    assert!(refusal.contains("newer version") && refusal.contains("m29990101"), "{refusal}");
});

async fn refusal_of(options: &StoreOptions) -> String {
    match Store::open(options).await {
        Err(StoreError::Refused(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was opened"),
    }
}

#[tokio::test]
async fn a_sqlite_file_is_opened_once_at_a_time() {
    let database = TestDatabase::empty_sqlite().await;
    let first = open(&database).await;
    let refusal = refusal_of(&options(&database)).await;
    assert!(refusal.contains("another process"), "{refusal}");
    first.close().await.unwrap();
    open(&database).await;
}

#[tokio::test]
async fn unusable_database_urls_are_refused_with_the_reason() {
    let database = TestDatabase::empty_sqlite().await;
    for (url, word) in [
        ("sqlite::memory:", "memory"),
        ("sqlite://x.sqlite?mode=memory", "memory"),
        ("mysql://localhost/headwater", "sqlite:// or postgres://"),
        ("headwater.sqlite", "sqlite:// or postgres://"),
        ("sqlite:///no/such/folder/headwater.sqlite", "folder"),
    ] {
        let mut options = options(&database);
        options.url = url.to_owned();
        let refusal = refusal_of(&options).await;
        assert!(refusal.contains(word), "{url}: {refusal}");
    }
}

#[tokio::test]
async fn postgres_that_loses_or_refuses_writes_is_refused() {
    let Some(database) = TestDatabase::empty_postgres().await else { return };
    for setting in ["synchronous_commit%3Doff", "default_transaction_read_only%3Don"] {
        let mut options = options(&database);
        options.url.push_str(&format!("?options=-c%20{setting}"));
        let refusal = refusal_of(&options).await;
        let (name, _) = setting.split_once('%').unwrap();
        assert!(refusal.contains(name), "{refusal}");
    }
}

#[tokio::test]
async fn postgres_without_utf8_is_refused() {
    let Some(server) = testkit::database::server().unwrap() else { return };
    let template = options(&TestDatabase::empty_sqlite().await);
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let database = server.create_encoded(encoding).await.unwrap();
        let options = StoreOptions { url: database.url.clone(), ..template.clone() };
        let refusal = refusal_of(&options).await;
        assert!(refusal.contains(&format!("has the encoding {encoding}")) && refusal.contains("UTF8"), "{refusal}");
    }
}

#[tokio::test]
async fn postgres_that_refuses_the_connection_is_reported_with_the_reason() {
    let Some(database) = TestDatabase::empty_postgres().await else { return };
    let with = |change: &dyn Fn(&mut Url)| {
        let mut url = Url::parse(&database.url).unwrap();
        change(&mut url);
        StoreOptions { url: url.into(), ..options(&database) }
    };
    let missing = with(&|url| url.set_path("/no_such_database"));
    let nobody = with(&|url| url.set_username("nobody_here").unwrap());
    let nowhere = with(&|url| url.set_host(Some("nowhere.invalid")).unwrap());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let silent = with(&|url| url.set_port(Some(silent_port)).unwrap());
    for (options, words) in [
        (missing, ["database \"no_such_database\" does not exist", "createdb"]),
        (nobody, ["refuses user `nobody_here`", "does not exist"]),
        (nowhere, ["cannot reach PostgreSQL at nowhere.invalid:", "Is it running"]),
        (silent, ["cannot reach PostgreSQL at 127.0.0.1:", "there is no answer"]),
    ] {
        let refusal = refusal_of(&options).await;
        assert!(words.iter().all(|word| refusal.contains(word)), "{words:?}: {refusal}");
    }
}

#[expect(clippy::disallowed_methods, reason = "no query builder makes roles")]
async fn run(connection: &DatabaseConnection, statement: &str) {
    connection.execute_unprepared(statement).await.unwrap();
}

#[tokio::test]
async fn postgres_that_lacks_rights_is_reported_with_the_reason() {
    let Some(database) = TestDatabase::empty_postgres().await else { return };
    let connection = Database::connect(&database.url).await.unwrap();
    let role = format!("guest_{}", std::process::id());
    run(&connection, &format!("CREATE ROLE {role} LOGIN PASSWORD 'guest'")).await;
    run(&connection, "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let mut url = Url::parse(&database.url).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("guest")).unwrap();
    let as_guest = StoreOptions { url: url.into(), ..options(&database) };
    let refusal = refusal_of(&as_guest).await;
    assert!(refusal.contains("permission denied for schema public") && refusal.contains("GRANT"), "{refusal}");
    // The tables belong to another user.
    open(&database).await.close().await.unwrap();
    let refusal = refusal_of(&as_guest).await;
    assert!(refusal.contains("lacks a right") && refusal.contains("GRANT"), "{refusal}");
    run(&connection, &format!("DROP ROLE {role}")).await;
    connection.close().await.unwrap();
}

#[tokio::test]
async fn an_unreachable_database_is_reported_with_its_address() {
    let database = TestDatabase::empty_sqlite().await;
    let mut options = options(&database);
    options.url = "postgres://127.0.0.1:1/headwater".to_owned();
    let refusal = refusal_of(&options).await;
    assert!(refusal.contains("cannot reach PostgreSQL at 127.0.0.1:1: "), "{refusal}");
    assert!(refusal.contains("refused"), "{refusal}");
}
