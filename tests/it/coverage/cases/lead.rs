//! Leads, and their cancellations.

use serde_json::{Value as Json, json};

use super::{Case, case, far_ahead, long, no_time, patched};

const FRESH_LEAD: &[(&str, &str)] = &[("fresh_lead_id", "/lead/id")];

pub(super) fn cases() -> Vec<Case> {
    vec![
        lead(),
        cancellation(),
        create(),
        update(),
        case("TrackingService/DeleteLead", json!({"lead": {"id": "${fresh_lead_id}"}}))
            .prepare("TrackingService/CreateLead", json!({"external_id": "${unique}"}), FRESH_LEAD)
            .other(json!({"lead": {"id": "${lead_id}"}}))
            .lead_reference()
            .wrong(json!({"request_id": long(), "lead": {"id": "led_1"}}))
            .wrong(json!({"lead": null}))
            .wrong_leads(&json!({})),
        merge(),
        attribute(),
        fulfill(),
        case("TrackingService/GetAttribution", json!({"lead": {"id": "${lead_id}"}}))
            .lead_reference()
            .wrong(json!({"lead": {"id": "led_1"}}))
            .wrong(json!({"lead": null}))
            .wrong_leads(&json!({})),
        case("TrackingService/GetLead", json!({"lead": {"id": "${lead_id}"}}))
            .lead_reference()
            .wrong(json!({"lead": {"id": "led_1"}}))
            .wrong(json!({"lead": null}))
            .wrong_leads(&json!({})),
        case("TrackingService/ListLeads", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "states": [0, 99],
                "affiliate": {"id": "aff_1"},
                "metadata": {"": "fair"},
            }))
            .wrong_affiliates(&json!({})),
    ]
}

fn lead() -> Case {
    case("TrackingService/RecordLead", json!({"event_id": "${unique}", "email": "${unique}@customers.example"}))
        .other(json!({"first_name": "Bob"}))
        .reference(json!({"event_id": "${lead_event_id}"}))
        .reference(json!({"email": "${lead_email}"}))
        .reference(json!({"external_id": "${lead_external_id}"}))
        .reference(json!({"tid": "${tid}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"coupon_code": "${coupon_code}"}))
        .wrong(json!({"event_id": long(), "external_id": long(), "occur_time": far_ahead()}))
        .wrong(json!({"event_id": "", "email": "bob", "occur_time": no_time()}))
        .wrong(json!({"event_id": " ", "email": ""}))
        .tolerated(json!({
            "tid": long(),
            "ref_id": long(),
            "coupon_code": long(),
            "first_name": long(),
            "last_name": long(),
            "state": 99,
            "metadata": wrong_metadata(),
            "country_code": "UK",
        }))
        .tolerated(json!({"state": "LEAD_STATE_ACTIVE"}))
}

fn cancellation() -> Case {
    case("TrackingService/RecordCancellation", json!({"event_id": "${unique}", "email": "${lead_email}"}))
        .furnish(
            "TrackingService/RecordCancellation",
            json!({"event_id": "${cancellation_event_id}", "email": "eve@${tag}.example"}),
            &[],
        )
        .other(json!({"email": null, "external_id": "${lead_external_id}"}))
        .reference(json!({"event_id": "${cancellation_event_id}"}))
        .reference(json!({"email": "${lead_email}"}))
        .reference(json!({"email": null, "external_id": "${lead_external_id}"}))
        .wrong(json!({"event_id": long(), "external_id": long(), "occur_time": far_ahead()}))
        .wrong(json!({"event_id": "", "email": "bob", "occur_time": no_time()}))
        .wrong(json!({"event_id": " ", "email": ""}))
}

fn wrong_metadata() -> Json {
    let key = "k".repeat(41);
    json!({key: "17"})
}

fn create() -> Case {
    let with = |referrer: Json| json!({"referrer": referrer});
    let mut case = case("TrackingService/CreateLead", json!({"email": "${unique}@customers.example"}))
        // The names are of this case alone, because the calls of other accounts create leads with them.
        .furnish(
            "TrackingService/CreateLead",
            json!({"email": "made@${tag}.example", "external_id": "made-${tag}"}),
            &[],
        )
        .other(json!({"first_name": "Bob"}))
        .reference(json!({"email": "made@${tag}.example"}))
        .reference(json!({"external_id": "made-${tag}"}))
        .reference(with(json!({"enrollment_id": "${enrollment_id}"})))
        .reference(with(json!({"ref_id": "${affiliate_ref_id}"})))
        .reference(with(json!({"affiliate": {"id": "${affiliate_id}"}, "program_id": "${program_id}"})))
        .wrong(json!({
            "request_id": long(),
            "external_id": long(),
            "first_name": long(),
            "last_name": long(),
            "state": 99,
            "plan": long(),
            "first_sale_time": far_ahead(),
            "metadata": wrong_metadata(),
            "country_code": "UK",
            "referrer": {"affiliate": {"id": "aff_1"}, "program_id": "prg_1"},
            "referral_time": far_ahead(),
        }))
        .wrong(json!({"email": "bob", "referrer": {"enrollment_id": "enr_1"}, "first_sale_time": no_time()}))
        .wrong(json!({"email": "", "referrer": {"ref_id": long()}, "referral_time": no_time()}))
        .wrong(json!({"external_id": " ", "email": "bob", "referral_time": {"seconds": 1_600_000_000}}));
    for name in ["external_id", "email", "ref_id", "auth_token"] {
        case = case.reference(with(json!({"affiliate": {name: format!("${{affiliate_{name}}}")}})));
    }
    case.wrong_referrers(&json!({"email": ""}))
}

fn update() -> Case {
    let selector = json!({"id": "${fresh_lead_id}"});
    let valid = json!({
        "selector": selector,
        "lead": {"first_name": "Rob"},
        "update_mask": {"paths": ["first_name"]},
    });
    let all = [
        "email",
        "external_id",
        "first_name",
        "last_name",
        "state",
        "plan",
        "first_sale_time",
        "metadata",
        "country_code",
        "nope",
    ];
    let mut case = case("TrackingService/UpdateLead", valid)
        .prepare("TrackingService/CreateLead", json!({"external_id": "${unique}"}), FRESH_LEAD)
        .furnish(
            "TrackingService/CreateLead",
            json!({"email": "changed@${tag}.example", "external_id": "changed-${tag}"}),
            &[],
        )
        .other(json!({"lead": {"first_name": "Bob"}}))
        .reference(json!({"lead": {"email": "changed@${tag}.example"}, "update_mask": {"paths": ["email"]}}))
        .reference(json!({"lead": {"external_id": "changed-${tag}"}, "update_mask": {"paths": ["external_id"]}}))
        .wrong(json!({
            "request_id": long(),
            "selector": {"id": "led_1"},
            "lead": {
                "email": "bob",
                "external_id": long(),
                "first_name": long(),
                "last_name": long(),
                "state": 99,
                "plan": long(),
                "first_sale_time": far_ahead(),
                "metadata": wrong_metadata(),
                "country_code": "USA",
            },
            "update_mask": {"paths": all},
        }))
        .wrong(json!({
            "selector": null,
            "lead": {"state": "LEAD_STATE_UNSPECIFIED"},
            "update_mask": {"paths": ["state"]},
        }))
        .wrong(json!({"selector": {}, "update_mask": {"paths": []}}));
    for name in ["id", "external_id", "email"] {
        case = case.reference(json!({"selector": {name: format!("${{lead_{name}}}")}}));
    }
    let selectors = json!([
        {"external_id": " "}, {"external_id": ""}, {"external_id": long()}, {"email": "bob"}, {"email": ""}
    ]);
    case.wrong_selectors("selector", &selectors, &json!({"update_mask": {"paths": ["nope"]}}))
        // Only fields that the mask allows are read.
        .free(&[
            "lead.id",
            "lead.credits",
            "lead.bind_time",
            "lead.mrr",
            "lead.create_time",
            "lead.update_time",
            "lead.referral_time",
            "lead.email_as_sent",
            "lead.merged_lead_ids",
            "lead.merged_into_lead_id",
            "lead.delete_time",
            "lead.customer_rewards",
            "lead.suspicion",
        ])
        .not_references(&[
            "lead.id",
            "lead.credits",
            "lead.merged_lead_ids",
            "lead.merged_into_lead_id",
            "lead.customer_rewards",
            "lead.suspicion",
        ])
}

fn merge() -> Case {
    let duplicate = json!({"external_id": "${unique}"});
    let mut case = case(
        "TrackingService/MergeLeads",
        json!({"lead": {"id": "${lead_id}"}, "duplicate": {"id": "${fresh_lead_id}"}}),
    )
    .prepare("TrackingService/CreateLead", duplicate, FRESH_LEAD)
    .other(json!({"lead": {"email": "eve@${tag}.example"}}))
    .lead_reference()
    .wrong(json!({"request_id": long(), "lead": {"id": "led_1"}, "duplicate": {"id": "led_1"}}))
    .wrong(json!({"lead": null, "duplicate": null}))
    .wrong_leads(&json!({"duplicate": null}));
    for name in ["id", "external_id", "email"] {
        let duplicate = json!({name: format!("${{lead_{name}}}")});
        case = case.reference(json!({"lead": {"id": "${fresh_lead_id}"}, "duplicate": duplicate}));
    }
    let selectors = json!([{}, {"external_id": " "}, {"external_id": ""}, {"email": "bob"}, {"email": ""}]);
    case.wrong_selectors("duplicate", &selectors, &json!({"lead": null}))
}

fn attribute() -> Case {
    let rest = json!({"lead": {"id": "${lead_id}"}, "reason": "asked to"});
    let mut case = case(
        "TrackingService/AttributeLead",
        patched(&rest, &json!({"referrer": {"enrollment_id": "${enrollment_id}"}})),
    )
    .other(json!({"reason": "asked again"}))
    .lead_reference()
    .reference(json!({"referrer": {"enrollment_id": "${enrollment_id}"}}))
    .reference(json!({"referrer": {"ref_id": "${affiliate_ref_id}"}}))
    .reference(json!({"referrer": {"affiliate": {"id": "${affiliate_id}"}, "program_id": "${program_id}"}}))
    .wrong(json!({
        "request_id": long(),
        "lead": {"id": "led_1"},
        "referrer": {"affiliate": {"id": "aff_1"}, "program_id": "prg_1"},
        "reason": long(),
        "referral_time": far_ahead(),
    }))
    .wrong(json!({"lead": null, "referrer": {"enrollment_id": "enr_1"}, "reason": "", "referral_time": no_time()}))
    .wrong(json!({"lead": {"id": ""}, "referrer": {"enrollment_id": "", "program_id": "prg_1"}, "reason": " "}))
    .wrong(json!({"lead": {"id": ""}, "referrer": {"ref_id": long()}, "reason": ""}))
    .wrong_leads(&json!({"referrer": null, "reason": ""}));
    for name in ["external_id", "email", "ref_id", "auth_token"] {
        case = case.reference(json!({"referrer": {"affiliate": {name: format!("${{affiliate_{name}}}")}}}));
    }
    case.wrong_referrers(&json!({"lead": null, "reason": ""}))
}

fn fulfill() -> Case {
    case(
        "TrackingService/FulfillCustomerReward",
        json!({"lead": {"id": "${fresh_lead_id}"}, "program_id": "${promising_id}"}),
    )
    .prepare(
        "AffiliateService/CreateProgram",
        json!({
            "display_name": "Promising",
            "currency_code": "USD",
            "landing_url": "https://shop.example/",
            "terms": {
                "commission": {"percent_ppm": 200_000},
                "customer_reward": {"event_kind": "CUSTOMER_REWARD_EVENT_SIGN_UP", "value": {"points": 5}},
            },
        }),
        &[("promising_id", "/program/id")],
    )
    .prepare(
        "AffiliateService/EnrollAffiliate",
        json!({"affiliate": {"id": "${affiliate_id}"}, "program_id": "${promising_id}", "ref_id": "${unique}"}),
        &[("promising_ref_id", "/enrollment/ref_id")],
    )
    .prepare(
        "TrackingService/CreateLead",
        json!({"email": "${unique}@promised.example"}),
        &[("fresh_lead_id", "/lead/id"), ("fresh_email", "/lead/email")],
    )
    .prepare(
        "TrackingService/RecordLead",
        json!({"event_id": "${unique}", "email": "${fresh_email}", "ref_id": "${promising_ref_id}"}),
        &[],
    )
    .other(json!({"lead": {"id": "${lead_id}"}}))
    .lead_reference()
    .reference(json!({"program_id": "${program_id}"}))
    .wrong(json!({"request_id": long(), "lead": {"id": "led_1"}, "program_id": "prg_1"}))
    .wrong(json!({"lead": null}))
    .wrong_leads(&json!({}))
}

impl Case {
    /// An affiliate inside a referrer that is wrong in each way. `rest` holds the other required fields.
    fn wrong_referrers(mut self, rest: &Json) -> Self {
        let affiliates = json!([
            {}, {"id": ""}, {"external_id": " "}, {"external_id": ""}, {"email": "ann"}, {"email": ""}, {"ref_id": ""},
            {"ref_id": long()}, {"auth_token": ""}, {"auth_token": long()}
        ]);
        for affiliate in affiliates.as_array().unwrap() {
            self = self.wrong(patched(rest, &json!({"referrer": {"affiliate": affiliate}})));
        }
        self
    }
}
