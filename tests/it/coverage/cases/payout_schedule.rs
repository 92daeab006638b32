//! Payout schedules.

use serde_json::{Value as Json, json};

use super::{Case, case, long};

const ID: &[(&str, &str)] = &[("payout_schedule_id", "/payout_schedule/id")];
const FRESH_ID: &[(&str, &str)] = &[("fresh_schedule_id", "/payout_schedule/id")];

/// A schedule for an affiliate. Its time does not come within a test.
fn schedule() -> Json {
    json!({
        "display_name": "Twice a month",
        "timing": {"month_days": {"days": [1, 15]}, "time_of_day_minutes": 540},
        "affiliate_ids": ["${affiliate_id}"],
        "currency_code": "CHF",
    })
}

fn update(id: &str, fields: Json) -> Json {
    let mut values = fields;
    let paths: Vec<String> = values.as_object().unwrap().keys().cloned().collect();
    values["id"] = json!(id);
    json!({"payout_schedule": values, "update_mask": {"paths": paths}})
}

/// Every field that an update changes, with these values.
fn all_wrong() -> Json {
    json!({
        "display_name": long(),
        "timing": {"month_days": {"days": [0, 32]}, "time_of_day_minutes": 1440},
        "affiliate_ids": ["aff_1", ""],
        "minimum": {"amount_minor": -1, "currency_code": "usd"},
        "maximum_total": {"amount_minor": -1, "currency_code": "usd"},
        "provider": 99,
        "net_days": 367,
        "note": long(),
        "message": long(),
    })
}

/// A request with this timing, and without the other required fields.
fn of_timing(timing: Json) -> Json {
    json!({"display_name": "", "timing": timing, "currency_code": "", "affiliate_ids": []})
}

pub(super) fn cases() -> Vec<Case> {
    let create = "PayoutService/CreatePayoutSchedule";
    let timings = [
        json!({"weekdays": {"days": [0, 99]}, "time_of_day_minutes": -1}),
        json!({"cycle": {"interval_days": 0, "first_day": "2026-02-30"}}),
    ];
    let [weekdays, cycle] = timings;
    let mut wrong = all_wrong();
    wrong["request_id"] = json!(long());
    wrong["currency_code"] = json!("usd");
    let mut wrong_update = update("psc_1", all_wrong());
    wrong_update["request_id"] = json!(long());
    wrong_update["update_mask"]["paths"].as_array_mut().unwrap().push(json!("nope"));
    vec![
        case(create, schedule())
            .furnish(create, schedule(), ID)
            .furnish(create, schedule(), &[])
            .other(json!({"note": "by hand"}))
            .reference(json!({"affiliate_ids": ["${affiliate_id}"]}))
            .wrong(wrong)
            .wrong(of_timing(weekdays.clone()))
            .wrong(of_timing(cycle.clone()))
            .wrong(of_timing(json!({"month_days": {"days": []}})))
            .wrong(of_timing(json!({"weekdays": {"days": []}})))
            // A schedule for nobody is not one for all.
            .wrong(of_timing(Json::Null))
            .free(&["all_affiliates", "until_previous_month", "needs_approval"]),
        case("PayoutService/GetPayoutSchedule", json!({"payout_schedule_id": "${payout_schedule_id}"}))
            .reference(json!({"payout_schedule_id": "${payout_schedule_id}"}))
            .wrong(json!({"payout_schedule_id": "psc_1"}))
            .wrong(json!({"payout_schedule_id": ""})),
        case("PayoutService/ListPayoutSchedules", json!({}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99, "states": [0, 99]})),
        case("PayoutService/UpdatePayoutSchedule", update("${payout_schedule_id}", json!({"note": "a"})))
            .other(update("${payout_schedule_id}", json!({"note": "b"})))
            .reference(update("${payout_schedule_id}", json!({"note": "Taken over"})))
            .reference(update("${payout_schedule_id}", json!({"affiliate_ids": ["${affiliate_id}"]})))
            .wrong(wrong_update)
            .wrong(update("", json!({"display_name": " ", "timing": weekdays})))
            .wrong(update("", json!({"timing": cycle})))
            .wrong(json!({"payout_schedule": null, "update_mask": {"paths": []}}))
            // Only fields that the mask allows are read.
            .free(&[
                "payout_schedule.state",
                "payout_schedule.currency_code",
                "payout_schedule.all_affiliates",
                "payout_schedule.until_previous_month",
                "payout_schedule.needs_approval",
                "payout_schedule.next_run_time",
                "payout_schedule.last_payout_run_id",
                "payout_schedule.setter_key_id",
                "payout_schedule.etag",
                "payout_schedule.create_time",
                "payout_schedule.update_time",
                "payout_schedule.archive_time",
            ])
            .not_references(&["payout_schedule.last_payout_run_id", "payout_schedule.setter_key_id"]),
        case("PayoutService/ArchivePayoutSchedule", json!({"payout_schedule_id": "${fresh_schedule_id}"}))
            .prepare(create, schedule(), FRESH_ID)
            .other(json!({"payout_schedule_id": "${payout_schedule_id}"}))
            .reference(json!({"payout_schedule_id": "${payout_schedule_id}"}))
            .wrong(json!({"request_id": long(), "payout_schedule_id": "psc_1"}))
            .wrong(json!({"payout_schedule_id": ""}))
            .free(&["etag"]),
    ]
}
