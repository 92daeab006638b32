//! Fraud rules of a program, and what they have found, on the wire.

use std::collections::BTreeSet;

use crate::domain::fraud::{FraudFlag, FraudRule, FraudRuleKind, FraudRuleMode, Suspicion, VELOCITY_SALES_MAX};
use crate::pb;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::wire_enum::WireEnum;

/// The most seconds between click and event that a rule may ask for.
const SECONDS_MAX: i32 = 86_400;

/// The longest period of a rule of velocity.
const MINUTES_MAX: i32 = 1_440;

/// The most countries of a rule.
const COUNTRIES_MAX: usize = 250;

/// Reads fraud rules.
pub(in crate::rpc) fn read(fields: &mut Fields, sent: &[pb::FraudRule]) -> Vec<FraudRule> {
    let most = FraudRuleKind::ALL.len();
    if sent.len() > most {
        fields.wrong("fraud_rules", format!("has {} rules; each of the {most} kinds is taken once", sent.len()));
    }
    let mut kinds = BTreeSet::new();
    let mut rules = Vec::new();
    for (index, sent) in sent.iter().take(most).enumerate() {
        let rule = fields.within(&format!("fraud_rules[{index}]"), |fields| read_one(fields, sent));
        let Some(rule) = rule else { continue };
        if !kinds.insert(rule.kind) {
            fields.wrong(&format!("fraud_rules[{index}].kind"), "is the kind of another rule; send each kind once");
        }
        rules.push(rule);
    }
    rules
}

fn read_one(fields: &mut Fields, sent: &pb::FraudRule) -> Option<FraudRule> {
    let kind = fields.value_of("kind", sent.kind, FraudRuleKind::VALUES);
    let mode = fields.value_of("mode", sent.mode, FraudRuleMode::VALUES);
    let (kind, mode) = (kind?, mode?);
    if mode == FraudRuleMode::Refuse && kind != FraudRuleKind::DuplicateOrder {
        fields.wrong("mode", format!("can be {} for DUPLICATE_ORDER only; send ON to hold", mode.wire_name()));
    }
    let mut limit = |name: &str, value: i32, owner: FraudRuleKind, most: i32| {
        if kind == owner {
            fields.number(name, value, 1..=most)
        } else {
            if value != 0 {
                fields.wrong(name, format!("is a field of {} only; leave it out", owner.wire_name()));
            }
            0
        }
    };
    let sales_max = i32::try_from(VELOCITY_SALES_MAX).unwrap_or(i32::MAX);
    let minimum_seconds = limit("minimum_seconds", sent.minimum_seconds, FraudRuleKind::QuickSale, SECONDS_MAX);
    let maximum_sales = limit("maximum_sales", sent.maximum_sales, FraudRuleKind::Velocity, sales_max);
    let period_minutes = limit("period_minutes", sent.period_minutes, FraudRuleKind::Velocity, MINUTES_MAX);
    let countries = list(fields, kind, "country_codes", &sent.country_codes, FraudRuleKind::BannedCountry, countries);
    let referrers = list(fields, kind, "referrers", &sent.referrers, FraudRuleKind::BannedReferrer, referrers);
    let values = if countries.is_empty() { referrers } else { countries };
    Some(FraudRule { kind, mode, minimum_seconds, maximum_sales, period_minutes, values })
}

/// A list that rules of one kind have.
fn list(
    fields: &mut Fields,
    kind: FraudRuleKind,
    name: &str,
    sent: &[String],
    owner: FraudRuleKind,
    read: fn(&mut Fields, &str, &[String]) -> Vec<String>,
) -> Vec<String> {
    if kind == owner {
        if sent.is_empty() {
            fields.wrong(name, format!("must have an entry for {}", owner.wire_name()));
        }
        return read(fields, name, sent);
    }
    if !sent.is_empty() {
        fields.wrong(name, format!("is a field of {} only; leave it out", owner.wire_name()));
    }
    Vec::new()
}

fn countries(fields: &mut Fields, name: &str, sent: &[String]) -> Vec<String> {
    if sent.len() > COUNTRIES_MAX {
        fields.wrong(name, format!("has {} codes; at most {COUNTRIES_MAX} are taken", sent.len()));
    }
    let mut codes = BTreeSet::new();
    for (place, text) in sent.iter().take(COUNTRIES_MAX).enumerate() {
        let place = format!("{name}[{place}]");
        let code = fields.country(&place, text);
        if text.trim().is_empty() {
            fields.wrong(&place, "must be an ISO 3166-1 code of two letters, such as US");
        }
        codes.extend(code);
    }
    codes.into_iter().collect()
}

/// Hosts, of which some begin with a wildcard.
fn referrers(fields: &mut Fields, name: &str, sent: &[String]) -> Vec<String> {
    let bare: Vec<String> = sent.iter().map(|text| bare(text).to_owned()).collect();
    if fields.hosts(name, &bare).is_empty() {
        return Vec::new();
    }
    let patterns: BTreeSet<String> = sent.iter().map(|text| text.trim().to_lowercase()).collect();
    patterns.into_iter().collect()
}

/// The host of an entry.
fn bare(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("*.").unwrap_or(text)
}

/// The rules in the form that they are compared in, if that is another one.
pub(super) fn canonical(sent: &[pb::FraudRule]) -> Option<Vec<pb::FraudRule>> {
    let set = |texts: &[String], form: fn(&str) -> String| -> Vec<String> {
        let texts: BTreeSet<String> = texts.iter().map(|text| form(text.trim())).collect();
        texts.into_iter().collect()
    };
    let canonical = |sent: &pb::FraudRule| pb::FraudRule {
        country_codes: set(&sent.country_codes, str::to_ascii_uppercase),
        referrers: set(&sent.referrers, str::to_lowercase),
        ..sent.clone()
    };
    let rules: Vec<pb::FraudRule> = sent.iter().map(canonical).collect();
    (rules != sent).then_some(rules)
}

/// A rule as a message.
pub(in crate::rpc) fn render(rule: &FraudRule) -> pb::FraudRule {
    let values = |owner| if rule.kind == owner { rule.values.clone() } else { Vec::new() };
    pb::FraudRule {
        kind: rule.kind.number(),
        mode: rule.mode.number(),
        minimum_seconds: rule.minimum_seconds,
        maximum_sales: rule.maximum_sales,
        period_minutes: rule.period_minutes,
        country_codes: values(FraudRuleKind::BannedCountry),
        referrers: values(FraudRuleKind::BannedReferrer),
    }
}

/// A flag as a message. What could not be refused any more was held.
pub(in crate::rpc) fn render_flag(flag: &FraudFlag) -> pb::FraudFlag {
    let mode = if flag.mode.holds() { FraudRuleMode::On } else { flag.mode };
    pb::FraudFlag {
        kind: flag.kind.number(),
        mode: mode.number(),
        found: flag.found.clone(),
        threshold: flag.threshold.clone(),
    }
}

/// What was found for the credits of an event, without those for which nothing was.
pub(in crate::rpc) fn render_suspicions(suspicions: &[Suspicion]) -> Vec<pb::Suspicion> {
    let flagged = suspicions.iter().filter(|suspicion| !suspicion.flags.is_empty());
    let render = |suspicion: &Suspicion| pb::Suspicion {
        enrollment_id: suspicion.enrollment_id.into(),
        flags: suspicion.flags.iter().map(render_flag).collect(),
        is_released: suspicion.is_released,
    };
    flagged.map(render).collect()
}
