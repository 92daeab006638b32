//! Clicks: rows.

use super::StoreError;
use super::entity::click as table;
use super::set::Loading;
use super::set::keyed::{NEWEST_MAX, Newest};
use super::set::stored::SqlKey;
use super::set::stored::Stored;
use crate::domain::click::Click;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, ClickId, EnrollmentId, LinkId, ProgramId};
use crate::domain::link::Link;
use crate::domain::set::Needs;
use crate::domain::time::Time;
use uuid::Uuid;

impl Stored for Click {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            tid: self.tid.uuid(),
            id: self.id.uuid(),
            link_id: self.link_id.uuid(),
            enrollment_id: self.enrollment_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            program_id: self.program_id.uuid(),
            referrer_url: self.referrer_url.clone(),
            occurred_at: self.occurred_at.micros(),
            created_at: self.created_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: ClickId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            tid: ClickId::from_uuid(row.tid),
            link_id: LinkId::from_uuid(row.link_id),
            enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            program_id: ProgramId::from_uuid(row.program_id),
            referrer_url: row.referrer_url,
            occurred_at: Time::from_micros(row.occurred_at),
            created_at: Time::from_micros(row.created_at),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Link>((self.account_id, self.link_id));
        needs.row::<Enrollment>((self.account_id, self.enrollment_id));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let visitors = std::mem::take(&mut loading.needs.names.clicks_of);
        let newest = Newest::<table::Entity> {
            key: [table::Column::AccountId, table::Column::Tid],
            age: table::Column::Id,
            age_least: Uuid::nil().into(),
            only: None,
            limit: NEWEST_MAX,
        };
        for row in newest.of(loading.connection, visitors.iter().map(SqlKey::values)).await? {
            loading.enter(Self::from_row(row)?);
        }
        visitors.into_iter().for_each(|visitor| loading.set.names.clicks_of.insert_absent(visitor));
        loading.by_key::<Self>().await
    }
}
