//! Terms and commissions on the wire.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{caps, generosity, ladder, rules, thresholds, uplines};
use crate::domain::attribution::AttributionSource;
use crate::domain::money::{PPM, Rounding};
use crate::domain::program::{AttributionModel, Commission, EnrollmentBonus, Terms, TermsDraft, TermsReach};
use crate::domain::time::Time;
use crate::pb::{self, commission};
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::{money, reward_value, timestamp};
use crate::rpc::call::wire_enum::WireEnum;
use crate::rpc::customer_reward;

const HOLD_PERIOD_DAYS_DEFAULT: i32 = 30;
const ATTRIBUTION_WINDOW_DAYS_DEFAULT: i32 = 60;
const DAYS_MAX: i32 = 3_650;
const CUSTOM_KINDS_MAX: usize = 100;
pub(super) const PRECEDENCE_DEFAULT: [AttributionSource; 3] =
    [AttributionSource::LeadBinding, AttributionSource::Coupon, AttributionSource::Click];

/// Reads the terms that an owner sets. Version and start are not read, because the server sets them.
pub(in crate::rpc) fn read(fields: &mut Fields, field: &str, terms: Option<&pb::Terms>) -> Option<TermsDraft> {
    let terms = fields.required(field, terms)?;
    fields.within(field, |fields| {
        let reach = fields.optional_value("reach", terms.reach).unwrap_or(TermsReach::NewSales);
        let commission = fields.required("commission", terms.commission.as_ref());
        let commission = commission.and_then(|value| optional_commission(fields, "commission", Some(value)));
        let hold_period_days = terms.hold_period_days.unwrap_or(HOLD_PERIOD_DAYS_DEFAULT);
        let window_days = terms.attribution_window_days.unwrap_or(ATTRIBUTION_WINDOW_DAYS_DEFAULT);
        let model = fields.optional_value("attribution_model", terms.attribution_model);
        let mut rules = TermsDraft {
            reach,
            hold_period_days: fields.number("hold_period_days", hold_period_days, 0..=DAYS_MAX),
            attribution_model: model.unwrap_or(AttributionModel::LastClick),
            attribution_window_days: fields.number("attribution_window_days", window_days, 1..=DAYS_MAX),
            new_customers_only: terms.new_customers_only,
            precedence: precedence(fields, &terms.precedence),
            rounding: fields.optional_value("rounding", terms.rounding).unwrap_or(Rounding::HalfEven),
            custom_kinds: custom_kinds(fields, &terms.custom_kinds),
            commission_rules: Vec::new(),
            upline_levels: uplines::read(fields, &terms.upline_levels),
            caps: caps::read(fields, &terms.caps),
            ladder: ladder::read(fields, terms.ladder.as_ref()),
            threshold_bonuses: thresholds::read(fields, &terms.threshold_bonuses),
            sales_tallies: Vec::new(),
            customer_reward: customer_reward::promise(fields, "customer_reward", terms.customer_reward.as_ref()),
            enrollment_bonus: enrollment_bonus(fields, terms.enrollment_bonus.as_ref()),
            commission: commission.unwrap_or(Commission::PercentPpm(0)),
        };
        rules.commission_rules = rules::read(fields, &terms.rules, &rules.custom_kinds);
        generosity::warn(fields, &rules);
        rules::warn(fields, &rules);
        ladder::check(fields, &rules);
        commission.map(|_| rules)
    })
}

/// The start and the end of a new version.
pub(super) fn period(
    fields: &mut Fields,
    sent: &pb::UpdateProgramRequest,
    has_terms: bool,
) -> (Option<Time>, Option<Time>) {
    let mut read = |field, time: Option<&prost_types::Timestamp>| {
        if time.is_some() && !has_terms {
            fields.wrong(field, "is only for new terms; name `terms` in update_mask, or leave it out");
        }
        fields.time(field, time)
    };
    let starts_at = read("terms_start_time", sent.terms_start_time.as_ref());
    let ends_at = read("terms_end_time", sent.terms_end_time.as_ref());
    if let (Some(start), Some(end)) = (starts_at, ends_at)
        && end <= start
    {
        fields.wrong("terms_end_time", "must be later than terms_start_time: it is the first moment after the version");
    }
    (starts_at, ends_at)
}

fn enrollment_bonus(fields: &mut Fields, sent: Option<&pb::RewardValue>) -> Option<EnrollmentBonus> {
    let (unit, value) = fields.reward_value("enrollment_bonus", Some(sent?))?;
    Some(EnrollmentBonus { unit, value })
}

/// The kinds of custom events, in lower case, in order and without repeats.
fn custom_kinds(fields: &mut Fields, sent: &[String]) -> Vec<String> {
    if sent.len() > CUSTOM_KINDS_MAX {
        fields.wrong("custom_kinds", format!("has {} names; at most {CUSTOM_KINDS_MAX} are taken", sent.len()));
        return Vec::new();
    }
    let mut kinds = BTreeSet::new();
    for (place, sent) in sent.iter().enumerate() {
        let field = format!("custom_kinds[{place}]");
        let kind = fields.new_code(&field, sent);
        if sent.trim().is_empty() {
            fields.wrong(&field, "is required");
        }
        kinds.extend(kind.map(|kind| kind.to_ascii_lowercase()));
    }
    kinds.into_iter().collect()
}

fn precedence(fields: &mut Fields, numbers: &[i32]) -> [AttributionSource; 3] {
    if numbers.is_empty() {
        return PRECEDENCE_DEFAULT;
    }
    let sources: Vec<AttributionSource> = numbers.iter().filter_map(|number| WireEnum::from_number(*number)).collect();
    let has_each = PRECEDENCE_DEFAULT.iter().all(|source| sources.contains(source));
    match <[AttributionSource; 3]>::try_from(sources) {
        Ok(sources) if has_each && numbers.len() == sources.len() => sources,
        _ => {
            let names: Vec<_> = PRECEDENCE_DEFAULT.iter().map(|source| source.wire_name()).collect();
            fields.wrong("precedence", format!("must have each of {} once, or nothing", names.join(", ")));
            PRECEDENCE_DEFAULT
        }
    }
}

/// Reads a commission; `None` when it is not set.
pub(in crate::rpc) fn optional_commission(
    fields: &mut Fields,
    field: &str,
    commission: Option<&pb::Commission>,
) -> Option<Commission> {
    let commission = commission?;
    let Some(rate) = &commission.rate else {
        fields.wrong(field, "must have one of percent_ppm and flat");
        return None;
    };
    fields.within(field, |fields| match rate {
        commission::Rate::PercentPpm(ppm) => {
            if !(0..=PPM).contains(&i64::from(*ppm)) {
                fields.wrong("percent_ppm", format!("must be 0 to {PPM}, in parts per million: 20 % is 200000"));
            }
            Some(Commission::PercentPpm(*ppm))
        }
        commission::Rate::Flat(flat) => fields.optional_money("flat", Some(flat)).map(Commission::Flat),
    })
}

/// A commission as a message.
pub(in crate::rpc) fn commission(value: Commission) -> pb::Commission {
    let rate = match value {
        Commission::PercentPpm(ppm) => commission::Rate::PercentPpm(ppm),
        Commission::Flat(flat) => commission::Rate::Flat(money(flat)),
    };
    pb::Commission { rate: Some(rate) }
}

/// Terms in the form that all terms of the same meaning have.
pub(super) fn canonical(sent: &pb::Terms) -> Cow<'_, pb::Terms> {
    let precedence = PRECEDENCE_DEFAULT.map(AttributionSource::number);
    let window_days = sent.attribution_window_days;
    canonical!(
        pb::Terms,
        sent,
        version: canonical::unread(&sent.version),
        start_time: canonical::unread(&sent.start_time),
        end_time: canonical::unread(&sent.end_time),
        create_time: canonical::unread(&sent.create_time),
        withdraw_time: canonical::unread(&sent.withdraw_time),
        reach: canonical::default_number(sent.reach, TermsReach::NewSales.number()),
        hold_period_days: canonical::default_optional(sent.hold_period_days, HOLD_PERIOD_DAYS_DEFAULT),
        attribution_model: canonical::default_number(sent.attribution_model, AttributionModel::LastClick.number()),
        attribution_window_days: canonical::default_optional(window_days, ATTRIBUTION_WINDOW_DAYS_DEFAULT),
        precedence: canonical::default_list(&sent.precedence, &precedence),
        rounding: canonical::default_number(sent.rounding, Rounding::HalfEven.number()),
        custom_kinds: canonical::codes(&sent.custom_kinds),
        rules: rules::canonical(&sent.rules, &sent.custom_kinds),
        upline_levels: uplines::canonical(&sent.upline_levels),
        caps: caps::canonical(&sent.caps),
        threshold_bonuses: thresholds::canonical(&sent.threshold_bonuses),
        ladder: canonical::inside(sent.ladder.as_ref(), ladder::canonical);
        as_sent: commission, new_customers_only, customer_reward, enrollment_bonus,
    )
}

/// A version that is going to start as a message.
pub(super) fn render_scheduled(terms: &Terms) -> pb::ScheduledTerms {
    pb::ScheduledTerms {
        version: terms.version,
        start_time: Some(timestamp(terms.starts_at)),
        end_time: terms.ends_at.map(timestamp),
        reach: terms.rules.reach.number(),
    }
}

/// A version of terms as a message.
pub(super) fn render(terms: &Terms) -> pb::Terms {
    let draft = &terms.rules;
    pb::Terms {
        version: terms.version,
        start_time: Some(timestamp(terms.starts_at)),
        end_time: terms.ends_at.map(timestamp),
        create_time: Some(timestamp(terms.scheduled_at.unwrap_or(terms.starts_at))),
        withdraw_time: terms.withdrawn_at.map(timestamp),
        reach: draft.reach.number(),
        commission: Some(commission(draft.commission)),
        hold_period_days: Some(draft.hold_period_days),
        attribution_model: draft.attribution_model.number(),
        attribution_window_days: Some(draft.attribution_window_days),
        new_customers_only: draft.new_customers_only,
        precedence: draft.precedence.iter().map(|source| source.number()).collect(),
        rounding: draft.rounding.number(),
        custom_kinds: draft.custom_kinds.clone(),
        rules: draft.commission_rules.iter().map(rules::render).collect(),
        upline_levels: draft.upline_levels.iter().map(uplines::render).collect(),
        caps: draft.caps.iter().map(caps::render).collect(),
        ladder: draft.ladder.as_ref().map(ladder::render),
        threshold_bonuses: draft.threshold_bonuses.iter().map(thresholds::render).collect(),
        customer_reward: draft.customer_reward.as_ref().map(customer_reward::render_promise),
        enrollment_bonus: draft.enrollment_bonus.map(|bonus| reward_value(bonus.unit, bonus.value)),
    }
}
