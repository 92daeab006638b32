//! Checks the lines of sales and refunds: they must add up to their conversion. Knows no rule.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::backend::text_contains;
use super::entity::conversion;
use super::set::stored::Stored;
use super::{Snapshot, Source, StoreError};
use crate::domain::conversion::{Conversion, ConversionKind, ConversionOutcome};
use crate::domain::id::AccountId;
use crate::domain::line;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

/// The conversions whose lines do not add up, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    // A value cannot look like the field, because its quotes are escaped.
    let rows = conversion::Entity::find()
        .filter(conversion::Column::AccountId.eq(account_id.uuid()))
        .filter(text_contains(connection, conversion::Column::OrderDetails, "\"lines\":"))
        .all(connection)
        .await?;
    let rows = rows.into_iter().map(Conversion::from_row).collect::<Result<Vec<_>, _>>()?;
    let mut differences: Vec<String> = rows.iter().filter_map(difference).collect();
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the lines of {others} more conversions do not add up"));
    }
    Ok(differences)
}

fn difference(row: &Conversion) -> Option<String> {
    let (id, lines) = (row.id, &row.order.lines);
    if row.outcome == ConversionOutcome::Waiting {
        return None;
    }
    let sum = line::sum(lines);
    let amount = i128::from(row.amount?.amount_minor + row.excess_minor);
    let refunded: i128 = lines.iter().map(|line| i128::from(line.refunded_minor)).sum();
    let is_below = lines.iter().any(|line| line.left_minor() < 0 || line.refunded_minor < 0);
    if sum != amount {
        Some(format!("the lines of {id} add up to {sum} and should add up to {amount}"))
    } else if refunded != i128::from(row.refunded_minor) {
        Some(format!("{refunded} of the lines of {id} is refunded, and {} of the whole", row.refunded_minor))
    } else if is_below && row.kind == ConversionKind::Sale {
        Some(format!("more of a line of {id} is refunded than it was sold for"))
    } else {
        None
    }
}
