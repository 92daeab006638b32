//! Referral links: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::entity::link as table;
use super::list::{self, Walk};
use super::row::RowName;
use super::set::Loading;
use super::set::stored::SqlKey;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, EnrollmentId, LinkId};
use crate::domain::link::{Link, LinkState};
use crate::domain::set::Needs;
use crate::domain::time::Time;
use sea_orm::QueryTrait;

impl Stored for Link {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            enrollment_id: self.enrollment_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            code: self.code.clone(),
            destination_url: self.destination_url.clone(),
            claimed_page: self.claimed_page.clone(),
            state: self.state.as_str().to_owned(),
            created_at: self.created_at.micros(),
            revoked_at: self.revoked_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("link", row.id);
        Ok(Self {
            id: LinkId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            code: row.code,
            destination_url: row.destination_url,
            claimed_page: row.claimed_page,
            state: name.parse(&row.state)?,
            created_at: Time::from_micros(row.created_at),
            revoked_at: row.revoked_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Enrollment>((self.account_id, self.enrollment_id));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let mut codes = std::mem::take(&mut loading.needs.names.link_codes);
        codes.retain(|code| match loading.catalogues.link_with_code(code) {
            Some(link) => {
                loading.enter_remembered(link);
                false
            }
            None => true,
        });
        let columns = [table::Column::AccountId, table::Column::Code];
        for link in loading.by::<Self, _>(&columns, codes.iter().map(SqlKey::values)).await? {
            loading.catalogues.keep_link_code(&link);
        }
        codes.into_iter().for_each(|code| loading.set.names.link_codes.insert_absent(code));
        let pages = std::mem::take(&mut loading.needs.names.claimed_pages);
        let columns = [table::Column::AccountId, table::Column::ClaimedPage];
        loading.by::<Self, _>(&columns, pages.iter().map(SqlKey::values)).await?;
        pages.into_iter().for_each(|page| loading.set.names.claimed_pages.insert_absent(page));
        let affiliates = std::mem::take(&mut loading.needs.names.links_of);
        let columns = [table::Column::AccountId, table::Column::AffiliateId];
        loading.by::<Self, _>(&columns, affiliates.iter().map(SqlKey::values)).await?;
        loading.by_key::<Self>().await
    }
}

/// A filter of links. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct LinkQuery {
    /// Only links of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only links of this enrollment.
    pub enrollment_id: Option<EnrollmentId>,
    /// Only links in this state.
    pub states: Vec<LinkState>,
}

/// The link with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: LinkId) -> Result<Option<Link>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Link::from_row).transpose()
}

/// One page of links.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &LinkQuery,
    walk: Walk,
) -> Result<Vec<Link>, StoreError> {
    list::read(walk.cut(filtered(account_id, wanted), table::Column::Id), store.read()).await
}

/// How many links a list has in all.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &Store, account_id: AccountId, wanted: &LinkQuery) -> Result<i64, StoreError> {
    list::count(filtered(account_id, wanted), table::Column::Id, store.read()).await
}

fn filtered(account_id: AccountId, wanted: &LinkQuery) -> Select<table::Entity> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.affiliate_id, |query, affiliate_id| {
            query.filter(table::Column::AffiliateId.eq(affiliate_id.uuid()))
        })
        .apply_if(wanted.enrollment_id, |query, enrollment_id| {
            query.filter(table::Column::EnrollmentId.eq(enrollment_id.uuid()))
        });
    list::one_of(query, table::Column::State, &wanted.states)
}
