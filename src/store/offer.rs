//! Offers: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, Select};

use super::entity::offer as table;
use super::entity::offer_claim as claim_table;
use super::list::{self, Walk};
use super::row::RowName;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::claim::OfferClaims;
use crate::domain::id::{AccountId, AffiliateId, ItemId, OfferId, ProgramId};
use crate::domain::offer::{Offer, OfferState};
use crate::domain::program::Program;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for Offer {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            program_id: self.program_id.uuid(),
            display_name: self.display_name.clone(),
            about: self.about.clone(),
            item_id: self.item_id.map(ItemId::uuid),
            code_prefix: self.code_prefix.clone(),
            starts_at: self.starts_at.map(Time::micros),
            ends_at: self.ends_at.map(Time::micros),
            max_claims: self.max_claims,
            max_claims_per_affiliate: self.max_claims_per_affiliate,
            max_uses_per_coupon: self.max_uses_per_coupon,
            claim_count: self.claim_count,
            state: self.state.as_str().to_owned(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            archived_at: self.archived_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("offer", row.id);
        Ok(Self {
            id: OfferId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            program_id: ProgramId::from_uuid(row.program_id),
            display_name: row.display_name,
            about: row.about,
            item_id: row.item_id.map(ItemId::from_uuid),
            code_prefix: row.code_prefix,
            starts_at: row.starts_at.map(Time::from_micros),
            ends_at: row.ends_at.map(Time::from_micros),
            max_claims: row.max_claims,
            max_claims_per_affiliate: row.max_claims_per_affiliate,
            max_uses_per_coupon: row.max_uses_per_coupon,
            claim_count: row.claim_count,
            state: name.parse(&row.state)?,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            archived_at: row.archived_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Program>((self.account_id, self.program_id));
    }
}

impl Stored for OfferClaims {
    type Table = claim_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<claim_table::Model, StoreError> {
        Ok(claim_table::Model {
            account_id: self.account_id.uuid(),
            offer_id: self.offer_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            claim_count: self.claim_count,
        })
    }

    fn from_row(row: claim_table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            offer_id: OfferId::from_uuid(row.offer_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            claim_count: row.claim_count,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// A filter of offers. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct OfferQuery {
    /// Only offers of this program.
    pub program_id: Option<ProgramId>,
    /// Only offers in one of these states.
    pub states: Vec<OfferState>,
}

/// The offer with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: OfferId) -> Result<Option<Offer>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Offer::from_row).transpose()
}

/// One page of offers.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &OfferQuery,
    walk: Walk,
) -> Result<Vec<Offer>, StoreError> {
    list::read(walk.cut(filtered(account_id, wanted), table::Column::Id), store.read()).await
}

/// How many offers a list has in all.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &Store, account_id: AccountId, wanted: &OfferQuery) -> Result<i64, StoreError> {
    list::count(filtered(account_id, wanted), table::Column::Id, store.read()).await
}

fn filtered(account_id: AccountId, wanted: &OfferQuery) -> Select<table::Entity> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.program_id, |query, id| query.filter(table::Column::ProgramId.eq(id.uuid())));
    list::one_of(query, table::Column::State, &wanted.states)
}
