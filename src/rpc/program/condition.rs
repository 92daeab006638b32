//! Conditions of commission rules on the wire.

use crate::domain::conversion::SaleChannel;
use crate::domain::id::AffiliateGroupId;
use crate::domain::money::AMOUNT_MINOR_MAX;
use crate::domain::pricing::{CommissionEvent, Compare, Comparison, Condition, ConditionField, ValueType, moment};
use crate::domain::time::Time;
use crate::pb;
use crate::rpc::call::canonical;
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX};
use crate::rpc::call::wire_enum::WireEnum;

const DEPTH_MAX: usize = 3;
const COMPARISONS_MAX: usize = 50;

/// Reads the condition of a rule for events of this kind.
pub(super) fn read(fields: &mut Fields, sent: &pb::Condition, event: CommissionEvent) -> Option<Condition> {
    let count = comparisons(sent, 0);
    if count > COMPARISONS_MAX {
        fields.wrong("condition", format!("has {count} comparisons; at most {COMPARISONS_MAX} are taken"));
        return None;
    }
    read_at(fields, "condition", sent, event, 0)
}

/// The number of comparisons, without those that are nested too deeply.
fn comparisons(sent: &pb::Condition, depth: usize) -> usize {
    if sent.all_of.is_empty() && sent.any_of.is_empty() || depth > DEPTH_MAX {
        return 1;
    }
    sent.all_of.iter().chain(&sent.any_of).map(|inside| comparisons(inside, depth + 1)).sum()
}

fn read_at(
    fields: &mut Fields,
    path: &str,
    sent: &pb::Condition,
    event: CommissionEvent,
    depth: usize,
) -> Option<Condition> {
    let is_comparison = sent.field != 0 || sent.comparison != 0 || !sent.values.is_empty() || !sent.key.is_empty();
    match (sent.all_of.is_empty(), sent.any_of.is_empty(), is_comparison) {
        (true, true, true) => fields.within(path, |fields| compare(fields, sent, event)).map(Condition::Compare),
        (false, true, false) => list(fields, path, "all_of", &sent.all_of, event, depth).map(Condition::AllOf),
        (true, false, false) => list(fields, path, "any_of", &sent.any_of, event, depth).map(Condition::AnyOf),
        _ => {
            fields.wrong(path, "must have exactly one of all_of, any_of and field");
            None
        }
    }
}

fn list(
    fields: &mut Fields,
    path: &str,
    name: &str,
    sent: &[pb::Condition],
    event: CommissionEvent,
    depth: usize,
) -> Option<Vec<Condition>> {
    if depth >= DEPTH_MAX {
        fields.wrong(path, format!("is a list inside {DEPTH_MAX} others; at most {DEPTH_MAX} lists may be nested"));
        return None;
    }
    fields.within(path, |fields| {
        let places = sent.iter().enumerate();
        let read: Vec<_> =
            places.map(|(place, one)| read_at(fields, &format!("{name}[{place}]"), one, event, depth + 1)).collect();
        read.into_iter().collect()
    })
}

fn compare(fields: &mut Fields, sent: &pb::Condition, event: CommissionEvent) -> Option<Compare> {
    let field = fields.value_of("field", sent.field, ConditionField::VALUES);
    let comparison = fields.value_of("comparison", sent.comparison, Comparison::VALUES);
    let (field, comparison) = field.zip(comparison)?;
    if !field.is_fact_of(event) {
        let (field, event) = (field.wire_name(), event.wire_name());
        fields.wrong("field", format!("{field} is no fact of events with event_kind {event}; compare another field"));
    }
    let value_type = field.value_type();
    if !comparison.fits(value_type) {
        let fitting: Vec<_> = Comparison::VALUES.iter().filter(|one| one.fits(value_type)).collect();
        let names: Vec<_> = fitting.into_iter().map(|one| one.wire_name()).collect();
        fields.wrong("comparison", format!("must be one of {} for {}", names.join(", "), field.wire_name()));
        return None;
    }
    let (least, most) = comparison.value_count();
    if !(least..=most).contains(&sent.values.len()) {
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let (has, comparison) = (sent.values.len(), comparison.wire_name());
        fields.wrong("values", format!("has {has} values; {comparison} takes {wanted}"));
        return None;
    }
    let key = key(fields, sent, field);
    let mut compare = Compare { field, comparison, key, numbers: Vec::new(), texts: Vec::new() };
    for (place, sent) in sent.values.iter().enumerate() {
        let path = format!("values[{place}]");
        match compare.compares() {
            ValueType::Number => compare.numbers.extend(number(fields, &path, sent, comparison)),
            ValueType::Time => compare.numbers.extend(time(fields, &path, sent)),
            ValueType::OneOfSet => compare.texts.extend(channel(fields, &path, sent)),
            ValueType::Code => compare.texts.extend(code(fields, &path, sent, field)),
            ValueType::Text | ValueType::Any => compare.texts.push(text(fields, &path, sent, field)),
        }
    }
    if let (Comparison::Between, [first, last]) = (comparison, compare.numbers.as_slice())
        && last < first
    {
        fields.wrong("values[1]", "must not be less than values[0]");
    }
    Some(compare)
}

/// The key of the merchant's own text. Other fields have none.
fn key(fields: &mut Fields, sent: &pb::Condition, field: ConditionField) -> String {
    if field.has_key() {
        return fields.metadata_key("key", &sent.key);
    }
    if !sent.key.is_empty() {
        fields.wrong("key", format!("is only for texts by key, which {} is not; leave it out", field.wire_name()));
    }
    String::new()
}

/// A time in microseconds.
fn time(fields: &mut Fields, path: &str, sent: &str) -> Option<i64> {
    let time = moment::read(sent);
    if time.is_none() {
        fields.wrong(path, "must be a time since 1970 in RFC 3339, such as 2026-11-28T00:00:00Z");
    }
    time.map(Time::micros)
}

/// A country, or the id of a group.
fn code(fields: &mut Fields, path: &str, sent: &str, field: ConditionField) -> Option<String> {
    if field == ConditionField::AffiliateGroup {
        return fields.id::<AffiliateGroupId>(path, sent).map(|id| id.to_string());
    }
    if sent.trim().is_empty() {
        fields.wrong(path, "is required");
    }
    fields.country(path, sent)
}

/// A whole number. A multiple of zero would be none.
fn number(fields: &mut Fields, path: &str, sent: &str, comparison: Comparison) -> Option<i64> {
    let least = i64::from(comparison == Comparison::MultipleOf);
    let number = sent.trim().parse::<i64>().ok().filter(|number| (least..=AMOUNT_MINOR_MAX).contains(number));
    if number.is_none() {
        fields.wrong(path, format!("must be a whole number of {least} to {AMOUNT_MINOR_MAX}, without a unit"));
    }
    number
}

/// A text in the form that facts of the field have.
fn text(fields: &mut Fields, path: &str, sent: &str, field: ConditionField) -> String {
    match field {
        ConditionField::CouponCode => {
            let code = fields.wanted_coupon_code(path, sent);
            fields.required(path, code).unwrap_or_default()
        }
        ConditionField::CustomKind => fields.required_line(path, sent, KEY_LENGTH_MAX).to_ascii_lowercase(),
        ConditionField::Plan => plan(fields, path, sent),
        _ => fields.required_key(path, sent),
    }
}

/// A plan in the form that sales have it.
pub(super) fn plan(fields: &mut Fields, path: &str, sent: &str) -> String {
    let line = fields.required_line(path, sent, KEY_LENGTH_MAX);
    canonical::description(&line).unwrap_or(line)
}

fn channel(fields: &mut Fields, path: &str, sent: &str) -> Option<String> {
    let channel = SaleChannel::VALUES.iter().find(|channel| channel.wire_name() == sent.trim());
    if channel.is_none() {
        let names: Vec<_> = SaleChannel::VALUES.iter().map(|channel| channel.wire_name()).collect();
        fields.wrong(path, format!("must be one of {}", names.join(", ")));
    }
    channel.map(|channel| channel.as_str().to_owned())
}

/// A condition as a message.
pub(super) fn render(condition: &Condition) -> pb::Condition {
    let all = |conditions: &[Condition]| conditions.iter().map(render).collect();
    match condition {
        Condition::AllOf(conditions) => pb::Condition { all_of: all(conditions), ..pb::Condition::default() },
        Condition::AnyOf(conditions) => pb::Condition { any_of: all(conditions), ..pb::Condition::default() },
        Condition::Compare(compare) => pb::Condition {
            field: compare.field.number(),
            comparison: compare.comparison.number(),
            key: compare.key.clone(),
            values: values(compare),
            ..pb::Condition::default()
        },
    }
}

/// The values that a fact is compared with.
pub(in crate::rpc) fn values(compare: &Compare) -> Vec<String> {
    let text = |text: &String| match text.parse::<SaleChannel>() {
        Ok(channel) if compare.field == ConditionField::Channel => channel.wire_name().to_owned(),
        _ => text.clone(),
    };
    let number = |number: &i64| match compare.compares() {
        ValueType::Time => moment::written(Time::from_micros(*number)),
        _ => number.to_string(),
    };
    compare.numbers.iter().map(number).chain(compare.texts.iter().map(text)).collect()
}
