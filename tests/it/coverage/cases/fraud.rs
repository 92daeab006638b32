//! Fraud rules.

use serde_json::json;

use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    let rule = json!({"kind": "FRAUD_RULE_KIND_SELF_REFERRAL", "mode": "FRAUD_RULE_MODE_ON"});
    // Faults of a rule are named with its place in the list.
    vec![
        case("RewardService/ReplayFraudRules", json!({"program_id": "${program_id}", "fraud_rules": [rule]}))
            .reference(json!({"program_id": "${program_id}"}))
            .free(&["fraud_rules"])
            .wrong(json!({"program_id": "prg_1", "fraud_rules": []})),
    ]
}
