//! Commission rules on the wire.

use std::collections::BTreeSet;

use prost::Message;

use super::condition;
use super::terms::{self, commission};
use crate::domain::money::Money;
use crate::domain::pricing::{CommissionEvent, CommissionRule};
use crate::domain::program::{Commission, TermsDraft};
use crate::domain::tally::{Cap, CapScope};
use crate::pb;
use crate::rpc::call::canonical;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::{money, timestamp};
use crate::rpc::call::wire_enum::WireEnum;

const RULES_MAX: usize = 100;
const NAME_LENGTH_MAX: usize = 100;
const SCOPE_LENGTH_MAX: usize = 100;
/// Rules are in every answer and every event of their program.
const BYTES_MAX: usize = 65_536;
/// A sale has at most a million units, so an amount per unit that is not larger can always be multiplied.
const PER_UNIT_MINOR_MAX: i64 = 1_000_000_000;
const SALES_MAX: i32 = 1_000_000;
const MONTHS_MAX: i32 = 600;

/// Reads the rules of terms that declare these kinds of custom events.
pub(super) fn read(fields: &mut Fields, sent: &[pb::CommissionRule], declared: &[String]) -> Vec<CommissionRule> {
    if sent.len() > RULES_MAX {
        fields.wrong("rules", format!("has {} rules; at most {RULES_MAX} are taken", sent.len()));
        return Vec::new();
    }
    let bytes: usize = sent.iter().map(Message::encoded_len).sum();
    if bytes > BYTES_MAX {
        fields.wrong("rules", format!("has {bytes} bytes; at most {BYTES_MAX} are taken"));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for (place, sent) in sent.iter().enumerate() {
        let rule = fields.within(&format!("rules[{place}]"), |fields| read_one(fields, sent, declared));
        if let Some(rule) = &rule
            && !rule.name.is_empty()
            && !names.insert(rule.name.clone())
        {
            fields.wrong(
                &format!("rules[{place}].name"),
                "is the name of another rule; give each rule a name of its own",
            );
        }
        rules.extend(rule);
    }
    rules
}

fn read_one(fields: &mut Fields, sent: &pb::CommissionRule, declared: &[String]) -> Option<CommissionRule> {
    let name = fields.required_line("name", &sent.name, NAME_LENGTH_MAX);
    let event = fields.optional_value("event_kind", sent.event_kind).unwrap_or(CommissionEvent::Sale);
    let commission = fields.required("commission", sent.commission.as_ref());
    let commission = commission.and_then(|sent| terms::optional_commission(fields, "commission", Some(sent)));
    let starts_at = fields.time("start_time", sent.start_time.as_ref());
    let ends_at = fields.time("end_time", sent.end_time.as_ref());
    if starts_at.zip(ends_at).is_some_and(|(start, end)| end <= start) {
        fields.wrong("end_time", "must be later than start_time: it is the first moment after the rule");
    }
    only_for(fields, "custom_kinds", &sent.custom_kinds, CommissionEvent::CustomEvent, event);
    only_for(fields, "item_skus", &sent.item_skus, CommissionEvent::Sale, event);
    only_for(fields, "plans", &sent.plans, CommissionEvent::Sale, event);
    if event == CommissionEvent::Click && !sent.coupon_codes.is_empty() {
        let event = event.wire_name();
        fields.wrong(
            "coupon_codes",
            format!("is not for rules with event_kind {event}, which no coupon comes with; leave it out"),
        );
    }
    let custom_kinds = scope(fields, "custom_kinds", &sent.custom_kinds, |fields, field, kind| {
        let kind = kind.trim().to_ascii_lowercase();
        if !declared.contains(&kind) {
            fields.wrong(field, "must be one of the terms' custom_kinds");
        }
        Some(kind)
    });
    let coupon_codes = scope(fields, "coupon_codes", &sent.coupon_codes, |fields, field, code| {
        if code.trim().is_empty() {
            fields.wrong(field, "is required");
        }
        fields.new_coupon_code(field, code)
    });
    let item_skus =
        scope(fields, "item_skus", &sent.item_skus, |fields, field, sku| Some(fields.required_key(field, sku)));
    let plans = scope(fields, "plans", &sent.plans, |fields, field, plan| Some(condition::plan(fields, field, plan)));
    let condition = sent.condition.as_ref().map(|sent| condition::read(fields, sent, event));
    let max_customer_sales = limit(fields, "max_customer_sales", sent.max_customer_sales, SALES_MAX, event);
    let max_customer_months = limit(fields, "max_customer_months", sent.max_customer_months, MONTHS_MAX, event);
    let first_sale_bonus = bonus(fields, sent.first_sale_bonus.as_ref(), event);
    let commission = commission?;
    check_commission(fields, commission, event, sent.is_per_unit);
    Some(CommissionRule {
        name: name.into(),
        event_kind: event,
        custom_kinds,
        coupon_codes,
        item_skus,
        plans,
        condition: condition.flatten(),
        starts_at,
        ends_at,
        commission,
        is_per_unit: sent.is_per_unit,
        max_customer_sales,
        max_customer_months,
        first_sale_bonus,
    })
}

/// The values of a scope, in order and without repeats.
fn scope(
    fields: &mut Fields,
    name: &str,
    sent: &[String],
    mut read: impl FnMut(&mut Fields, &str, &str) -> Option<String>,
) -> Vec<String> {
    if sent.len() > SCOPE_LENGTH_MAX {
        fields.wrong(name, format!("has {} values; at most {SCOPE_LENGTH_MAX} are taken", sent.len()));
        return Vec::new();
    }
    let values = sent.iter().enumerate();
    let values: BTreeSet<String> =
        values.filter_map(|(place, text)| read(fields, &format!("{name}[{place}]"), text)).collect();
    values.into_iter().collect()
}

fn only_for(fields: &mut Fields, name: &str, sent: &[String], only: CommissionEvent, event: CommissionEvent) {
    if !sent.is_empty() && event != only {
        fields.wrong(name, format!("is only for rules with event_kind {}; leave it out", only.wire_name()));
    }
}

/// A limit of the customer's sales. 0 is no limit.
fn limit(fields: &mut Fields, name: &str, sent: i32, most: i32, event: CommissionEvent) -> Option<i32> {
    let number = fields.number(name, sent, 0..=most);
    if number != 0 && event != CommissionEvent::Sale {
        fields.wrong(
            name,
            format!("is only for rules with event_kind {}; leave it out", CommissionEvent::Sale.wire_name()),
        );
    }
    (number != 0).then_some(number)
}

fn bonus(fields: &mut Fields, sent: Option<&pb::Money>, event: CommissionEvent) -> Option<Money> {
    let bonus = fields.optional_money("first_sale_bonus", sent)?;
    if event != CommissionEvent::Sale {
        let only = CommissionEvent::Sale.wire_name();
        fields.wrong("first_sale_bonus", format!("is only for rules with event_kind {only}; leave it out"));
    } else if bonus.amount_minor == 0 {
        fields
            .wrong("first_sale_bonus.amount_minor", "must be more than zero; leave first_sale_bonus out for no bonus");
    }
    Some(bonus)
}

fn check_commission(fields: &mut Fields, commission: Commission, event: CommissionEvent, is_per_unit: bool) {
    if matches!(commission, Commission::PercentPpm(_)) && !event.may_have_amount() {
        let event = event.wire_name();
        fields.wrong("commission.percent_ppm", format!("{event} has no amount to take a part of; set flat instead"));
    }
    if !is_per_unit {
        return;
    }
    if event != CommissionEvent::Sale {
        let only = CommissionEvent::Sale.wire_name();
        fields.wrong("is_per_unit", format!("is only for rules with event_kind {only}, which have a quantity"));
    }
    match commission {
        Commission::PercentPpm(_) => {
            fields.wrong("is_per_unit", "is only for a flat commission: the amount of a sale is that of all its units");
        }
        Commission::Flat(flat) if flat.amount_minor > PER_UNIT_MINOR_MAX => {
            let text = format!("must be at most {PER_UNIT_MINOR_MAX} for a commission per unit");
            fields.wrong("commission.flat.amount_minor", text);
        }
        Commission::Flat(_) => {}
    }
}

/// Warns of terms that pay for clicks without a limit: anybody can click.
pub(super) fn warn(fields: &mut Fields, rules: &TermsDraft) {
    let pays = |rule: &CommissionRule| {
        rule.is_for_clicks() && matches!(rule.commission, Commission::Flat(flat) if flat.amount_minor > 0)
    };
    let is_limit = |cap: &Cap| matches!(cap.scope, CapScope::Affiliate | CapScope::Program);
    if let Some(rule) = rules.commission_rules.iter().find(|rule| pays(rule))
        && !rules.caps.iter().any(is_limit)
    {
        let explanation = format!(
            "rule {:?} pays for clicks, which anybody can make, and nothing limits what they earn; add a cap with scope {} or {}",
            rule.name,
            CapScope::Affiliate.wire_name(),
            CapScope::Program.wire_name(),
        );
        fields.warn("caps", explanation);
    }
}

/// Rules in the form that all rules of the same meaning have: the one in which they are returned. Rules that are refused stay as they are.
pub(super) fn canonical(sent: &[pb::CommissionRule], kinds: &[String]) -> Option<Vec<pb::CommissionRule>> {
    let kinds = canonical::codes(kinds).unwrap_or_else(|| kinds.to_vec());
    let mut fields = Fields::default();
    let rules = read(&mut fields, sent, &kinds);
    fields.finish().ok()?;
    let rules: Vec<pb::CommissionRule> = rules.iter().map(render).collect();
    (rules != sent).then_some(rules)
}

/// A rule as a message.
pub(super) fn render(rule: &CommissionRule) -> pb::CommissionRule {
    pb::CommissionRule {
        name: rule.name.to_string(),
        event_kind: rule.event_kind.number(),
        custom_kinds: rule.custom_kinds.clone(),
        coupon_codes: rule.coupon_codes.clone(),
        item_skus: rule.item_skus.clone(),
        plans: rule.plans.clone(),
        condition: rule.condition.as_ref().map(condition::render),
        start_time: rule.starts_at.map(timestamp),
        end_time: rule.ends_at.map(timestamp),
        commission: Some(commission(rule.commission)),
        is_per_unit: rule.is_per_unit,
        max_customer_sales: rule.max_customer_sales.unwrap_or_default(),
        max_customer_months: rule.max_customer_months.unwrap_or_default(),
        first_sale_bonus: rule.first_sale_bonus.map(money),
    }
}

#[cfg(test)]
mod tests;
