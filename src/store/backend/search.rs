//! The index by which affiliates are found by a part of a name. Each database has one of its own: a table with a GIN index in PostgreSQL,
//! and a full-text table in SQLite, see docs/adr/0023. The migration makes them. Knows no affiliate: a document is an id and its grams.
//!
//! A gram is a word of ASCII letters and digits. A document is found by whole grams, or by the beginning of one.
#![expect(clippy::disallowed_methods, reason = "SQL of the backend's own")]

use sea_orm::sqlx::Arguments as _;
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

use super::super::StoreError;
use super::super::list::{ListOrder, Walk};
use super::lane::WriteConnection;
use super::table::Reads;

/// The grams of a row.
pub(in crate::store) struct Document {
    pub(in crate::store) account_id: Uuid,
    pub(in crate::store) id: Uuid,
    /// Without repeats.
    pub(in crate::store) grams: Vec<String>,
}

/// What a document must have.
pub(in crate::store) enum Wanted {
    /// All of these grams.
    Grams(Vec<String>),
    /// A gram that begins like this.
    Beginning(String),
}

/// A document that was found. The place is that of the document in the order of all documents.
pub(in crate::store) struct Found {
    pub(in crate::store) place: Uuid,
    pub(in crate::store) id: Uuid,
}

/// The word by which SQLite finds the document of an id. No gram begins with this letter, because grams are hexadecimal.
fn word_of_id(id: Uuid) -> String {
    format!("i{}", id.simple())
}

/// A gram as a part of a statement's text. It has nothing but letters and digits.
fn word(gram: &str) -> String {
    gram.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Writes documents. A document replaces the former one of the same id.
pub(in crate::store) async fn write(connection: &WriteConnection, documents: Vec<Document>) -> Result<(), StoreError> {
    if connection.backend() == DbBackend::Postgres {
        return write_postgres(connection, documents).await;
    }
    // A document keeps its row, so that it keeps its place in pages.
    let sql = "INSERT OR REPLACE INTO affiliate_search (rowid, account_id, id, grams) \
               VALUES ((SELECT rowid FROM affiliate_search WHERE affiliate_search MATCH ?), ?, ?, ?)";
    let mut values: Vec<Value> = Vec::with_capacity(4 * documents.len());
    for document in documents {
        let word = word_of_id(document.id);
        let grams = format!("{word} {}", document.grams.join(" "));
        values.extend([word.into(), document.account_id.into(), document.id.into(), grams.into()]);
    }
    connection.execute_rows(sql, 4, &values).await
}

async fn write_postgres(connection: &WriteConnection, documents: Vec<Document>) -> Result<(), StoreError> {
    let sql = "INSERT INTO affiliate_search (account_id, id, grams) \
               SELECT account_id, id, array_to_tsvector(string_to_array(grams, ' ')) \
               FROM UNNEST($1::uuid[], $2::uuid[], $3::text[]) AS rows(account_id, id, grams) \
               ON CONFLICT (account_id, id) DO UPDATE SET grams = excluded.grams";
    let (mut account_ids, mut ids, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for document in documents {
        account_ids.push(document.account_id);
        ids.push(document.id);
        texts.push(document.grams.join(" "));
    }
    let mut arguments = PgArguments::default();
    let unexpected = |error: sea_orm::sqlx::error::BoxDynError| StoreError::Unexpected(error.to_string());
    arguments.add(account_ids).map_err(unexpected)?;
    arguments.add(ids).map_err(unexpected)?;
    arguments.add(texts).map_err(unexpected)?;
    connection.execute_arrays(sql.to_owned(), arguments).await
}

/// One page of the documents of an account that have what is wanted.
pub(in crate::store) async fn find(
    connection: &impl ConnectionTrait,
    account_id: Uuid,
    wanted: &Wanted,
    walk: Walk,
) -> Result<Vec<Found>, StoreError> {
    let backend = connection.get_database_backend();
    let limit = i64::try_from(walk.limit).unwrap_or(i64::MAX);
    let (than, direction) = match walk.order {
        ListOrder::OldestFirst => (">", "ASC"),
        ListOrder::NewestFirst => ("<", "DESC"),
    };
    let values: Vec<Option<Value>>;
    let sql = if backend == DbBackend::Postgres {
        let query = match wanted {
            Wanted::Grams(grams) => grams.iter().map(|gram| word(gram)).collect::<Vec<_>>().join(" & "),
            Wanted::Beginning(beginning) => format!("{}:*", word(beginning)),
        };
        let after = if walk.after.is_some() { format!("AND id {than} $3 ") } else { String::new() };
        values = vec![Some(account_id.into()), Some(limit.into()), walk.after.map(Value::from)];
        // The grams are in the text of the statement. With a parameter, PostgreSQL would soon plan without knowing how many
        // documents have them.
        format!(
            "SELECT id, id FROM affiliate_search WHERE account_id = $1 AND grams @@ '{query}'::tsquery {after}\
             ORDER BY id {direction} LIMIT $2"
        )
    } else {
        let query = match wanted {
            Wanted::Grams(grams) => grams.join(" AND "),
            Wanted::Beginning(beginning) => format!("{beginning}*"),
        };
        let after = if walk.after.is_some() { format!("AND rowid {than} ? ") } else { String::new() };
        let row = |place: Uuid| i64::try_from(place.as_u128()).unwrap_or(i64::MAX);
        values =
            vec![Some(query.into()), walk.after.map(row).map(Value::from), Some(account_id.into()), Some(limit.into())];
        format!(
            "SELECT rowid, id FROM affiliate_search WHERE affiliate_search MATCH ? {after}AND account_id = ? \
             ORDER BY rowid {direction} LIMIT ?"
        )
    };
    let statement = Statement::from_sql_and_values(backend, sql, values.into_iter().flatten());
    let rows = connection.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let id: Uuid = row.try_get_by_index(1)?;
            let place = if backend == DbBackend::Postgres {
                id
            } else {
                let number: i64 = row.try_get_by_index(0)?;
                Uuid::from_u128(u128::try_from(number).unwrap_or_default())
            };
            Ok(Found { place, id })
        })
        .collect()
}

/// How many grams one statement compares.
const GRAMS_COMPARED: usize = 24;

/// Whether the document of this row has all of these grams.
pub(in crate::store) async fn has(
    connection: &impl ConnectionTrait,
    account_id: Uuid,
    id: Uuid,
    grams: &[String],
) -> Result<bool, StoreError> {
    let backend = connection.get_database_backend();
    for grams in grams.chunks(GRAMS_COMPARED) {
        let words = grams.iter().map(|gram| word(gram));
        let statement = if backend == DbBackend::Postgres {
            let query = words.collect::<Vec<_>>().join(" & ");
            let sql = format!(
                "SELECT id FROM affiliate_search WHERE account_id = $1 AND id = $2 AND grams @@ '{query}'::tsquery"
            );
            Statement::from_sql_and_values(backend, sql, [account_id.into(), id.into()])
        } else {
            let query = words.chain([word_of_id(id)]).collect::<Vec<_>>().join(" AND ");
            let sql = "SELECT id FROM affiliate_search WHERE affiliate_search MATCH ? AND account_id = ?";
            Statement::from_sql_and_values(backend, sql, [query.into(), account_id.into()])
        };
        if connection.query_one_raw(statement).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many documents an account has.
pub(in crate::store) async fn count(connection: &impl ConnectionTrait, account_id: Uuid) -> Result<i64, StoreError> {
    let backend = connection.get_database_backend();
    let place = if backend == DbBackend::Postgres { "$1" } else { "?" };
    let sql = format!("SELECT count(*) FROM affiliate_search WHERE account_id = {place}");
    let row = connection.query_one_raw(Statement::from_sql_and_values(backend, sql, [account_id.into()])).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
}
