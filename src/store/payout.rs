//! Payouts: rows and reads.

pub mod owed;

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};
use uuid::Uuid;

use super::entity::payout as table;
use super::entity::reward as reward_table;
use super::list::{self, Walk};
use super::payout_method::destination;
use super::row::{RowName, to_json};
use super::set::stored::Stored;
use super::{Source, Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutDocumentId, PayoutExportId, PayoutId, PayoutRunId};
use crate::domain::money::Currency;
use crate::domain::payout::{Payout, PayoutProvider, PayoutState};
use crate::domain::payout_document::PayoutDocument;
use crate::domain::reward::RewardState;
use crate::domain::set::Needs;
use crate::domain::time::{Interval, Time};

impl Stored for Payout {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        let destination = self.destination.as_ref();
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            amount_minor: self.amount.amount_minor,
            currency: self.amount.currency.code().to_owned(),
            provider: self.provider.as_str().to_owned(),
            destination_kind: destination.map(|destination| destination.kind.as_str().to_owned()),
            destination_hint: destination.map(|destination| destination.hint.clone()),
            destination_sealed: destination.map(|destination| destination.sealed.bytes().to_vec()),
            is_test: self.is_test,
            state: self.state.as_str().to_owned(),
            reward_count: self.reward_count,
            reference: self.reference.clone(),
            note: self.note.clone(),
            message: self.message.clone(),
            paid_at: self.paid_at.map(Time::micros),
            run_id: self.run_id.map(PayoutRunId::uuid),
            created_by: self.created_by.map(ApiKeyId::uuid),
            approved_by: self.approved_by.map(ApiKeyId::uuid),
            approved_at: self.approved_at.map(Time::micros),
            cancelled_at: self.cancelled_at.map(Time::micros),
            sending: self.sending.as_deref().map(to_json).transpose()?,
            export_id: self.export_id.map(PayoutExportId::uuid),
            document_id: self.document_id.map(PayoutDocumentId::uuid),
            document_number: self.document_number.clone(),
            reopenings: if self.reopenings.is_empty() { None } else { Some(to_json(&self.reopenings)?) },
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout", row.id);
        Ok(Self {
            id: PayoutId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            amount: name.money(row.amount_minor, &row.currency)?,
            provider: name.parse(&row.provider)?,
            destination: destination(name, row.destination_kind, row.destination_hint, row.destination_sealed)?,
            is_test: row.is_test,
            state: name.parse(&row.state)?,
            reward_count: row.reward_count,
            reference: row.reference,
            note: row.note,
            message: row.message,
            paid_at: row.paid_at.map(Time::from_micros),
            run_id: row.run_id.map(PayoutRunId::from_uuid),
            created_by: row.created_by.map(ApiKeyId::from_uuid),
            approved_by: row.approved_by.map(ApiKeyId::from_uuid),
            approved_at: row.approved_at.map(Time::from_micros),
            cancelled_at: row.cancelled_at.map(Time::from_micros),
            sending: row.sending.as_deref().map(|text| name.json(text)).transpose()?.map(Arc::new),
            export_id: row.export_id.map(PayoutExportId::from_uuid),
            document_id: row.document_id.map(PayoutDocumentId::from_uuid),
            document_number: row.document_number,
            reopenings: row.reopenings.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        if let Some(document_id) = self.document_id {
            needs.row::<PayoutDocument>((self.account_id, document_id));
        }
    }
}

/// A filter of payouts. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct PayoutQuery {
    /// Only payouts to this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only payouts of this run.
    pub run_id: Option<PayoutRunId>,
    /// Only payouts that this provider pays.
    pub provider: Option<PayoutProvider>,
    /// Only payouts in one of these states. Empty: any state.
    pub states: Vec<PayoutState>,
    /// Only payouts in one of these currencies. Empty: any currency.
    pub currencies: Vec<Currency>,
    /// Only payouts of which the affiliate got the money in this interval.
    pub paid: Interval,
}

/// The payout with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: PayoutId) -> Result<Option<Payout>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Payout::from_row).transpose()
}

/// One page of payouts.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    source: &impl Source,
    account_id: AccountId,
    wanted: &PayoutQuery,
    walk: Walk,
) -> Result<Vec<Payout>, StoreError> {
    list::read(walk.cut(filtered(account_id, wanted), table::Column::Id), source.connection()).await
}

/// How many payouts a list has in all.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &Store, account_id: AccountId, wanted: &PayoutQuery) -> Result<i64, StoreError> {
    list::count(filtered(account_id, wanted), table::Column::Id, store.read()).await
}

fn filtered(account_id: AccountId, wanted: &PayoutQuery) -> Select<table::Entity> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.provider, |query, provider| query.filter(table::Column::Provider.eq(provider.as_str())))
        .apply_if(wanted.run_id, |query, id| query.filter(table::Column::RunId.eq(id.uuid())))
        .apply_if(wanted.affiliate_id, |query, id| query.filter(table::Column::AffiliateId.eq(id.uuid())))
        .apply_if(wanted.paid.start, |query, start| query.filter(table::Column::PaidAt.gte(start.micros())))
        .apply_if(wanted.paid.end, |query, end| query.filter(table::Column::PaidAt.lt(end.micros())));
    let query = list::one_of(query, table::Column::State, &wanted.states);
    if wanted.currencies.is_empty() {
        return query;
    }
    query.filter(table::Column::Currency.is_in(wanted.currencies.iter().map(|currency| currency.code())))
}

/// Those of these payouts that exist.
///
/// # Errors
/// [`StoreError`].
pub async fn find_all(
    source: &impl Source,
    account_id: AccountId,
    ids: &[PayoutId],
) -> Result<Vec<Payout>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::Id.is_in(ids.iter().map(|id| id.uuid())));
    list::read(query, source.connection()).await
}

/// The rewards that name a payout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PayoutRewards {
    /// How many they are.
    pub count: i64,
    /// How many of them are reserved and not paid.
    pub reserved_count: i64,
    /// The sum of all of them, in minor units.
    pub sum: i128,
}

/// The rewards that name these payouts.
///
/// # Errors
/// [`StoreError`].
pub async fn rewards_of(
    source: &impl Source,
    account_id: AccountId,
    ids: &[PayoutId],
) -> Result<HashMap<PayoutId, PayoutRewards>, StoreError> {
    use reward_table::Column;
    let rows: Vec<(Uuid, i64, String)> = reward_table::Entity::find()
        .select_only()
        .columns([Column::PayoutId, Column::ValueMinor, Column::State])
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::PayoutId.is_in(ids.iter().map(|id| id.uuid())))
        .into_tuple()
        .all(source.connection())
        .await?;
    let mut rewards: HashMap<PayoutId, PayoutRewards> = HashMap::new();
    for (id, value_minor, state) in rows {
        let of_payout = rewards.entry(PayoutId::from_uuid(id)).or_default();
        of_payout.count += 1;
        of_payout.reserved_count += i64::from(state == RewardState::InPayout.as_str());
        of_payout.sum += i128::from(value_minor);
    }
    Ok(rewards)
}
