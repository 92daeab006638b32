//! The guides for people who leave another system name only calls, fields and values of enums that exist. Does not know the other systems.

use std::collections::BTreeSet;
use std::path::Path;

use prost_reflect::MethodDescriptor;

use super::calls::{call, enum_values, has_field, is_call};
use super::{quoted, text_of};

/// The names of the guides. Each begins with this.
const GUIDE: &str = "migrate-from-";

/// Words that are written like values of enums, and are none.
fn is_enum_value(term: &str) -> bool {
    term.contains('_') && term.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The cell of our fields, in a row of a table.
fn our_cell(line: &str) -> Option<&str> {
    line.strip_prefix('|')?.strip_suffix('|')?.split('|').nth(1)
}

/// What a guide names and is not there. A heading of the third level names calls. In the tables below it, the second column has fields of
/// their requests and answers.
fn faults(guide: &str) -> Vec<String> {
    let values = enum_values();
    let mut faults = Vec::new();
    let mut calls: Vec<MethodDescriptor> = Vec::new();
    for line in guide.lines() {
        if line.starts_with('#') {
            calls = quoted(line).filter(|term| is_call(term)).filter_map(call).collect();
        }
        for term in quoted(line).filter(|term| is_call(term) && call(term).is_none()) {
            faults.push(format!("there is no call {term}"));
        }
        for term in quoted(line).filter(|term| is_enum_value(term) && !values.contains(*term)) {
            faults.push(format!("there is no value {term}"));
        }
        if calls.is_empty() {
            continue;
        }
        let names: Vec<&str> = calls.iter().map(MethodDescriptor::name).collect();
        let fields = our_cell(line).into_iter().flat_map(quoted).filter(|term| !is_call(term) && !is_enum_value(term));
        for field in fields {
            let messages = calls.iter().flat_map(|call| [call.input(), call.output()]);
            if !messages.into_iter().any(|message| has_field(&message, field)) {
                faults.push(format!("{} has no field {field}", names.join(", ")));
            }
        }
    }
    faults
}

/// How many fields of ours a guide names.
fn field_count(guide: &str) -> usize {
    guide.lines().filter_map(our_cell).flat_map(quoted).collect::<BTreeSet<_>>().len()
}

#[test]
fn guides_name_only_calls_and_fields_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.filter(|name| name.starts_with(GUIDE)).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        let guide = text_of(&format!("docs/{name}"));
        let faults = faults(&guide);
        assert!(faults.is_empty(), "{name}:\n{}", faults.join("\n"));
        assert!(field_count(&guide) > 30, "{name} names only {} fields", field_count(&guide));
    }
}

#[test]
fn what_a_guide_names_and_is_not_there_is_found() {
    let heading = "### `GET /affiliates` is `AffiliateService.ListAffiliates`";
    for (line, expected) in [
        ("| `anything` | `affiliates.profile.address.city` | `no matter` |", None),
        ("| | `states` | `AFFILIATE_STATE_ACTIVE` |", None),
        ("| | `affiliates.town` | |", Some("ListAffiliates has no field affiliates.town")),
        ("| | `status` | |", Some("ListAffiliates has no field status")),
        ("| | | `AFFILIATE_STATE_GONE` |", Some("there is no value AFFILIATE_STATE_GONE")),
        ("See `AffiliateService.FindAffiliates`.", Some("there is no call AffiliateService.FindAffiliates")),
    ] {
        let found = faults(&format!("{heading}\n\n{line}\n"));
        assert_eq!(found.first().map(String::as_str), expected, "{line}");
    }
    assert_eq!(faults("### `AffiliateService.FindAffiliates`"), ["there is no call AffiliateService.FindAffiliates"]);
    // After a heading without a call, tables are about other things.
    assert!(faults(&format!("{heading}\n## Words\n| x | `town` | |\n")).is_empty());
}
