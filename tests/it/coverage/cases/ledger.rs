//! Balances and the ledger.

use serde_json::json;

use super::{Case, case, far_ahead, no_time};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("RewardService/GetBalance", json!({"affiliate": {"id": "${affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"affiliate": {"id": "aff_1"}, "as_of_time": no_time()}))
            .wrong(json!({"affiliate": null, "as_of_time": far_ahead()}))
            .wrong_affiliates(&json!({})),
        case("RewardService/ListBalances", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "affiliate": {"id": "aff_1"},
                "units": [0, 99],
                "currencies": ["usd", ""],
                "as_of_time": no_time(),
            }))
            .wrong(json!({"as_of_time": far_ahead()}))
            .wrong_affiliates(&json!({}))
            .free(&["owed_only"]),
        case("RewardService/CalculateCommissions", json!({"affiliate": {"id": "${affiliate_id}"}, "interval": {}}))
            .list()
            .affiliate_reference()
            .wrong(json!({
                "page_size": -1,
                "affiliate": {"id": "aff_1"},
                "interval": {"start_time": no_time(), "end_time": no_time()},
            }))
            .wrong(json!({"affiliate": null, "interval": null}))
            .wrong(json!({"affiliate": null, "interval": {"start_time": far_ahead()}}))
            .wrong(json!({"affiliate": null, "interval": {"end_time": far_ahead()}}))
            .wrong(json!({"affiliate": null, "days": {"first_day": "", "last_day": "2026-02-29"}}))
            .wrong_affiliates(&json!({"interval": null})),
        case("RewardService/ListLedgerEntries", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({"page_size": -1, "order": 99, "affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
        case("RewardService/VerifyLedger", json!({})),
    ]
}
