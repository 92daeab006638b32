//! Histories of one customer under rules that ask for its earlier sales: whatever the order in which they are told, each sale earns what a
//! slow model says, which counts the sales before it one by one.

use std::collections::BTreeMap;

use headwater::domain::conversion::{ConversionKind, CustomerSale};
use headwater::domain::pricing::OwnRates;
use headwater::domain::time::Time;
use headwater::pb;
use proptest::prelude::*;

use super::draw::Draw;
use super::model::{self, Event};
use super::{START, program_of};
use crate::properties::config;
use crate::properties::rules::Rules;

pub(super) const DAY_SECONDS: i64 = 86_400;

/// A sale, and at which step it was told, and was refunded in whole.
struct Sold {
    event: Event,
    told_at: usize,
    void_at: Option<usize>,
}

/// Year, month and day of a day since 1970, counted day by day.
pub(super) fn date(days: i64) -> (i64, i64, i64) {
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for _ in 0..days {
        day += 1;
        if day > month_length(year, month) {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
    (year, month, day)
}

fn month_length(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// How many months after the first day have ended, tried one by one.
fn months(first: i64, last: i64) -> i32 {
    let (year, month, day) = date(first);
    let mut count = 0;
    loop {
        let months = month + i64::from(count);
        let (end_year, end_month) = (year + months / 12, months % 12 + 1);
        let end = (end_year, end_month, day.min(month_length(end_year, end_month)));
        if date(last) < end {
            return count;
        }
        count += 1;
    }
}

fn amount_of(sold: &Sold) -> i64 {
    sold.event.amount.as_ref().unwrap().amount_minor
}

/// The place of a sale among those that count for it.
fn place(sales: &[Sold], sale: &Sold) -> Option<CustomerSale> {
    let mut number = 1;
    let mut first = sale.event.seconds;
    for other in sales {
        let is_void = other.void_at.is_some_and(|void_at| void_at < sale.told_at);
        if other.event.seconds < sale.event.seconds && amount_of(other) > 0 && !is_void {
            number += 1;
            first = first.min(other.event.seconds);
        }
    }
    let (first, last) = (first / DAY_SECONDS, sale.event.seconds / DAY_SECONDS);
    let (age_days, age_months) = (i32::try_from(last - first).unwrap(), months(first, last));
    (amount_of(sale) > 0).then_some(CustomerSale { number, age_days, age_months, void_at: None })
}

/// Random rules, many of which ask for the customer's earlier sales.
fn terms(draw: &mut Draw, currency: &str) -> pb::Terms {
    let mut terms = draw.terms(currency);
    for rule in &mut terms.rules {
        let is_sale = matches!(rule.event_kind(), pb::CommissionEvent::Sale | pb::CommissionEvent::Unspecified);
        if is_sale && draw.below(2) == 0 {
            rule.max_customer_sales = i32::try_from(draw.below(4)).unwrap();
            rule.max_customer_months = i32::try_from(draw.below(4)).unwrap();
        }
    }
    terms
}

fn sale(draw: &mut Draw, number: usize, currency: &str) -> Event {
    let mut event = Event { kind: pb::CommissionEvent::Sale, ..draw.event(currency) };
    let code = event.amount.as_ref().map_or(currency, |amount| amount.currency_code.as_str()).to_owned();
    let amount = draw.amount(&code);
    // No two sales are of the same moment.
    let day = START.micros() / 1_000_000 / DAY_SECONDS + i64::try_from(draw.below(200)).unwrap();
    event.seconds = day * DAY_SECONDS + i64::try_from(number + 60 * draw.below(1_000)).unwrap();
    event.amount = Some(amount.clone());
    event.sale = pb::RecordSaleRequest {
        event_id: format!("sale-{number}"),
        email: "bob@shop.example".to_owned(),
        ref_id: "ann".to_owned(),
        amount: Some(amount),
        occur_time: Some(prost_types::Timestamp { seconds: event.seconds, nanos: 0 }),
        // The lead would keep the country for the sales that are told later.
        country_code: String::new(),
        ..event.sale
    };
    event.noted.clear();
    event.own = OwnRates::default();
    event
}

/// Refunds this much of a sale.
fn refund(shop: &mut Rules, event_id: String, sold: &Sold, amount_minor: i64) {
    let amount = sold.event.amount.clone().unwrap();
    let request = pb::RecordRefundRequest {
        event_id,
        sale_event_id: sold.event.sale.event_id.clone(),
        amount: Some(pb::Money { amount_minor, ..amount }),
        ..Default::default()
    };
    shop.carry_out(&request).unwrap();
}

/// What is left of the rewards of each sale.
fn nets(shop: &Rules) -> BTreeMap<String, i64> {
    let sales = shop.set.conversions.iter().filter(|row| row.kind == ConversionKind::Sale);
    let net = |sale: &headwater::domain::conversion::Conversion| {
        let rewards = shop.set.rewards_of(shop.account_id, sale.id).unwrap();
        let originals = rewards.into_iter().filter(|reward| reward.reverses.is_none());
        originals.map(|reward| reward.value.amount_minor - reward.reversed_minor).sum::<i64>()
    };
    sales.map(|sale| (sale.event_id.clone(), net(sale))).collect()
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn sales_told_in_any_order_earn_what_the_model_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let currency = draw.currency();
        let terms = terms(&mut draw, currency);
        let mut shop = Rules::new();
        shop.carry_out(&program_of(&terms, currency)).unwrap();
        let affiliate = pb::CreateAffiliateRequest {
            email: "ann@affiliates.example".to_owned(),
            ref_id: "ann".to_owned(),
            ..Default::default()
        };
        shop.carry_out(&affiliate).unwrap();
        shop.now = START.plus_days(300);
        let mut sales: Vec<Sold> = Vec::new();
        for step in 0..1 + draw.below(10) {
            shop.now = Time::from_micros(shop.now.micros() + 1);
            let chosen = draw.below(sales.len().max(1) * 3);
            if let Some(sold) = sales.get_mut(chosen)
                && sold.void_at.is_none()
                && amount_of(sold) > 0
            {
                sold.void_at = Some(step);
                let amount_minor = amount_of(sold);
                refund(&mut shop, format!("refund-{step}"), sold, amount_minor);
                continue;
            }
            let event = sale(&mut draw, step, currency);
            shop.carry_out(&event.sale).unwrap();
            sales.push(Sold { event, told_at: step, void_at: None });
        }
        let mut refunded = BTreeMap::new();
        for (number, sold) in sales.iter().enumerate().filter(|(_, sold)| sold.void_at.is_none()) {
            let amount = amount_of(sold);
            if amount > 1 && draw.below(3) == 0 {
                let part = 1 + i64::try_from(draw.below(usize::try_from(amount - 1).unwrap())).unwrap();
                shop.now = Time::from_micros(shop.now.micros() + 1);
                refund(&mut shop, format!("part-{number}"), sold, part);
                refunded.insert(number, part);
            }
        }
        let found = nets(&shop);
        for (number, sold) in sales.iter().enumerate() {
            let event = Event { customer_sale: place(&sales, sold), ..sold.event.clone() };
            let part = refunded.get(&number).copied().unwrap_or_default();
            let expected = if sold.void_at.is_some() { 0 } else { model::net(&terms, &event, currency, part) };
            let net = found[&sold.event.sale.event_id];
            prop_assert_eq!(net, expected, "{}: {:?}\n{:#?}", sold.event.sale.event_id, event.customer_sale, &terms);
        }
        // The lead's count is that of the sales that count now.
        let counting = sales.iter().filter(|sold| sold.void_at.is_none() && amount_of(sold) > 0);
        let first = counting.clone().map(|sold| sold.event.seconds * 1_000_000).min();
        let lead = shop.set.leads.iter().next().unwrap();
        let asks = terms.rules.iter().any(asks_for_customer);
        prop_assert_eq!(lead.details.sale_counts.len(), usize::from(asks));
        for count in &lead.details.sale_counts {
            let kept = (usize::try_from(count.count).unwrap(), count.first_at.map(Time::micros));
            prop_assert_eq!(kept, (counting.clone().count(), first));
        }
    }
}

fn asks_for_customer(rule: &pb::CommissionRule) -> bool {
    fn compares(condition: &pb::Condition) -> bool {
        let name = condition.field().as_str_name();
        let inside = condition.all_of.iter().chain(&condition.any_of);
        name.contains("CUSTOMER_SALE") || name.contains("CUSTOMER_AGE") || inside.into_iter().any(compares)
    }
    rule.max_customer_sales > 0
        || rule.max_customer_months > 0
        || rule.first_sale_bonus.is_some()
        || rule.condition.as_ref().is_some_and(compares)
}
