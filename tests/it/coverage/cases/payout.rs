//! Payouts.

use serde_json::{Value as Json, json};

use super::{Case, case, long, no_time};

const REWARD: &[(&str, &str)] = &[("fresh_reward_id", "/reward/id")];

fn given() -> Json {
    let cash = json!({"amount_minor": 700, "currency_code": "USD"});
    json!({"enrollment": {"id": "${enrollment_id}"}, "value": {"cash": cash}})
}

fn marked() -> Json {
    json!({"affiliate": {"id": "${affiliate_id}"}, "reward_ids": ["${fresh_reward_id}"]})
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("PayoutService/MarkPaid", marked())
            .furnish("RewardService/CreateReward", given(), REWARD)
            .furnish("PayoutService/MarkPaid", marked(), &[("payout_id", "/payout/id")])
            .furnish("RewardService/CreateReward", given(), REWARD)
            .furnish("PayoutService/MarkPaid", marked(), &[])
            .prepare("RewardService/CreateReward", given(), REWARD)
            .other(json!({"note": "by hand"}))
            .affiliate_reference()
            .reference(json!({"reward_ids": ["${reward_id}"]}))
            // The caller's own reward in the same request is not paid either.
            .reference(json!({"reward_ids": ["${fresh_reward_id}", "${reward_id}"]}))
            .wrong(json!({
                "request_id": long(),
                "affiliate": {"id": "aff_1"},
                "reward_ids": ["rwd_1", ""],
                "amount": {"amount_minor": -1, "currency_code": "usd"},
                "reference": long(),
                "note": long(),
                "message": long(),
                "paid_time": no_time(),
            }))
            .wrong(json!({"affiliate": null, "reward_ids": [], "paid_time": {"seconds": 4_000_000_000_i64}}))
            .wrong_affiliates(&json!({"reward_ids": []})),
        case("PayoutService/GetPayout", json!({"payout_id": "${payout_id}"}))
            .reference(json!({"payout_id": "${payout_id}"}))
            .wrong(json!({"payout_id": "pay_1"}))
            .wrong(json!({"payout_id": ""})),
        case("PayoutService/ListPayouts", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "affiliate": {"id": "aff_1"},
                "currencies": ["usd"],
                "paid_interval": {"start_time": no_time(), "end_time": no_time()},
            }))
            .wrong_affiliates(&json!({}))
            .free(&["with_total_count"]),
    ]
}
