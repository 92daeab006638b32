//! What an event earns, computed from the messages alone: plain loops, no early end, and fractions in place of rounded steps. Knows nothing
//! of the engine.

use headwater::domain::conversion::CustomerSale;
use headwater::domain::money::Currency;
use headwater::domain::pricing::OwnRates;
use headwater::domain::program::Commission;
use headwater::domain::time::Time;
use headwater::pb;
use pb::{CommissionEvent, CommissionStepResult, Comparison, ConditionField};

/// An event, with the texts as they are sent.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) kind: CommissionEvent,
    /// Coupon, item, plan, order, quantity and channel.
    pub(super) sale: pb::RecordSaleRequest,
    pub(super) amount: Option<pb::Money>,
    /// The amount of the line, if a line is priced.
    pub(super) line_minor: Option<i64>,
    pub(super) custom_kind: String,
    pub(super) seconds: i64,
    /// The place of the sale among its customer's, if it has one.
    pub(super) customer_sale: Option<CustomerSale>,
    /// What is noted of the affiliate and the customer. The only key of the customer's metadata is `tier`.
    pub(super) noted: Vec<(ConditionField, String)>,
    /// The commissions of the enrollment's and of the coupon's own, which are percentages here.
    pub(super) own: OwnRates,
}

/// Times as texts, each with its seconds.
pub(super) const MOMENTS: [(&str, i64); 3] = [
    ("2025-12-31T00:00:00Z", 1_767_139_200),
    ("2026-01-01T00:00:00Z", 1_767_225_600),
    ("2026-01-01T01:00:01+01:00", 1_767_225_601),
];

fn seconds(text: &str) -> Option<i64> {
    MOMENTS.iter().find(|(moment, _)| *moment == text).map(|(_, seconds)| *seconds)
}

impl Event {
    pub(super) fn time(&self) -> Time {
        Time::from_micros(self.seconds * 1_000_000)
    }

    pub(super) fn sold_at(&mut self, time: Time) {
        self.seconds = time.micros() / 1_000_000;
    }

    fn noted(&self, field: ConditionField) -> String {
        self.noted.iter().find(|(noted, _)| *noted == field).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    fn text(&self, field: ConditionField, key: &str) -> String {
        let channel = match self.sale.channel() {
            pb::SaleChannel::PointOfSale => pb::SaleChannel::PointOfSale,
            _ => pb::SaleChannel::Online,
        };
        match field {
            ConditionField::ItemSku => self.sale.item_sku.clone(),
            ConditionField::Plan => self.sale.plan.clone(),
            ConditionField::OrderId => self.sale.order_id.clone(),
            ConditionField::CouponCode => self.sale.coupon_code.to_uppercase(),
            ConditionField::CustomKind => self.custom_kind.clone(),
            ConditionField::Channel => channel.as_str_name().to_owned(),
            ConditionField::EventMetadata => self.sale.metadata.get(key).cloned().unwrap_or_default(),
            ConditionField::LeadMetadata if key != "tier" => String::new(),
            ConditionField::CustomerCountry if !self.sale.country_code.is_empty() => {
                self.sale.country_code.to_uppercase()
            }
            ConditionField::LeadMetadata
            | ConditionField::CustomerCountry
            | ConditionField::AffiliateCountry
            | ConditionField::AffiliateGroup => self.noted(field),
            _ => panic!("{field:?}"),
        }
    }
}

/// Which way the two texts or numbers of a comparison have to be spelled.
fn spelled(field: ConditionField, value: &str) -> String {
    match field {
        ConditionField::CouponCode => value.to_uppercase(),
        ConditionField::CustomKind => value.to_lowercase(),
        ConditionField::CustomerCountry | ConditionField::AffiliateCountry => value.to_uppercase(),
        _ => value.to_owned(),
    }
}

fn is_number(field: ConditionField) -> bool {
    use ConditionField::{CustomerAgeDays, CustomerAgeMonths, CustomerSaleNumber, Quantity};
    [Quantity, CustomerSaleNumber, CustomerAgeDays, CustomerAgeMonths].contains(&field)
}

fn compares(condition: &pb::Condition, event: &Event, currency: &str) -> bool {
    let (field, values) = (condition.field(), &condition.values);
    if field == ConditionField::OccurTime || [Comparison::Before, Comparison::After].contains(&condition.comparison()) {
        let fact = match field {
            ConditionField::OccurTime => Some(event.seconds),
            _ => seconds(&event.text(field, &condition.key)),
        };
        let values: Vec<i64> = values.iter().map(|value| seconds(value).unwrap()).collect();
        return fact.is_some_and(|fact| match condition.comparison() {
            Comparison::Before => values[0] - fact > 0,
            Comparison::After => fact - values[0] > 0,
            Comparison::Between => fact - values[0] >= 0 && values[1] - fact >= 0,
            other => panic!("{other:?}"),
        });
    }
    let is_of_numbers = [
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::More,
        Comparison::MoreOrEqual,
        Comparison::Between,
        Comparison::MultipleOf,
    ];
    let is_read_as_number = [ConditionField::EventMetadata, ConditionField::LeadMetadata].contains(&field)
        && is_of_numbers.contains(&condition.comparison());
    if [ConditionField::Amount, ConditionField::LineAmount].contains(&field) || is_number(field) || is_read_as_number {
        let fact = match (field, &event.amount) {
            (ConditionField::CustomerSaleNumber, _) => event.customer_sale.map(|sale| sale.number.into()),
            (ConditionField::CustomerAgeDays, _) => event.customer_sale.map(|sale| sale.age_days.into()),
            (ConditionField::CustomerAgeMonths, _) => event.customer_sale.map(|sale| sale.age_months.into()),
            (ConditionField::EventMetadata | ConditionField::LeadMetadata, _) => {
                event.text(field, &condition.key).parse().ok()
            }
            (ConditionField::Quantity, _) => Some(i64::from(event.sale.quantity.max(1))),
            (_, Some(amount)) if amount.currency_code != currency => return false,
            (ConditionField::LineAmount, amount) => {
                event.line_minor.or(amount.as_ref().map(|amount| amount.amount_minor))
            }
            (_, amount) => amount.as_ref().map(|amount| amount.amount_minor),
        };
        let values: Vec<i64> = values.iter().map(|value| value.trim().parse().unwrap()).collect();
        let equals = |value: &i64| fact == Some(*value);
        return match condition.comparison() {
            Comparison::Equal | Comparison::OneOf => values.iter().any(equals),
            Comparison::NotEqual | Comparison::NoneOf => !values.iter().any(equals),
            Comparison::Exists => fact.is_some(),
            Comparison::NotExists => fact.is_none(),
            Comparison::Less => fact.is_some_and(|fact| values[0] - fact > 0),
            Comparison::LessOrEqual => fact.is_some_and(|fact| values[0] - fact >= 0),
            Comparison::More => fact.is_some_and(|fact| fact - values[0] > 0),
            Comparison::MoreOrEqual => fact.is_some_and(|fact| fact - values[0] >= 0),
            Comparison::Between => fact.is_some_and(|fact| fact - values[0] >= 0 && values[1] - fact >= 0),
            Comparison::MultipleOf => fact.is_some_and(|fact| fact / values[0] * values[0] == fact),
            other => panic!("{other:?}"),
        };
    }
    if field == ConditionField::Collection {
        return compares_list(condition, &event.sale.collections);
    }
    let fact = event.text(field, &condition.key);
    let values: Vec<String> = values.iter().map(|value| spelled(field, value)).collect();
    let is_there = !fact.is_empty();
    match condition.comparison() {
        Comparison::Equal | Comparison::OneOf => is_there && values.contains(&fact),
        Comparison::NotEqual | Comparison::NoneOf => !is_there || !values.contains(&fact),
        Comparison::Exists => is_there,
        Comparison::NotExists => !is_there,
        Comparison::StartsWith => fact.get(..values[0].len()) == Some(values[0].as_str()),
        Comparison::Contains => {
            (0..=fact.len()).any(|from| fact.get(from..from + values[0].len()) == Some(values[0].as_str()))
        }
        other => panic!("{other:?}"),
    }
}

/// How many of the texts are like one of the values decides.
fn compares_list(condition: &pb::Condition, texts: &[String]) -> bool {
    let is_like = |text: &String, value: &String| match condition.comparison() {
        Comparison::StartsWith => text.strip_prefix(value.as_str()).is_some(),
        Comparison::Contains => text.split(value.as_str()).count() > 1,
        _ => text == value,
    };
    let likes = texts.iter().map(|text| condition.values.iter().filter(|value| is_like(text, value)).count());
    match condition.comparison() {
        Comparison::Exists => !texts.is_empty(),
        Comparison::NotExists => texts.is_empty(),
        Comparison::NotEqual | Comparison::NoneOf => likes.sum::<usize>() == 0,
        _ => likes.sum::<usize>() > 0,
    }
}

fn holds(condition: &pb::Condition, event: &Event, currency: &str) -> bool {
    let all: Vec<bool> = condition.all_of.iter().map(|one| holds(one, event, currency)).collect();
    let any: Vec<bool> = condition.any_of.iter().map(|one| holds(one, event, currency)).collect();
    match (all.len(), any.len()) {
        (0, 0) => compares(condition, event, currency),
        (_, 0) => !all.contains(&false),
        _ => any.contains(&true),
    }
}

fn kind_of(rule: &pb::CommissionRule) -> CommissionEvent {
    match rule.event_kind() {
        CommissionEvent::Unspecified => CommissionEvent::Sale,
        kind => kind,
    }
}

fn applies(rule: &pb::CommissionRule, event: &Event, currency: &str) -> bool {
    misfits(rule, event, currency).is_empty()
}

/// Every reason why a rule does not apply.
pub(super) fn misfits(rule: &pb::CommissionRule, event: &Event, currency: &str) -> Vec<CommissionStepResult> {
    let fits = |scope: &[String], fact: String| scope.is_empty() || scope.contains(&fact);
    let upper = |scope: &[String]| scope.iter().map(|text| text.to_uppercase()).collect::<Vec<_>>();
    let has_begun = rule.start_time.as_ref().is_none_or(|start| start.seconds <= event.seconds);
    let is_over = rule.end_time.as_ref().is_some_and(|end| end.seconds <= event.seconds);
    let wanted = [
        (CommissionStepResult::OtherEventKind, kind_of(rule) == event.kind),
        (CommissionStepResult::NotStarted, has_begun),
        (CommissionStepResult::Over, !is_over),
        (CommissionStepResult::OtherCustomKind, fits(&rule.custom_kinds, event.custom_kind.clone())),
        (
            CommissionStepResult::OtherCouponCode,
            fits(&upper(&rule.coupon_codes), event.sale.coupon_code.to_uppercase()),
        ),
        (CommissionStepResult::OtherItem, fits(&rule.item_skus, event.sale.item_sku.clone())),
        (CommissionStepResult::OtherPlan, fits(&rule.plans, event.sale.plan.clone())),
        (
            CommissionStepResult::CustomerSalesOver,
            rule.max_customer_sales == 0 || is_below(event, rule.max_customer_sales, |sale| sale.number - 1),
        ),
        (
            CommissionStepResult::CustomerMonthsOver,
            rule.max_customer_months == 0 || is_below(event, rule.max_customer_months, |sale| sale.age_months),
        ),
        (
            CommissionStepResult::ConditionNotMet,
            rule.condition.as_ref().is_none_or(|condition| holds(condition, event, currency)),
        ),
    ];
    wanted.into_iter().filter(|(_, holds)| !holds).map(|(reason, _)| reason).collect()
}

fn is_below(event: &Event, end: i32, fact: fn(&CustomerSale) -> i32) -> bool {
    event.customer_sale.as_ref().is_some_and(|sale| fact(sale) < end)
}

/// A fraction to whole numbers, half even.
pub(super) fn rounded(numerator: i128, denominator: i128) -> i64 {
    let floor = numerator.div_euclid(denominator);
    let twice = 2 * (numerator - floor * denominator);
    let up = twice > denominator || (twice == denominator && floor % 2 != 0);
    i64::try_from(floor + i128::from(up)).unwrap()
}

/// The value, its currency, and the number of the rule; 0 for the commission of the terms.
pub(super) fn price(terms: &pb::Terms, event: &Event, currency: &str) -> Option<(i64, String, i32)> {
    let (mut found, mut bonus) = (None, None::<pb::Money>);
    // The steps of the table, the last one first, and the rules from the last to the first: whatever is found later takes precedence.
    if event.kind == CommissionEvent::Sale {
        found = Some((0, terms.commission.clone().unwrap(), 1));
    }
    for step in [5, 4, 3, 2] {
        for (place, rule) in terms.rules.iter().enumerate().rev() {
            let step_of_rule = match (rule.coupon_codes.len(), rule.item_skus.len(), rule.plans.len()) {
                (0, 0, 0) => 5,
                (0, 0, _) => 4,
                (0, _, _) => 3,
                _ => 2,
            };
            if step_of_rule == step && applies(rule, event, currency) {
                let units = if rule.is_per_unit { event.sale.quantity.max(1) } else { 1 };
                found = Some((i32::try_from(place).unwrap() + 1, rule.commission.clone().unwrap(), units));
                bonus =
                    rule.first_sale_bonus.clone().filter(|_| event.customer_sale.is_some_and(|sale| sale.number == 1));
            }
        }
    }
    if event.kind == CommissionEvent::Sale {
        for own in [event.own.coupon, event.own.enrollment] {
            if let Some(Commission::PercentPpm(ppm)) = own {
                let rate = Some(pb::commission::Rate::PercentPpm(ppm));
                (found, bonus) = (Some((0, pb::Commission { rate }, 1)), None);
            }
        }
    }
    let (number, commission, units) = found?;
    let bonus = |code: &str| bonus.filter(|bonus| bonus.currency_code == code).map_or(0, |bonus| bonus.amount_minor);
    match commission.rate.unwrap() {
        pb::commission::Rate::PercentPpm(ppm) => {
            let amount = event.amount.clone()?;
            let value = rounded(i128::from(amount.amount_minor) * i128::from(ppm), 1_000_000);
            Some((value + bonus(&amount.currency_code), amount.currency_code, number))
        }
        pb::commission::Rate::Flat(flat) => {
            let value = (0..units).map(|_| flat.amount_minor).sum::<i64>() + bonus(&flat.currency_code);
            Some((value, flat.currency_code.parse::<Currency>().unwrap().to_string(), number))
        }
    }
}

/// What is left of a sale's reward after refunds.
pub(super) fn net(terms: &pb::Terms, event: &Event, currency: &str, refunded: i64) -> i64 {
    let value = price(terms, event, currency).map_or(0, |(value, _, _)| value);
    let amount = event.amount.as_ref().map_or(0, |amount| amount.amount_minor);
    match amount {
        0 => value,
        amount => value - rounded(i128::from(value) * i128::from(refunded), amount.into()),
    }
}
