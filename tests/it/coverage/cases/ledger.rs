//! Balances and the ledger.

use serde_json::json;

use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("RewardService/GetBalance", json!({"affiliate": {"id": "${affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"affiliate": {"id": "aff_1"}}))
            .wrong(json!({"affiliate": null}))
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
            }))
            .wrong_affiliates(&json!({}))
            .free(&["owed_only"]),
        case("RewardService/ListLedgerEntries", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({"page_size": -1, "order": 99, "affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
        case("RewardService/VerifyLedger", json!({})),
    ]
}
