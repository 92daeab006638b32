//! Leads, and the sales that wait for theirs: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::{lead as table, unmatched_sale as unmatched_table};
use super::row::RowName;
use super::{Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, LeadId, ProgramId};
use crate::domain::lead::{Binding, Lead, LeadSelector, LeadState, UnmatchedSale};
use crate::domain::time::Time;

pub(super) fn to_row(lead: &Lead) -> table::Model {
    table::Model {
        account_id: lead.account_id.uuid(),
        id: lead.id.uuid(),
        email: lead.email.clone(),
        uid: lead.uid.clone(),
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        state: lead.state.as_str().to_owned(),
        enrollment_id: lead.binding.map(|binding| binding.enrollment_id.uuid()),
        affiliate_id: lead.binding.map(|binding| binding.affiliate_id.uuid()),
        program_id: lead.binding.map(|binding| binding.program_id.uuid()),
        bound_at: lead.binding.map(|binding| binding.bound_at.micros()),
        plan: lead.plan.clone(),
        mrr_minor: lead.mrr.map(|mrr| mrr.amount_minor),
        mrr_currency: lead.mrr.map(|mrr| mrr.currency.code().to_owned()),
        customer_since: lead.customer_since.map(Time::micros),
        created_at: lead.created_at.micros(),
        updated_at: lead.updated_at.micros(),
    }
}

pub(super) fn from_row(row: table::Model) -> Result<Lead, StoreError> {
    let name = RowName::new("lead", row.id);
    let binding = match (row.enrollment_id, row.affiliate_id, row.program_id, row.bound_at) {
        (Some(enrollment_id), Some(affiliate_id), Some(program_id), Some(bound_at)) => Some(Binding {
            enrollment_id: EnrollmentId::from_uuid(enrollment_id),
            affiliate_id: AffiliateId::from_uuid(affiliate_id),
            program_id: ProgramId::from_uuid(program_id),
            bound_at: Time::from_micros(bound_at),
        }),
        (None, None, None, None) => None,
        _ => return Err(name.inconsistent()),
    };
    Ok(Lead {
        id: LeadId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        email: row.email,
        uid: row.uid,
        first_name: row.first_name,
        last_name: row.last_name,
        state: name.parse(&row.state)?,
        binding,
        plan: row.plan,
        mrr: name.money_null(row.mrr_minor, row.mrr_currency.as_deref())?,
        customer_since: row.customer_since.map(Time::from_micros),
        created_at: Time::from_micros(row.created_at),
        updated_at: Time::from_micros(row.updated_at),
    })
}

pub(super) fn unmatched_to_row(sale: &UnmatchedSale) -> unmatched_table::Model {
    unmatched_table::Model {
        account_id: sale.account_id.uuid(),
        conversion_id: sale.conversion_id.uuid(),
        email: sale.email.clone(),
        uid: sale.uid.clone(),
        occurred_at: sale.occurred_at.micros(),
    }
}

pub(super) fn unmatched_from_row(row: unmatched_table::Model) -> UnmatchedSale {
    UnmatchedSale {
        account_id: AccountId::from_uuid(row.account_id),
        conversion_id: ConversionId::from_uuid(row.conversion_id),
        email: row.email,
        uid: row.uid,
        occurred_at: Time::from_micros(row.occurred_at),
    }
}

/// Which leads are wanted. Fields narrow together.
#[derive(Debug, Clone, Default)]
pub struct LeadQuery {
    /// In this state.
    pub state: Option<LeadState>,
    /// Bound to this affiliate.
    pub affiliate_id: Option<AffiliateId>,
}

/// The lead with this name.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, selector: &LeadSelector) -> Result<Option<Lead>, StoreError> {
    let named = match selector {
        LeadSelector::Id(id) => table::Column::Id.eq(id.uuid()),
        LeadSelector::Uid(uid) => table::Column::Uid.eq(uid),
        LeadSelector::Email(email) => table::Column::Email.eq(email),
    };
    let row = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(named)
        .one(store.read())
        .await?;
    row.map(from_row).transpose()
}

/// Leads in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &LeadQuery,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Lead>, StoreError> {
    let mut query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    if let Some(state) = wanted.state {
        query = query.filter(table::Column::State.eq(state.as_str()));
    }
    if let Some(affiliate_id) = wanted.affiliate_id {
        query = query.filter(table::Column::AffiliateId.eq(affiliate_id.uuid()));
    }
    if let Some(after) = after {
        query = query.filter(table::Column::Id.gt(after));
    }
    let rows = query.order_by_asc(table::Column::Id).limit(limit).all(store.read()).await?;
    rows.into_iter().map(from_row).collect()
}
