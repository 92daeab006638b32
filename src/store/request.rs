//! Answered requests: rows, the look-up of an event's effect, and the deletion of expired requests.

use std::collections::HashMap;

use sea_orm::sea_query::{LockBehavior, LockType, ValueTuple};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::backend::kind::Kind;
use super::entity::request as table;
use super::row::{RowName, to_json};
use super::set::keyed::{delete_by, rows_by};
use super::set::stored::Stored;
use super::{Source, Store, StoreError, WriteTransaction};
use crate::domain::affiliate::Affiliate;
use crate::domain::bounty::Submission;
use crate::domain::click::Click;
use crate::domain::conversion::Conversion;
use crate::domain::coupon::Coupon;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::AccountId;
use crate::domain::id::ConversionId;
use crate::domain::lead::Lead;
use crate::domain::link::Link;
use crate::domain::outcome::Outcome;
use crate::domain::payout::Payout;
use crate::domain::payout_method::PayoutMethod;
use crate::domain::request::{Request, RequestKey};
use crate::domain::set::Needs;
use crate::domain::tax_profile::TaxProfile;
use crate::domain::time::Time;

impl Stored for Request {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.key.account_id.uuid(),
            scope: self.key.scope.clone(),
            key: self.key.key.clone(),
            content_hash: self.content_hash.to_vec(),
            effect: self.effect,
            outcome: to_json(&self.outcome)?,
            created_at: self.created_at.micros(),
            expires_at: self.expires_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("request", row.effect);
        Ok(Self {
            key: RequestKey { account_id: AccountId::from_uuid(row.account_id), scope: row.scope, key: row.key },
            content_hash: name.hash(row.content_hash)?,
            effect: row.effect,
            outcome: name.json(&row.outcome)?,
            created_at: Time::from_micros(row.created_at),
            expires_at: row.expires_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        if self.key.is_attributed_as_sale() {
            needs.row::<Conversion>((self.key.account_id, ConversionId::from_uuid(self.effect)));
        }
        // The rows whose personal data the answer was kept without.
        let account_id = self.key.account_id;
        let coupon = match &self.outcome {
            Outcome::Affiliate(made) => made.coupon.as_ref(),
            Outcome::Enrollment(made) => made.coupon.as_ref(),
            Outcome::Coupon(coupon) => Some(coupon),
            Outcome::Claim(claim) => Some(&claim.coupon),
            _ => None,
        };
        if let Some(coupon) = coupon {
            needs.row::<Coupon>((coupon.account_id, coupon.id));
        }
        match &self.outcome {
            Outcome::Submission(submission) => needs.row::<Submission>((account_id, submission.id)),
            Outcome::ChangedLead(lead) => needs.row::<Lead>((lead.account_id, lead.id)),
            Outcome::Affiliate(made) => {
                needs.row::<Affiliate>((account_id, made.affiliate.id));
                needs.row::<Enrollment>((account_id, made.enrollment.enrollment.id));
            }
            Outcome::ChangedAffiliate(affiliate) => needs.row::<Affiliate>((account_id, affiliate.id)),
            Outcome::Enrollment(made) => needs.row::<Enrollment>((account_id, made.enrollment.enrollment.id)),
            Outcome::Link(answer) => needs.row::<Link>((account_id, answer.link.id)),
            Outcome::PayoutMethod(method) => needs.row::<PayoutMethod>((account_id, method.affiliate_id)),
            Outcome::TaxProfile(profile) => needs.row::<TaxProfile>((account_id, profile.affiliate_id)),
            Outcome::Payout(payout) => needs.row::<Payout>((account_id, payout.id)),
            Outcome::Payouts(payouts) => needs.payouts.extend(payouts.iter().map(|payout| (account_id, payout.id))),
            Outcome::Click(click) => needs.row::<Click>((account_id, click.tid, click.click_id)),
            _ => {}
        }
    }
}

/// The UUID of the row that a request created or changed. `None` if there is no such request.
///
/// # Errors
/// [`StoreError`].
pub async fn find_effect(source: &impl Source, key: &RequestKey) -> Result<Option<Uuid>, StoreError> {
    let id = (key.account_id.uuid(), key.scope.clone(), key.key.clone());
    let row: Option<Uuid> = table::Entity::find_by_id(id)
        .select_only()
        .column(table::Column::Effect)
        .into_tuple()
        .one(source.connection())
        .await?;
    Ok(row)
}

/// The effects of those of these requests that exist. See [`find_effect`].
///
/// # Errors
/// [`StoreError`].
pub async fn find_effects(
    store: &Store,
    keys: impl IntoIterator<Item = RequestKey>,
) -> Result<HashMap<RequestKey, Uuid>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::Scope, table::Column::Key];
    let keys = keys.into_iter().map(|key| (key.account_id.uuid(), key.scope, key.key));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?.into_iter();
    let key = |row: table::Model| {
        let account_id = AccountId::from_uuid(row.account_id);
        (RequestKey { account_id, scope: row.scope, key: row.key }, row.effect)
    };
    Ok(rows.map(key).collect())
}

/// Deletes expired requests of all accounts, at most `limit` of them. Returns how many.
///
/// # Errors
/// [`StoreError`].
pub async fn forget(transaction: &WriteTransaction, now: Time, limit: u64) -> Result<u64, StoreError> {
    let connection = transaction.connection();
    let columns = [table::Column::AccountId, table::Column::Scope, table::Column::Key];
    let query = table::Entity::find()
        .select_only()
        .columns(columns)
        .filter(table::Column::ExpiresAt.lte(now.micros()))
        .order_by_asc(table::Column::ExpiresAt)
        .limit(limit)
        // A locked row is being reused by another server instance. Once it is free, it has not expired any more.
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let keys =
        connection.values(&query, &[Kind::Uuid, Kind::Text, Kind::Text]).await?.into_iter().map(ValueTuple::Many);
    delete_by::<table::Entity, _>(connection, &columns, keys).await
}
