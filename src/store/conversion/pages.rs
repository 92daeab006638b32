//! Pages of conversions.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, Select, Value};

use super::filter::{has_order_field, may_have_metadata};
use super::{RARE_KINDS, images, with_candidates};
use crate::domain::attribution::Candidate;
use crate::domain::conversion::{Conversion, ConversionImage, ConversionKind, ConversionOutcome};
use crate::domain::id::{AccountId, AffiliateId, LeadId, ProgramId};
use crate::domain::time::Interval;
use crate::store::backend::bytes_contain;
use crate::store::entity::conversion as table;
use crate::store::list::{self, ListOrder, SCAN_MAX, Walk};
use crate::store::lists::{List, Rows, rows_in_order_of_ids, rows_of_list_up_to};
use crate::store::metadata::{self, HasMetadata, Metadata, Scanned};
use crate::store::row::to_json;
use crate::store::set::stored::Stored;
use crate::store::{Store, StoreError};

impl HasMetadata for Conversion {
    fn metadata(&self) -> &Metadata {
        &self.order.metadata
    }
}

/// A filter of conversions. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct ConversionQuery {
    /// Only conversions of these kinds. Empty: any kind.
    pub kinds: Vec<ConversionKind>,
    /// Only conversions with one of these outcomes. Empty: any outcome.
    pub outcomes: Vec<ConversionOutcome>,
    /// Only conversions credited to this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only conversions credited in this program.
    pub program_id: Option<ProgramId>,
    /// Only conversions of these leads, which were merged. Empty: of any customer.
    pub lead_ids: Vec<LeadId>,
    /// Only conversions that occurred in this interval.
    pub occurred: Interval,
    /// Only conversions with this order id.
    pub order_id: Option<String>,
    /// Only conversions with this order number.
    pub order_number: Option<String>,
    /// Only custom events of this kind.
    pub custom_kind: Option<String>,
    /// Only conversions with these texts of the merchant's own.
    pub metadata: Metadata,
    /// Whether to leave the candidates out. They are most of a row's bytes.
    pub without_candidates: bool,
}

/// One page of conversions.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &ConversionQuery,
    walk: Walk,
) -> Result<Scanned<ConversionImage>, StoreError> {
    let no_candidates = to_json(&Vec::<Candidate>::new())?;
    let filter = |query: Select<table::Entity>| {
        let query = query
            // Searches the bytes of the credits, because programs are few and no other bytes look like an id.
            .apply_if(wanted.program_id, |query, id| {
                query.filter(bytes_contain(store.read(), table::Column::Credits, id.uuid().as_bytes()))
            })
            .apply_if(wanted.order_id.as_deref(), |query, id| {
                query.filter(has_order_field(store.read(), "order_id", id))
            })
            .apply_if(wanted.order_number.as_deref(), |query, number| {
                query.filter(has_order_field(store.read(), "order_number", number))
            })
            .apply_if(wanted.custom_kind.as_deref(), |query, kind| {
                query.filter(has_order_field(store.read(), "custom_kind", kind))
            })
            .apply_if(wanted.occurred.start, |query, start| query.filter(table::Column::OccurredAt.gte(start.micros())))
            .apply_if(wanted.occurred.end, |query, end| query.filter(table::Column::OccurredAt.lt(end.micros())));
        let query = match &wanted.lead_ids[..] {
            [] => query,
            ids => query.filter(table::Column::LeadId.is_in(ids.iter().map(|id| id.uuid()))),
        };
        let query = list::one_of(query, table::Column::Kind, &wanted.kinds);
        let query = list::one_of(query, table::Column::Outcome, &wanted.outcomes);
        if wanted.without_candidates { with_candidates(query, &no_candidates) } else { query }
    };
    // The conversion may be on the list for an earlier credit.
    let by_other_fields = |query: Select<table::Entity>| {
        filter(query).apply_if(wanted.affiliate_id, |query, id| {
            query.filter(bytes_contain(store.read(), table::Column::Credits, id.uuid().as_bytes()))
        })
    };
    let connection = store.read();
    let filter = |query| may_have_metadata(connection, by_other_fields(query), &wanted.metadata);
    let places_max = if wanted.metadata.is_empty() { u64::MAX } else { SCAN_MAX };
    let key = [table::Column::AccountId, table::Column::Id];
    let rows = Rows { key, value: Value::from, id: |row: &table::Model| row.id, filter };
    let (rows, end) = match (&wanted.lead_ids[..], wanted.affiliate_id) {
        ([], Some(affiliate_id)) => {
            let are_rare = !wanted.kinds.is_empty() && wanted.kinds.iter().all(|kind| RARE_KINDS.contains(kind));
            let list = if are_rare { List::rare_conversions_of } else { List::conversions_of };
            rows_of_list_up_to(connection, (account_id, list(affiliate_id)), &rows, walk, places_max).await?
        }
        ([], None) if wanted.metadata.is_empty() => {
            ((rows.filter)(list::page::<Conversion>(account_id, walk)).all(connection).await?, None)
        }
        ([], None) => {
            let all = by_other_fields(table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid())));
            let (page, end) = metadata::cut_at_scan_max(connection, all, table::Column::Id, walk).await?;
            (may_have_metadata(connection, page, &wanted.metadata).all(connection).await?, end)
        }
        (lead_ids, _) => {
            let mut found = Vec::new();
            for lead_id in lead_ids {
                let list = (account_id, List::conversions_of_lead(*lead_id));
                found.extend(rows_in_order_of_ids(connection, list, &rows, walk).await?);
            }
            (one_page(found, walk), None)
        }
    };
    let found = rows.into_iter().map(Conversion::from_row).collect::<Result<_, _>>()?;
    let Scanned { rows, ended_at } = metadata::scanned(found, walk.limit, end, &wanted.metadata);
    Ok(Scanned { rows: images(store, rows).await?, ended_at })
}

/// The first rows of the pages of several lists, each once. A sale that moved to another lead is on the lists of both.
fn one_page(mut rows: Vec<table::Model>, walk: Walk) -> Vec<table::Model> {
    rows.sort_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    if walk.order == ListOrder::NewestFirst {
        rows.reverse();
    }
    rows.truncate(usize::try_from(walk.limit).unwrap_or(usize::MAX));
    rows
}
