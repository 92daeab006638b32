//! The schema as the database has it, to compare it with the entities.
#![expect(clippy::disallowed_methods, reason = "SQL of the backend's own")]

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use super::super::StoreError;
use super::is_shared;

/// A column as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub name: String,
    /// The database's own name of its type, in lower case.
    pub type_name: String,
    /// Whether it may be null.
    pub is_nullable: bool,
}

/// All columns, without the tables of the database itself, of the migrations, and of the index by parts of names, which differs.
pub(in crate::store) async fn schema_columns(connection: &DatabaseConnection) -> Result<Vec<SchemaColumn>, StoreError> {
    let sql = if is_shared(connection) {
        "SELECT table_name, column_name, lower(data_type), is_nullable = 'YES' FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name NOT IN ('seaql_migrations', 'affiliate_search') \
         ORDER BY table_name, ordinal_position"
    } else {
        "SELECT m.name, c.name, lower(c.type), c.\"notnull\" = 0 FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'seaql_migrations' \
         AND m.name NOT LIKE 'affiliate_search%' ORDER BY m.name, c.cid"
    };
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    rows.iter()
        .map(|row| {
            Ok(SchemaColumn {
                table: row.try_get_by_index(0)?,
                name: row.try_get_by_index(1)?,
                type_name: row.try_get_by_index(2)?,
                is_nullable: row.try_get_by_index(3)?,
            })
        })
        .collect()
}

/// See [`super::Store::schema_text`].
pub(in crate::store) async fn schema_text(connection: &DatabaseConnection) -> Result<String, StoreError> {
    let sql = if is_shared(connection) {
        "SELECT line FROM ( \
         SELECT table_name AS relation, 1 AS part, lpad(ordinal_position::text, 4, '0') AS place, \
         table_name || '.' || column_name || ' ' || data_type || coalesce('(' || character_maximum_length || ')', '') \
         || CASE is_nullable WHEN 'YES' THEN '' ELSE ' NOT NULL' END AS line \
         FROM information_schema.columns WHERE table_schema = current_schema() \
         UNION ALL SELECT tablename, 2, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() \
         UNION ALL SELECT c.relname, 3, k.conname, c.relname || ': ' || pg_get_constraintdef(k.oid) \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND k.contype = 'c' \
         ) AS parts WHERE relation <> 'seaql_migrations' ORDER BY relation, part, place"
    } else {
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name <> 'seaql_migrations' \
         ORDER BY tbl_name, type DESC, name"
    };
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let mut text = String::new();
    for row in rows {
        let mut line: String = row.try_get_by_index(0)?;
        if line.starts_with("CREATE TABLE") {
            // One column per line, so that a diff shows which one changed.
            line = line.replace("( \"", "(\n  \"").replace(", \"", ",\n  \"");
        }
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}
