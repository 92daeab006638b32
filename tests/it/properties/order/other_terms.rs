//! Other terms than those of a history, for simulations.

use headwater::pb;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::step::values;
use super::history::caps;

pub(super) fn other_terms() -> impl Strategy<Value = pb::Terms> {
    use pb::AttributionSource::{Click, Coupon, LeadBinding};
    let orders = select(vec![[LeadBinding, Coupon, Click], [Coupon, Click, LeadBinding], [Click, LeadBinding, Coupon]]);
    let rate = prop_oneof![
        select(vec![50_000, 333_333]).prop_map(pb::commission::Rate::PercentPpm),
        Just(pb::commission::Rate::Flat(pb::Money { amount_minor: 7, currency_code: "USD".to_owned() })),
    ];
    let first_only = option::weighted(
        0.5,
        Just(pb::CommissionRule {
            name: "first".to_owned(),
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(500_000)) }),
            event_kind: pb::CommissionEvent::Sale.into(),
            max_customer_sales: 1,
            ..Default::default()
        }),
    );
    let new_only = prop::bool::weighted(0.3);
    let windows = select(vec![1, 4, 60]);
    (rate, orders, select(values::<pb::AttributionModel>()), windows, first_only, caps(), new_only).prop_map(
        |(rate, order, model, window_days, rule, caps, new_customers_only)| pb::Terms {
            caps,
            new_customers_only,
            commission: Some(pb::Commission { rate: Some(rate) }),
            attribution_model: model,
            attribution_window_days: Some(window_days),
            precedence: order.map(i32::from).to_vec(),
            rules: rule.into_iter().collect(),
            ..Default::default()
        },
    )
}
