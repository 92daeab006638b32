//! Rewards.

use serde_json::{Value as Json, json};

use super::{Case, case, long, no_time};

const FRESH_REWARD: &[(&str, &str)] = &[("fresh_reward_id", "/rewards/0/reward_id")];

fn fresh_sale() -> Json {
    let amount = json!({"amount_minor": 5_000, "currency_code": "USD"});
    json!({"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": amount})
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("RewardService/GetReward", json!({"reward_id": "${reward_id}"}))
            .reference(json!({"reward_id": "${reward_id}"}))
            .wrong(json!({"reward_id": "rwd_1"}))
            .wrong(json!({"reward_id": ""})),
        case("RewardService/ListRewards", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "states": [0, 99],
                "affiliate": {"id": "aff_1"},
                "program_id": "prg_1",
                "create_interval": {"start_time": no_time(), "end_time": no_time()},
            }))
            .wrong_affiliates(&json!({})),
        case("RewardService/ApproveRewards", json!({"reward_ids": ["${fresh_reward_id}"]}))
            .prepare("TrackingService/RecordSale", fresh_sale(), FRESH_REWARD)
            .other(json!({"reward_ids": ["${reward_id}"]}))
            .reference(json!({"reward_ids": ["${reward_id}"]}))
            // The caller's own reward in the same request is not approved either.
            .reference(json!({"reward_ids": ["${fresh_reward_id}", "${reward_id}"]}))
            .wrong(json!({"request_id": long(), "reward_ids": ["rwd_1", ""]}))
            .wrong(json!({"reward_ids": []})),
        case("RewardService/DenyRewards", json!({"reward_ids": ["${fresh_reward_id}"], "reason": "test order"}))
            .prepare("TrackingService/RecordSale", fresh_sale(), FRESH_REWARD)
            .other(json!({"reason": "fraud"}))
            .reference(json!({"reward_ids": ["${reward_id}"]}))
            .wrong(json!({"request_id": long(), "reward_ids": ["rwd_1", ""], "reason": ""}))
            .wrong(json!({"reward_ids": [], "reason": long()})),
    ]
}
