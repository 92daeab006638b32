//! Well-formed and malformed fields.

use super::*;
use crate::domain::event::EventKind;
use crate::domain::id::{AffiliateId, RewardId};
use crate::domain::link::LinkState;
use crate::domain::reward::RewardState;
use crate::pb;
use crate::rpc::call::wire_enum::WireEnum;

/// The violations of a parse, each as `field: description`.
pub(super) fn faults<T>(read: impl FnOnce(&mut Fields) -> T) -> Vec<String> {
    let mut fields = Fields::default();
    read(&mut fields);
    match fields.finish() {
        Ok(()) => Vec::new(),
        Err(Error::InvalidFields(violations)) => {
            violations.into_iter().map(|violation| format!("{}: {}", violation.field, violation.description)).collect()
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// The value of a parse without violations.
pub(super) fn read<T>(read: impl FnOnce(&mut Fields) -> T) -> T {
    let mut fields = Fields::default();
    let value = read(&mut fields);
    fields.finish().unwrap();
    value
}

#[test]
fn paths_name_every_message_on_the_way() {
    let faults = faults(|fields| {
        fields.within("terms", |fields| {
            fields.wrong("reach", "is wrong");
            fields.within("commission", |fields| fields.wrong("flat", "is wrong"));
        });
        fields.wrong("name", "is wrong");
    });
    assert_eq!(faults, ["terms.reach: is wrong", "terms.commission.flat: is wrong", "name: is wrong"]);
}

#[test]
fn texts_are_trimmed_and_counted_in_characters() {
    assert_eq!(read(|fields| fields.line("name", "  Zoë \t", 3)), "Zoë");
    assert_eq!(faults(|fields| fields.line("name", "Zoë!", 3)), ["name: has 4 characters; at most 3 are taken"]);
    // PostgreSQL accepts no NUL character, and a name has no line break.
    for wrong in ["a\0b", "a\nb", "a\u{7f}b"] {
        assert_eq!(faults(|fields| fields.line("name", wrong, 9)), ["name: must not contain control characters"]);
    }
    assert_eq!(read(|fields| fields.paragraph("reason", "one\n\ttwo\n")), "one\n\ttwo");
    assert_eq!(faults(|fields| fields.required_line("name", " ", 3)), ["name: is required"]);
}

#[test]
fn own_ids_are_taken_exactly() {
    assert_eq!(read(|fields| fields.key("external_id", " Ab ")).as_deref(), Some(" Ab "));
    assert_eq!(read(|fields| fields.key("external_id", "")), None);
    assert_eq!(faults(|fields| fields.key("external_id", "  ")), ["external_id: must not be blank"]);
    assert_eq!(faults(|fields| fields.required_key("event_id", "")), ["event_id: is required"]);
    let long = "x".repeat(129);
    assert_eq!(
        faults(|fields| fields.key("external_id", &long)),
        ["external_id: has 129 characters; at most 128 are taken"]
    );
}

#[test]
fn ids_say_what_they_look_like() {
    let id = |text: &'static str| faults(|fields| fields.id::<AffiliateId>("affiliate_id", text));
    assert_eq!(id("aff_0193a5f0000070008000000000000001"), Vec::<String>::new());
    assert_eq!(
        id("led_0193a5f0000070008000000000000001"),
        ["affiliate_id: must be an id like aff_ and 32 hexadecimal digits"]
    );
    assert_eq!(id(""), ["affiliate_id: is required"]);
}

#[test]
fn a_list_names_each_id_once() {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (one, two) = ("rwd_0193a5f0000070008000000000000001", "rwd_0193a5f0000070008000000000000002");
    let ids = read(|fields| fields.ids::<RewardId>("ids", &texts(&[two, one])));
    assert_eq!(ids.iter().map(ToString::to_string).collect::<Vec<_>>(), [two, one], "in the order asked");
    let wrong = faults(|fields| fields.ids::<RewardId>("ids", &texts(&[one, "x", one, one])));
    assert_eq!(
        wrong,
        [
            "ids[1]: must be an id like rwd_ and 32 hexadecimal digits",
            "ids[2]: is the same as ids[0]; send each id once",
            "ids[3]: is the same as ids[0]; send each id once",
        ]
    );
    assert_eq!(faults(|fields| fields.ids::<RewardId>("ids", &[])), ["ids: has 0 ids; send 1 to 1000"]);
}

#[test]
fn an_email_is_lower_case_with_one_at_sign() {
    assert_eq!(read(|fields| fields.email("email", " Jo@Example.COM ")).as_deref(), Some("jo@example.com"));
    for wrong in ["jo", "@example.com", "jo@", "a@b@c", "j o@example.com", "jo@exam\0ple.com"] {
        assert_eq!(
            faults(|fields| fields.email("email", wrong)),
            ["email: must be an email address such as jo@example.com"],
            "{wrong}"
        );
    }
    assert_eq!(faults(|fields| fields.email("email", "")), ["email: is required"]);
    let long = format!("{}@example.com", "x".repeat(243));
    assert_eq!(faults(|fields| fields.email("email", &long)), ["email: has 255 bytes; at most 254 are taken"]);
}

#[test]
fn a_new_code_has_only_what_can_be_typed_and_linked() {
    assert_eq!(read(|fields| fields.new_code("code", " Jo-1_x ")).as_deref(), Some("Jo-1_x"));
    assert_eq!(read(|fields| fields.new_code("code", "")), None);
    for wrong in ["a", "a b", "ä-code", "50%", &"x".repeat(65)] {
        assert_eq!(
            faults(|fields| fields.new_code("code", wrong)),
            ["code: must be 2 to 64 letters, digits, `-` or `_`"]
        );
    }
}

#[test]
fn a_url_is_http_and_without_a_user() {
    assert_eq!(read(|fields| fields.url("url", "https://shop.example")), "https://shop.example/");
    assert_eq!(read(|fields| fields.url("url", "HTTP://SHOP.example/a b")), "http://shop.example/a%20b");
    for wrong in [
        "shop.example",
        "//shop.example",
        "ftp://shop.example",
        "javascript:alert(1)",
        "https://jo@shop.example",
        "https://jo:pw@shop.example",
        "https://",
    ] {
        assert_eq!(faults(|fields| fields.url("url", wrong)).len(), 1, "{wrong}");
    }
    let long = format!("https://shop.example/{}", "x".repeat(2_048));
    assert_eq!(faults(|fields| fields.url("url", &long)), ["url: has 2069 bytes; at most 2048 are taken"]);
    // Escaping can make a URL longer than the text that was sent.
    let escaped = format!("https://shop.example/{}", " ä".repeat(400));
    assert_eq!(faults(|fields| fields.url("url", &escaped)).len(), 1);
}

#[test]
fn amounts_are_in_range_and_in_a_known_currency() {
    let money = |amount_minor, code: &str| pb::Money { amount_minor, currency_code: code.to_owned() };
    let amount = |value| faults(|fields| fields.money("amount", Some(&value)));
    assert_eq!(amount(money(0, "JPY")), Vec::<String>::new());
    assert_eq!(amount(money(-1, "USD")), ["amount.amount_minor: must be zero or more"]);
    assert_eq!(amount(money(1_000_000_000_000_001, "USD")), ["amount.amount_minor: must be at most 1000000000000000"]);
    assert_eq!(amount(money(1, "")), ["amount.currency_code: is required"]);
    assert_eq!(amount(money(-1, "usd")).len(), 2, "both are told");
    assert_eq!(faults(|fields| fields.money("amount", None)), ["amount: is required"]);
    let zero = read(|fields| fields.optional_money("mrr", Some(&money(0, "USD"))));
    assert_eq!(zero.unwrap().amount_minor, 0);
}

#[test]
fn values_of_closed_sets_are_named() {
    let value = |number| faults(|fields| fields.value_of("state", number, LinkState::VALUES));
    assert_eq!(value(2), Vec::<String>::new());
    assert_eq!(value(3), ["state: must be one of LINK_STATE_ACTIVE, LINK_STATE_REVOKED"]);
    assert_eq!(value(0), ["state: is required and must be one of LINK_STATE_ACTIVE, LINK_STATE_REVOKED"]);
    assert_eq!(read(|fields| fields.optional_value::<RewardState>("state", 0)), None);
    let kind = |number| faults(|fields| fields.value_of("kind", number, EventKind::VALUES));
    assert_eq!(kind(999), ["kind: must be a value of EventKind, such as EVENT_KIND_LEAD_RECORDED"]);
    assert_eq!(kind(0), ["kind: is required and must be a value of EventKind, such as EVENT_KIND_LEAD_RECORDED"]);
}

#[test]
fn a_mask_names_known_fields() {
    let mask = |paths: &[&str]| prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
    let known = ["display_name", "email"];
    assert_eq!(read(|fields| fields.update_mask(Some(&mask(&["email"])), &known).len()), 1);
    for (sent, fault) in [
        (None, "update_mask: is required: name the fields to change, of display_name, email"),
        (Some(mask(&["*"])), "update_mask: names `*`; it may name display_name, email"),
        (Some(mask(&["email", "displayName"])), "update_mask: names `displayName`; it may name display_name, email"),
    ] {
        assert_eq!(faults(|fields| fields.update_mask(sent.as_ref(), &known)), [fault]);
    }
    // A description shortens the caller's text, because it goes into headers.
    let long = mask(&[&"x".repeat(100_000)]);
    assert!(faults(|fields| fields.update_mask(Some(&long), &known))[0].len() < 200);
}
