//! Sentences about how a credit was priced.

use super::rate::{percent, rate};
use super::{kind, ladder, time};
use crate::domain::commission::Commission;
use crate::domain::conversion::{Conversion, WHOLE_SHARE_PPM};
use crate::domain::dated_commission::OwnCommission;
use crate::domain::explanation::credit::without;
use crate::domain::explanation::{
    CommissionStep, Compared, Computation, CreditExplanation, ExplanationDifference, LaterTerms, TermsResult,
};
use crate::domain::money::{Money, Rounding, Unrounded};
use crate::domain::period::Period;
use crate::domain::pricing::{Compare, ConditionField, StepResult, ValueType, moment};
use crate::domain::program::TermsReach;
use crate::domain::reward::RewardRule;
use crate::domain::tally::{Cap, CapApplied, CapScope};
use crate::domain::time::Time;

/// How many values of a comparison a sentence names.
const VALUES_MAX: usize = 3;

/// Adds the sentences.
pub(super) fn sentences(event: &Conversion, told: &CreditExplanation, sentences: &mut Vec<String>) {
    sentences.push(version(event, told));
    sentences.extend(told.later_terms.iter().map(later));
    sentences
        .extend(told.steps.iter().filter(|step| step.result != StepResult::NotSet || step.version.is_some()).map(step));
    if let Some(computation) = &told.computation {
        // Brackets have a sentence of their own.
        if told.ladder.as_ref().is_none_or(|ladder| ladder.brackets.is_none()) {
            sentences.push(computed(computation, told.rounding));
        }
        sentences.extend(computation.caps.iter().map(|cap| capped(cap, computation)));
    }
    sentences.extend(told.ladder.iter().flat_map(ladder::sentences));
    sentences.extend(difference(told));
}

fn version(event: &Conversion, told: &CreditExplanation) -> String {
    let reach = match told.terms_reach {
        TermsReach::NewSales => "every event",
        TermsReach::NewCustomers => "customers who were bound from then on",
        TermsReach::NewAffiliates => "affiliates who were enrolled from then on",
    };
    let end = told.terms_end_at.map(|end| format!(" and ends at {}", time(end))).unwrap_or_default();
    format!(
        "Version {} of the terms of {} applies, which started at {} for {reach}{end}; the {} occurred at {}.",
        told.credit.terms_version,
        told.credit.program_id,
        time(told.terms_start_at),
        kind(event.kind),
        time(event.occurred_at),
    )
}

fn later(later: &LaterTerms) -> String {
    let (version, start) = (later.version, time(later.starts_at));
    match later.result {
        TermsResult::StartedLater => {
            format!("Version {version} does not apply, because it started after the event, at {start}.")
        }
        TermsResult::NewCustomersOnly => {
            format!("Version {version} does not apply, because it is for customers who were bound from {start} on.")
        }
        TermsResult::MadeLater => {
            format!("Version {version} does not apply, because it was made after the event was credited, at {start}.")
        }
        TermsResult::NewAffiliatesOnly => {
            format!("Version {version} does not apply, because it is for affiliates who were enrolled from {start} on.")
        }
        TermsResult::Ended => {
            let end = later.ends_at.map(time).unwrap_or_default();
            format!("Version {version} does not apply, because it ended before the event, at {end}.")
        }
        TermsResult::Withdrawn => format!("Version {version} does not apply, because it was withdrawn."),
        TermsResult::StartedEarlier => {
            format!(
                "Version {version} does not apply, because it started earlier than the one that applies, at {start}."
            )
        }
    }
}

fn step(step: &CommissionStep) -> String {
    let what = match step.source {
        RewardRule::Enrollment => "The enrollment's own commission".to_owned(),
        RewardRule::Coupon => "The coupon's own commission".to_owned(),
        RewardRule::TermsRule => format!("The rule {} \"{}\"", step.rule_number, step.rule_name),
        _ => "The commission of the terms".to_owned(),
    };
    let commission = step.commission.map(rate);
    let rate: Vec<String> = commission.into_iter().chain(step.version.and_then(of_version)).collect();
    let rate = if rate.is_empty() { rate.concat() } else { format!(" ({})", rate.join(", ")) };
    let at = step.cause_at.map(time).unwrap_or_default();
    let sent = |of: &str| match step.actual.as_str() {
        "" => format!("the event has no {of}"),
        actual => format!("the event has the {of} {actual}"),
    };
    match step.result {
        StepResult::Taken => format!("{what}{rate} applies and is taken."),
        StepResult::Outranked => format!("{what}{rate} applies, but an earlier one is taken."),
        StepResult::NotSet if step.version.is_some() => format!("{what}{rate} is that of the terms for this time."),
        StepResult::NotSet => format!("{what} is not set."),
        StepResult::OtherEventKind => format!("{what}{rate} does not apply, because it is for other kinds of events."),
        StepResult::NotStarted => format!("{what}{rate} does not apply, because it began only at {at}."),
        StepResult::Over => format!("{what}{rate} does not apply, because it ended at {at}."),
        StepResult::OtherCustomKind => format!("{what}{rate} does not apply, because {}.", sent("kind")),
        StepResult::OtherCouponCode => format!("{what}{rate} does not apply, because {}.", sent("coupon code")),
        StepResult::OtherItem => format!("{what}{rate} does not apply, because {}.", sent("SKU")),
        StepResult::OtherPlan => format!("{what}{rate} does not apply, because {}.", sent("plan")),
        StepResult::CustomerSalesOver if step.actual.is_empty() => {
            format!("{what}{rate} does not apply, because the sale has no number among the sales of its customer.")
        }
        StepResult::CustomerSalesOver => {
            format!("{what}{rate} does not apply, because it is sale number {} of the customer.", step.actual)
        }
        StepResult::CustomerMonthsOver if step.actual.is_empty() => {
            format!("{what}{rate} does not apply, because the sale has no first sale of its customer before it.")
        }
        StepResult::CustomerMonthsOver => {
            format!(
                "{what}{rate} does not apply, because {} months passed since the customer's first sale.",
                step.actual
            )
        }
        StepResult::ConditionNotMet => {
            let failed = step.comparisons.iter().find(|compared| !compared.holds);
            let why = failed.map(comparison).unwrap_or_default();
            format!("{what}{rate} does not apply, because its condition does not hold{why}.")
        }
    }
}

/// Which of the commissions of an enrollment's or a coupon's own it is.
fn of_version(version: OwnCommission) -> Option<String> {
    let number = match version.number {
        0 => String::new(),
        number => format!("number {number} "),
    };
    let since = version.starts_at.map(|start| format!("from {}", time(start)));
    let until = version.ends_at.map(|end| format!("until {}", time(end)));
    let times: Vec<String> = since.into_iter().chain(until).collect();
    (!times.is_empty()).then(|| format!("{number}{}", times.join(" ")))
}

/// A comparison that does not hold.
fn comparison(compared: &Compared) -> String {
    let compare = &compared.compare;
    let number = |number: &i64| match compare.compares() {
        ValueType::Time => moment::written(Time::from_micros(*number)),
        _ => number.to_string(),
    };
    let numbers = compare.numbers.iter().map(number);
    let all: Vec<String> = numbers.chain(compare.texts.iter().cloned()).collect();
    let more = if all.len() > VALUES_MAX { " and others" } else { "" };
    let named: Vec<&str> = all.iter().take(VALUES_MAX).map(String::as_str).collect();
    let (field, comparison, values) = (field_of(compare), compare.comparison.as_str(), named.join(", "));
    let comparison = comparison.replace('_', " ");
    let wanted = format!("{field} {comparison} {values}{more}");
    let wanted = wanted.trim_end();
    if compared.is_other_currency {
        format!(": the amount is in another currency than the program's, so \"{wanted}\" does not hold")
    } else if compared.actual.is_empty() {
        format!(": the event has no {field}, so \"{wanted}\" does not hold")
    } else {
        format!(": the {field} is {}, so \"{wanted}\" does not hold", compared.actual)
    }
}

/// The name of the fact, with its key.
fn field_of(compare: &Compare) -> String {
    let name = field(compare.field);
    if compare.key.is_empty() { name.to_owned() } else { format!("{name} `{}`", compare.key) }
}

const fn field(field: ConditionField) -> &'static str {
    match field {
        ConditionField::Amount => "amount in minor units",
        ConditionField::Quantity => "quantity",
        ConditionField::ItemSku => "SKU",
        ConditionField::Plan => "plan",
        ConditionField::Collection => "collection",
        ConditionField::Channel => "channel",
        ConditionField::CouponCode => "coupon code",
        ConditionField::CustomKind => "kind",
        ConditionField::OrderId => "order id",
        ConditionField::CustomerSaleNumber => "number of the customer's sale",
        ConditionField::CustomerAgeDays => "customer's age in days",
        ConditionField::CustomerAgeMonths => "customer's age in months",
        ConditionField::LineAmount => "amount of the line in minor units",
        ConditionField::EventMetadata => "metadata",
        ConditionField::LeadMetadata => "customer's metadata",
        ConditionField::CustomerCountry => "customer's country",
        ConditionField::AffiliateCountry => "affiliate's country",
        ConditionField::AffiliateGroup => "affiliate's group",
        ConditionField::AffiliateSaleCount => "number of the affiliate's earlier sales",
        ConditionField::AffiliateSalesAmount => "amount of the affiliate's earlier sales in minor units",
        ConditionField::OccurTime => "time",
    }
}

fn computed(told: &Computation, rounding: Rounding) -> String {
    let how = match rounding {
        Rounding::HalfEven => "half even",
        Rounding::HalfUp => "half up",
        Rounding::Down => "down",
    };
    let rounded = without(told.commission_amount, told.first_sale_bonus);
    let commission = match told.commission {
        Commission::PercentPpm(ppm) => {
            let is_exact = told.commission_unrounded.millionths == 0;
            let exact = if is_exact {
                String::new()
            } else {
                format!("{}, rounded {how} to ", unrounded(told.commission_unrounded))
            };
            format!("{} of {} is {exact}{}", percent(ppm), told.base_amount, rounded)
        }
        Commission::Flat(flat) if told.quantity > 0 => {
            format!("{flat} for each of {} units is {rounded}", told.quantity)
        }
        Commission::Flat(flat) => format!("The commission is {flat}"),
    };
    let commission = match told.first_sale_bonus {
        Some(bonus) => {
            format!("{commission}; with {bonus} for the first sale of the customer it is {}", told.commission_amount)
        }
        None => commission,
    };
    if told.share_ppm == WHOLE_SHARE_PPM {
        return format!("{commission}.");
    }
    let exact = unrounded(told.value_unrounded);
    let share = percent(told.share_ppm);
    format!("{commission}; the share of {share} is {exact}, and {} so that the shares of all add up to it.", told.value)
}

/// What a cap had room for.
fn capped(cap: &CapApplied, told: &Computation) -> String {
    let Cap { scope, period, maximum } = cap.cap;
    let whom = match scope {
        CapScope::SingleEvent => return format!("The cap of one event is {maximum}; it earns {}.", told.value),
        CapScope::Customer => "the affiliate for this customer",
        CapScope::Affiliate => "the affiliate",
        CapScope::Program => "all affiliates of the program",
    };
    let when = match period {
        Period::AllTime => "for all time".to_owned(),
        period => format!("in the {period} from {}", cap.starts_on),
    };
    let money = |minor| Money::new(minor, maximum.currency);
    format!(
        "The cap of {whom} is {maximum} {when}; {} was paid before, so there was room for {}; the event earns {}.",
        money(cap.paid_before_minor),
        money(cap.room_minor()),
        told.value,
    )
}

/// An amount with six more decimals than its currency has, without zeros at the end.
pub(super) fn unrounded(amount: Unrounded) -> String {
    let sign = if amount.whole_minor < 0 || amount.millionths < 0 { "-" } else { "" };
    let whole = Money::new(amount.whole_minor.saturating_abs(), amount.currency).to_string();
    let (number, currency) = whole.split_once(' ').unwrap_or((&whole, ""));
    let rest = format!("{:06}", amount.millionths.unsigned_abs());
    let point = if amount.currency.exponent() == 0 { "." } else { "" };
    format!("{sign}{number}{point}{} {currency}", rest.trim_end_matches('0'))
}

fn difference(told: &CreditExplanation) -> Option<String> {
    let money = |money: Option<Money>| money.map(|money| money.to_string()).unwrap_or_default();
    let (expected, recorded) = (money(told.expected_rest), money(told.recorded_rest));
    Some(match told.difference? {
        ExplanationDifference::OtherCalculation => {
            "The recorded reward was computed by another rate or rule than the terms give. A person may have changed the record, an earlier \
             release of the server may have priced it, or a rate was changed in the very moment of the event."
                .to_owned()
        }
        ExplanationDifference::OtherRest => format!(
            "The terms give {expected} for what is left of the event, and {recorded} of the recorded rewards is left. A person may have \
             changed them."
        ),
        ExplanationDifference::NoReward => format!("The terms give {expected}, and no reward is recorded."),
    })
}
