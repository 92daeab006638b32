//! The rules of the contract. Each returns its violations as text, which begins with the name that breaks it.

use std::collections::BTreeSet;

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, MessageOptions};

use super::view::{
    Contract, camel, comments, full, is_repeated, is_single, oneofs, pascal, places, value_prefix, verb,
};
use super::words::{Named, sections};

type Rule = fn(&Contract<'_>) -> Vec<String>;

/// All rules by name.
pub(super) const RULES: [(&str, Rule); 15] = [
    ("words", words),
    ("accessors", accessors),
    ("times", times),
    ("numbers", numbers),
    ("ids", ids),
    ("subjects", subjects),
    ("lists", lists),
    ("enums", enums),
    ("files", files),
    ("changes", changes),
    ("updates", updates),
    ("streams", streams),
    ("shape", shape),
    ("numbering", numbering),
    ("comments", comment_texts),
];

const TIMESTAMP: &str = ".google.protobuf.Timestamp";
const DURATION: &str = ".google.protobuf.Duration";
const FIELD_MASK: &str = ".google.protobuf.FieldMask";

/// No name is a reserved word of a language. No name is also the name of a member that generated code has in the same place.
fn words(contract: &Contract<'_>) -> Vec<String> {
    let sections = sections();
    let mut found = Vec::new();
    let mut check = |named: Named, place: String, name: &str| {
        let taken_by = sections.iter().filter(|section| section.has(named, name));
        let languages: BTreeSet<&str> = taken_by.map(|section| section.language).collect();
        if !languages.is_empty() {
            let languages: Vec<&str> = languages.into_iter().collect();
            found.push(format!("{place}: {name} is taken in {}", languages.join(", ")));
        }
    };
    for (message, field) in contract.fields() {
        check(Named::Field, place(message, field), field.name());
    }
    for message in contract.messages() {
        for (_, oneof) in oneofs(message) {
            check(Named::Oneof, format!("{}.{}", message.name(), oneof.name()), oneof.name());
        }
    }
    for an_enum in contract.enums() {
        let prefix = value_prefix(an_enum.name());
        for value in &an_enum.value {
            let short = value.name().strip_prefix(&prefix).unwrap_or(value.name());
            check(Named::Value, value.name().to_owned(), short);
        }
    }
    found
}

/// Generated code makes further names from the name of a field. From `email`, Java makes `getEmailBytes` and Go makes `GetEmail`.
/// No other field of the message may lead to the same name. No field may have the name of its message, because a member of a C#
/// class may not have the name of the class. Two names may not differ by underscores alone, because JSON and C# drop them.
fn accessors(contract: &Contract<'_>) -> Vec<String> {
    const PREFIXES: [&str; 5] = ["get_", "set_", "has_", "clear_", "which_"];
    let mut found = Vec::new();
    for message in contract.messages() {
        let mut names: Vec<(&str, &[&str])> =
            oneofs(message).map(|(_, oneof)| (oneof.name(), &["_case"][..])).collect();
        names.extend(message.field.iter().map(|field| (field.name(), accessor_suffixes(field))));
        let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
        for (at, (name, _)) in names.iter().enumerate() {
            if plain(name) == plain(message.name()) {
                found.push(format!("{}.{name}: is named like its message", message.name()));
            }
            for (other_at, (other, suffixes)) in names.iter().enumerate() {
                let is_accessor = PREFIXES.iter().any(|prefix| name.strip_prefix(prefix) == Some(other))
                    || suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(other));
                if is_accessor || (at < other_at && plain(name) == plain(other)) {
                    found.push(format!("{}.{name}: generated code needs this name for {other}", message.name()));
                }
            }
        }
    }
    found
}

/// The suffixes that Java adds to a field's name in its accessors.
fn accessor_suffixes(field: &FieldDescriptorProto) -> &'static [&'static str] {
    match (is_repeated(field), field.r#type()) {
        (true, _) => &["_count", "_list", "_map", "_value_list", "_builder", "_builder_list", "_or_builder"],
        (false, Type::String) => &["_bytes"],
        (false, Type::Enum) => &["_value"],
        (false, Type::Message) => &["_builder", "_or_builder"],
        _ => &[],
    }
}

/// A name shows whether a value is a moment or a span of time. If a number counts units of time, its name ends in the unit.
fn times(contract: &Contract<'_>) -> Vec<String> {
    const SPANS: [&str; 4] = ["delay", "wait", "age", "timeout"];
    const UNITS: [&str; 10] =
        ["nanos", "micros", "millis", "ms", "seconds", "minutes", "hours", "days", "weeks", "months"];
    const SPANS_OF_NUMBERS: [&str; 4] = ["period", "window", "retention", "duration"];
    let interval = full("TimeInterval");
    let mut found = Vec::new();
    for (message, field) in contract.fields() {
        let name = field.name();
        let parts: Vec<&str> = name.split('_').collect();
        let last = parts[parts.len() - 1];
        let is_span = SPANS.contains(&last) && parts.len() > 1 || name == "retention";
        let of = field.type_name();
        let mut check = |holds: bool, text: &str| {
            if !holds {
                found.push(format!("{}: {text}", place(message, field)));
            }
        };
        check((of == TIMESTAMP) == (last == "time"), "a Timestamp ends in _time, and nothing else does");
        check(of != DURATION || is_span, "a Duration ends in _delay, _wait, _age or _timeout, or is retention");
        check(!is_span || of == DURATION, "a span of time is a Duration");
        check((of == interval) == (last == "interval"), "a TimeInterval ends in _interval, and nothing else does");
        check(parts.len() == 1 || last != "at", "a moment ends in _time");
        if matches!(field.r#type(), Type::Int32 | Type::Int64) {
            let has_unit = UNITS.contains(&last);
            let is_unit_inside = parts.iter().any(|part| UNITS.contains(part)) && !has_unit;
            let lacks_unit = parts.iter().any(|part| SPANS_OF_NUMBERS.contains(part)) && !has_unit;
            check(!is_unit_inside && !lacks_unit, "a number of days or the like ends in its unit");
        }
    }
    found
}

/// Numbers are whole and signed, because not all languages have unsigned ones. int64 is only for numbers that may exceed 2^31,
/// because JSON writes it as text.
fn numbers(contract: &Contract<'_>) -> Vec<String> {
    // The first two count units that the merchant chooses. The numbers may be large, because the units may be small. Wise chooses the others.
    const LARGE: [&str; 4] =
        ["RewardValue.points", "RewardValue.credits", "WiseCredentials.profile_number", "WiseDetails.recipient_number"];
    let mut found = Vec::new();
    for message in contract.messages() {
        for field in message.field.iter().chain(message.nested_type.iter().flat_map(|entry| &entry.field)) {
            let place = place(message, field);
            let name = field.name();
            let is_large = name.ends_with("_minor") || name == "sequence" || name.ends_with("_count");
            match field.r#type() {
                Type::Int64 if !is_large && !LARGE.contains(&place.as_str()) => {
                    found.push(format!("{place}: int64 is for amounts in minor units, sequences and counts"));
                }
                Type::Int32 if is_large => found.push(format!("{place}: may pass 2^31, so it is an int64")),
                Type::Float | Type::Double => found.push(format!("{place}: is a fraction; count in a smaller unit")),
                Type::Uint32 | Type::Uint64 | Type::Sint32 | Type::Sint64 => {
                    found.push(format!("{place}: whole numbers are int32 or int64"));
                }
                Type::Fixed32 | Type::Fixed64 | Type::Sfixed32 | Type::Sfixed64 => {
                    found.push(format!("{place}: whole numbers are int32 or int64"));
                }
                _ => {}
            }
        }
    }
    found
}

/// Ids are strings.
fn ids(contract: &Contract<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (message, field) in contract.fields() {
        let name = field.name();
        let is_text = field.r#type() == Type::String;
        if (name == "id" || name.ends_with("_id")) && (!is_text || is_repeated(field)) {
            found.push(format!("{}: an id is a string", place(message, field)));
        }
        if name.ends_with("_ids") && !(is_text && is_repeated(field)) {
            found.push(format!("{}: ids are repeated strings", place(message, field)));
        }
    }
    found
}

/// Each subject of an event has an id, a creation time, and a Get call that returns it.
fn subjects(contract: &Contract<'_>) -> Vec<String> {
    // An affiliate has one method and one tax profile, a provider one connection, and an account one billing profile.
    const NAMED_BY_ANOTHER: [&str; 4] = ["PayoutMethod", "TaxProfile", "PayoutConnection", "BillingProfile"];
    let event = contract.message(&full("Event"));
    let subject = event.and_then(|event| oneofs(event).find(|(_, oneof)| oneof.name() == "subject"));
    let (Some(event), Some((subject, _))) = (event, subject) else {
        return vec!["Event: has no oneof named subject".to_owned()];
    };
    let mut found = Vec::new();
    for field in event.field.iter().filter(|field| field.oneof_index.is_some_and(|of| of as usize == subject)) {
        let Some(message) = contract.message(field.type_name()) else {
            found.push(format!("Event.{}: a subject is a message of the contract", field.name()));
            continue;
        };
        let call = format!("Get{}", message.name());
        match contract.methods().find(|method| method.name() == call) {
            None => found.push(format!("{}: no service has {call}", message.name())),
            Some(method) => {
                let fields = contract.message(method.output_type()).map_or(&[][..], |response| &response.field);
                if !fields.iter().any(|answer| answer.type_name() == field.type_name() && !is_repeated(answer)) {
                    found.push(format!("{call}: its response has no {}", message.name()));
                }
            }
        }
        let has_id = message.field.iter().any(|field| is_single(field, 1, "id", Type::String));
        if !has_id && !NAMED_BY_ANOTHER.contains(&message.name()) {
            found.push(format!("{}: begins with `string id = 1`", message.name()));
        }
        if !message.field.iter().any(|field| field.name() == "create_time") {
            found.push(format!("{}: has no create_time", message.name()));
        }
    }
    found
}

/// All lists have the same fields for pages and order.
fn lists(contract: &Contract<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let lists: Vec<_> = contract.methods().filter(|method| verb(method.name()) == "List").collect();
    let mut requests: BTreeSet<String> = lists.iter().map(|method| method.input_type().to_owned()).collect();
    let mut responses: BTreeSet<String> = lists.iter().map(|method| method.output_type().to_owned()).collect();
    for message in contract.messages().filter(|message| verb(message.name()) == "List") {
        if message.name().ends_with("Request") {
            requests.insert(full(message.name()));
        } else if message.name().ends_with("Response") {
            responses.insert(full(message.name()));
        }
    }
    for request in requests {
        let fields = contract.message(&request).map_or(&[][..], |message| &message.field);
        let has = |number, name, of| fields.iter().any(|field| is_single(field, number, name, of));
        let order = fields.iter().find(|field| is_single(field, 3, "order", Type::Enum));
        if !has(1, "page_size", Type::Int32)
            || !has(2, "page_token", Type::String)
            || order.is_none_or(|order| order.type_name() != full("ListOrder"))
        {
            found.push(format!(
                "{request}: begins with int32 page_size = 1, string page_token = 2, ListOrder order = 3"
            ));
        }
    }
    for response in responses {
        let fields = contract.message(&response).map_or(&[][..], |message| &message.field);
        if !fields.first().is_some_and(|first| first.number() == 1 && is_repeated(first)) {
            found.push(format!("{response}: begins with its items, a repeated field = 1"));
        }
        if !fields.iter().any(|field| is_single(field, 2, "next_page_token", Type::String)) {
            found.push(format!("{response}: has string next_page_token = 2"));
        }
    }
    found
}

/// The value 0 means "not set". Each value begins with its enum's name, because values of all enums share one scope in C++.
fn enums(contract: &Contract<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for an_enum in contract.enums() {
        let prefix = value_prefix(an_enum.name());
        let first = an_enum.value.first();
        if !first.is_some_and(|first| first.number() == 0 && first.name() == format!("{prefix}UNSPECIFIED")) {
            found.push(format!("{}: begins with {prefix}UNSPECIFIED = 0", an_enum.name()));
        }
        for value in an_enum.value.iter().filter(|value| !value.name().starts_with(&prefix)) {
            found.push(format!("{}: begins with {prefix}", value.name()));
        }
    }
    found
}

/// All files generate into the same packages. A service is alone in its file, which is named like it.
fn files(contract: &Contract<'_>) -> Vec<String> {
    const GO: &str = "headwater.dev/gen/headwater/v1;headwaterv1";
    const JAVA: &str = "dev.headwater.v1";
    let mut found = Vec::new();
    for file in &contract.files {
        let stem = file.name().rsplit('/').next().and_then(|name| name.strip_suffix(".proto")).unwrap_or_default();
        let options = file.options.clone().unwrap_or_default();
        let mut check = |holds: bool, text: &str| {
            if !holds {
                found.push(format!("{}: {text}", file.name()));
            }
        };
        check(options.go_package() == GO, "has the go_package of the others");
        check(options.java_package() == JAVA, "has the java_package of the others");
        check(options.java_multiple_files(), "sets java_multiple_files");
        let outer_class = pascal(stem) + "Proto";
        check(options.java_outer_classname() == outer_class, "has its own name and Proto as java_outer_classname");
        if stem.ends_with("_service") {
            let is_alone = file.service.len() == 1 && file.message_type.is_empty() && file.enum_type.is_empty();
            check(is_alone, "holds one service and nothing else");
            check(file.service.iter().all(|service| service.name() == pascal(stem)), "is named like its service");
        } else {
            check(file.service.is_empty(), "holds a service, which belongs in a file of its own, *_service.proto");
        }
    }
    found
}

/// Each call that changes something may be repeated. Its request begins with an id that the caller chooses, and its response says
/// whether the call was a repeat.
fn changes(contract: &Contract<'_>) -> Vec<String> {
    const CHANGES: [&str; 38] = [
        "Create",
        "Update",
        "Assign",
        "Remove",
        "Revoke",
        "Archive",
        "Enroll",
        "End",
        "Approve",
        "Deny",
        "Register",
        "Delete",
        "Merge",
        "Attribute",
        "Fulfill",
        "Reject",
        "Refuse",
        "Deactivate",
        "Rotate",
        "Claim",
        "Set",
        "Suspend",
        "Resume",
        "Erase",
        "Release",
        "Move",
        "Accept",
        "Mark",
        "Confirm",
        "Export",
        "Import",
        "Reopen",
        "Reconcile",
        "Retry",
        "Notify",
        "Cancel",
        "Submit",
        "Name",
    ];
    // A batch has an event_id in each of its items.
    const OTHERS: [&str; 16] = [
        "Get",
        "List",
        "Count",
        "Search",
        "Check",
        "Read",
        "Verify",
        "Watch",
        "Batch",
        "Validate",
        "Query",
        "Calculate",
        "Explain",
        "Preview",
        "Replay",
        "Simulate",
    ];
    let mut found = Vec::new();
    for method in contract.methods() {
        let verb = verb(method.name());
        let id = match verb {
            "Record" | "Correct" | "Undo" | "Open" | "Resolve" => Some("event_id"),
            verb if CHANGES.contains(&verb) => Some("request_id"),
            // The other verification, that of the ledger, only reads.
            _ if method.name() == "VerifyAccountEmail" => Some("request_id"),
            verb if OTHERS.contains(&verb) => None,
            verb => {
                found.push(format!("{}: add {verb} to this rule: does it change anything?", method.name()));
                continue;
            }
        };
        let request = contract.message(method.input_type()).map_or(&[][..], |message| &message.field);
        let response = contract.message(method.output_type()).map_or(&[][..], |message| &message.field);
        let replayed = response.iter().find(|field| field.name() == "replayed");
        if let Some(id) = id {
            if !request.iter().any(|field| is_single(field, 1, id, Type::String)) {
                found.push(format!("{}: its request begins with string {id} = 1", method.name()));
            }
            if !replayed.is_some_and(|field| field.r#type() == Type::Bool && !is_repeated(field)) {
                found.push(format!("{}: its response has bool replayed", method.name()));
            }
        } else if replayed.is_some() || request.iter().any(|field| field.name() == "request_id") {
            found.push(format!("{}: changes nothing, so it is never replayed", method.name()));
        }
    }
    found
}

/// The request of every update has the resource and the fields to change.
fn updates(contract: &Contract<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for method in contract.methods().filter(|method| verb(method.name()) == "Update") {
        let fields = contract.message(method.input_type()).map_or(&[][..], |message| &message.field);
        let thing = full(&method.name()["Update".len()..]);
        let has_thing = fields.iter().any(|field| field.number() == 2 && field.type_name() == thing);
        let has_mask = fields
            .iter()
            .any(|field| is_single(field, 3, "update_mask", Type::Message) && field.type_name() == FIELD_MASK);
        if !has_thing || !has_mask {
            found.push(format!("{}: its request has the thing = 2 and FieldMask update_mask = 3", method.name()));
        }
    }
    found
}

/// Only Watch, Simulate and Replay calls stream, and only their responses. Those of a Watch call begin with the cursor to resume from.
fn streams(contract: &Contract<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for method in contract.methods() {
        let watches = verb(method.name()) == "Watch";
        let streams = watches || matches!(verb(method.name()), "Simulate" | "Replay");
        if method.client_streaming() || method.server_streaming() != streams {
            found.push(format!(
                "{}: Watch, Simulate and Replay calls stream their responses, and nothing else does",
                method.name()
            ));
        }
        let fields = contract.message(method.output_type()).map_or(&[][..], |message| &message.field);
        if watches && !fields.iter().any(|field| is_single(field, 1, "cursor", Type::String)) {
            found.push(format!("{}: its response begins with string cursor = 1", method.name()));
        }
    }
    found
}

/// Plain proto3 without nesting and extensions, because generators differ most there.
fn shape(contract: &Contract<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for file in &contract.files {
        if file.syntax() != "proto3" || !file.extension.is_empty() {
            found.push(format!("{}: is proto3 without extensions", file.name()));
        }
    }
    for message in contract.messages() {
        let is_entry = |nested: &DescriptorProto| nested.options.as_ref().is_some_and(MessageOptions::map_entry);
        if !message.nested_type.iter().all(is_entry) || !message.enum_type.is_empty() {
            found.push(format!("{}: messages and enums are not nested", message.name()));
        }
    }
    found
}

/// The first release has no unused numbers. A later release may skip a number with `reserved`. This rule must then allow it.
fn numbering(contract: &Contract<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for message in contract.messages() {
        let mut numbers: Vec<i32> = message.field.iter().map(FieldDescriptorProto::number).collect();
        numbers.sort_unstable();
        if !numbers.iter().copied().eq(1..=i32::try_from(numbers.len()).unwrap()) {
            found.push(format!("{}: its fields are numbered 1 to {}", message.name(), numbers.len()));
        }
    }
    for an_enum in contract.enums() {
        let numbers = an_enum.value.iter().map(EnumValueDescriptorProto::number);
        if !numbers.eq(0..i32::try_from(an_enum.value.len()).unwrap()) {
            found.push(format!("{}: its values are numbered from 0 on, in order", an_enum.name()));
        }
    }
    found
}

/// Every element has a comment, because reflection shows comments to callers of every language and tool. So comments use the
/// field names of the protos, and show no command line and no JSON.
fn comment_texts(contract: &Contract<'_>) -> Vec<String> {
    let names = contract.fields().map(|(_, field)| (camel(field.name()), field.name()));
    let json_names: BTreeSet<String> = names.filter(|(json, name)| json != name).map(|(json, _)| json).collect();
    let mut found = Vec::new();
    for file in &contract.files {
        let comments = comments(file);
        for (path, name) in places(file) {
            let comment = comments.get(path.as_slice()).map_or("", |location| location.leading_comments());
            if comment.trim().is_empty() {
                found.push(format!("{name}: has no comment"));
            }
        }
        for location in comments.values() {
            let own = [location.leading_comments(), location.trailing_comments()];
            for text in own.into_iter().chain(location.leading_detached_comments.iter().map(String::as_str)) {
                let mut words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
                if let Some(word) = words.find(|word| *word == "grpcurl" || json_names.contains(*word)) {
                    found.push(format!("{}: a comment names {word}: {}", file.name(), text.trim()));
                }
                if text.contains("{\"") {
                    found.push(format!("{}: a comment has JSON: {}", file.name(), text.trim()));
                }
            }
        }
    }
    found
}

fn place(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    format!("{}.{}", message.name(), field.name())
}
