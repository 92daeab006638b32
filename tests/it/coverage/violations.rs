//! Wrong fields: all are reported at once, with their full paths, and nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt;

use super::api::{method, reason};
use super::cases::{cases, leaves, without_index};
use super::world::{World, assert_unchanged, resolve};
use crate::support::database::TestDatabase;
use crate::support::golden::assert_golden_folder;

db_test!(all_wrong_fields_are_named_at_once, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let before = world.snapshot(&world.alpha).await;
    let mut told: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for case in cases() {
        for wrong in &case.wrong {
            let what = format!("{} {}", case.method, shortened(&wrong.to_string()));
            let request = resolve(wrong, &world.alpha.names);
            let answer = world.wire.call(world.alpha.key_for(case.method), &method(case.method), &request).await;
            let status = answer.expect_err(&what);
            assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"), "{what}");
            let violations = status.get_details_bad_request().unwrap().field_violations;
            let named: BTreeSet<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
            let sent = leaves(wrong, &method(case.method).input());
            for path in &sent {
                let is_named = named.contains(path.as_str()) || named.contains(without_index(path));
                assert!(is_named, "{what}: {path} is wrong and not named: {named:?}");
            }
            for path in named {
                let is_sent = sent.iter().any(|sent| path == sent || path == without_index(sent));
                assert!(is_sent, "{what}: {path} is named and not wrong");
            }
            let lines = violations.iter().map(|violation| format!("{}: {}", violation.field, violation.description));
            told.entry((case.subject, case.method)).or_default().extend(lines);
        }
    }
    assert_unchanged(&before, &world.snapshot(&world.alpha).await, "requests with wrong fields");

    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for ((subject, method), lines) in told {
        let text =
            texts.entry(subject).or_insert_with(|| "The violations that wrong fields give, by method.\n".to_owned());
        text.push_str(&format!("\n{method}\n"));
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
    assert_golden_folder("violations", &texts);
});

db_test!(a_thousand_violations_fit_into_the_answer_headers, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let wrong = |text: &str| vec![json!(text); 1_000];
    let watch = json!({
        "start": {"position": "FEED_POSITION_BEGINNING"},
        "filter": {"kinds": vec![9_999; 1_000], "program_ids": wrong("prg_1"), "affiliate_ids": wrong("aff_1")},
    });
    let list = watch.clone();
    let mask = json!({"account": {}, "update_mask": {"paths": wrong(&"y".repeat(200))}});
    for (name, request) in [
        ("TrackingService/WatchConversions", watch),
        ("FeedService/ReadEvents", list),
        ("RewardService/ApproveRewards", json!({"reward_ids": wrong("rwd_1")})),
        ("AccountService/UpdateAccount", mask),
    ] {
        let status = world.wire.call(&world.alpha.keys["admin"], &method(name), &request).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELDS", "{name}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let last = violations.last().unwrap();
        assert!(violations.len() >= 10, "{name}: {} are listed", violations.len());
        assert!(
            last.description.starts_with("and ") && last.description.ends_with(" more"),
            "{name}: {}",
            last.description
        );
    }
});

fn shortened(text: &str) -> String {
    text.replace(&"x".repeat(3_000), "xxx...")
}
