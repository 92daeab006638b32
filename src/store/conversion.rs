//! Conversions: rows and reads. A conversion is shown with its rewards.

mod filter;
mod pages;

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{EntityTrait, IdenStatic, Iterable, QuerySelect, Select};
use uuid::Uuid;

use super::credits;
use super::entity::waiting_refund as waiting_table;
use super::entity::{conversion as table, reward as reward_table};
use super::list::{self, Walk};
use super::lists::{self, EntriesOfRow, Entry, List, Place};
use super::row::{RowName, to_json};
use super::set::Loading;
use super::set::keyed::rows_by;
use super::set::keyed::{NEWEST_MAX, Newest};
use super::set::stored::SqlKey;
use super::set::stored::Stored;
use super::{Source, Store, StoreError, request};
use crate::domain::attribution::Candidate;
use crate::domain::conversion::{Conversion, ConversionImage, ConversionKind, ConversionSelector, WaitingRefund};
use crate::domain::id::{AccountId, ClickId, ConversionId, LeadId};
use crate::domain::request::RequestKey;
use crate::domain::reward::Reward;
use crate::domain::set::Needs;
use crate::domain::set::{Kind, TIMELINE_LENGTH_MAX, VISITOR_CONVERSIONS_MAX};
use crate::domain::time::Time;
pub use filter::ConversionFilter;
pub use pages::{ConversionQuery, list};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Stored for Conversion {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            kind: self.kind.as_str().to_owned(),
            event_id: self.event_id.clone(),
            outcome: self.outcome.as_str().to_owned(),
            amount_minor: self.amount.map(|amount| amount.amount_minor),
            currency: self.amount.map(|amount| amount.currency.code().to_owned()),
            refunded_minor: self.refunded_minor,
            refund_count: self.refund_count,
            excess_minor: self.excess_minor,
            sale_id: self.sale_id.map(ConversionId::uuid),
            sale_event_id: self.sale_event_id.clone(),
            lead_id: self.lead_id.map(LeadId::uuid),
            tid: self.tid.map(ClickId::uuid),
            credits: credits::to_bytes(&self.credits)?,
            channel: self.channel.as_str().to_owned(),
            order_details: to_json(&self.order)?,
            candidates: to_json(&self.candidates)?,
            occurred_at: self.occurred_at.micros(),
            created_at: self.created_at.micros(),
            is_told: self.is_told,
            version: self.version,
            as_recorded: self.as_recorded.as_deref().map(to_json).transpose()?,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("conversion", row.id);
        Ok(Self {
            id: ConversionId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            kind: name.parse(&row.kind)?,
            outcome: name.parse(&row.outcome)?,
            amount: name.money_null(row.amount_minor, row.currency.as_deref())?,
            refunded_minor: row.refunded_minor,
            refund_count: row.refund_count,
            excess_minor: row.excess_minor,
            sale_id: row.sale_id.map(ConversionId::from_uuid),
            lead_id: row.lead_id.map(LeadId::from_uuid),
            tid: row.tid.map(ClickId::from_uuid),
            credits: credits::from_bytes(&row.credits).map_err(|_| name.inconsistent())?,
            channel: name.parse(&row.channel)?,
            order: name.json(&row.order_details)?,
            candidates: name.json(&row.candidates)?,
            occurred_at: Time::from_micros(row.occurred_at),
            created_at: Time::from_micros(row.created_at),
            is_told: row.is_told,
            version: row.version,
            as_recorded: row.as_recorded.map(|text| name.json(&text).map(Box::new)).transpose()?,
            event_id: row.event_id,
            sale_event_id: row.sale_event_id,
        })
    }

    fn entries(&self) -> EntriesOfRow {
        let id = self.id.uuid();
        let affiliates = || self.credits.iter().map(|credit| credit.affiliate_id);
        let rare = affiliates().filter(|_| RARE_KINDS.contains(&self.kind)).map(List::rare_conversions_of);
        let by_affiliate = affiliates().map(List::conversions_of).chain(rare);
        let by_affiliate = by_affiliate.map(|list| Entry { list, place: Place::of_id(id) });
        let by_lead = self.lead_id.map(List::conversions_of_lead);
        let by_lead = by_lead.map(|list| Entry { list, place: Place::at(self.occurred_at, id) });
        by_affiliate.chain(by_lead).map(|entry| (self.account_id, entry)).collect()
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.names.rewards_of.insert(self.key());
        if let Some(sale_id) = self.sale_id {
            needs.row::<Conversion>((self.account_id, sale_id));
        }
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let latest_sales = load_latest_sales(loading).await?;
        let timelines = load_timelines(loading).await?;
        let visitors = load_conversions_of_visitor(loading).await?;
        loading.set.complete_lists(&timelines, &latest_sales, &visitors);
        // Runs at most twice, because a refund leads to its sale and a sale leads to no other conversion.
        while !loading.needs.conversions.is_empty() {
            loading.by_key::<Self>().await?;
        }
        Ok(())
    }
}

impl Stored for WaitingRefund {
    type Table = waiting_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<waiting_table::Model, StoreError> {
        Ok(waiting_table::Model {
            account_id: self.account_id.uuid(),
            sale_event_id: self.sale_event_id.clone(),
            conversion_id: self.conversion_id.uuid(),
        })
    }

    fn from_row(row: waiting_table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            sale_event_id: row.sale_event_id,
            conversion_id: ConversionId::from_uuid(row.conversion_id),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Conversion>((self.account_id, self.conversion_id));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let wanted = std::mem::take(&mut loading.needs.names.waiting_refunds);
        // Every sale looks for waiting refunds. Accounts that never had one are skipped, because most accounts never had one.
        let possible = wanted.iter().filter(|(account_id, _)| loading.catalogues.may_have_waiting_refunds(*account_id));
        let keys: Vec<_> = possible.map(SqlKey::values).collect();
        let columns = [waiting_table::Column::AccountId, waiting_table::Column::SaleEventId];
        loading.by::<Self, _>(&columns, keys).await?;
        wanted.into_iter().for_each(|name| loading.set.names.waiting_refunds.insert_absent(name));
        loading.by_key::<Self>().await
    }
}

/// Reads the newest conversions of leads, of this kind or of any.
async fn load_newest(
    loading: &mut Loading<'_>,
    leads: &BTreeSet<(AccountId, LeadId)>,
    kind: Option<ConversionKind>,
    limit: usize,
) -> Result<(), StoreError> {
    let lists = leads.iter().map(|(account_id, lead_id)| (*account_id, List::conversions_of_lead(*lead_id)));
    let kind = kind.map(ConversionKind::as_str);
    let newest = lists::Newest::<table::Entity> {
        key: [table::Column::AccountId, table::Column::Id],
        key_of: |row| (row.account_id, row.id),
        // A conversion may have had another lead.
        is_wanted: &|list, row| {
            let lead_id = row.lead_id.map(LeadId::from_uuid);
            lead_id.map(List::conversions_of_lead) == Some(list.1) && kind.is_none_or(|kind| row.kind == kind)
        },
        limit,
    };
    for row in newest.of(loading.connection, lists.collect()).await? {
        loading.enter(Conversion::from_row(row)?);
    }
    Ok(())
}

/// Reads the latest sales of leads, and returns the leads. The leads must be loaded already.
async fn load_latest_sales(loading: &mut Loading<'_>) -> Result<BTreeSet<(AccountId, LeadId)>, StoreError> {
    let wanted = std::mem::take(&mut loading.needs.names.latest_sales);
    let named = wanted.iter().filter_map(|(account_id, name)| loading.set.loaded_lead(*account_id, name));
    let mut leads = BTreeSet::new();
    for lead in named {
        let ids = [lead.id].into_iter().chain(lead.details.merged_ids.iter().copied());
        leads.extend(ids.map(|id| (lead.account_id, id)));
    }
    load_newest(loading, &leads, Some(ConversionKind::Sale), NEWEST_MAX as usize).await?;
    Ok(leads)
}

/// Reads the conversions of leads, and returns the leads.
async fn load_timelines(loading: &mut Loading<'_>) -> Result<BTreeSet<(AccountId, LeadId)>, StoreError> {
    let mut leads = std::mem::take(&mut loading.needs.names.timelines);
    leads.retain(|lead| loading.set.names.timelines.get(lead).is_none());
    load_newest(loading, &leads, None, TIMELINE_LENGTH_MAX as usize).await?;
    Ok(leads)
}

/// Reads the conversions whose requests had a visitor's tracking id, and returns the visitors.
async fn load_conversions_of_visitor(loading: &mut Loading<'_>) -> Result<BTreeSet<(AccountId, ClickId)>, StoreError> {
    let mut visitors = std::mem::take(&mut loading.needs.names.conversions_of_visitor);
    visitors.retain(|visitor| loading.set.names.conversions_of_visitor.get(visitor).is_none());
    let newest = Newest::<table::Entity> {
        key: [table::Column::AccountId, table::Column::Tid],
        age: table::Column::OccurredAt,
        age_least: i64::MIN.into(),
        limit: VISITOR_CONVERSIONS_MAX,
    };
    for row in newest.of(loading.connection, visitors.iter().map(SqlKey::values)).await? {
        loading.enter(Conversion::from_row(row)?);
    }
    Ok(visitors)
}

/// The kinds of which there are few, see [`List::rare_conversions_of`].
const RARE_KINDS: [ConversionKind; 6] = [
    ConversionKind::Refund,
    ConversionKind::RefundUndo,
    ConversionKind::Cancellation,
    ConversionKind::Correction,
    ConversionKind::Dispute,
    ConversionKind::DisputeResolution,
];

/// The conversions with these ids, without their rewards.
///
/// # Errors
/// [`StoreError`].
pub async fn by_ids(
    source: &impl Source,
    account_id: AccountId,
    ids: impl IntoIterator<Item = ConversionId>,
) -> Result<HashMap<ConversionId, Conversion>, StoreError> {
    let ids: BTreeSet<ConversionId> = ids.into_iter().collect();
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.into_iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(source.connection(), &columns, keys).await?;
    rows.into_iter().map(|row| Conversion::from_row(row).map(|conversion| (conversion.id, conversion))).collect()
}

/// The conversion with this identifier. `None` also for an event that made no conversion.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    source: &impl Source,
    account_id: AccountId,
    selector: &ConversionSelector,
) -> Result<Option<ConversionImage>, StoreError> {
    let id = match selector {
        ConversionSelector::Id(id) => Some(id.uuid()),
        ConversionSelector::RecordedEvent { kind, event_id } => {
            request::find_effect(source, &RequestKey::event(account_id, (*kind).into(), event_id)).await?
        }
    };
    let Some(id) = id else { return Ok(None) };
    let row = table::Entity::find_by_id((account_id.uuid(), id)).one(source.connection()).await?;
    Ok(with_rewards(source, row.into_iter().collect()).await?.pop())
}

/// The conversions with these identifiers, in the same order. The same one may be named several times.
///
/// # Errors
/// [`StoreError`].
pub async fn find_all(
    store: &Store,
    account_id: AccountId,
    selectors: &[ConversionSelector],
) -> Result<Vec<Option<ConversionImage>>, StoreError> {
    let key_of = |kind: ConversionKind, event_id: &str| RequestKey::event(account_id, kind.into(), event_id);
    let keys: BTreeSet<RequestKey> = selectors
        .iter()
        .filter_map(|selector| match selector {
            ConversionSelector::Id(_) => None,
            ConversionSelector::RecordedEvent { kind, event_id } => Some(key_of(*kind, event_id)),
        })
        .collect();
    let effects = request::find_effects(store, keys).await?;
    let id_of = |selector: &ConversionSelector| match selector {
        ConversionSelector::Id(id) => Some(id.uuid()),
        ConversionSelector::RecordedEvent { kind, event_id } => effects.get(&key_of(*kind, event_id)).copied(),
    };
    let ids: BTreeSet<Uuid> = selectors.iter().filter_map(id_of).collect();
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.into_iter().map(|id| (account_id.uuid(), id));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
    let images = with_rewards(store, rows).await?.into_iter();
    let images: HashMap<Uuid, ConversionImage> = images.map(|image| (image.conversion.id.uuid(), image)).collect();
    Ok(selectors.iter().map(|selector| images.get(&id_of(selector)?).cloned()).collect())
}

/// Reads this text in place of the candidates of each row.
fn with_candidates(query: Select<table::Entity>, candidates: &str) -> Select<table::Entity> {
    // All columns in their order, because rows may be read by place.
    table::Column::iter().fold(query.select_only(), |query, column| match column {
        table::Column::Candidates => query.expr_as(Expr::value(candidates), column.as_str()),
        column => query.column(column),
    })
}

/// One page of all conversions of an account, without their candidates.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    source: &impl Source,
    account_id: AccountId,
    after: Option<ConversionId>,
    limit: u64,
) -> Result<Vec<ConversionImage>, StoreError> {
    let walk = Walk { after: after.map(ConversionId::uuid), ..Walk::first(limit) };
    let no_candidates = to_json(&Vec::<Candidate>::new())?;
    let query = with_candidates(list::page::<Conversion>(account_id, walk), &no_candidates);
    with_rewards(source, query.all(source.connection()).await?).await
}

async fn with_rewards(source: &impl Source, rows: Vec<table::Model>) -> Result<Vec<ConversionImage>, StoreError> {
    images(source, rows.into_iter().map(Conversion::from_row).collect::<Result<_, _>>()?).await
}

/// Conversions with their rewards.
async fn images(source: &impl Source, conversions: Vec<Conversion>) -> Result<Vec<ConversionImage>, StoreError> {
    let columns = [reward_table::Column::AccountId, reward_table::Column::ConversionId];
    let keys = conversions.iter().map(|conversion| (conversion.account_id.uuid(), conversion.id.uuid()));
    let mut rewards: HashMap<Uuid, Vec<_>> = HashMap::new();
    for row in rows_by::<reward_table::Entity, _>(source.connection(), &columns, keys).await? {
        let Some(conversion_id) = row.conversion_id else { continue };
        rewards.entry(conversion_id).or_default().push(Arc::new(Reward::from_row(row)?));
    }
    let with_own = |conversion: Conversion| {
        let mut rewards = rewards.remove(&conversion.id.uuid()).unwrap_or_default();
        rewards.sort_by_key(|reward| reward.id);
        ConversionImage { conversion: Arc::new(conversion), rewards }
    };
    Ok(conversions.into_iter().map(with_own).collect())
}
