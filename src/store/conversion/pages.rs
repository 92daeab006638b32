//! Pages of conversions.

use sea_orm::{ColumnTrait, QueryFilter, QueryTrait, Select, Value};

use super::filter::has_order_field;
use super::{RARE_KINDS, with_candidates, with_rewards};
use crate::domain::attribution::Candidate;
use crate::domain::conversion::{Conversion, ConversionImage, ConversionKind, ConversionOutcome};
use crate::domain::id::{AccountId, AffiliateId, LeadId, ProgramId};
use crate::domain::time::Interval;
use crate::store::backend::bytes_contain;
use crate::store::entity::conversion as table;
use crate::store::list::{self, ListOrder, Walk};
use crate::store::lists::{List, Rows, rows_in_order_of_ids, rows_of_list};
use crate::store::row::to_json;
use crate::store::{Store, StoreError};

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
) -> Result<Vec<ConversionImage>, StoreError> {
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
    let filter = |query: Select<table::Entity>| {
        filter(query).apply_if(wanted.affiliate_id, |query, id| {
            query.filter(bytes_contain(store.read(), table::Column::Credits, id.uuid().as_bytes()))
        })
    };
    let connection = store.read();
    let key = [table::Column::AccountId, table::Column::Id];
    let rows = Rows { key, value: Value::from, id: |row: &table::Model| row.id, filter };
    let rows = match (&wanted.lead_ids[..], wanted.affiliate_id) {
        ([], Some(affiliate_id)) => {
            let are_rare = !wanted.kinds.is_empty() && wanted.kinds.iter().all(|kind| RARE_KINDS.contains(kind));
            let list = if are_rare { List::rare_conversions_of } else { List::conversions_of };
            rows_of_list(connection, (account_id, list(affiliate_id)), &rows, walk).await?
        }
        ([], None) => (rows.filter)(list::page::<Conversion>(account_id, walk)).all(connection).await?,
        (lead_ids, _) => {
            let mut found = Vec::new();
            for lead_id in lead_ids {
                let list = (account_id, List::conversions_of_lead(*lead_id));
                found.extend(rows_in_order_of_ids(connection, list, &rows, walk).await?);
            }
            one_page(found, walk)
        }
    };
    with_rewards(store, rows).await
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
