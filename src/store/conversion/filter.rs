//! Conditions on conversions that several lists share.

use sea_orm::sea_query::{SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};

use crate::domain::attribution::AttributionSource;
use crate::domain::id::AccountId;
use crate::store::backend::text_contains;
use crate::store::entity::conversion as table;
use crate::store::metadata::Metadata;
use crate::store::{credits, form};

/// What rewards are filtered by and their conversions have. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct ConversionFilter {
    /// Only conversions with this order id.
    pub order_id: Option<String>,
    /// Only conversions with this order number.
    pub order_number: Option<String>,
    /// Only refunds with this id.
    pub refund_id: Option<String>,
    /// Only conversions whose affiliate was found by one of these sources. Empty: any source.
    pub sources: Vec<AttributionSource>,
}

impl ConversionFilter {
    /// A query for the ids of the conversions that pass. `None` if all do.
    pub(in crate::store) fn ids(
        &self,
        connection: &impl ConnectionTrait,
        account_id: AccountId,
    ) -> Option<SelectStatement> {
        let texts =
            [("order_id", &self.order_id), ("order_number", &self.order_number), ("refund_id", &self.refund_id)];
        if self.sources.is_empty() && texts.iter().all(|(_, text)| text.is_none()) {
            return None;
        }
        let mut query = table::Entity::find()
            .select_only()
            .column(table::Column::Id)
            .filter(table::Column::AccountId.eq(account_id.uuid()));
        for (name, text) in texts {
            query =
                query.apply_if(text.as_deref(), |query, text| query.filter(has_order_field(connection, name, text)));
        }
        if !self.sources.is_empty() {
            query = query.filter(credits::source_is_one_of(table::Column::Credits, &self.sources));
        }
        Some(query.into_query())
    }
}

/// Limits a query to conversions that look like having these texts, see [`has_order_field`].
pub(super) fn may_have_metadata(
    connection: &impl ConnectionTrait,
    query: Select<table::Entity>,
    wanted: &Metadata,
) -> Select<table::Entity> {
    wanted.iter().fold(query, |query, (key, text)| {
        query.filter(text_contains(connection, table::Column::OrderDetails, &form::entry(key, text)))
    })
}

/// Whether the order of a conversion has this text in a field. Searches the text of the order. A value cannot look like a field,
/// because its quotes are escaped. An index would cost every sale more than these rare look-ups save.
pub(super) fn has_order_field(connection: &impl ConnectionTrait, name: &str, value: &str) -> SimpleExpr {
    text_contains(connection, table::Column::OrderDetails, &form::text_field(name, value))
}
