//! Two spellings of requests that change leads by hand.

use serde_json::json;

use super::{Spelling, spelling, times};

pub(super) fn spellings() -> Vec<Spelling> {
    let (time, same_time) = times();
    vec![
        spelling(
            "TrackingService/CreateLead",
            vec![
                (
                    json!({
                        "email": "${unique}@twice.example",
                        "first_name": "Ann",
                        "last_name": "Lee",
                        "plan": "gold",
                        "first_sale_time": time,
                        "metadata": {"crm": "17"},
                        "country_code": "US",
                        "referrer": {"affiliate": {"email": "${affiliate_email}"}},
                        "referral_time": time,
                    }),
                    json!({
                        "email": "${unique}@Twice.example",
                        "first_name": "Ann ",
                        "last_name": " Lee",
                        "state": "LEAD_STATE_SIGNED_UP",
                        "plan": "gold ",
                        "first_sale_time": same_time,
                        "metadata": {"crm": " 17", "empty": " "},
                        "country_code": " us",
                        "referrer": {"affiliate": {"email": " ${affiliate_email}."}},
                        "referral_time": same_time,
                    }),
                ),
                (
                    json!({"email": "${unique}@twice.example", "referrer": {"ref_id": "${affiliate_ref_id}"}}),
                    json!({"email": "${unique}@twice.example", "referrer": {"ref_id": " ${affiliate_ref_id}"}}),
                ),
                (
                    json!({
                        "email": "${unique}@twice.example",
                        "referrer": {"affiliate": {"ref_id": "${affiliate_ref_id}"}},
                    }),
                    json!({
                        "email": "${unique}@twice.example",
                        "referrer": {"affiliate": {"ref_id": "${affiliate_ref_id} "}},
                    }),
                ),
            ],
            &[
                "external_id",
                "referrer.enrollment_id",
                "referrer.program_id",
                "referrer.affiliate.id",
                "referrer.affiliate.external_id",
                "referrer.affiliate.auth_token",
            ],
        ),
        update_lead(),
        spelling(
            "TrackingService/DeleteLead",
            vec![(
                json!({"lead": {"email": "eve@${tag}.example"}}),
                json!({"lead": {"email": " eve@${tag}.example."}}),
            )],
            &["lead.id", "lead.external_id"],
        ),
        spelling(
            "TrackingService/MergeLeads",
            vec![
                (
                    json!({"lead": {"id": "${fresh_lead_id}"}, "duplicate": {"email": "${lead_email}"}}),
                    json!({"lead": {"id": "${fresh_lead_id}"}, "duplicate": {"email": "${lead_email}."}}),
                ),
                (
                    json!({"lead": {"email": "${lead_email}"}, "duplicate": {"id": "${fresh_lead_id}"}}),
                    json!({"lead": {"email": " ${lead_email}"}, "duplicate": {"id": "${fresh_lead_id}"}}),
                ),
            ],
            &["lead.id", "lead.external_id", "duplicate.id", "duplicate.external_id"],
        ),
        spelling(
            "TrackingService/FulfillCustomerReward",
            vec![(json!({"lead": {"email": "${fresh_email}"}}), json!({"lead": {"email": " ${fresh_email}."}}))],
            &["lead.id", "lead.external_id", "program_id"],
        ),
        spelling(
            "TrackingService/AttributeLead",
            vec![
                (
                    json!({
                        "lead": {"email": "${lead_email}"},
                        "referrer": {"affiliate": {"email": "${affiliate_email}"}},
                        "reason": "asked to",
                        "referral_time": time,
                    }),
                    json!({
                        "lead": {"email": "${lead_email}."},
                        "referrer": {"affiliate": {"email": " ${affiliate_email}."}},
                        "reason": " asked to",
                        "referral_time": same_time,
                    }),
                ),
                (
                    json!({"referrer": {"ref_id": "${affiliate_ref_id}"}}),
                    json!({"referrer": {"ref_id": " ${affiliate_ref_id}"}}),
                ),
                (
                    json!({"referrer": {"affiliate": {"ref_id": "${affiliate_ref_id}"}}}),
                    json!({"referrer": {"affiliate": {"ref_id": "${affiliate_ref_id} "}}}),
                ),
            ],
            &[
                "lead.id",
                "lead.external_id",
                "referrer.enrollment_id",
                "referrer.program_id",
                "referrer.affiliate.id",
                "referrer.affiliate.external_id",
                "referrer.affiliate.auth_token",
            ],
        ),
    ]
}

fn update_lead() -> Spelling {
    let (time, same_time) = times();
    let paths = ["email", "first_name", "last_name", "plan", "first_sale_time", "metadata", "country_code"];
    let mut backwards = paths;
    backwards.reverse();
    spelling(
        "TrackingService/UpdateLead",
        vec![
            (
                json!({
                    "lead": {
                        "email": "${unique}@twice.example",
                        "first_name": "Ann",
                        "last_name": "Lee",
                        "plan": "gold",
                        "first_sale_time": time,
                        "metadata": {"crm": "17"},
                        "country_code": "US",
                    },
                    "update_mask": {"paths": paths},
                }),
                json!({
                    "lead": {
                        "id": "${lead_id}",
                        "email": "${unique}@Twice.example",
                        "external_id": "not read",
                        "first_name": " Ann",
                        "last_name": "Lee ",
                        "state": "LEAD_STATE_ACTIVE",
                        "credits": [{"share_ppm": 1}],
                        "bind_time": {"seconds": 1},
                        "plan": " gold",
                        "mrr": {"amount_minor": 1, "currency_code": "USD"},
                        "first_sale_time": same_time,
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "referral_time": {"seconds": 1},
                        "email_as_sent": "not read",
                        "metadata": {"crm": "17 "},
                        "country_code": "us ",
                        "merged_lead_ids": ["led_1"],
                        "merged_into_lead_id": "led_1",
                        "delete_time": {"seconds": 1},
                        "customer_rewards": [{"terms_version": 1}],
                    },
                    "update_mask": {"paths": backwards},
                }),
            ),
            (json!({"selector": {"email": "${lead_email}"}}), json!({"selector": {"email": "${lead_email}."}})),
        ],
        &["selector.id", "selector.external_id", "lead.credits", "lead.customer_rewards", "lead.suspicion"],
    )
}
