//! Spellings of the fields of payouts.

use serde_json::{Value as Json, json};

use super::{Spelling, ids_only, spelling, times};

pub(super) fn spellings() -> Vec<Spelling> {
    let (time, same_time) = times();
    let created = spelling(
        "PayoutService/CreatePayout",
        vec![
            (json!({"note": "a", "message": "b"}), json!({"note": "a ", "message": " b"})),
            (
                json!({"affiliate": {"email": "${affiliate_email}"}}),
                json!({"affiliate": {"email": " ${affiliate_email}."}}),
            ),
            (
                json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
                json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
            ),
        ],
        &[
            "affiliate.id",
            "affiliate.external_id",
            "affiliate.auth_token",
            "currency_code",
            "reward_ids",
            "minimum",
            "provider",
        ],
    );
    let run = spelling(
        "PayoutService/CreatePayoutRun",
        vec![(json!({"note": "a", "message": "b"}), json!({"note": "a ", "message": " b"}))],
        &["currency_code", "all_affiliates", "affiliate_ids", "minimum", "maximum_total", "provider"],
    );
    let two_spellings = (
        json!({"display_name": "a", "timing": {"month_days": {"days": [1, 15]}}, "note": "a", "message": "b"}),
        json!({"display_name": " a", "timing": {"month_days": {"days": [15, 1, 15]}}, "note": "a ", "message": " b"}),
    );
    let scheduled = spelling(
        "PayoutService/CreatePayoutSchedule",
        vec![two_spellings],
        &[
            "timing.weekdays.days",
            "timing.cycle.interval_days",
            "timing.cycle.first_day",
            "timing.time_of_day_minutes",
            "currency_code",
            "all_affiliates",
            "affiliate_ids",
            "minimum",
            "maximum_total",
            "provider",
            "net_days",
            "until_previous_month",
            "needs_approval",
        ],
    );
    let rescheduled = spelling(
        "PayoutService/UpdatePayoutSchedule",
        vec![(
            json!({
                "payout_schedule": {
                    "id": "${payout_schedule_id}",
                    "display_name": "a",
                    "timing": {"weekdays": {"days": ["WEEKDAY_MONDAY", "WEEKDAY_FRIDAY"]}},
                    "note": "a",
                    "message": "b",
                },
                "update_mask": {"paths": ["display_name", "message", "note", "timing"]},
            }),
            json!({
                "payout_schedule": {
                    "id": "${payout_schedule_id}",
                    "state": "PAYOUT_SCHEDULE_STATE_ARCHIVED",
                    "display_name": "a ",
                    "timing": {"weekdays": {"days": ["WEEKDAY_FRIDAY", "WEEKDAY_MONDAY"]}},
                    "currency_code": "USD",
                    "all_affiliates": true,
                    "affiliate_ids": ["aff_1"],
                    "minimum": {"amount_minor": 1, "currency_code": "USD"},
                    "maximum_total": {"amount_minor": 1, "currency_code": "USD"},
                    "provider": "PAYOUT_PROVIDER_PAYPAL",
                    "net_days": 1,
                    "until_previous_month": true,
                    "needs_approval": true,
                    "note": " a",
                    "message": " b",
                    "next_run_time": time,
                    "last_payout_run_id": "prn_1",
                    "setter_key_id": "key_1",
                    "create_time": time,
                    "update_time": time,
                    "archive_time": time,
                },
                "update_mask": {"paths": ["timing", "note", "message", "display_name", "note"]},
            }),
        )],
        &[
            "payout_schedule.id",
            "payout_schedule.etag",
            "payout_schedule.timing.month_days.days",
            "payout_schedule.timing.cycle.interval_days",
            "payout_schedule.timing.cycle.first_day",
            "payout_schedule.timing.time_of_day_minutes",
        ],
    );
    let confirmed = spelling(
        "PayoutService/ConfirmPayouts",
        vec![(json!({"reference": "t-1", "paid_time": time}), json!({"reference": " t-1", "paid_time": same_time}))],
        &["payout_ids", "etags"],
    );
    let reopened = spelling(
        "PayoutService/ReopenPayout",
        vec![(json!({"reason": "a"}), json!({"reason": " a "}))],
        &["payout_id", "etag"],
    );
    let exported = spelling(
        "PayoutService/ExportPayoutFile",
        vec![(json!({"reference": "a"}), json!({"reference": " a"}))],
        &[
            "payout_ids",
            "payout_run_id",
            "payout_export_id",
            "sepa.debtor",
            "sepa.debtor_iban",
            "sepa.debtor_bic",
            "sepa.execution_date",
            "sepa.one_debit",
            "nacha.bank_routing_number",
            "nacha.bank_name",
            "nacha.origin",
            "nacha.company_name",
            "nacha.company_id",
            "nacha.entry_class",
            "nacha.entry_description",
            "nacha.effective_date",
            "nacha.modifier",
            "paypal",
            "wise.source_currency_code",
            "plain",
        ],
    );
    let imported = spelling(
        "PayoutService/ImportPayoutResults",
        vec![(json!({"paid_time": time}), json!({"paid_time": same_time}))],
        &["csv", "sepa_status_report", "ach_returns", "payout_export_id"],
    );
    let marked = spelling(
        "PayoutService/MarkPaid",
        vec![
            (
                json!({"reference": "t-1", "note": "a", "message": "b", "paid_time": time}),
                json!({"reference": " t-1", "note": "a ", "message": " b", "paid_time": same_time}),
            ),
            (
                json!({"affiliate": {"email": "${affiliate_email}"}}),
                json!({"affiliate": {"email": " ${affiliate_email}."}}),
            ),
            (
                json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
                json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
            ),
        ],
        &["affiliate.id", "affiliate.external_id", "affiliate.auth_token", "reward_ids", "amount"],
    );
    let by_email = (
        json!({"affiliate": {"email": "${affiliate_email}"}}),
        json!({"affiliate": {"email": " ${affiliate_email}."}}),
    );
    let by_ref_id = (
        json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
        json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
    );
    let bank = |routing_number, account_number, holder_name| {
        json!({"details": {"united_states_bank": {
            "routing_number": routing_number, "account_number": account_number, "account_kind": 1, "holder_name": holder_name,
        }}})
    };
    let iban =
        |iban, bic, holder_name| json!({"details": {"iban": {"iban": iban, "bic": bic, "holder_name": holder_name}}});
    let method = spelling(
        "PayoutService/SetPayoutMethod",
        vec![
            by_email.clone(),
            by_ref_id.clone(),
            (
                json!({"details": {"paypal": {"email": "ann@example.com"}}}),
                json!({"details": {"paypal": {"email": " Ann@Example.com"}}}),
            ),
            (
                json!({"details": {"stripe": {"connected_account_id": "acct_1"}}}),
                json!({"details": {"stripe": {"connected_account_id": " acct_1"}}}),
            ),
            (
                iban("DE89370400440532013000", "COBADEFFXXX", "Ann"),
                iban("de89 3704 0044 0532 0130 00", " cobadeffxxx", " Ann"),
            ),
            (bank("021000021", "1234", "Ann"), bank(" 021000021", "12 34", "Ann ")),
            (
                json!({"details": {"other": {"instructions": "by cheque"}}}),
                json!({"details": {"other": {"instructions": " by cheque"}}}),
            ),
            (
                json!({"effective_now": true, "override_reason": "asked"}),
                json!({"effective_now": true, "override_reason": " asked"}),
            ),
        ],
        &[
            "affiliate.id",
            "affiliate.external_id",
            "affiliate.auth_token",
            "details.wise.recipient_number",
            "details.united_states_bank.account_kind",
            "effective_now",
        ],
    );
    let removed = spelling(
        "PayoutService/RemovePayoutMethod",
        vec![by_email.clone(), by_ref_id.clone()],
        &["affiliate.id", "affiliate.external_id", "affiliate.auth_token"],
    );
    let (profile, confirmed_profile, refused_profile, removed_profile) = profiles(&by_email, &by_ref_id);
    let connection = spelling(
        "PayoutService/SetPayoutConnection",
        vec![
            (
                json!({"credentials": {"paypal": {"client_id": "a", "client_secret": "b", "webhook_id": "c"}}}),
                json!({"credentials": {"paypal": {"client_id": " a", "client_secret": "b2", "webhook_id": "c2"}}}),
            ),
            (
                json!({"credentials": {"stripe": {"secret_key": "sk_live_1", "webhook_secret": "whsec_1"}}}),
                json!({"credentials": {"stripe": {"secret_key": "sk_live_2", "webhook_secret": "whsec_2"}}}),
            ),
            (
                json!({"credentials": {"wise": {"api_token": "a", "profile_number": 1, "source_currency_code": "USD"}}}),
                json!({"credentials": {"wise": {"api_token": "b", "profile_number": 1, "source_currency_code": "USD"}}}),
            ),
        ],
        &["credentials.wise.profile_number", "credentials.wise.source_currency_code"],
    );
    vec![
        created,
        method,
        removed,
        profile,
        confirmed_profile,
        refused_profile,
        removed_profile,
        billing(),
        connection,
        ids_only("PayoutService/RemovePayoutConnection", &["provider"]),
        spelling(
            "PayoutService/ReconcilePayouts",
            vec![],
            &["provider", "payment_interval.start_time", "payment_interval.end_time"],
        ),
        run,
        scheduled,
        rescheduled,
        ids_only("PayoutService/ArchivePayoutSchedule", &["payout_schedule_id", "etag"]),
        ids_only("PayoutService/ApprovePayouts", &["payout_ids", "etags"]),
        confirmed,
        ids_only("PayoutService/CancelPayout", &["payout_id", "etag"]),
        ids_only("PayoutService/RetryPayout", &["payout_id"]),
        spelling("PayoutService/NotifyFundsAdded", vec![], &["provider", "currency_code"]),
        exported,
        imported,
        reopened,
        ids_only("PayoutService/CancelPayoutRun", &["payout_run_id"]),
        marked,
    ]
}

/// Two spellings of the same fields.
type Pair = (Json, Json);

fn profiles(by_email: &Pair, by_ref_id: &Pair) -> (Spelling, Spelling, Spelling, Spelling) {
    let selectors = || vec![by_email.clone(), by_ref_id.clone()];
    const OF_AFFILIATE: &[&str] = &["affiliate.id", "affiliate.external_id", "affiliate.auth_token"];
    const WITH_ETAG: &[&str] = &["affiliate.id", "affiliate.external_id", "affiliate.auth_token", "etag"];
    const OF_PROFILE: &[&str] =
        &["affiliate.id", "affiliate.external_id", "affiliate.auth_token", "payee_kind", "form", "number.kind"];
    let address = |street: &str, city: &str, region: &str, postal_code: &str, country_code: &str| {
        json!({"address": {
            "street": street, "city": city, "region": region, "postal_code": postal_code, "country_code": country_code,
        }})
    };
    let mut of_profile = selectors();
    of_profile.extend([
        (address("a 1", "b", "c", "1", "US"), address(" a 1", "b ", " c", "1 ", " us")),
        (json!({"legal_name": "Ann"}), json!({"legal_name": " Ann"})),
        (json!({"residence_country_code": "US"}), json!({"residence_country_code": "us "})),
        (json!({"sign_date": "2025-11-27"}), json!({"sign_date": " 2025-11-27"})),
        (json!({"number": {"kind": 1, "text": "123-45-6789"}}), json!({"number": {"kind": 1, "text": "123456780"}})),
    ]);
    let profile = spelling("PayoutService/SetTaxProfile", of_profile, OF_PROFILE);
    let confirmed = spelling("PayoutService/ConfirmTaxProfile", selectors(), WITH_ETAG);
    let mut refused = selectors();
    refused.push((json!({"reason": "a"}), json!({"reason": " a"})));
    let refused = spelling("PayoutService/RefuseTaxProfile", refused, WITH_ETAG);
    (profile, confirmed, refused, spelling("PayoutService/RemoveTaxProfile", selectors(), OF_AFFILIATE))
}

fn billing() -> Spelling {
    let of = |legal_name: &str, blank: &str, country_code: &str, vat_id: &str| {
        json!({"billing_profile": {
            "legal_name": legal_name,
            "address": {
                "street": format!("{blank}a 1"), "city": format!("{blank}b"), "region": format!("{blank}c"),
                "postal_code": format!("{blank}1"), "country_code": country_code,
            },
            "vat_id": vat_id,
            "tax_number": format!("{blank}1"),
            "invoice_prefix": format!("{blank}SB-"),
            "payment_terms": format!("{blank}14 days"),
        }})
    };
    let mut with_times = of(" Shop", " ", "us", "de 123 456 789");
    with_times["billing_profile"]["create_time"] = json!({"seconds": 1});
    with_times["billing_profile"]["update_time"] = json!({"seconds": 1});
    spelling("PayoutService/SetBillingProfile", vec![(of("Shop", "", "US", "DE123456789"), with_times)], &[])
}
