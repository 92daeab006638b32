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
            .wrong(json!({"reward_id": "rwd_1", "view": 99}))
            .wrong(json!({"reward_id": ""})),
        case("RewardService/ListRewards", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .reference(json!({"payout_id": "${payout_id}"}))
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "states": [0, 99],
                "affiliate": {"id": "aff_1"},
                "program_id": "prg_1",
                "payout_id": "pay_1",
                "create_interval": {"start_time": no_time(), "end_time": no_time()},
                "units": [0, 99],
                "order_id": long(),
                "order_number": long(),
                "refund_id": long(),
                "sources": [0, 99],
                "origin": 99,
                "view": 99,
            }))
            .wrong_affiliates(&json!({}))
            // These are the merchant's own numbers.
            .not_references(&["order_id", "refund_id"]),
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
        release(),
        create(),
        fulfill(),
    ]
}

fn create() -> Case {
    let points = json!({"points": 100});
    let no_money = json!({"amount_minor": -1, "currency_code": "usd"});
    let nothing = json!({"amount_minor": 0, "currency_code": "XXX"});
    let valid = json!({"enrollment": {"id": "${enrollment_id}"}, "value": points});
    case("RewardService/CreateReward", valid)
        .other(json!({"value": {"points": 101}}))
        .reference(json!({"enrollment": {"id": "${enrollment_id}"}}))
        .reference(json!({"enrollment": {"ref_id": "${affiliate_ref_id}"}}))
        .reference(json!({"enrollment": null, "lead": {"id": "${lead_id}"}}))
        .reference(json!({"enrollment": null, "lead": {"external_id": "${lead_external_id}"}}))
        .reference(json!({"enrollment": null, "lead": {"email": "${lead_email}"}}))
        .wrong(json!({
            "request_id": long(),
            "enrollment": {"id": "enr_1"},
            "value": {"cash": no_money},
            "state": "REWARD_STATE_PAID",
            "reason": long(),
        }))
        .wrong(json!({"enrollment": {}, "value": {"cash": nothing}, "state": 99}))
        .wrong(json!({"enrollment": {"id": ""}, "value": {}}))
        .wrong(json!({"enrollment": {"ref_id": ""}, "value": null}))
        .wrong(json!({"enrollment": {"ref_id": long()}, "value": {"points": 0}}))
        .wrong(json!({"lead": null, "value": {"credits": -1}}))
        .wrong(json!({"lead": null, "value": {"free_months": 0}}))
        .wrong(json!({"lead": null, "value": {"discount_percent_ppm": 1_000_001}}))
        .wrong(json!({"lead": null, "value": {"discount_money": no_money}}))
        .wrong_leads(&json!({"value": {"points": -1}}))
        .wrong(json!({"lead": {"id": "led_1"}, "value": {"points": -1}}))
}

/// A reward of a fresh affiliate, who is deactivated so that it is held.
fn release() -> Case {
    let fresh = json!({"email": "${unique}@affiliates.example", "coupon_code": "${unique}"});
    let sale = json!({
        "event_id": "${unique}",
        "coupon_code": "${fresh_code}",
        "amount": {"amount_minor": 5_000, "currency_code": "USD"},
    });
    let deactivation = json!({"affiliate": {"id": "${fresh_affiliate_id}"}, "pending_rewards": "PENDING_REWARDS_HOLD"});
    case("RewardService/ReleaseRewards", json!({"reward_ids": ["${fresh_reward_id}"]}))
        .prepare(
            "AffiliateService/CreateAffiliate",
            fresh,
            &[("fresh_affiliate_id", "/affiliate/id"), ("fresh_code", "/coupon/code")],
        )
        .prepare("TrackingService/RecordSale", sale, FRESH_REWARD)
        .prepare("AffiliateService/DeactivateAffiliate", deactivation, &[])
        .other(json!({"reward_ids": ["${reward_id}"]}))
        .reference(json!({"reward_ids": ["${reward_id}"]}))
        .wrong(json!({"request_id": long(), "reward_ids": ["rwd_1", ""], "reason": long()}))
        .wrong(json!({"reward_ids": []}))
}

fn fulfill() -> Case {
    case("RewardService/FulfillReward", json!({"reward_id": "${fresh_reward_id}"}))
        .prepare(
            "RewardService/CreateReward",
            json!({"enrollment": {"id": "${enrollment_id}"}, "value": {"free_months": 2}}),
            &[("fresh_reward_id", "/reward/id")],
        )
        .other(json!({"reward_id": "${reward_id}"}))
        .reference(json!({"reward_id": "${reward_id}"}))
        .wrong(json!({"request_id": long(), "reward_id": "rwd_1"}))
        .wrong(json!({"reward_id": ""}))
}
