//! Requests made by their descriptors. Most fields get a value that the server accepts, so that calls succeed and the account
//! reaches many states; some get a hostile one, and some lists are long.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use crate::draw::Draw;
use crate::value::{Pool, changeable, enum_number, hostile_number, hostile_text, usual_number, usual_text};

/// More items than any list of the API may have.
const LIST_LENGTH_MAX: usize = 1_001;

/// Makes requests.
pub(crate) struct Maker<'a> {
    pub(crate) pool: &'a Pool,
    /// The time that the server's clock shows, in seconds.
    pub(crate) now_seconds: i64,
    /// How many of 256 values are hostile.
    pub(crate) hostility: u8,
}

impl Maker<'_> {
    /// A message of this type.
    pub(crate) fn message(&self, draw: &mut Draw<'_>, descriptor: &MessageDescriptor) -> DynamicMessage {
        match descriptor.full_name() {
            // A long wait would only hold the target up.
            "google.protobuf.Duration" if !draw.happens(self.hostility) => {
                return DynamicMessage::new(descriptor.clone());
            }
            "headwater.v1.Condition" => return condition(draw, descriptor, 0),
            "headwater.v1.FraudRule" if !draw.happens(self.hostility) => return fraud_rule(draw, descriptor),
            _ => {}
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        let oneofs: Vec<FieldDescriptor> = descriptor
            .oneofs()
            .filter(|oneof| !oneof.is_synthetic())
            .map(|oneof| draw.of(&oneof.fields().collect::<Vec<_>>()).clone())
            .collect();
        for field in descriptor.fields() {
            let is_chosen = match field.containing_oneof() {
                Some(oneof) if !oneof.is_synthetic() => oneofs.contains(&field) && !draw.happens(self.hostility / 4),
                _ if is_rare(&field) => draw.happens(32),
                _ => draw.happens(240 - self.hostility / 2),
            };
            if is_chosen {
                let value = self.field(draw, &field);
                message.set_field(&field, value);
            }
        }
        message
    }

    /// A time around now, or one from the edges.
    fn time(&self, draw: &mut Draw<'_>, field: &FieldDescriptor, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let is_hostile = draw.happens(self.hostility);
        let (seconds, nanos) = if is_hostile {
            (hostile_number(draw), i32::try_from(hostile_number(draw)).unwrap_or(999_999_999))
        } else if matches!(field.name(), "expire_time" | "end_time") {
            (self.now_seconds + 86_400 * *draw.of(&[1, 90]), 0)
        } else {
            let days_ago = draw.of(&[0, 0, 0, 1, 5, 31, 61, 400]);
            (self.now_seconds - 86_400 * days_ago + draw.of(&[0, 0, 0, 0, 0, 1, 599, 601]), 0)
        };
        message.set_field_by_name("seconds", Value::I64(seconds));
        message.set_field_by_name("nanos", Value::I32(nanos));
        message
    }

    fn field(&self, draw: &mut Draw<'_>, field: &FieldDescriptor) -> Value {
        if field.is_map() && !draw.happens(self.hostility) {
            return Value::Map(HashMap::new());
        }
        if field.is_map() {
            let entry =
                |draw: &mut Draw<'_>| (MapKey::String(hostile_text(draw, self.pool)), Value::String(draw.text(16)));
            return Value::Map((0..draw.below(4)).map(|_| entry(draw)).collect());
        }
        if !field.is_list() {
            return self.single(draw, field);
        }
        if draw.happens(self.hostility / 16) {
            // One value many times, because a thousand choices would use up the input.
            let value = self.single(draw, field);
            return Value::List(vec![value; draw.below(LIST_LENGTH_MAX + 1)]);
        }
        if field.name() == "precedence" && !draw.happens(self.hostility) {
            // All of them, in any order.
            let first = 1 + i32::from(draw.byte() % 3);
            return Value::List((0..3).map(|turn| Value::EnumNumber((first + turn - 1) % 3 + 1)).collect());
        }
        Value::List((0..draw.below(4)).map(|_| self.single(draw, field)).collect())
    }

    fn single(&self, draw: &mut Draw<'_>, field: &FieldDescriptor) -> Value {
        let is_hostile = draw.happens(self.hostility);
        match field.kind() {
            Kind::Message(inside) => Value::Message(match inside.full_name() {
                "google.protobuf.Timestamp" => self.time(draw, field, &inside),
                "google.protobuf.FieldMask" if !is_hostile => mask(draw, field, &inside),
                _ => self.message(draw, &inside),
            }),
            Kind::String if is_hostile => Value::String(hostile_text(draw, self.pool)),
            Kind::String => Value::String(usual_text(draw, field, self.pool)),
            Kind::Bytes => Value::Bytes(draw.bytes(64).to_vec().into()),
            Kind::Bool => Value::Bool(draw.happens(192)),
            Kind::Int32 if is_hostile => Value::I32(i32::try_from(hostile_number(draw)).unwrap_or(i32::MIN)),
            Kind::Int32 => Value::I32(i32::try_from(usual_number(draw, field)).unwrap_or(i32::MAX)),
            Kind::Int64 if is_hostile => Value::I64(hostile_number(draw)),
            Kind::Int64 => Value::I64(usual_number(draw, field)),
            Kind::Enum(_) => Value::EnumNumber(enum_number(draw, field, is_hostile)),
            other => panic!("{}: no values of {other:?}", field.full_name()),
        }
    }
}

/// Whether the field is left out of most messages, because with it many other calls are refused.
fn is_rare(field: &FieldDescriptor) -> bool {
    match field.name() {
        "upline"
        | "agreement"
        | "questions"
        | "is_private"
        | "invitation_code"
        | "welcome_mail"
        | "channel"
        | "rules"
        | "caps"
        | "ladder"
        | "threshold_bonuses"
        | "customer_reward"
        | "enrollment_bonus"
        | "fraud_rules"
        | "terms_start_time"
        | "terms_end_time"
        | "withdraw_terms_version"
        | "validate_only" => true,
        "temporary_password" | "invitations" | "max_uses" | "max_uses_per_customer" | "max_uses_per_coupon" => true,
        "password" => field.parent_message().name() != "CheckAffiliatePasswordRequest",
        name if field.parent_message().name() == "CommissionRule" => !matches!(name, "name" | "commission"),
        "acceptance" => field.parent_message().name() != "AcceptAgreementRequest",
        _ => false,
    }
}

/// A condition of a commission rule. Conditions are nested, so they are not made as other messages are: lists in lists would grow too large.
fn condition(draw: &mut Draw<'_>, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    if depth < 4 && draw.happens(96) {
        let name = *draw.of(&["all_of", "any_of"]);
        let inside = (0..draw.below(4)).map(|_| Value::Message(condition(draw, descriptor, depth + 1))).collect();
        message.set_field_by_name(name, Value::List(inside));
        return message;
    }
    let (field, comparison, values): (i32, i32, &[&str]) = *draw.of(&[
        (1, 5, &["100"][..]),
        (2, 7, &["1", "2"]),
        (4, 8, &["text 1", "text 2"]),
        (5, 1, &["SALE_CHANNEL_ONLINE"]),
        (6, 11, &["code"]),
        (8, 12, &[]),
        (1, 10, &["text"]),
        (9, 15, &["-1"]),
    ]);
    message.set_field_by_name("field", Value::EnumNumber(field));
    message.set_field_by_name("comparison", Value::EnumNumber(comparison));
    let values = values.iter().map(|value| Value::String((*value).to_owned())).collect();
    message.set_field_by_name("values", Value::List(values));
    message
}

/// A fraud rule with the fields of its kind. With those of another kind it is refused.
fn fraud_rule(draw: &mut Draw<'_>, descriptor: &MessageDescriptor) -> DynamicMessage {
    let (kind, fields): (&str, &[(&str, Value)]) = match draw.below(5) {
        0 => ("SELF_REFERRAL", &[]),
        1 => ("QUICK_SALE", &[("minimum_seconds", Value::I32(600))]),
        2 => ("VELOCITY", &[("maximum_sales", Value::I32(2)), ("period_minutes", Value::I32(60))]),
        3 => ("DISPOSABLE_MAIL", &[]),
        _ => ("DUPLICATE_ORDER", &[]),
    };
    let mode = *draw.of(&["ON", "SHADOW", "OFF"]);
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in [("kind", format!("FRAUD_RULE_KIND_{kind}")), ("mode", format!("FRAUD_RULE_MODE_{mode}"))] {
        let kind = descriptor.get_field_by_name(name).map(|field| field.kind());
        let number =
            kind.as_ref().and_then(Kind::as_enum).and_then(|values| Some(values.get_value_by_name(&value)?.number()));
        message.set_field_by_name(name, Value::EnumNumber(number.unwrap_or_default()));
    }
    for (name, value) in fields {
        message.set_field_by_name(name, value.clone());
    }
    message
}

/// The mask of an update, with some of the fields that it may change.
fn mask(draw: &mut Draw<'_>, field: &FieldDescriptor, descriptor: &MessageDescriptor) -> DynamicMessage {
    // The resource is the field with this number in the request of every update.
    let names = match field.parent_message().get_field(2).map(|resource| resource.kind()) {
        Some(Kind::Message(resource)) => changeable(&resource),
        _ => Vec::new(),
    };
    let chosen = names.into_iter().filter(|_| draw.happens(100)).map(Value::String).collect();
    let mut message = DynamicMessage::new(descriptor.clone());
    message.set_field_by_name("paths", Value::List(chosen));
    message
}

/// Calls a function with every text field that is set, at any depth, and its name.
pub(crate) fn each_text(message: &DynamicMessage, found: &mut impl FnMut(&str, &str)) {
    for (field, value) in message.fields() {
        each_text_of(field.name(), value, found);
    }
}

fn each_text_of(name: &str, value: &Value, found: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => found(name, text),
        Value::Message(message) => each_text(message, found),
        Value::List(values) => values.iter().for_each(|value| each_text_of(name, value, found)),
        _ => {}
    }
}
