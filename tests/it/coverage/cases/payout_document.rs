//! Documents of payouts.

use serde_json::{Value as Json, json};

use super::{Case, case};

fn policy(self_billing_invoices: bool) -> Json {
    json!({
        "account": {"payout_policy": {"self_billing_invoices": self_billing_invoices}},
        "update_mask": {"paths": ["payout_policy"]},
    })
}

pub(super) fn cases() -> Vec<Case> {
    let cash = json!({"amount_minor": 700, "currency_code": "USD"});
    let given = json!({"enrollment": {"id": "${enrollment_id}"}, "value": {"cash": cash.clone()}});
    let marked = json!({"affiliate": {"id": "${affiliate_id}"}, "reward_ids": ["${invoiced_reward_id}"]});
    let of_other = json!({"enrollment": {"ref_id": "${other_ref_id}"}, "value": {"cash": cash}});
    let other_marked = json!({"affiliate": {"id": "${other_affiliate_id}"}, "reward_ids": ["${other_paid_reward_id}"]});
    let reward: &[(&str, &str)] = &[("invoiced_reward_id", "/reward/id")];
    let payout: &[(&str, &str)] = &[("payout_document_id", "/payout/payout_document_id")];
    vec![
        case("PayoutService/GetPayoutDocument", json!({"payout_document_id": "${payout_document_id}"}))
            .furnish("AccountService/UpdateAccount", policy(true), &[])
            .furnish("RewardService/CreateReward", given.clone(), reward)
            .furnish("PayoutService/MarkPaid", marked.clone(), payout)
            .furnish("RewardService/CreateReward", given, reward)
            .furnish("PayoutService/MarkPaid", marked, &[])
            .furnish("AccountService/UpdateAccount", policy(false), &[])
            // So that yearly totals are of two affiliates.
            .furnish("RewardService/CreateReward", of_other, &[("other_paid_reward_id", "/reward/id")])
            .furnish("PayoutService/MarkPaid", other_marked, &[])
            .reference(json!({"payout_document_id": "${payout_document_id}"}))
            .reference(json!({"payout_document_id": null, "payout_id": "${payout_id}"}))
            .wrong(json!({"payout_document_id": "doc_1", "document_format": 99}))
            .free(&["payout_id", "number"]),
        case("PayoutService/ListPayoutDocuments", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({
                "page_size": -1, "order": 99, "year": 1, "affiliate": {"id": "aff_1"}, "states": [99],
            }))
            .wrong_affiliates(&json!({})),
    ]
}
