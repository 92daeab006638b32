//! Requests that mean the same are repeats, however they are written: with a default spelled out, with blanks around a text, with
//! another case in an address or a code, with fields that are not read.

mod account;
mod appointment;
mod bounty;
mod code;
mod lead;
mod offer;
mod payout;
mod program;

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::{Value as Json, json};

use super::api::{method, reason};
use super::cases::{Case, all_fields, cases, is_listed, is_one_value, patched};
use super::replay::{SECRETS, without};
use super::world::{World, resolve};
use crate::support::database::TestDatabase;

/// Two spellings of a method's requests, as fields of the case's valid request.
struct Spelling {
    method: &'static str,
    pairs: Vec<(Json, Json)>,
    /// Fields that have one spelling only, such as ids.
    one_spelling: Vec<&'static str>,
}

fn spelling(method: &'static str, pairs: Vec<(Json, Json)>, one_spelling: &'static [&'static str]) -> Spelling {
    Spelling { method, pairs, one_spelling: one_spelling.to_vec() }
}

fn ids_only(method: &'static str, one_spelling: &'static [&'static str]) -> Spelling {
    spelling(method, vec![(json!({}), json!({}))], one_spelling)
}

/// A time, and the same one with a part of a microsecond.
fn times() -> (Json, Json) {
    (json!({"seconds": 1_600_000_000, "nanos": 1_000}), json!({"seconds": 1_600_000_000, "nanos": 1_999}))
}

fn spellings() -> Vec<Spelling> {
    let all = [
        account::spellings(),
        program::spellings(),
        offer::items(),
        affiliates(),
        code::spellings(),
        offer::offers(),
        payout::spellings(),
        bounty::spellings(),
        events(),
        appointment::spellings(),
        lead::spellings(),
    ];
    all.into_iter().flatten().collect()
}

fn affiliates() -> Vec<Spelling> {
    let profile = |text: &dyn Fn(&str) -> String, url: &str, country: &str, social: Json| {
        json!({
            "company": text("Lee"),
            "address": {
                "street": text("1 Way"),
                "city": text("Rome"),
                "region": text("RM"),
                "postal_code": text("00100"),
                "country_code": country,
            },
            "phone": text("12"),
            "website_url": url,
            "avatar_url": url,
            "about": text("Two\nlines"),
            "social_profiles": social,
            "paypal_email": text("lee@pay.example"),
        })
    };
    let plain = profile(&str::to_owned, "https://lee.example/a%20b", "IT", json!({"x": "lee"}));
    let other =
        profile(&|text| format!(" {text} "), "https://LEE.example/a b", "it ", json!({"x": "lee ", "mastodon": " "}));
    vec![
        spelling(
            "AffiliateService/CreateAffiliate",
            vec![
                (
                    json!({
                        "email": "${unique}@twice.example",
                        "first_name": "Ann",
                        "last_name": "Lee",
                        "profile": plain,
                        "ref_id": "r-${unique}",
                        "coupon_code": "gr\u{fc}n-${unique}",
                        "landing_url": "https://lee.example",
                        "metadata": {"tier": "gold"},
                        "acceptance": {"version": 1, "source": "203.0.113.7"},
                        "invitation_code": "${invitation_code}",
                        "temporary_password": "one of them",
                    }),
                    json!({
                        "email": "${unique}@Twice.example",
                        "first_name": "Ann ",
                        "last_name": "\tLee",
                        "profile": other,
                        "ref_id": " R-${unique}",
                        "coupon_code": "GRU\u{308}N-${unique} ",
                        "landing_url": "https://lee.example/",
                        "state": "AFFILIATE_STATE_ACTIVE",
                        "metadata": {"tier": "gold ", "level": ""},
                        "acceptance": {"version": 1, "source": "203.0.113.7 ", "accept_time": {"seconds": 1}},
                        "invitation_code": " ${invitation_code}",
                        // Passwords are not compared, because they could be guessed from the hash of a request.
                        "temporary_password": "another one",
                    }),
                ),
                (
                    json!({"profile": null, "password": "one of them"}),
                    json!({"profile": {"phone": " ", "address": {"city": " "}}, "password": "another one"}),
                ),
            ],
            &[
                "acceptance.version",
                "external_id",
                "program_id",
                "commission_override",
                "email_verified",
                "profile.custom_fields",
                "profile.invoice_tax",
                "upline",
                "group_id",
                "skip_email_notification",
            ],
        ),
        spelling(
            "AffiliateService/UpdateAffiliate",
            vec![
                (
                    json!({
                        "affiliate": {
                            "id": "${fresh_affiliate_id}",
                            "email": "${unique}@twice.example",
                            "first_name": "Ann",
                            "last_name": "Lee",
                            "profile": plain,
                            "metadata": {"tier": "gold"},
                        },
                        "password": "one of them",
                        "update_mask": {"paths": ["email", "first_name", "last_name", "metadata", "password", "profile"]},
                    }),
                    json!({
                        "affiliate": {
                            "id": "${fresh_affiliate_id}",
                            "external_id": "crm",
                            "email": "${unique}@Twice.example",
                            "first_name": " Ann",
                            "last_name": "Lee ",
                            "profile": other,
                            "create_time": {"seconds": 1},
                            "update_time": {"seconds": 1},
                            "state": "AFFILIATE_STATE_INACTIVE",
                            "state_reason": "x",
                            "state_time": {"seconds": 1},
                            "pending_rewards": "PENDING_REWARDS_DENY",
                            "upline_affiliate_id": "x",
                            "past_uplines": [{}],
                            "group_id": "x",
                            "email_verified": true,
                            "has_password": true,
                            "password_change_required": true,
                            "metadata": {"tier": " gold"},
                        },
                        "password": "another one",
                        "update_mask": {
                            "paths": ["profile", "email", "password", "first_name", "last_name", "metadata", "email"],
                        },
                    }),
                ),
                (
                    json!({
                        "affiliate": {"first_name": "Ann"},
                        "selector": {"email": "${fresh_email}"},
                        "temporary_password": "one of them",
                        "update_mask": {"paths": ["first_name", "password"]},
                    }),
                    json!({
                        "affiliate": {"id": "${fresh_affiliate_id}", "first_name": "Ann"},
                        "selector": {"email": " ${fresh_email}."},
                        "temporary_password": "another one",
                        "update_mask": {"paths": ["first_name", "password"]},
                    }),
                ),
                (
                    json!({"affiliate": {"first_name": "Ann"}, "selector": {"ref_id": "${affiliate_ref_id}"}}),
                    json!({"affiliate": {"first_name": "Ann"}, "selector": {"ref_id": " ${affiliate_ref_id}"}}),
                ),
            ],
            &[
                "affiliate.etag",
                "affiliate.past_uplines",
                "affiliate.profile.custom_fields",
                "affiliate.profile.invoice_tax",
                "selector.id",
                "selector.external_id",
                "selector.auth_token",
            ],
        ),
        of_affiliate("AffiliateService/ApproveAffiliate", vec![], &["etag"]),
        of_affiliate(
            "AffiliateService/RejectAffiliate",
            vec![(json!({"reason": "no link"}), json!({"reason": " no link"}))],
            &["etag"],
        ),
        of_affiliate(
            "AffiliateService/DeactivateAffiliate",
            vec![(json!({"reason": "gone"}), json!({"reason": "gone "}))],
            &["etag", "pending_rewards"],
        ),
        of_affiliate("AffiliateService/RotateAffiliateToken", vec![], &[]),
        of_affiliate("AffiliateService/EraseAffiliate", vec![], &["etag"]),
        of_affiliate("AffiliateService/SetUpline", vec![], &["etag", "upline"]),
        spelling(
            "AffiliateService/CreateAffiliateGroup",
            vec![(
                json!({"display_name": "g-${unique}", "note": "a\nb"}),
                json!({"display_name": " g-${unique}", "note": "a\nb\n"}),
            )],
            &[],
        ),
        spelling(
            "AffiliateService/UpdateAffiliateGroup",
            vec![(
                json!({
                    "group": {"id": "${group_id}", "display_name": "g-${unique}", "note": "new"},
                    "update_mask": {"paths": ["display_name", "note"]},
                }),
                json!({
                    "group": {
                        "id": "${group_id}",
                        "display_name": "g-${unique} ",
                        "note": " new",
                        "state": "AFFILIATE_GROUP_STATE_ARCHIVED",
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "archive_time": {"seconds": 1},
                    },
                    "update_mask": {"paths": ["note", "display_name", "note"]},
                }),
            )],
            &["group.id"],
        ),
        ids_only("AffiliateService/ArchiveAffiliateGroup", &["group_id"]),
        spelling(
            "AffiliateService/EnrollAffiliate",
            vec![
                (
                    json!({
                        "affiliate": {"email": "${fresh_email}"},
                        "ref_id": "r-${unique}",
                        "coupon_code": "c-${unique}",
                        "landing_url": "https://lee.example",
                        "acceptance": {"version": 1, "source": "203.0.113.7"},
                        "invitation_code": "${invitation_code}",
                        "metadata": {"crm": "17"},
                    }),
                    json!({
                        "affiliate": {"email": " ${fresh_email}."},
                        "ref_id": "R-${unique}",
                        "coupon_code": "C-${unique}",
                        "landing_url": "https://lee.example/ ",
                        "acceptance": {"version": 1, "source": " 203.0.113.7", "accept_time": {"seconds": 1}},
                        "invitation_code": "${invitation_code} ",
                        "metadata": {"crm": "17 ", "empty": " "},
                    }),
                ),
                (
                    json!({"affiliate": {"ref_id": "${fresh_ref_id}"}}),
                    json!({"affiliate": {"ref_id": " ${fresh_ref_id}"}}),
                ),
            ],
            &[
                "acceptance.version",
                "affiliate.id",
                "affiliate.external_id",
                "affiliate.auth_token",
                "program_id",
                "commission_override",
            ],
        ),
        spelling(
            "AffiliateService/UpdateEnrollment",
            vec![(
                json!({
                    "enrollment": {
                        "id": "${fresh_enrollment_id}",
                        "ref_id": "r-${unique}",
                        "landing_url": "https://new.example",
                        "metadata": {"crm": "17"},
                    },
                    "update_mask": {"paths": ["landing_url", "metadata", "ref_id"]},
                    "dated_commission": {
                        "commission": {"percent_ppm": 5},
                        "start_time": {"seconds": 3_900_000_000_i64},
                        "end_time": {"seconds": 4_000_000_000_i64},
                    },
                }),
                json!({
                    "enrollment": {
                        "id": "${fresh_enrollment_id}",
                        "affiliate_id": "aff_1",
                        "program_id": "prg_1",
                        "ref_id": "R-${unique}",
                        "landing_url": " https://New.example/",
                        "referral_link": "x",
                        "commission_override": {"percent_ppm": 5, "flat": null},
                        "state": "ENROLLMENT_STATE_ENDED",
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "end_time": {"seconds": 1},
                        "moved_to_enrollment_id": "x",
                        "awaits_agreement": true,
                        "lacks_newest_agreement": true,
                        "acceptances": [{}],
                        "metadata": {"crm": " 17"},
                        "dated_commissions": [{}],
                    },
                    "update_mask": {"paths": ["ref_id", "landing_url", "metadata", "ref_id"]},
                    "dated_commission": {
                        "number": 3,
                        "commission": {"percent_ppm": 5},
                        "start_time": {"seconds": 3_900_000_000_i64, "nanos": 999},
                        "end_time": {"seconds": 4_000_000_000_i64, "nanos": 1},
                        "create_time": {"seconds": 1},
                        "withdraw_time": {"seconds": 1},
                    },
                }),
            )],
            &[
                "enrollment.id",
                "enrollment.acceptances",
                "enrollment.commission_override.flat",
                "enrollment.dated_commissions",
                "dated_commission.commission",
                "withdraw_dated_commission",
            ],
        ),
        ids_only("AffiliateService/EndEnrollment", &["enrollment_id"]),
        spelling(
            "AffiliateService/AcceptAgreement",
            vec![(
                json!({"acceptance": {"version": 1, "source": "203.0.113.7"}}),
                json!({"acceptance": {"version": 1, "source": " 203.0.113.7", "accept_time": {"seconds": 1}}}),
            )],
            &["acceptance.version", "enrollment_id"],
        ),
        spelling(
            "AffiliateService/MoveEnrollment",
            vec![(
                json!({"ref_id": "r-${unique}", "landing_url": "https://lee.example"}),
                json!({"ref_id": " R-${unique}", "landing_url": "https://lee.example/ ", "leads": "MOVED_LEADS_FOLLOW"}),
            )],
            &["enrollment_id", "program_id", "commission_override"],
        ),
    ]
}

/// Spellings of a call that names a fresh affiliate.
fn of_affiliate(method: &'static str, mut pairs: Vec<(Json, Json)>, one_spelling: &[&'static str]) -> Spelling {
    pairs
        .push((json!({"affiliate": {"email": "${fresh_email}"}}), json!({"affiliate": {"email": " ${fresh_email}."}})));
    pairs.push((
        json!({"affiliate": {"ref_id": "${fresh_ref_id}"}}),
        json!({"affiliate": {"ref_id": " ${fresh_ref_id}"}}),
    ));
    let selectors = ["affiliate.id", "affiliate.external_id", "affiliate.auth_token"];
    Spelling { method, pairs, one_spelling: [&selectors[..], one_spelling].concat() }
}

fn events() -> Vec<Spelling> {
    let (time, same_time) = times();
    vec![
        spelling(
            "TrackingService/RecordClick",
            vec![(
                json!({
                    "ref_id": "${link_code}",
                    "tid": "t",
                    "referrer_url": "a",
                    "landing_url": "b",
                    "sub_id": "c",
                    "occur_time": time,
                }),
                json!({
                    "ref_id": " ${link_code}",
                    "tid": "t ",
                    "referrer_url": "a\n",
                    "landing_url": " b",
                    "sub_id": "c\u{200b}",
                    "occur_time": same_time,
                }),
            )],
            &[],
        ),
        spelling(
            "TrackingService/RecordLead",
            vec![(
                json!({
                    "email": "${unique}@twice.example",
                    "tid": "t",
                    "ref_id": "ann",
                    "coupon_code": "ann",
                    "first_name": "Ann",
                    "last_name": "Lee",
                    "metadata": {"form": "a\nb"},
                    "country_code": "US",
                    "occur_time": time,
                }),
                json!({
                    "email": "${unique}@Twice.example",
                    "tid": " t",
                    "ref_id": "ANN",
                    "coupon_code": "Ann",
                    "first_name": "Ann ",
                    "last_name": "Lee\u{200b}",
                    "state": "LEAD_STATE_SIGNED_UP",
                    "metadata": {"form": "a\nb ", "empty": ""},
                    "country_code": "us ",
                    "occur_time": same_time,
                }),
            )],
            &["external_id"],
        ),
        spelling(
            "TrackingService/RecordSale",
            vec![(
                json!({
                    "email": "${unique}@twice.example",
                    "tid": "t",
                    "ref_id": "ann",
                    "coupon_code": "10% off",
                    "first_name": "Ann",
                    "last_name": "Lee",
                    "plan": "gold",
                    "order_number": "1",
                    "metadata": {"shelf": "7", "size": "\u{e9}"},
                    "country_code": "US",
                    "collections": ["sale", "shirts"],
                    "lines": [{"line_id": "a", "amount": {"amount_minor": 1, "currency_code": "USD"}, "plan": "gold"}],
                    "occur_time": time,
                }),
                json!({
                    "email": "${unique}@Twice.example",
                    "tid": " t",
                    "ref_id": "ANN",
                    "coupon_code": "10%  OFF",
                    "first_name": "Ann ",
                    "last_name": "Lee\u{200b}",
                    "plan": "gold ",
                    "order_number": " 1",
                    "metadata": {"shelf": " 7\u{7}", "size": "\u{e9} ", "empty": ""},
                    "country_code": " us",
                    "collections": ["shirts", "sale", "", "shirts"],
                    "channel": "SALE_CHANNEL_ONLINE",
                    "quantity": 1,
                    "lines": [{
                        "line_id": "a",
                        "amount": {"amount_minor": 1, "currency_code": "USD"},
                        "plan": "gold ",
                        "quantity": 1,
                    }],
                    "occur_time": same_time,
                }),
            )],
            &["external_id", "amount", "mrr", "order_id", "item_sku", "lines"],
        ),
        spelling(
            "TrackingService/RecordRefund",
            vec![(
                json!({"email": "${lead_email}", "occur_time": time}),
                json!({"email": "${lead_email}.", "occur_time": same_time}),
            )],
            &[
                "sale_event_id",
                "external_id",
                "amount",
                "refund_id",
                "commission_adjustment",
                "lines",
                "refunded_total",
            ],
        ),
        spelling(
            "TrackingService/UndoRefund",
            vec![(
                json!({"reason": "bounced", "occur_time": time}),
                json!({"reason": " bounced", "occur_time": same_time}),
            )],
            &["refund_event_id"],
        ),
        spelling(
            "TrackingService/CorrectSale",
            vec![(
                json!({"reason": "typing error", "occur_time": time, "lines": [{"amount": {"amount_minor": 5, "currency_code": "USD"}}]}),
                json!({"reason": " typing error", "occur_time": same_time, "lines": [{"amount": {"amount_minor": 5, "currency_code": "USD"}, "quantity": 1}]}),
            )],
            &["sale_event_id", "amount", "lines"],
        ),
        spelling(
            "TrackingService/OpenDispute",
            vec![(
                json!({"reason": "not received", "occur_time": time}),
                json!({"reason": " not received", "occur_time": same_time}),
            )],
            &["sale_event_id", "amount"],
        ),
        spelling(
            "TrackingService/ResolveDispute",
            vec![(
                json!({"reason": "no answer", "occur_time": time}),
                json!({"reason": " no answer", "occur_time": same_time}),
            )],
            &["dispute_event_id", "outcome", "lost_amount"],
        ),
        spelling(
            "TrackingService/RecordCancellation",
            vec![(
                json!({"email": "${lead_email}", "occur_time": time}),
                json!({"email": " ${lead_email}", "occur_time": same_time}),
            )],
            &["external_id"],
        ),
    ]
}

/// The fields that are set, each with its path and value.
fn set_fields(request: &Json, descriptor: &MessageDescriptor, path: &str, found: &mut BTreeMap<String, Json>) {
    for (name, value) in request.as_object().unwrap() {
        let field = descriptor.get_field_by_name(name).unwrap();
        let path = format!("{path}{name}");
        match field.kind() {
            Kind::Message(inside) if !field.is_map() && !is_one_value(&inside) && value.is_object() => {
                set_fields(value, &inside, &format!("{path}."), found);
            }
            _ => _ = found.insert(path, value.clone()),
        }
    }
}

/// The cases of calls that change something, without batches, each with its idempotency key's field.
fn repeatable() -> impl Iterator<Item = (&'static Case, &'static str)> {
    cases().iter().filter_map(|case| Some((case, case.repeat_field()?)))
}

#[test]
fn every_field_has_two_spellings_or_is_said_to_have_one() {
    let spellings = spellings();
    let mut wrong = Vec::new();
    for (case, repeat_field) in repeatable() {
        let of_method: Vec<_> = spellings.iter().filter(|spelling| spelling.method == case.method).collect();
        let [spelling] = of_method[..] else { panic!("{} has {} lists of spellings", case.method, of_method.len()) };
        let input = method(case.method).input();
        let mut written_twice = BTreeSet::new();
        for (first, second) in &spelling.pairs {
            let [first, second] = [first, second].map(|request| {
                let mut found = BTreeMap::new();
                set_fields(request, &input, "", &mut found);
                found
            });
            let paths = first.keys().chain(second.keys());
            written_twice.extend(paths.filter(|path| first.get(*path) != second.get(*path)).cloned());
        }
        for field in all_fields(&input).iter().filter(|field| *field != repeat_field) {
            let has_two = written_twice.contains(field);
            let has_one = is_listed(field, &spelling.one_spelling);
            if has_two == has_one {
                wrong.push(format!("{}: {field}: two spellings {has_two}, one {has_one}", case.method));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

db_test!(requests_that_mean_the_same_are_repeats, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let account = &world.alpha;
    let spellings = spellings();
    for (case, repeat_field) in repeatable() {
        let spelling = spellings.iter().find(|spelling| spelling.method == case.method).unwrap();
        let call =
            async |request: &Json| world.wire.call(account.key_for(case.method), &method(case.method), request).await;
        for (first, second) in &spelling.pairs {
            let names = case.prepared(&world, account).await;
            // They are filled in together, so that their unique texts are the same.
            let requests = [first, second, &case.other]
                .map(|fields| case.template_with(&patched(fields, &json!({repeat_field: "twice-${unique}"}))));
            let requests = resolve(&json!(requests), &names);
            let answer = call(&requests[0]).await.unwrap_or_else(|status| panic!("{}: {status:?}", requests[0]));
            assert!(answer["replayed"].is_null(), "{}", case.method);
            let again = call(&requests[1]).await.unwrap_or_else(|status| panic!("{}: {status:?}", requests[1]));
            assert_eq!(again["replayed"], json!(true), "{}", case.method);
            assert_eq!(without(&again, &["replayed", "warnings"]), without(&without(&answer, SECRETS), &["warnings"]));
            let status = call(&requests[2]).await.expect_err(case.method);
            assert_eq!(reason(&status), "IDEMPOTENCY_MISMATCH", "{}", case.method);
        }
    }
});
