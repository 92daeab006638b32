//! Documents of payouts: rows and reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};
use uuid::Uuid;

use super::entity::payout_document as table;
use super::entity::payout_document_count as count_table;
use super::list::{self, Walk};
use super::row::{RowName, to_json};
use super::set::stored::{SqlKey, Stored};
use super::{Snapshot, Source as _, Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, PayoutDocumentId, PayoutId};
use crate::domain::payout_document::{DocumentNumber, PayoutDocument, PayoutDocumentCount, PayoutDocumentState};
use crate::domain::payout_method::Sealed;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

impl Stored for PayoutDocument {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        let number = self.number.as_ref();
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            payout_id: self.payout_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            amount_minor: self.amount.amount_minor,
            currency: self.amount.currency.code().to_owned(),
            state: self.state.as_str().to_owned(),
            number_year: number.map(|number| number.year),
            number_sequence: number.map(|number| number.sequence),
            number_prefix: number.map(|number| number.prefix.clone()),
            content: self.content.as_deref().map(to_json).transpose()?,
            payee_tax_number: self.payee_tax_number.as_ref().map(|sealed| sealed.bytes().to_vec()),
            finalized_at: self.finalized_at.map(Time::micros),
            voided_at: self.voided_at.map(Time::micros),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_document", row.id);
        let number = match (row.number_year, row.number_sequence, row.number_prefix) {
            (Some(year), Some(sequence), Some(prefix)) => Some(DocumentNumber { year, sequence, prefix }),
            (None, None, None) => None,
            _ => return Err(name.inconsistent()),
        };
        Ok(Self {
            id: PayoutDocumentId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            payout_id: PayoutId::from_uuid(row.payout_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            amount: name.money(row.amount_minor, &row.currency)?,
            state: name.parse(&row.state)?,
            number,
            content: row.content.as_deref().map(|text| name.json(text)).transpose()?.map(Arc::new),
            payee_tax_number: row.payee_tax_number.map(Sealed::new),
            finalized_at: row.finalized_at.map(Time::from_micros),
            voided_at: row.voided_at.map(Time::from_micros),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

impl SqlKey for (AccountId, i32) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Two(self.0.uuid().into(), self.1.into())
    }
}

impl Stored for PayoutDocumentCount {
    type Table = count_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<count_table::Model, StoreError> {
        Ok(count_table::Model {
            account_id: self.account_id.uuid(),
            year: self.year,
            last_sequence: self.last_sequence,
        })
    }

    fn from_row(row: count_table::Model) -> Result<Self, StoreError> {
        Ok(Self { account_id: AccountId::from_uuid(row.account_id), year: row.year, last_sequence: row.last_sequence })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// A filter of documents. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct PayoutDocumentQuery {
    /// Only documents of payouts to this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only documents with a number of this year.
    pub year: Option<i32>,
    /// Only documents in one of these states. Empty: any state.
    pub states: Vec<PayoutDocumentState>,
}

/// The document with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    id: PayoutDocumentId,
) -> Result<Option<PayoutDocument>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(PayoutDocument::from_row).transpose()
}

/// The document with this number.
///
/// # Errors
/// [`StoreError`].
pub async fn find_by_number(
    store: &Store,
    account_id: AccountId,
    number: &DocumentNumber,
) -> Result<Option<PayoutDocument>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::NumberYear.eq(number.year))
        .filter(table::Column::NumberSequence.eq(number.sequence));
    let found = query.one(store.read()).await?.map(PayoutDocument::from_row).transpose()?;
    Ok(found.filter(|document| document.number.as_ref() == Some(number)))
}

/// One page of documents.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &PayoutDocumentQuery,
    walk: Walk,
) -> Result<Vec<PayoutDocument>, StoreError> {
    list::read(walk.cut(filtered(account_id, wanted), table::Column::Id), store.read()).await
}

fn filtered(account_id: AccountId, wanted: &PayoutDocumentQuery) -> Select<table::Entity> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.affiliate_id, |query, id| query.filter(table::Column::AffiliateId.eq(id.uuid())))
        .apply_if(wanted.year, |query, year| query.filter(table::Column::NumberYear.eq(year)));
    list::one_of(query, table::Column::State, &wanted.states)
}

/// The gaps in the account's numbers of documents, and the years whose last number is another one, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let numbers: Vec<(Uuid, Option<i32>, Option<i64>)> = table::Entity::find()
        .select_only()
        .columns([table::Column::Id, table::Column::NumberYear, table::Column::NumberSequence])
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::NumberYear.is_not_null())
        .order_by_asc(table::Column::NumberYear)
        .order_by_asc(table::Column::NumberSequence)
        .into_tuple()
        .all(connection)
        .await?;
    let counts = count_table::Entity::find().filter(count_table::Column::AccountId.eq(account_id.uuid()));
    let mut kept: BTreeMap<i32, i64> =
        counts.all(connection).await?.into_iter().map(|row| (row.year, row.last_sequence)).collect();
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    let mut differences = Vec::new();
    for (id, year, sequence) in numbers {
        let (Some(year), Some(sequence)) = (year, sequence) else { continue };
        let before = last.insert(year, sequence).unwrap_or_default();
        if sequence != before + 1 {
            let id = PayoutDocumentId::from_uuid(id);
            differences
                .push(format!("the document {id} has the number {sequence} of {year} and should have {}", before + 1));
        }
    }
    for (year, sequence) in &last {
        let found = kept.remove(year).unwrap_or_default();
        if found != *sequence {
            differences.push(format!("the last number of documents of {year} is {found} and should be {sequence}"));
        }
    }
    differences.extend(
        kept.iter()
            .filter(|(_, found)| **found != 0)
            .map(|(year, found)| format!("the last number of documents of {year} is {found} and should be 0")),
    );
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the numbers of documents have {others} more differences"));
    }
    Ok(differences)
}
