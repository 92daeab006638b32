//! Clicks: rows.

pub mod counted;
mod list;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

pub use list::{ClickPage, ClickQuery, list};

use super::entity::{click as table, first_click as first_table};
use super::row::RowName;
use super::set::Loading;
use super::set::keyed::{NEWEST_MAX, Newest};
use super::set::stored::SqlKey;
use super::set::stored::Stored;
use super::{Source, StoreError};
use crate::domain::click::{Click, ClickPayment, FirstClick};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, ClickId, EnrollmentId, LinkId, ProgramId, RewardId};
use crate::domain::link::Link;
use crate::domain::set::Needs;
use crate::domain::time::Time;
use std::collections::HashMap;
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
            sub_id: self.sub_id.clone(),
            occurred_at: self.occurred_at.micros(),
            created_at: self.created_at.micros(),
            payment: (self.payment != ClickPayment::NoRule).then(|| self.payment.as_str().to_owned()),
            reward_id: self.reward_id.map(RewardId::uuid),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("click", row.id);
        let payment = row.payment.map(|text| name.parse(&text)).transpose()?;
        Ok(Self {
            id: ClickId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            tid: ClickId::from_uuid(row.tid),
            link_id: LinkId::from_uuid(row.link_id),
            enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            program_id: ProgramId::from_uuid(row.program_id),
            referrer_url: row.referrer_url,
            sub_id: row.sub_id,
            occurred_at: Time::from_micros(row.occurred_at),
            created_at: Time::from_micros(row.created_at),
            payment: payment.unwrap_or(ClickPayment::NoRule),
            reward_id: row.reward_id.map(RewardId::from_uuid),
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
            limit: NEWEST_MAX,
        };
        let mut counts: HashMap<(AccountId, ClickId), u64> = HashMap::new();
        for row in newest.of(loading.connection, visitors.iter().map(SqlKey::values)).await? {
            let click = loading.enter(Self::from_row(row)?);
            *counts.entry((click.account_id, click.tid)).or_default() += 1;
        }
        // Of a visitor with more clicks, the first ones are kept apart. They are read in the next round.
        let busy = counts.into_iter().filter(|(_, count)| *count >= NEWEST_MAX).map(|(visitor, _)| visitor);
        loading.needs.names.first_clicks_of.extend(busy);
        visitors.into_iter().for_each(|visitor| loading.set.names.clicks_of.insert_absent(visitor));
        loading.by_key::<Self>().await
    }
}

impl Stored for FirstClick {
    type Table = first_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<first_table::Model, StoreError> {
        Ok(first_table::Model {
            account_id: self.account_id.uuid(),
            tid: self.tid.uuid(),
            program_id: self.program_id.uuid(),
            day: self.day,
            click_id: self.click_id.uuid(),
            occurred_at: self.occurred_at.micros(),
        })
    }

    fn from_row(row: first_table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            tid: ClickId::from_uuid(row.tid),
            program_id: ProgramId::from_uuid(row.program_id),
            day: row.day,
            click_id: ClickId::from_uuid(row.click_id),
            occurred_at: Time::from_micros(row.occurred_at),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Click>((self.account_id, self.tid, self.click_id));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let mut visitors = std::mem::take(&mut loading.needs.names.first_clicks_of);
        visitors.retain(|visitor| loading.set.names.first_clicks_of.get(visitor).is_none());
        let columns = [first_table::Column::AccountId, first_table::Column::Tid];
        loading.by::<Self, _>(&columns, visitors.iter().map(SqlKey::values)).await?;
        visitors.into_iter().for_each(|visitor| loading.set.names.first_clicks_of.insert_absent(visitor));
        loading.by_key::<Self>().await
    }
}

/// One page of all clicks of an account, in the order in which they are stored: by visitor. `after` is the visitor and the click before.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    source: &impl Source,
    account_id: AccountId,
    after: Option<(Uuid, Uuid)>,
    limit: u64,
) -> Result<Vec<Click>, StoreError> {
    use table::Column;
    let columns = Expr::tuple([Column::Tid, Column::Id].map(|column| Expr::col(column.as_column_ref())));
    let query = table::Entity::find()
        .filter(Column::AccountId.eq(account_id.uuid()))
        .apply_if(after, |query, (tid, id)| query.filter(columns.gt(Expr::tuple([Expr::val(tid), Expr::val(id)]))))
        .order_by_asc(Column::Tid)
        .order_by_asc(Column::Id)
        .limit(limit);
    query.all(source.connection()).await?.into_iter().map(Click::from_row).collect()
}
