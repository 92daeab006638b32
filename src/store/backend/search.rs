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
    /// Whether the id has no document yet.
    pub(in crate::store) is_new: bool,
}

/// What a document must have.
#[derive(Debug, Default)]
pub(in crate::store) struct Wanted {
    /// All of these grams.
    pub(in crate::store) grams: Vec<String>,
    /// A gram that begins like this.
    pub(in crate::store) beginning: Option<String>,
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
    let (added, changed): (Vec<_>, Vec<_>) = documents.into_iter().partition(|document| document.is_new);
    let values = |document: Document, word: String| -> [Value; 3] {
        let grams = format!("{word} {}", document.grams.join(" "));
        [document.account_id.into(), document.id.into(), grams.into()]
    };
    // A look-up writes the documents of the transaction so far into the index, each time in a part of its own. New documents have none,
    // so that all of them are one part.
    let sql = "INSERT INTO affiliate_search (account_id, id, grams) VALUES (?, ?, ?)";
    let added = added.into_iter().flat_map(|document| {
        let word = word_of_id(document.id);
        values(document, word)
    });
    connection.execute_rows(sql, 3, &added.collect::<Vec<_>>()).await?;
    // A document keeps its row, so that it keeps its place in pages.
    let sql = "INSERT OR REPLACE INTO affiliate_search (rowid, account_id, id, grams) \
               VALUES ((SELECT rowid FROM affiliate_search WHERE affiliate_search MATCH ?), ?, ?, ?)";
    let changed = changed.into_iter().flat_map(|document| {
        let word = word_of_id(document.id);
        std::iter::once(word.clone().into()).chain(values(document, word))
    });
    connection.execute_rows(sql, 4, &changed.collect::<Vec<_>>()).await
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

/// Removes a part of what former documents have left in the index of SQLite, which only marks them as removed. Returns whether there
/// may be more. PostgreSQL removes it when it vacuums the table.
pub(in crate::store) async fn tidy(connection: &WriteConnection) -> Result<bool, StoreError> {
    // About 4 MiB, so that no write waits long behind it. A negative number merges all parts of the index, see the page of FTS5.
    const SQL: &str = "INSERT INTO affiliate_search (affiliate_search, rank) VALUES ('merge', -1000)";
    // With fewer changes nothing was merged.
    const CHANGES_MIN: u64 = 2;
    if connection.backend() == DbBackend::Postgres {
        return Ok(false);
    }
    connection.overwrite_removed().await?;
    connection.empty_log_afterwards().await?;
    Ok(connection.execute_counting_all(SQL).await? >= CHANGES_MIN)
}

/// One page of the documents of an account that have what is wanted.
pub(in crate::store) async fn find(
    connection: &impl ConnectionTrait,
    account_id: Uuid,
    wanted: &Wanted,
    walk: Walk,
) -> Result<Vec<Found>, StoreError> {
    let limit = i64::try_from(walk.limit).unwrap_or(i64::MAX);
    let order = match walk.order {
        ListOrder::OldestFirst => (">", "ASC"),
        ListOrder::NewestFirst => ("<", "DESC"),
    };
    if connection.get_database_backend() == DbBackend::Postgres {
        find_postgres(connection, account_id, wanted, walk.after, order, limit).await
    } else {
        find_sqlite(connection, account_id, wanted, walk.after, order, limit).await
    }
}

/// How many documents PostgreSQL reads in the order of ids before it asks the index. A gram that more than one in 400 documents have
/// fills a page within these, and of a rarer one the index has few.
const READ_IN_ORDER: u32 = 20_000;

/// The planner does not know how many documents have a rare gram. Left to itself it may read all documents in their order, in the hope of a
/// full page.
async fn find_postgres(
    connection: &impl ConnectionTrait,
    account_id: Uuid,
    wanted: &Wanted,
    after: Option<Uuid>,
    (than, direction): (&str, &str),
    limit: i64,
) -> Result<Vec<Found>, StoreError> {
    let beginning = wanted.beginning.iter().map(|beginning| format!("{}:*", word(beginning)));
    let query = wanted.grams.iter().map(|gram| word(gram)).chain(beginning).collect::<Vec<_>>().join(" & ");
    // The grams are in the text of the statement. With a parameter, PostgreSQL would soon plan without knowing how many documents have
    // them.
    let has_grams = format!("grams @@ '{query}'::tsquery");
    let after_place = if after.is_some() { format!("AND id {than} $3 ") } else { String::new() };
    let mine = format!("FROM affiliate_search WHERE account_id = $1 {after_place}");
    let page = format!("ORDER BY id {direction} LIMIT $2");
    let in_order = format!(
        "SELECT id FROM (SELECT id, grams {mine}ORDER BY id {direction} LIMIT {READ_IN_ORDER}) AS nearest WHERE {has_grams} {page}"
    );
    let by_index = format!("WITH found AS MATERIALIZED (SELECT id {mine}AND {has_grams}) SELECT id FROM found {page}");
    let values: Vec<Value> =
        [Some(account_id.into()), Some(limit.into()), after.map(Value::from)].into_iter().flatten().collect();
    let mut found = Vec::new();
    for sql in [in_order, by_index] {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values.clone());
        found.clear();
        for row in connection.query_all_raw(statement).await? {
            let id: Uuid = row.try_get_by_index(0)?;
            found.push(Found { place: id, id });
        }
        if i64::try_from(found.len()).is_ok_and(|count| count >= limit) {
            break;
        }
    }
    Ok(found)
}

async fn find_sqlite(
    connection: &impl ConnectionTrait,
    account_id: Uuid,
    wanted: &Wanted,
    after: Option<Uuid>,
    (than, direction): (&str, &str),
    limit: i64,
) -> Result<Vec<Found>, StoreError> {
    let beginning = wanted.beginning.iter().map(|beginning| format!("{beginning}*"));
    let query = wanted.grams.iter().cloned().chain(beginning).collect::<Vec<_>>().join(" AND ");
    let after_place = if after.is_some() { format!("AND rowid {than} ? ") } else { String::new() };
    let row = |place: Uuid| i64::try_from(place.as_u128()).unwrap_or(i64::MAX);
    let values: [Option<Value>; 4] =
        [Some(query.into()), after.map(row).map(Value::from), Some(account_id.into()), Some(limit.into())];
    let sql = format!(
        "SELECT rowid, id FROM affiliate_search WHERE affiliate_search MATCH ? {after_place}AND account_id = ? \
         ORDER BY rowid {direction} LIMIT ?"
    );
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values.into_iter().flatten());
    let rows = connection.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let number: i64 = row.try_get_by_index(0)?;
            let place = Uuid::from_u128(u128::try_from(number).unwrap_or_default());
            Ok(Found { place, id: row.try_get_by_index(1)? })
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
