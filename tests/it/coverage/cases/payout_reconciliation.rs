//! Reconciliations of payouts.

use serde_json::{Value as Json, json};

use super::{Case, case, long};
use crate::support::server::START_MICROS;

const ID: &[(&str, &str)] = &[("payout_reconciliation_id", "/payout_reconciliation/id")];

const SET: &str = "PayoutService/SetPayoutConnection";
const REMOVE: &str = "PayoutService/RemovePayoutConnection";
const RECONCILE: &str = "PayoutService/ReconcilePayouts";

fn stripe() -> Json {
    json!({"credentials": {"stripe": {"secret_key": "sk_live_1"}}})
}

fn paypal() -> Json {
    json!({"credentials": {"paypal": {"client_id": "client", "client_secret": "secret"}}})
}

/// A period whose payments are all too young, so that no provider is called. `provider` is PayPal or Stripe. Accounts are furnished on day 0,
/// and calls are made on day 1.
fn of_minutes(provider: i32, day: i64) -> Json {
    let seconds = START_MICROS / 1_000_000 + day * 86_400 - 60;
    json!({"provider": provider, "payment_interval": {"start_time": {"seconds": seconds}}})
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(RECONCILE, of_minutes(2, 1))
            // A connection that was made anew has none that is running.
            .prepare(SET, paypal(), &[])
            .prepare(REMOVE, json!({"provider": 2}), &[])
            .prepare(SET, paypal(), &[])
            .other(json!({"provider": 3}))
            .wrong(json!({"request_id": long(), "provider": 1, "payment_interval": {"start_time": {"seconds": 1}}}))
            .wrong(
                json!({"provider": 0, "payment_interval": {"start_time": {"seconds": 2}, "end_time": {"seconds": 1}}}),
            ),
        case(
            "PayoutService/GetPayoutReconciliation",
            json!({"payout_reconciliation_id": "${payout_reconciliation_id}"}),
        )
        .furnish(SET, paypal(), &[])
        .furnish(RECONCILE, of_minutes(2, 0), ID)
        .furnish(SET, stripe(), &[])
        .furnish(RECONCILE, of_minutes(3, 0), &[])
        .reference(json!({"payout_reconciliation_id": "${payout_reconciliation_id}"}))
        .wrong(json!({"payout_reconciliation_id": "prc_1"}))
        .wrong(json!({"payout_reconciliation_id": ""})),
        case("PayoutService/ListPayoutReconciliations", json!({}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99, "provider": 99})),
    ]
}
