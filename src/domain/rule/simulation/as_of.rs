//! Sales as they were at a moment, as far as the numbers of their customer's sales depend on it: what was left of them, and since when nothing was.

use std::sync::Arc;

use crate::domain::conversion::{Conversion, ConversionKind, CustomerSale, OrderDetails};
use crate::domain::money::Money;
use crate::domain::rule::replay::{Told, told};
use crate::domain::time::Time;

/// What was left of a sale after one of its refunds and corrections.
struct Left {
    at: Told,
    minor: i64,
    /// Since when nothing is left of it.
    void_at: Option<Time>,
    /// Whether it may leave something of a sale of which nothing was left.
    may_restore: bool,
}

/// What was left of a sale after each of its refunds and corrections, in the order in which they were told.
fn steps(changes: &[Arc<Conversion>], sale: &Conversion) -> (i64, Vec<Left>) {
    let is_correction = |change: &Conversion| change.kind == ConversionKind::Correction;
    let corrected = changes.iter().filter(|change| is_correction(change)).filter_map(|change| change.amount);
    let corrected = corrected.map(|amount| amount.amount_minor).fold(0, i64::saturating_add);
    let told_minor = sale.amount.map_or(0, |amount| amount.amount_minor).saturating_sub(corrected);
    let (mut minor, mut void_at) = (told_minor, None);
    let mut steps = Vec::with_capacity(changes.len());
    for change in changes {
        let had_left = minor > 0;
        let changed = change.amount.map_or(0, |amount| amount.amount_minor).saturating_add(change.excess_minor);
        minor = minor.saturating_add(changed);
        match (had_left, minor > 0) {
            (true, false) => void_at = Some(change.created_at.max(sale.created_at)),
            (_, true) => void_at = None,
            (false, false) => {}
        }
        steps.push(Left { at: told(change), minor, void_at, may_restore: may_restore(change) });
    }
    (told_minor, steps)
}

/// Since when refunds and corrections have left nothing of a sale, if so.
pub(super) fn void_at(changes: &[Arc<Conversion>], sale: &Conversion) -> Option<Time> {
    steps(changes, sale).1.pop()?.void_at
}

/// The changes by which a sale of which nothing was left counts again. All sales of its customer are numbered anew then.
pub(super) fn counted_again(changes: &[Arc<Conversion>], sale: &Conversion) -> Vec<Told> {
    if sale.kind != ConversionKind::Sale || !changes.iter().any(|change| may_restore(change)) {
        return Vec::new();
    }
    let (told_minor, steps) = steps(changes, sale);
    let mut had_left = told_minor > 0;
    let mut moments = Vec::new();
    for step in steps {
        let has_left = step.minor > 0;
        if step.may_restore && has_left && !had_left && step.at > told(sale) {
            moments.push(step.at);
        }
        had_left = has_left;
    }
    moments
}

/// A correction, the undoing of a refund, or the end of a dispute that was lost before.
fn may_restore(change: &Conversion) -> bool {
    let gives = |amount: Money| amount.amount_minor > 0;
    matches!(change.kind, ConversionKind::Correction | ConversionKind::RefundUndo)
        || (change.kind == ConversionKind::DisputeResolution && change.amount.is_some_and(gives))
}

/// A sale as it was at a moment. Only one that such a change may have restored is another than now, because a sale of which nothing is left still
/// has its number.
pub(super) fn at(changes: &[Arc<Conversion>], sale: &Arc<Conversion>, until: Told) -> Arc<Conversion> {
    if !changes.iter().any(|change| may_restore(change)) {
        return Arc::clone(sale);
    }
    let (told_minor, mut steps) = steps(changes, sale);
    steps.retain(|step| step.at <= until.max(told(sale)));
    let (minor, void_at) = steps.pop().map_or((told_minor, None), |step| (step.minor, step.void_at));
    let mut amount = sale.amount;
    if let Some(amount) = &mut amount {
        amount.amount_minor = minor;
    }
    let place = sale.order.customer_sale.unwrap_or_default();
    let customer_sale = Some(CustomerSale { void_at, ..place });
    let order = OrderDetails { customer_sale, ..sale.order.clone() };
    Arc::new(Conversion { amount, refunded_minor: 0, order, ..sale.as_ref().clone() })
}
