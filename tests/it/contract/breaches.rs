//! Breaks every rule of the contract on a copy of its descriptor. Knows the names of the contract, not the rules.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::source_code_info::Location;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, FileOptions, MethodDescriptorProto,
};

/// One breach. This rule and no other must find it.
pub(super) struct Breach {
    pub(super) rule: &'static str,
    pub(super) how: &'static str,
    pub(super) commit: fn(&mut FileDescriptorSet),
}

const fn breach(rule: &'static str, how: &'static str, commit: fn(&mut FileDescriptorSet)) -> Breach {
    Breach { rule, how, commit }
}

pub(super) const BREACHES: &[Breach] = &[
    breach("words", "a keyword of Go", |set| rename(set, "PostalAddress.city", "chan")),
    breach("words", "a method of Go's messages", |set| rename(set, "PostalAddress.city", "proto_reflect")),
    breach("words", "a keyword of Java", |set| rename(set, "PostalAddress.city", "synchronized")),
    breach("words", "a method of Java's messages", |set| rename(set, "PostalAddress.city", "serialized_size")),
    breach("words", "a keyword of Kotlin", |set| rename(set, "PostalAddress.city", "val")),
    breach("words", "a keyword of Python", |set| rename(set, "PostalAddress.city", "elif")),
    breach("words", "a keyword of Python in lower case", |set| rename(set, "PostalAddress.city", "none")),
    breach("words", "a member of Python's messages", |set| rename(set, "PostalAddress.city", "which_oneof")),
    breach("words", "a keyword of Rust", |set| rename(set, "PostalAddress.city", "gen")),
    breach("words", "a method of prost", |set| rename(set, "PostalAddress.city", "encoded_len")),
    breach("words", "a keyword of JavaScript", |set| rename(set, "PostalAddress.city", "debugger")),
    breach("words", "a member of JavaScript's objects", |set| rename(set, "PostalAddress.city", "value_of")),
    breach("words", "a keyword of C#", |set| rename(set, "PostalAddress.city", "params")),
    breach("words", "a method of C#'s messages", |set| rename(set, "PostalAddress.city", "calculate_size")),
    breach("words", "a keyword of Ruby", |set| rename(set, "PostalAddress.city", "rescue")),
    breach("words", "a method of Ruby's objects", |set| rename(set, "PostalAddress.city", "inspect")),
    breach("words", "a keyword of Swift", |set| rename(set, "PostalAddress.city", "guard")),
    breach("words", "a member of Swift's messages", |set| rename(set, "PostalAddress.city", "debug_description")),
    breach("words", "a oneof that hides Rust's Result", |set| {
        message(set, "BatchResult").oneof_decl[0].name = Some("result".to_owned());
    }),
    breach("words", "a oneof that is a keyword", |set| {
        message(set, "BatchItem").oneof_decl[0].name = Some("event".to_owned());
    }),
    breach("words", "a value that is a keyword without its prefix", |set| {
        rename_value(set, "ApiKeyKind", 4, "API_KEY_KIND_PUBLIC");
    }),
    breach("words", "a value that Swift's enums have", |set| {
        rename_value(set, "ApiKeyKind", 4, "API_KEY_KIND_RAW_VALUE");
    }),
    breach("accessors", "Java's bytes of another field", |set| rename(set, "PostalAddress.region", "city_bytes")),
    breach("accessors", "Java's count of another field", |set| {
        rename(set, "VerifyLedgerResponse.event_count", "totals_count");
    }),
    breach("accessors", "Go's getter of another field", |set| rename(set, "PostalAddress.region", "get_city")),
    breach("accessors", "whether another field is set", |set| rename(set, "PostalAddress.region", "has_city")),
    breach("accessors", "Java's case of a oneof", |set| rename(set, "Event.cause_id", "subject_case")),
    breach("accessors", "the name of C#'s class", |set| rename(set, "PostalAddress.city", "postal_address")),
    breach("accessors", "the same name but for an underscore", |set| rename(set, "PostalAddress.region", "postalcode")),
    breach("times", "a moment with another name", |set| rename(set, "Account.update_time", "updated")),
    breach("times", "a moment that ends in _at", |set| rename(set, "Account.update_time", "update_at")),
    breach("times", "a name of a moment for a text", |set| rename(set, "Account.display_name", "display_time")),
    breach("times", "any name that ends in _at", |set| rename(set, "Account.display_name", "named_at")),
    breach("times", "a span of time with another name", |set| rename(set, "Opened.retention", "kept")),
    breach("times", "a name of a span for a number", |set| {
        rename(set, "WatchEventsRequest.max_batch_size", "max_batch_age");
    }),
    breach("times", "an interval that is a text", |set| rename(set, "Account.display_name", "display_interval")),
    breach("times", "an interval with the name of a delay", |set| {
        rename(set, "ListRewardsRequest.create_interval", "create_delay");
    }),
    breach("times", "a unit that is not last", |set| rename(set, "Terms.hold_period_days", "days_of_hold")),
    breach("times", "a number without its unit", |set| rename(set, "Terms.hold_period_days", "hold_period")),
    breach("numbers", "int64 where int32 holds", |set| retype(set, "Conversion.quantity", Type::Int64)),
    breach("numbers", "int32 for an amount", |set| retype(set, "Money.amount_minor", Type::Int32)),
    breach("numbers", "int32 for a sequence", |set| retype(set, "Event.sequence", Type::Int32)),
    breach("numbers", "int32 for a count", |set| retype(set, "Heartbeat.lag_event_count", Type::Int32)),
    breach("numbers", "uint32", |set| retype(set, "Conversion.quantity", Type::Uint32)),
    breach("numbers", "sint64", |set| retype(set, "Money.amount_minor", Type::Sint64)),
    breach("numbers", "fixed64", |set| retype(set, "Money.amount_minor", Type::Fixed64)),
    breach("numbers", "float", |set| retype(set, "Conversion.quantity", Type::Float)),
    breach("numbers", "double", |set| retype(set, "Money.amount_minor", Type::Double)),
    breach("numbers", "a map to numbers that are fractions", |set| {
        message(set, "AffiliateProfile").nested_type[0].field[1].r#type = Some(Type::Double.into());
    }),
    breach("ids", "an id that is a number", |set| retype(set, "Reward.conversion_id", Type::Int32)),
    breach("ids", "an id that is many", |set| repeat(set, "Reward.conversion_id", Label::Repeated)),
    breach("ids", "ids that are one", |set| repeat(set, "EventFilter.subject_ids", Label::Optional)),
    breach("ids", "ids that are bytes", |set| retype(set, "EventFilter.subject_ids", Type::Bytes)),
    breach("subjects", "no call to get one", |set| method(set, "GetLink").name = Some("GetReferralLink".to_owned())),
    breach("subjects", "a call that returns something else", |set| {
        field(set, "GetLinkResponse.link").type_name = Some(".headwater.v1.Coupon".to_owned());
    }),
    breach("subjects", "a call that returns many", |set| repeat(set, "GetLinkResponse.link", Label::Repeated)),
    breach("subjects", "a subject of another package", |set| {
        field(set, "Event.link").type_name = Some(".google.rpc.Status".to_owned());
    }),
    breach("subjects", "a subject without an id", |set| rename(set, "Link.id", "link_id")),
    breach("subjects", "a subject without a time of making", |set| rename(set, "Link.create_time", "start_time")),
    breach("subjects", "another name of the oneof", |set| {
        message(set, "Event").oneof_decl[0].name = Some("payload".to_owned());
    }),
    breach("lists", "another name of the page's size", |set| rename(set, "ListLinksRequest.page_size", "limit")),
    breach("lists", "another type of the page's size", |set| retype(set, "ListLinksRequest.page_size", Type::String)),
    breach("lists", "another number of the token", |set| swap_numbers(set, "ListLinksRequest", 1, 3)),
    breach("lists", "another order", |set| {
        field(set, "ListLinksRequest.order").type_name = Some(".headwater.v1.LinkState".to_owned());
    }),
    breach("lists", "no order", |set| {
        message(set, "ListProgramsRequest").field.truncate(2);
    }),
    breach("lists", "items that are one", |set| repeat(set, "ListLinksResponse.links", Label::Optional)),
    breach("lists", "items that are not first", |set| swap_numbers(set, "ListLinksResponse", 0, 1)),
    breach("lists", "no token of the next page", |set| {
        message(set, "ListRewardsResponse").field.truncate(1);
    }),
    breach("lists", "a list with the request of another call", |set| {
        method(set, "ListLinks").input_type = Some(".headwater.v1.GetLinkRequest".to_owned());
    }),
    breach("enums", "a first value that says something", |set| rename_value(set, "ListOrder", 0, "LIST_ORDER_USUAL")),
    breach("enums", "a value without the prefix", |set| rename_value(set, "ListOrder", 1, "OLDEST_FIRST")),
    breach("files", "no go_package", |set| options(set, "link.proto").go_package = None),
    breach("files", "no java_package", |set| options(set, "link.proto").java_package = None),
    breach("files", "one file for Java", |set| options(set, "link.proto").java_multiple_files = None),
    breach("files", "no class for Java", |set| options(set, "link.proto").java_outer_classname = None),
    breach("files", "the class of another file", |set| {
        options(set, "link.proto").java_outer_classname = Some("LeadProto".to_owned());
    }),
    breach("files", "a service among messages", |set| {
        let service = file(set, "feed_service.proto").service.clone();
        let moved = file(set, "link.proto");
        moved.service = service;
        comment_all(moved);
    }),
    breach("files", "two services in one file", |set| {
        let service = file(set, "feed_service.proto").service.clone();
        let moved = file(set, "reward_service.proto");
        moved.service.extend(service);
        comment_all(moved);
    }),
    breach("files", "a message in the file of a service", |set| {
        let moved = file(set, "feed_service.proto");
        moved.message_type.push(DescriptorProto { name: Some("Nothing".to_owned()), ..Default::default() });
        comment_all(moved);
    }),
    breach("files", "a file that is not named like its service", |set| {
        file(set, "feed_service.proto").service[0].name = Some("EventService".to_owned());
    }),
    breach("changes", "a change without a request_id", |set| rename(set, "RevokeLinkRequest.request_id", "call_id")),
    breach("changes", "a request_id that is not first", |set| swap_numbers(set, "RevokeLinkRequest", 0, 1)),
    breach("changes", "a change whose response does not say replayed", |set| {
        rename(set, "RevokeLinkResponse.replayed", "repeated_before");
    }),
    breach("changes", "replayed that is a text", |set| retype(set, "RevokeLinkResponse.replayed", Type::String)),
    breach("changes", "a record without an event_id", |set| rename(set, "RecordClickRequest.event_id", "request_id")),
    breach("changes", "a record whose response does not say replayed", |set| {
        rename(set, "RecordSaleResponse.replayed", "repeated_before");
    }),
    breach("changes", "a read that says replayed", |set| {
        rename(set, "VerifyLedgerResponse.ok", "replayed");
    }),
    breach("changes", "a verb that the rule does not know", |set| {
        method(set, "CheckApiKey").name = Some("PokeApiKey".to_owned());
    }),
    breach("updates", "no mask", |set| rename(set, "UpdateProgramRequest.update_mask", "fields")),
    breach("updates", "a mask that is a text", |set| {
        field(set, "UpdateProgramRequest.update_mask").type_name = Some(".headwater.v1.Terms".to_owned());
    }),
    breach("updates", "the values of something else", |set| {
        field(set, "UpdateProgramRequest.program").type_name = Some(".headwater.v1.Terms".to_owned());
    }),
    breach("streams", "a stream of requests", |set| method(set, "RecordSale").client_streaming = Some(true)),
    breach("streams", "a stream of another call", |set| method(set, "ReadEvents").server_streaming = Some(true)),
    breach("streams", "a Watch call without a stream", |set| method(set, "WatchEvents").server_streaming = Some(false)),
    breach("streams", "no cursor", |set| rename(set, "WatchEventsResponse.cursor", "place")),
    breach("shape", "proto2", |set| file(set, "link.proto").syntax = None),
    breach("shape", "an extension", |set| file(set, "link.proto").extension.push(FieldDescriptorProto::default())),
    breach("shape", "a message inside a message", |set| {
        message(set, "Link").nested_type.push(DescriptorProto::default());
    }),
    breach("shape", "an enum inside a message", |set| {
        message(set, "Link").enum_type.push(EnumDescriptorProto::default());
    }),
    breach("numbering", "a hole between fields", |set| field(set, "Link.revoke_time").number = Some(9)),
    breach("numbering", "a hole between values", |set| value(set, "ListOrder", 2).number = Some(3)),
    breach("comments", "a file without a comment", |set| location(set, "link.proto", &[12]).leading_comments = None),
    breach("comments", "a message without a comment", |set| {
        location(set, "link.proto", &[4, 0]).leading_comments = None;
    }),
    breach("comments", "a field without a comment", |set| {
        location(set, "link.proto", &[4, 0, 2, 0]).leading_comments = Some(" \n".to_owned());
    }),
    breach("comments", "a oneof without a comment", |set| {
        location(set, "selector.proto", &[4, 0, 8, 0]).leading_comments = None;
    }),
    breach("comments", "an enum without a comment", |set| location(set, "link.proto", &[5, 0]).leading_comments = None),
    breach("comments", "a value without a comment", |set| {
        location(set, "link.proto", &[5, 0, 2, 1]).leading_comments = None;
    }),
    breach("comments", "a service without a comment", |set| {
        location(set, "feed_service.proto", &[6, 0]).leading_comments = None;
    }),
    breach("comments", "a method without a comment", |set| {
        location(set, "feed_service.proto", &[6, 0, 2, 1]).leading_comments = None;
    }),
    breach("comments", "no source info", |set| file(set, "link.proto").source_code_info = None),
    breach("comments", "a tool", |set| say(set, "Try it with grpcurl.")),
    breach("comments", "a field as JSON spells it", |set| say(set, "Needs `occurTime`.")),
    breach("comments", "JSON", |set| say(set, r#"Such as {"code": "kim"}."#)),
    breach("comments", "a tool, beside the code", |set| {
        location(set, "link.proto", &[4, 0]).trailing_comments = Some("grpcurl".to_owned());
    }),
    breach("comments", "a tool, between the code", |set| {
        location(set, "link.proto", &[4, 0]).leading_detached_comments.push("grpcurl".to_owned());
    }),
];

fn file<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut FileDescriptorProto {
    let path = format!("headwater/v1/{name}");
    set.file.iter_mut().find(|file| file.name() == path).expect(name)
}

fn options<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut FileOptions {
    file(set, name).options.as_mut().unwrap()
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut DescriptorProto {
    let mut messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    messages.find(|message| message.name() == name).expect(name)
}

/// A field by the name of its message and its own.
fn field<'a>(set: &'a mut FileDescriptorSet, place: &str) -> &'a mut FieldDescriptorProto {
    let (of, name) = place.split_once('.').unwrap();
    message(set, of).field.iter_mut().find(|field| field.name() == name).expect(place)
}

fn rename(set: &mut FileDescriptorSet, place: &str, name: &str) {
    field(set, place).name = Some(name.to_owned());
}

fn retype(set: &mut FileDescriptorSet, place: &str, of: Type) {
    field(set, place).set_type(of);
}

fn repeat(set: &mut FileDescriptorSet, place: &str, label: Label) {
    field(set, place).set_label(label);
}

/// Swaps two fields, with their numbers and comments.
fn swap_numbers(set: &mut FileDescriptorSet, of: &str, one: usize, other: usize) {
    let fields = &mut message(set, of).field;
    let number = fields[one].number;
    fields[one].number = fields[other].number;
    fields[other].number = number;
    fields.swap(one, other);
}

fn value<'a>(set: &'a mut FileDescriptorSet, of: &str, at: usize) -> &'a mut EnumValueDescriptorProto {
    let mut enums = set.file.iter_mut().flat_map(|file| &mut file.enum_type);
    &mut enums.find(|an_enum| an_enum.name() == of).expect(of).value[at]
}

fn rename_value(set: &mut FileDescriptorSet, of: &str, at: usize, name: &str) {
    value(set, of, at).name = Some(name.to_owned());
}

fn method<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut MethodDescriptorProto {
    let services = set.file.iter_mut().flat_map(|file| &mut file.service);
    services.flat_map(|service| &mut service.method).find(|method| method.name() == name).expect(name)
}

fn location<'a>(set: &'a mut FileDescriptorSet, name: &str, path: &[i32]) -> &'a mut Location {
    let info = file(set, name).source_code_info.as_mut().unwrap();
    info.location.iter_mut().find(|location| location.path == path).expect(name)
}

/// Sets the comment of the message Link.
fn say(set: &mut FileDescriptorSet, text: &str) {
    location(set, "link.proto", &[4, 0]).leading_comments = Some(text.to_owned());
}

/// Gives everything in a file a comment.
fn comment_all(file: &mut FileDescriptorProto) {
    let comments = super::view::places(file).into_iter().map(|(path, _)| Location {
        path,
        leading_comments: Some("Something.".to_owned()),
        ..Location::default()
    });
    file.source_code_info.as_mut().unwrap().location = comments.collect();
}
