//! Programs and versions of their terms: rows and reads.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::{program as table, terms as terms_table};
use super::keyed::rows_by;
use super::row::{RowName, to_json};
use super::{Store, StoreError};
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::program::{Program, ProgramState, ProgramWithTerms, Terms};
use crate::domain::time::Time;

pub(super) fn to_row(program: &Program) -> table::Model {
    table::Model {
        account_id: program.account_id.uuid(),
        id: program.id.uuid(),
        display_name: program.display_name.clone(),
        currency: program.currency.code().to_owned(),
        landing_url: program.landing_url.clone(),
        is_default: program.is_default,
        state: program.state.as_str().to_owned(),
        terms_version: program.terms_version,
        version: program.version,
        created_at: program.created_at.micros(),
        updated_at: program.updated_at.micros(),
    }
}

pub(super) fn from_row(row: table::Model) -> Result<Program, StoreError> {
    let name = RowName::new("program", row.id);
    Ok(Program {
        id: ProgramId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        display_name: row.display_name,
        currency: name.parse(&row.currency)?,
        landing_url: row.landing_url,
        is_default: row.is_default,
        state: name.parse(&row.state)?,
        terms_version: row.terms_version,
        version: row.version,
        created_at: Time::from_micros(row.created_at),
        updated_at: Time::from_micros(row.updated_at),
    })
}

pub(super) fn terms_to_row(terms: &Terms) -> Result<terms_table::Model, StoreError> {
    Ok(terms_table::Model {
        account_id: terms.account_id.uuid(),
        program_id: terms.program_id.uuid(),
        version: terms.version,
        starts_at: terms.starts_at.micros(),
        rules: to_json(&terms.rules)?,
    })
}

pub(super) fn terms_from_row(row: &terms_table::Model) -> Result<Terms, StoreError> {
    Ok(Terms {
        account_id: AccountId::from_uuid(row.account_id),
        program_id: ProgramId::from_uuid(row.program_id),
        version: row.version,
        starts_at: Time::from_micros(row.starts_at),
        rules: RowName::new("terms", row.program_id).json(&row.rules)?,
    })
}

/// A program.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: ProgramId) -> Result<Option<Program>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(from_row).transpose()
}

/// The account's default program.
///
/// # Errors
/// [`StoreError`].
pub async fn find_default(store: &Store, account_id: AccountId) -> Result<Option<Program>, StoreError> {
    let row = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::IsDefault.eq(true))
        .one(store.read())
        .await?;
    row.map(from_row).transpose()
}

/// One version of a program's terms.
///
/// # Errors
/// [`StoreError`].
pub async fn find_terms(
    store: &Store,
    account_id: AccountId,
    program_id: ProgramId,
    version: i32,
) -> Result<Option<Terms>, StoreError> {
    let key = (account_id.uuid(), program_id.uuid(), version);
    let row = terms_table::Entity::find_by_id(key).one(store.read()).await?;
    row.as_ref().map(terms_from_row).transpose()
}

/// Programs with the newest version of their terms, in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    state: Option<ProgramState>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<ProgramWithTerms>, StoreError> {
    let mut query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    if let Some(state) = state {
        query = query.filter(table::Column::State.eq(state.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(table::Column::Id.gt(after));
    }
    let rows = query.order_by_asc(table::Column::Id).limit(limit).all(store.read()).await?;

    let columns = [terms_table::Column::AccountId, terms_table::Column::ProgramId, terms_table::Column::Version];
    let keys = rows.iter().map(|row| (row.account_id, row.id, row.terms_version));
    let mut newest = HashMap::new();
    for row in rows_by::<terms_table::Entity, _>(store.read(), &columns, keys).await? {
        newest.insert(row.program_id, terms_from_row(&row)?);
    }
    rows.into_iter()
        .map(|row| {
            let terms = newest.remove(&row.id).ok_or(RowName::new("program", row.id).inconsistent())?;
            Ok(ProgramWithTerms { program: from_row(row)?, terms })
        })
        .collect()
}

/// The pages that programs' links lead to.
///
/// # Errors
/// [`StoreError`].
pub async fn landing_urls(
    store: &Store,
    account_id: AccountId,
    ids: &[ProgramId],
) -> Result<HashMap<ProgramId, String>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
    Ok(rows.into_iter().map(|row| (ProgramId::from_uuid(row.id), row.landing_url)).collect())
}
