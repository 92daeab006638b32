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

/// A payout of one reward. Requests are filled in before the reward of `given` is created, so each case prepares its own.
fn created() -> Json {
    json!({
        "affiliate": {"id": "${affiliate_id}"},
        "currency_code": "USD",
        "reward_ids": ["${fresh_reward_id}"],
        "provider": "PAYOUT_PROVIDER_MANUAL",
    })
}

/// The same through a provider.
fn sent() -> Json {
    json!({
        "affiliate": {"id": "${affiliate_id}"},
        "currency_code": "USD",
        "reward_ids": ["${fresh_reward_id}"],
        "provider": "PAYOUT_PROVIDER_PAYPAL",
    })
}

/// A connection to the provider.
fn connected() -> Json {
    json!({"credentials": {"paypal": {"client_id": "client", "client_secret": "secret", "webhook_id": "webhook"}}})
}

/// A payout method at the provider, in effect at once.
fn method() -> Json {
    json!({
        "affiliate": {"id": "${affiliate_id}"},
        "details": {"paypal": {"email": "first@example.com"}},
        "effective_now": true,
        "override_reason": "by phone",
    })
}

fn method_to_export() -> Json {
    json!({"affiliate": {"id": "${affiliate_id}"}, "details": {"paypal": {"email": "export@example.com"}}})
}

/// A run for an affiliate. It pays nothing, because nothing is owed to anybody in this currency.
fn run() -> Json {
    json!({"affiliate_ids": ["${affiliate_id}"], "currency_code": "CHF"})
}

const CREATED: &[(&str, &str)] = &[("open_payout_id", "/payout/id")];

/// A policy by which a payout of the given reward needs an approval, or not.
fn policy(amount_minor: i64) -> Json {
    let limit = json!({"amount_minor": amount_minor, "currency_code": "USD"});
    json!({
        "account": {"payout_policy": {"approval_above": [limit]}},
        "update_mask": {"paths": ["payout_policy"]},
    })
}

fn steps() -> Vec<Case> {
    vec![
        case("PayoutService/CreatePayout", created())
            .prepare("RewardService/CreateReward", given(), REWARD)
            .other(json!({"note": "by hand"}))
            .affiliate_reference()
            .reference(json!({"reward_ids": ["${reward_id}"]}))
            .wrong(json!({
                "request_id": long(),
                "affiliate": {"id": "aff_1"},
                "currency_code": "usd",
                "reward_ids": ["rwd_1", ""],
                "minimum": {"amount_minor": -1, "currency_code": "usd"},
                "provider": 99,
                "note": long(),
                "message": long(),
            }))
            .wrong(json!({"affiliate": null, "currency_code": ""}))
            .wrong_affiliates(&json!({"currency_code": "usd"})),
        case("PayoutService/ApprovePayouts", json!({"payout_ids": ["${open_payout_id}"]}))
            .prepare("AccountService/UpdateAccount", policy(699), &[])
            .prepare("RewardService/CreateReward", given(), REWARD)
            .prepare("PayoutService/CreatePayout", created(), CREATED)
            .other(json!({"payout_ids": ["${payout_id}"]}))
            .reference(json!({"payout_ids": ["${payout_id}"]}))
            // The caller's own payout in the same request is not approved either.
            .reference(json!({"payout_ids": ["${open_payout_id}", "${payout_id}"]}))
            .wrong(json!({"request_id": long(), "payout_ids": ["pay_1", ""], "etags": [""]}))
            .wrong(json!({"payout_ids": []})),
        case("PayoutService/ConfirmPayouts", json!({"payout_ids": ["${open_payout_id}"]}))
            .prepare("AccountService/UpdateAccount", policy(700), &[])
            .prepare("RewardService/CreateReward", given(), REWARD)
            .prepare("PayoutService/CreatePayout", created(), CREATED)
            .other(json!({"reference": "another"}))
            .reference(json!({"payout_ids": ["${payout_id}"]}))
            .wrong(json!({
                "request_id": long(),
                "payout_ids": ["pay_1", ""],
                "etags": [""],
                "reference": long(),
                "paid_time": no_time(),
            }))
            .wrong(json!({"payout_ids": [], "paid_time": {"seconds": 4_000_000_000_i64}})),
        case("PayoutService/CancelPayout", json!({"payout_id": "${open_payout_id}"}))
            .prepare("RewardService/CreateReward", given(), REWARD)
            .prepare("PayoutService/CreatePayout", created(), CREATED)
            .other(json!({"payout_id": "${payout_id}"}))
            .reference(json!({"payout_id": "${payout_id}"}))
            .wrong(json!({"request_id": long(), "payout_id": "pay_1"}))
            .wrong(json!({"payout_id": ""}))
            .free(&["etag"]),
        case("PayoutService/ExportPayoutFile", json!({"payout_ids": ["${open_payout_id}"], "plain": {}}))
            .furnish("PayoutService/SetPayoutMethod", method_to_export(), &[])
            .furnish("RewardService/CreateReward", given(), REWARD)
            .furnish("PayoutService/CreatePayout", created(), CREATED)
            .furnish(
                "PayoutService/ExportPayoutFile",
                json!({"payout_ids": ["${open_payout_id}"], "plain": {}}),
                &[("payout_export_id", "/payout_export/id")],
            )
            .prepare("PayoutService/SetPayoutMethod", method_to_export(), &[])
            .prepare("RewardService/CreateReward", given(), REWARD)
            .prepare("PayoutService/CreatePayout", created(), CREATED)
            .other(json!({"reference": "another"}))
            .reference(json!({"payout_ids": ["${payout_id}"]}))
            // The caller's own payout in the same request is not exported either.
            .reference(json!({"payout_ids": ["${open_payout_id}", "${payout_id}"]}))
            .reference(json!({"payout_ids": [], "payout_run_id": "${payout_run_id}"}))
            .reference(json!({"payout_ids": [], "plain": null, "payout_export_id": "${payout_export_id}"}))
            .wrong(json!({"request_id": long(), "payout_ids": ["pay_1", ""], "reference": long(), "wise": {"source_currency_code": "usd"}}))
            .wrong(json!({"payout_run_id": "prn_1", "payout_export_id": "pex_1"}))
            .wrong(json!({"payout_ids": [], "wise": {"source_currency_code": "usd"}}))
            .wrong(json!({"payout_ids": [], "sepa": {
                "debtor": long(), "debtor_iban": long(), "debtor_bic": long(), "execution_date": "tomorrow",
            }}))
            .wrong(json!({"payout_ids": [], "nacha": {
                "bank_routing_number": long(), "bank_name": long(), "origin": long(), "company_name": long(),
                "company_id": long(), "entry_description": long(), "entry_class": 99, "effective_date": "x", "modifier": "AB",
            }}))
            .wrong(json!({"payout_ids": [], "wise": {"source_currency_code": "usd"}}))
            .not_references(&["nacha.company_id", "wise.source_currency_code"])
            .free(&["sepa.one_debit"]),
        case("PayoutService/ImportPayoutResults", json!({"csv": "payout_id,result\n${open_payout_id},paid\n"}))
            .prepare("RewardService/CreateReward", given(), REWARD)
            .prepare("PayoutService/CreatePayout", created(), CREATED)
            .other(json!({"csv": "payout_id,result\n${open_payout_id},failed\n"}))
            .reference(json!({"csv": "payout_id,result\n${payout_id},paid\n"}))
            // The caller's own payout in the same file is not paid either.
            .reference(json!({"csv": "payout_id,result\n${open_payout_id},paid\n${payout_id},paid\n"}))
            .reference(json!({"payout_export_id": "${payout_export_id}"}))
            .wrong(json!({"request_id": long(), "csv": "payout_id,result\npay_1,paid\n", "paid_time": no_time()}))
            .wrong(json!({"csv": "", "paid_time": {"seconds": 4_000_000_000_i64}, "payout_export_id": "pex_1"}))
            // Beside the file of the valid request.
            .wrong(json!({"sepa_status_report": "<Document></Document>"}))
            .wrong(json!({"ach_returns": "7"})),
        case("PayoutService/ReopenPayout", json!({"payout_id": "${paid_payout_id}", "reason": "sent back"}))
            .prepare("RewardService/CreateReward", given(), REWARD)
            .prepare("PayoutService/MarkPaid", marked(), &[("paid_payout_id", "/payout/id")])
            .other(json!({"reason": "another"}))
            .reference(json!({"payout_id": "${payout_id}"}))
            .wrong(json!({"request_id": long(), "payout_id": "pay_1", "reason": long()}))
            .wrong(json!({"payout_id": "", "reason": " "}))
            .free(&["etag"]),
        case("PayoutService/CreatePayoutRun", run())
            .furnish("PayoutService/CreatePayoutRun", run(), &[("payout_run_id", "/payout_run/id")])
            .other(json!({"note": "by hand"}))
            .reference(json!({"affiliate_ids": ["${affiliate_id}"]}))
            .wrong(json!({
                "request_id": long(),
                "currency_code": "usd",
                "affiliate_ids": ["aff_1", ""],
                "minimum": {"amount_minor": -1, "currency_code": "usd"},
                "maximum_total": {"amount_minor": -1, "currency_code": "usd"},
                "provider": 99,
                "note": long(),
                "message": long(),
            }))
            // A run for nobody is not one for all.
            .wrong(json!({"currency_code": "", "affiliate_ids": []}))
            .free(&["all_affiliates"]),
        case("PayoutService/PreviewPayoutRun", run())
            .reference(json!({"affiliate_ids": ["${affiliate_id}"]}))
            .wrong(json!({
                "page_size": -1,
                "currency_code": "usd",
                "affiliate_ids": ["aff_1", ""],
                "minimum": {"amount_minor": -1, "currency_code": "usd"},
                "maximum_total": {"amount_minor": -1, "currency_code": "usd"},
                "provider": 99,
            }))
            .wrong(json!({"currency_code": "", "affiliate_ids": []}))
            // The preview is no list, so the tests of lists make no token of it.
            .not_references(&["page_token"])
            .free(&["all_affiliates"]),
        case("PayoutService/CancelPayoutRun", json!({"payout_run_id": "${fresh_run_id}"}))
            .prepare("PayoutService/CreatePayoutRun", run(), &[("fresh_run_id", "/payout_run/id")])
            .other(json!({"payout_run_id": "${payout_run_id}"}))
            .reference(json!({"payout_run_id": "${payout_run_id}"}))
            .wrong(json!({"request_id": long(), "payout_run_id": "prn_1"}))
            .wrong(json!({"payout_run_id": ""})),
        case("PayoutService/GetPayoutRun", json!({"payout_run_id": "${payout_run_id}"}))
            .reference(json!({"payout_run_id": "${payout_run_id}"}))
            .wrong(json!({"payout_run_id": "prn_1"}))
            .wrong(json!({"payout_run_id": ""})),
        case("PayoutService/RetryPayout", json!({"payout_id": "${open_payout_id}"}))
            .prepare("PayoutService/SetPayoutConnection", connected(), &[])
            .prepare("PayoutService/SetPayoutMethod", method(), &[])
            .prepare("RewardService/CreateReward", given(), REWARD)
            .prepare("PayoutService/CreatePayout", sent(), CREATED)
            .other(json!({"payout_id": "${payout_id}"}))
            .reference(json!({"payout_id": "${payout_id}"}))
            .wrong(json!({"request_id": long(), "payout_id": "pay_1"}))
            .wrong(json!({"payout_id": ""})),
        case("PayoutService/NotifyFundsAdded", json!({"provider": "PAYOUT_PROVIDER_PAYPAL"}))
            .other(json!({"currency_code": "EUR"}))
            .wrong(json!({"request_id": long(), "provider": "PAYOUT_PROVIDER_MANUAL", "currency_code": "usd"}))
            .wrong(json!({"provider": null})),
        case("PayoutService/GetAmountOwed", json!({"affiliate": {"id": "${affiliate_id}"}}))
            .affiliate_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"affiliate": {"id": "aff_1"}, "currencies": ["usd"], "program_id": "prg_1"}))
            .wrong_affiliates(&json!({})),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = marked_cases();
    cases.extend(steps());
    cases
}

fn marked_cases() -> Vec<Case> {
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
            .reference(json!({"payout_run_id": "${payout_run_id}"}))
            .affiliate_reference()
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "affiliate": {"id": "aff_1"},
                "states": [99],
                "payout_run_id": "prn_1",
                "currencies": ["usd"],
                "paid_interval": {"start_time": no_time(), "end_time": no_time()},
            }))
            .wrong_affiliates(&json!({}))
            .free(&["with_total_count"]),
    ]
}
