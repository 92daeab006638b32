//! Leads, and the unmatched sales that wait for a lead: rows and reads.

use sea_orm::sea_query::IntoValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select, Value};
use uuid::Uuid;

use super::backend::bytes_contain;
use super::credits;
use super::entity::{lead as table, unmatched_sale as unmatched_table};
use super::list::{self, SCAN_MAX, Walk};
use super::lists::{EntriesOfRow, Entry, List, Place, Rows, rows_of_list_up_to};
use super::metadata::{self, HasMetadata, Metadata, Scanned};
use super::row::{RowName, to_json};
use super::set::Loading;
use super::set::keyed::{Newest, rows_by};
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::conversion::Conversion;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, ConversionId, LeadId};
use crate::domain::lead::{Binding, Lead, LeadDetails, LeadSelector, LeadState, UnmatchedSale};
use crate::domain::set::{Needs, TIMELINE_LENGTH_MAX, WorkingSet};
use crate::domain::time::Time;
use std::collections::BTreeSet;

impl Stored for Lead {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            email: self.email.clone(),
            email_as_sent: self.email_as_sent.clone(),
            external_id: self.external_id.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            state: self.state.as_str().to_owned(),
            credits: credits::to_bytes(self.credits())?,
            bound_at: self.binding.as_ref().map(|binding| binding.bound_at.micros()),
            referred_at: self.binding.as_ref().map(|binding| binding.referred_at.micros()),
            plan: self.plan.clone(),
            mrr_minor: self.mrr.map(|mrr| mrr.amount_minor),
            mrr_currency: self.mrr.map(|mrr| mrr.currency.code().to_owned()),
            first_sale_at: self.first_sale_at.map(Time::micros),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            merged_into: self.merged_into.map(LeadId::uuid),
            deleted_at: self.deleted_at.map(Time::micros),
            details: (self.details != LeadDetails::default()).then(|| to_json(&self.details)).transpose()?,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("lead", row.id);
        let credits = credits::from_bytes(&row.credits).map_err(|_| name.inconsistent())?;
        let binding = match row.bound_at.map(Time::from_micros) {
            Some(bound_at) if !credits.is_empty() => {
                let referred_at = row.referred_at.map_or(bound_at, Time::from_micros);
                Some(Binding { credits, bound_at, referred_at })
            }
            None if credits.is_empty() => None,
            _ => return Err(name.inconsistent()),
        };
        Ok(Self {
            id: LeadId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            email: row.email,
            email_as_sent: row.email_as_sent,
            external_id: row.external_id,
            first_name: row.first_name,
            last_name: row.last_name,
            state: name.parse(&row.state)?,
            binding,
            plan: row.plan,
            mrr: name.money_null(row.mrr_minor, row.mrr_currency.as_deref())?,
            first_sale_at: row.first_sale_at.map(Time::from_micros),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            merged_into: row.merged_into.map(LeadId::from_uuid),
            deleted_at: row.deleted_at.map(Time::from_micros),
            details: row.details.map(|text| name.json(&text)).transpose()?.unwrap_or_default(),
        })
    }

    fn entries(&self) -> EntriesOfRow {
        let place = Place::of_id(self.id.uuid());
        let lists = self.credits().iter().map(|credit| List::leads_of(credit.affiliate_id));
        lists.map(|list| (self.account_id, Entry { list, place })).collect()
    }

    fn leads_to(&self, needs: &mut Needs) {
        for credit in self.credits() {
            needs.row::<Enrollment>((self.account_id, credit.enrollment_id));
        }
        // The bindings before the present one judge events of their time.
        for credit in self.details.manual_bindings.iter().flat_map(|manual| &manual.binding.credits) {
            needs.row::<Enrollment>((self.account_id, credit.enrollment_id));
        }
        if let Some(id) = self.merged_into {
            needs.row::<Self>((self.account_id, id));
        }
    }

    fn is_written_first(&self) -> bool {
        // Only the lead that it was merged into may take an identifier from it.
        self.merged_into.is_some()
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        // The latest sales of a customer are found through the customer's lead.
        let mut wanted = std::mem::take(&mut loading.needs.names.leads);
        wanted.extend(loading.needs.names.latest_sales.iter().cloned());
        let names = LeadNames::sort(&wanted);
        loading.needs.leads.extend(names.ids);
        loading.by_key::<Self>().await?;
        loading.by::<Self, _>(&[table::Column::AccountId, table::Column::ExternalId], names.external_ids).await?;
        loading.by::<Self, _>(&[table::Column::AccountId, table::Column::Email], names.emails).await?;
        wanted.into_iter().for_each(|name| loading.set.names.leads.insert_absent(name));
        // A former identifier leads to its lead. Runs once at most, because that lead leads to no other.
        while !loading.needs.leads.is_empty() {
            loading.by_key::<Self>().await?;
        }
        Ok(())
    }
}

impl Stored for UnmatchedSale {
    type Table = unmatched_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<unmatched_table::Model, StoreError> {
        Ok(unmatched_table::Model {
            account_id: self.account_id.uuid(),
            conversion_id: self.conversion_id.uuid(),
            email: self.email.clone(),
            external_id: self.external_id.clone(),
            occurred_at: self.occurred_at.micros(),
        })
    }

    fn from_row(row: unmatched_table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            conversion_id: ConversionId::from_uuid(row.conversion_id),
            email: row.email,
            external_id: row.external_id,
            occurred_at: Time::from_micros(row.occurred_at),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Conversion>((self.account_id, self.conversion_id));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let wanted = std::mem::take(&mut loading.needs.names.unmatched_sales);
        let mut wanted = with_other_names(loading.set, wanted);
        let unbound = std::mem::take(&mut loading.needs.names.unmatched_sales_of_unbound);
        wanted.extend(with_other_names(loading.set, without_bound(loading.set, unbound)));
        wanted.retain(|name| loading.set.names.unmatched_sales.get(name).is_none());
        let names = LeadNames::sort(&wanted);
        load_newest(loading, unmatched_table::Column::ExternalId, names.external_ids).await?;
        load_newest(loading, unmatched_table::Column::Email, names.emails).await?;
        wanted.into_iter().for_each(|name| loading.set.names.unmatched_sales.insert_absent(name));
        loading.by_key::<Self>().await
    }
}

/// Reads the newest unmatched sales with each of these names. There may be any number: a till may name all guests alike.
async fn load_newest(
    loading: &mut Loading<'_>,
    column: unmatched_table::Column,
    names: Vec<(Uuid, String)>,
) -> Result<(), StoreError> {
    let newest = Newest::<unmatched_table::Entity> {
        key: [unmatched_table::Column::AccountId, column],
        age: unmatched_table::Column::OccurredAt,
        age_least: i64::MIN.into(),
        limit: TIMELINE_LENGTH_MAX,
    };
    for row in newest.of(loading.connection, names.into_iter().map(IntoValueTuple::into_value_tuple)).await? {
        loading.enter(UnmatchedSale::from_row(row)?);
    }
    Ok(())
}

/// Identifiers of leads, sorted by kind.
#[derive(Default)]
struct LeadNames {
    ids: Vec<(AccountId, LeadId)>,
    external_ids: Vec<(Uuid, String)>,
    emails: Vec<(Uuid, String)>,
}

impl LeadNames {
    fn sort(names: &BTreeSet<(AccountId, LeadSelector)>) -> Self {
        let mut sorted = Self::default();
        for (account_id, selector) in names {
            match selector {
                LeadSelector::Id(id) => sorted.ids.push((*account_id, *id)),
                LeadSelector::ExternalId(external_id) => {
                    sorted.external_ids.push((account_id.uuid(), external_id.clone()));
                }
                LeadSelector::Email(email) => sorted.emails.push((account_id.uuid(), email.clone())),
            }
        }
        sorted
    }
}

/// Leaves the names of bound leads out. The leads must be loaded already.
fn without_bound(
    set: &WorkingSet,
    mut names: BTreeSet<(AccountId, LeadSelector)>,
) -> BTreeSet<(AccountId, LeadSelector)> {
    let is_bound =
        |name: &(AccountId, LeadSelector)| set.loaded_lead(name.0, &name.1).is_some_and(|lead| lead.binding.is_some());
    names.retain(|name| !is_bound(name));
    names
}

/// Adds the other identifiers of the leads that have one of these. The leads must be loaded already.
fn with_other_names(
    set: &WorkingSet,
    mut names: BTreeSet<(AccountId, LeadSelector)>,
) -> BTreeSet<(AccountId, LeadSelector)> {
    let leads = names.iter().filter_map(|(account_id, name)| set.loaded_lead(*account_id, name));
    let others = leads.flat_map(|lead| lead.selectors().into_iter().map(|name| (lead.account_id, name)));
    let others: Vec<_> = others.collect();
    names.extend(others);
    names
}

impl HasMetadata for Lead {
    fn metadata(&self) -> &Metadata {
        &self.details.metadata
    }
}

/// A filter of leads. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct LeadQuery {
    /// Only leads in this state.
    pub states: Vec<LeadState>,
    /// Only leads bound to this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only leads with these texts of the merchant's own.
    pub metadata: Metadata,
}

/// The lead with this identifier, present or former. A lead that was merged gives the one that it was merged into.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, selector: &LeadSelector) -> Result<Option<Lead>, StoreError> {
    let mut found = find_row(store, account_id, selector).await?;
    if let Some(id) = found.as_ref().and_then(|row| row.merged_into) {
        found = find_row(store, account_id, &LeadSelector::Id(id)).await?;
    }
    Ok(found.filter(|lead| lead.deleted_at.is_none()))
}

/// The former identifiers of a lead, and those of the leads that were merged into it.
///
/// # Errors
/// [`StoreError`].
pub async fn aliases(store: &Store, lead: &Lead) -> Result<Vec<LeadSelector>, StoreError> {
    let keys = lead.details.alias_ids().map(|id| (lead.account_id.uuid(), id.uuid()));
    let mut rows =
        rows_by::<table::Entity, _>(store.read(), &[table::Column::AccountId, table::Column::Id], keys).await?;
    rows.sort_by_key(|row| row.id);
    let rows = rows.into_iter().map(Lead::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(rows.iter().flat_map(Lead::selectors).collect())
}

async fn find_row(store: &Store, account_id: AccountId, selector: &LeadSelector) -> Result<Option<Lead>, StoreError> {
    let named = match selector {
        LeadSelector::Id(id) => table::Column::Id.eq(id.uuid()),
        LeadSelector::ExternalId(external_id) => table::Column::ExternalId.eq(external_id),
        LeadSelector::Email(email) => table::Column::Email.eq(email),
    };
    let row = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(named)
        .one(store.read())
        .await?;
    row.map(Lead::from_row).transpose()
}

/// One page of leads.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &LeadQuery,
    walk: Walk,
) -> Result<Scanned<Lead>, StoreError> {
    let (connection, metadata) = (store.read(), &wanted.metadata);
    let filter = |query: Select<table::Entity>| {
        let query = list::one_of(query, table::Column::State, &wanted.states);
        query.filter(table::Column::MergedInto.is_null()).filter(table::Column::DeletedAt.is_null())
    };
    let Some(affiliate_id) = wanted.affiliate_id else {
        let query = filter(table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid())));
        let columns = (table::Column::Id, table::Column::Details);
        return metadata::read(connection, query, columns, metadata, walk).await;
    };
    let key = [table::Column::AccountId, table::Column::Id];
    // The lead may have been on the list for an earlier credit.
    let is_credited = bytes_contain(connection, table::Column::Credits, affiliate_id.uuid().as_bytes());
    let filter = |query| {
        let query = filter(query).filter(is_credited.clone());
        metadata::may_have(connection, query, table::Column::Details, metadata)
    };
    let rows = Rows { key, value: Value::from, id: |row: &table::Model| row.id, filter };
    let list = (account_id, List::leads_of(affiliate_id));
    let places_max = if metadata.is_empty() { u64::MAX } else { SCAN_MAX };
    let (rows, end) = rows_of_list_up_to(connection, list, &rows, walk, places_max).await?;
    let leads = rows.into_iter().map(Lead::from_row).collect::<Result<_, _>>()?;
    Ok(metadata::scanned(leads, walk.limit, end, &wanted.metadata))
}
