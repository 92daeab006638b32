//! Fields over which no event is refused: they are cleaned, cut or left out, and the answer has a warning. No money is lost over them.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::Kind;
use serde_json::{Value as Json, json};

use super::api::{method, reason};
use super::cases::{cases, leaves};
use super::world::{World, resolve};
use crate::support::database::TestDatabase;
use crate::support::golden::assert_golden_folder;

/// The text fields of recorded events that may refuse the event, and why.
const REFUSING: [(&str, &str); 13] = [
    ("event_id", "a repeat is recognised by it, so another text would count the event twice"),
    ("external_id", "it identifies the customer, so another text would be another person"),
    ("sale_event_id", "it names the sale, so another text would refund another one"),
    ("email", "it identifies the customer if no other field does"),
    ("custom_kind", "it says what happened, so another text would be another event"),
    ("ref_id", "a click without a link has nowhere to go"),
    ("amount.currency_code", "an amount in another currency is another amount"),
    ("refunded_total.currency_code", "a total in another currency is another amount"),
    ("lost_amount.currency_code", "an amount in another currency is another amount"),
    ("refund_event_id", "it names the refund, so another text would undo another one"),
    ("dispute_event_id", "it names the dispute, so another text would end another one"),
    ("reason", "a person writes it, and can send a shorter one"),
    ("commission_adjustment.currency_code", "it is money that the affiliate gets"),
];

/// The merchant's own ids and what a person writes are kept as sent, with whatever characters are no control characters.
const KEPT_AS_SENT: [&str; 10] = [
    "event_id",
    "external_id",
    "sale_event_id",
    "refund_event_id",
    "dispute_event_id",
    "order_id",
    "refund_id",
    "item_sku",
    "collections",
    "reason",
];

/// Texts that people and programs send.
fn texts() -> Vec<(&'static str, String)> {
    vec![
        ("too long", "x".repeat(3_000)),
        ("control characters", "a\u{7}b\0c\nd".to_owned()),
        ("emoji", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f600}".to_owned()),
        ("NFC", "J\u{f6}rg".to_owned()),
        ("NFD", "Jo\u{308}rg".to_owned()),
        ("zero-width", "a\u{200b}b\u{feff}".to_owned()),
        ("an address with a control character", "jo@xn--mller-kva.a\0b".to_owned()),
        ("an address with a blank in its host", "jo@m\u{fc} ller.example".to_owned()),
        ("bidi", "a\u{202e}b\u{2066}c".to_owned()),
    ]
}

/// The fields that the warnings of an answer name.
fn warned(answer: &Json) -> BTreeSet<String> {
    let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().map(|warning| warning["field"].as_str().unwrap().to_owned()).collect()
}

db_test!(fields_that_only_describe_are_recorded_with_a_warning, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let account = &world.alpha;
    let mut told: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for case in cases() {
        for fields in &case.tolerated {
            let names = case.prepared(&world, account).await;
            let request = case.request_with(fields, &names);
            let call = async || world.wire.call(account.key_for(case.method), &method(case.method), &request).await;
            let answer = call().await.unwrap_or_else(|status| panic!("{}: {status:?}", case.method));
            let sent = leaves(fields, &method(case.method).input()).into_iter();
            // One warning is about all texts of a list.
            let sent: BTreeSet<String> = sent.map(|path| path.trim_end_matches("[0]").to_owned()).collect();
            assert_eq!(warned(&answer), sent, "{}", case.method);
            // The same request again gets the same answer, with the same warnings.
            let again = call().await.unwrap();
            assert_eq!(
                (&again["replayed"], &again["warnings"]),
                (&json!(true), &answer["warnings"]),
                "{}",
                case.method
            );
            let lines = answer["warnings"].as_array().unwrap().iter().map(|warning| {
                format!("{}: {}", warning["field"].as_str().unwrap(), warning["explanation"].as_str().unwrap())
            });
            told.entry((case.subject, case.method)).or_default().extend(lines);
        }
    }
    let mut pages: BTreeMap<&str, String> = BTreeMap::new();
    for ((subject, method), lines) in told {
        let page = pages
            .entry(subject)
            .or_insert_with(|| "The warnings that recorded events have for tolerated fields, by method.\n".to_owned());
        page.push_str(&format!("\n{method}\n"));
        lines.iter().for_each(|line| page.push_str(&format!("  {line}\n")));
    }
    assert_golden_folder("warnings", &pages);
});

/// Whether a method records an event and warns of what it leaves out.
fn records_an_event(name: &str) -> bool {
    name.starts_with("TrackingService/") && method(name).output().get_field_by_name("warnings").is_some()
}

db_test!(no_event_is_lost_over_a_text_without_a_reason, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let account = &world.alpha;
    for case in cases().iter().filter(|case| records_an_event(case.method)) {
        let input = method(case.method).input();
        let fields: Vec<String> = input
            .fields()
            .flat_map(|field| match field.kind() {
                Kind::String => vec![field.name().to_owned()],
                Kind::Message(inside) if inside.name() == "Money" => vec![format!("{}.currency_code", field.name())],
                _ => vec![],
            })
            .collect();
        for field in &fields {
            for (what, text) in texts() {
                let names = case.prepared(&world, account).await;
                let mut request = case.request(&names);
                match field.split_once('.') {
                    Some((money, code)) => request[money] = json!({"amount_minor": 1, code: text}),
                    None => request[field.as_str()] = json!(text),
                }
                let request = resolve(&request, &names);
                let what = format!("{} {field}: {what}", case.method);
                match world.wire.call(account.key_for(case.method), &method(case.method), &request).await {
                    Ok(answer) => {
                        let is_changed = text.len() > 2_048 || text.contains(['\0', '\u{200b}', '\u{202e}']);
                        let is_warned = warned(&answer).iter().any(|warned| warned == field);
                        // Cookies of other tools are no reason to warn a visitor's browser.
                        let is_silent = KEPT_AS_SENT.contains(&field.as_str())
                            || (case.method == "TrackingService/RecordClick" && field == "tid");
                        assert!(is_warned || !is_changed || is_silent, "{what}: no warning");
                    }
                    // An address that identifies may be new, and a cancellation needs a known customer.
                    Err(status) if reason(&status) == "LEAD_NOT_FOUND" || reason(&status) == "LINK_NOT_FOUND" => {}
                    Err(status) => {
                        let is_explained = REFUSING.iter().any(|(refusing, _)| refusing == field);
                        assert!(is_explained, "{what}: refused without a reason: {status:?}");
                        assert_eq!(reason(&status), "INVALID_FIELDS", "{what}");
                    }
                }
            }
        }
    }
});
