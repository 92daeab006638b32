//! Enrollments: rows and reads.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entity::enrollment as table;
use super::entity::program;
use super::list::{self, Walk};
use super::metadata::{self, HasMetadata, Metadata, Scanned};
use super::row::{RowName, to_json};
use super::set::Loading;
use super::set::keyed::rows_by;
use super::set::stored::SqlKey;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::enrollment::{Enrollment, EnrollmentState};
use crate::domain::id::{AccountId, AffiliateId, EnrollmentId, ProgramId};
use crate::domain::program::Program;
use crate::domain::set::Needs;
use crate::domain::time::Time;
use sea_orm::QueryTrait;

impl Stored for Enrollment {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            program_id: self.program_id.uuid(),
            ref_id: self.ref_id.clone(),
            landing_url: self.landing_url.clone(),
            commission_override: self.commission_override.as_ref().map(to_json).transpose()?,
            state: self.state.as_str().to_owned(),
            affiliate_state: self.affiliate_state.as_str().to_owned(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            ended_at: self.ended_at.map(Time::micros),
            awaits_agreement: self.awaits_agreement,
            was_active: self.was_active,
            acceptances: if self.acceptances.is_empty() { None } else { Some(to_json(&self.acceptances)?) },
            accepted_version: self.accepted_version(),
            metadata: metadata::to_text(&self.metadata)?,
            moved: self.moved.as_ref().map(to_json).transpose()?,
            dated_commissions: match self.dated_commissions.as_slice() {
                [] => None,
                _ => Some(to_json(&self.dated_commissions)?),
            },
            past: if self.past.is_empty() { None } else { Some(to_json(&self.past)?) },
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("enrollment", row.id);
        Ok(Self {
            id: EnrollmentId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            program_id: ProgramId::from_uuid(row.program_id),
            ref_id: row.ref_id,
            landing_url: row.landing_url,
            commission_override: row.commission_override.as_deref().map(|text| name.json(text)).transpose()?,
            state: name.parse(&row.state)?,
            affiliate_state: name.parse(&row.affiliate_state)?,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            ended_at: row.ended_at.map(Time::from_micros),
            awaits_agreement: row.awaits_agreement,
            was_active: row.was_active,
            acceptances: row.acceptances.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            moved: row.moved.as_deref().map(|text| name.json(text)).transpose()?,
            metadata: row.metadata.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            dated_commissions: row
                .dated_commissions
                .as_deref()
                .map(|text| name.json(text))
                .transpose()?
                .unwrap_or_default(),
            past: row.past.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Program>((self.account_id, self.program_id));
        self.moved_to().for_each(|id| needs.row::<Self>((self.account_id, id)));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let affiliates = std::mem::take(&mut loading.needs.names.enrollments_of);
        let columns = [table::Column::AccountId, table::Column::AffiliateId];
        loading.by::<Self, _>(&columns, affiliates.iter().map(SqlKey::values)).await?;
        affiliates.into_iter().for_each(|affiliate| loading.set.names.enrollments_of.insert_absent(affiliate));
        // An enrollment leads to those to which its affiliate was moved.
        while !loading.needs.enrollments.is_empty() {
            loading.by_key::<Self>().await?;
        }
        Ok(())
    }
}

impl HasMetadata for Enrollment {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// A filter of enrollments. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct EnrollmentQuery {
    /// Only enrollments of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only enrollments in this program.
    pub program_id: Option<ProgramId>,
    /// Only enrollments in this state.
    pub states: Vec<EnrollmentState>,
    /// Only those whose affiliate has not accepted the newest agreement of the program, or only the others.
    pub lacks_newest_agreement: Option<bool>,
    /// Only enrollments with these texts of the merchant's own.
    pub metadata: Metadata,
}

/// The programs of an account whose agreement is newer than what an enrollment's affiliate has accepted.
fn programs_with_newer_agreement(account_id: AccountId) -> SelectStatement {
    let accepted = Expr::col(table::Column::AcceptedVersion.as_column_ref());
    Query::select()
        .column(program::Column::Id)
        .from(program::Entity)
        .and_where(program::Column::AccountId.eq(account_id.uuid()))
        .and_where(Expr::col(program::Column::AgreementVersion.as_column_ref()).gt(accepted))
        .take()
}

/// The enrollment that earns now in place of the one with this id, see `WorkingSet::serving`.
///
/// # Errors
/// [`StoreError`].
pub async fn serving(
    store: &Store,
    account_id: AccountId,
    id: EnrollmentId,
    now: Time,
) -> Result<Option<Enrollment>, StoreError> {
    let mut met = BTreeSet::new();
    let mut found = find(store, account_id, id).await?;
    while let Some(moved) = found.as_ref().and_then(|enrollment| enrollment.standing_at(now).moved)
        && met.insert(moved.to)
    {
        found = find(store, account_id, moved.to).await?;
    }
    Ok(found)
}

/// The enrollments that earn from now on in place of those of these whose affiliates were moved, by the ids of the latter. See
/// `WorkingSet::serving_now`.
///
/// # Errors
/// [`StoreError`].
pub async fn serving_now(
    store: &Store,
    account_id: AccountId,
    rows: &[Enrollment],
) -> Result<HashMap<EnrollmentId, Enrollment>, StoreError> {
    let next = |row: &Enrollment| row.moved.map(|moved| moved.to);
    let mut known = HashMap::new();
    let mut wanted: BTreeSet<EnrollmentId> = rows.iter().filter_map(next).collect();
    while !wanted.is_empty() {
        let ids: Vec<EnrollmentId> = wanted.into_iter().collect();
        let found = by_ids(store, account_id, &ids).await?;
        wanted = found.iter().filter_map(next).collect();
        known.extend(found.into_iter().map(|row| (row.id, row)));
        wanted.retain(|id| !known.contains_key(id));
    }
    let serving = |row: &Enrollment| {
        let mut met = BTreeSet::new();
        let mut place = known.get(&next(row)?)?;
        while let Some(further) = next(place).filter(|id| met.insert(*id)).and_then(|id| known.get(&id)) {
            place = further;
        }
        Some((row.id, place.clone()))
    };
    Ok(rows.iter().filter_map(serving).collect())
}

/// The enrollment with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: EnrollmentId) -> Result<Option<Enrollment>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Enrollment::from_row).transpose()
}

/// One page of enrollments.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &EnrollmentQuery,
    walk: Walk,
) -> Result<Scanned<Enrollment>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.affiliate_id, |query, affiliate_id| {
            query.filter(table::Column::AffiliateId.eq(affiliate_id.uuid()))
        })
        .apply_if(wanted.program_id, |query, program_id| query.filter(table::Column::ProgramId.eq(program_id.uuid())))
        .apply_if(wanted.lacks_newest_agreement, |query, is_lacking| {
            let newer = programs_with_newer_agreement(account_id);
            let program_id = table::Column::ProgramId;
            query.filter(if is_lacking { program_id.in_subquery(newer) } else { program_id.not_in_subquery(newer) })
        });
    let query = list::one_of(query, table::Column::State, &wanted.states);
    let columns = (table::Column::Id, table::Column::Metadata);
    metadata::read(store.read(), query, columns, &wanted.metadata, walk).await
}

/// The enrollments with these ids, in no order.
///
/// # Errors
/// [`StoreError`].
pub async fn by_ids(store: &Store, account_id: AccountId, ids: &[EnrollmentId]) -> Result<Vec<Enrollment>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
    rows.into_iter().map(Enrollment::from_row).collect()
}
