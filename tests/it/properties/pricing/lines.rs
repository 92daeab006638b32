//! Sales with lines: the engine and a slow model agree on the part of each line, and refunds by line, by amount and corrections in any order
//! leave what the model says. A refund of all that is left leaves zero.

use headwater::domain::conversion::CustomerSale;
use headwater::domain::line::LINES_MAX;
use headwater::domain::money::Currency;
use headwater::domain::pricing::{self, OwnRates};
use headwater::domain::program::Terms;
use headwater::pb;
use headwater::rpc::call::change::Change;
use proptest::prelude::*;

use super::draw::Draw;
use super::model::{self, Event, rounded};
use super::{START, asking, explained, program_of, read};
use crate::properties::config;
use crate::properties::rules::Rules;
use crate::support::rows;

/// A line as the model keeps it.
#[derive(Debug, Clone)]
struct Line {
    id: String,
    sku: String,
    plan: String,
    collections: Vec<String>,
    quantity: i32,
    amount: i64,
    refunded: i64,
    units: i32,
}

impl Line {
    fn left(&self) -> i64 {
        self.amount - self.refunded
    }
}

/// Divides an amount by giving each weight its whole part, and then one unit after the other to whom most is missing.
pub(super) fn divided(amount: i64, weights: &[i64]) -> Vec<i64> {
    let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if whole == 0 {
        return (0..weights.len()).map(|place| if place == 0 { amount } else { 0 }).collect();
    }
    let exact = |weight: i64| i128::from(amount) * i128::from(weight);
    let mut parts: Vec<i128> = weights.iter().map(|weight| exact(*weight) / whole).collect();
    while parts.iter().sum::<i128>() < i128::from(amount) {
        let mut most = 0;
        for place in 0..parts.len() {
            if exact(weights[place]) - parts[place] * whole > exact(weights[most]) - parts[most] * whole {
                most = place;
            }
        }
        parts[most] += 1;
    }
    parts.into_iter().map(|part| i64::try_from(part).unwrap()).collect()
}

/// The lines that a sale with these has.
fn kept(sale: &pb::RecordSaleRequest) -> Vec<Line> {
    let amount = sale.amount.as_ref().unwrap().amount_minor;
    let line = |(place, line): (usize, &pb::SaleLine)| Line {
        id: if line.line_id.is_empty() { (place + 1).to_string() } else { line.line_id.clone() },
        sku: line.item_sku.clone(),
        plan: line.plan.clone(),
        collections: line.collections.clone(),
        quantity: line.quantity.max(1),
        amount: line.amount.as_ref().unwrap().amount_minor,
        refunded: 0,
        units: 0,
    };
    let mut lines: Vec<Line> = sale.lines.iter().enumerate().map(line).collect();
    let amounts: Vec<i64> = lines.iter().map(|line| line.amount).collect();
    let sum: i64 = amounts.iter().sum();
    if sum > amount {
        lines.iter_mut().zip(divided(amount, &amounts)).for_each(|(line, part)| line.amount = part);
    } else if sum < amount {
        let (id, sku, plan) = (String::new(), String::new(), String::new());
        let (collections, amount) = (Vec::new(), amount - sum);
        lines.push(Line { id, sku, plan, collections, quantity: 1, amount, refunded: 0, units: 0 });
    }
    lines
}

fn is_about_lines(condition: &pb::Condition) -> bool {
    use pb::ConditionField::{Collection, ItemSku, LineAmount};
    let inside = condition.all_of.iter().chain(&condition.any_of).any(is_about_lines);
    inside || [Collection, ItemSku, LineAmount].contains(&condition.field())
}

/// The part of each line, the currency, and the numbers of the rules.
fn price(terms: &pb::Terms, event: &Event, lines: &[Line], currency: &str) -> (Vec<i64>, String, Vec<i32>) {
    let sold = event.amount.clone().unwrap();
    let number = |line: &Line| {
        let mut event = event.clone();
        event.line_minor = Some(line.amount);
        event.sale.item_sku.clone_from(&line.sku);
        if !line.plan.is_empty() {
            event.sale.plan.clone_from(&line.plan);
        }
        if !line.collections.is_empty() {
            event.sale.collections.clone_from(&line.collections);
        }
        event.sale.quantity = line.quantity;
        model::price(terms, &event, currency).unwrap().2
    };
    let numbers: Vec<i32> = lines.iter().map(number).collect();
    let rule = |number: i32| usize::try_from(number - 1).ok().map(|place| &terms.rules[place]);
    let rate = |number: i32| {
        let commission = rule(number).map_or(&terms.commission, |rule| &rule.commission);
        commission.clone().unwrap().rate.unwrap()
    };
    let flat = |number: i32| match rate(number) {
        pb::commission::Rate::Flat(flat) => Some(flat),
        pb::commission::Rate::PercentPpm(_) => None,
    };
    let has_percent =
        numbers.iter().any(|number| matches!(rate(*number), pb::commission::Rate::PercentPpm(ppm) if ppm > 0));
    let first_flat = numbers.iter().find_map(|number| flat(*number)).map(|flat| flat.currency_code);
    let code = first_flat.filter(|_| !has_percent).unwrap_or_else(|| sold.currency_code.clone());
    let mut parts: Vec<i64> = lines
        .iter()
        .zip(&numbers)
        .map(|(line, number)| match rate(*number) {
            pb::commission::Rate::PercentPpm(ppm) => rounded(i128::from(line.amount) * i128::from(ppm), 1_000_000),
            pb::commission::Rate::Flat(flat) if flat.currency_code != code => 0,
            pb::commission::Rate::Flat(flat) => match rule(*number) {
                Some(rule) if rule.is_per_unit => flat.amount_minor * i64::from(line.quantity),
                Some(rule) if !rule.item_skus.is_empty() || rule.condition.as_ref().is_some_and(is_about_lines) => {
                    flat.amount_minor
                }
                _ => 0,
            },
        })
        .collect();
    let mut spread = |amount: i64, number: i32| {
        let places: Vec<usize> = (0..lines.len()).filter(|place| numbers[*place] == number).collect();
        let weights: Vec<i64> = places.iter().map(|place| lines[*place].amount).collect();
        places.iter().zip(divided(amount, &weights)).for_each(|(place, part)| parts[*place] += part);
    };
    let mut different = numbers.clone();
    different.sort_unstable();
    different.dedup();
    for number in &different {
        let is_once = rule(*number).is_none_or(|rule| {
            let names_lines = !rule.item_skus.is_empty() || rule.condition.as_ref().is_some_and(is_about_lines);
            !rule.is_per_unit && !names_lines
        });
        if let Some(flat) = flat(*number).filter(|flat| is_once && flat.currency_code == code) {
            spread(flat.amount_minor, *number);
        }
    }
    let is_first = event.customer_sale.is_some_and(|sale| sale.number == 1);
    let mut best: Option<(i64, i32)> = None;
    for number in different.into_iter().filter(|_| is_first) {
        let bonus = rule(number).and_then(|rule| rule.first_sale_bonus.clone());
        let own_code = flat(number).map_or_else(|| sold.currency_code.clone(), |flat| flat.currency_code);
        let bonus = bonus.filter(|bonus| bonus.currency_code == own_code && own_code == code);
        if let Some(bonus) = bonus.filter(|bonus| best.is_none_or(|(most, _)| bonus.amount_minor > most)) {
            best = Some((bonus.amount_minor, number));
        }
    }
    if let Some((bonus, number)) = best {
        spread(bonus, number);
    }
    (parts, code, numbers)
}

/// What refunds leave of the parts.
fn net(parts: &[i64], lines: &[Line]) -> i64 {
    let is_all = lines.iter().all(|line| line.left() == 0);
    let left = parts.iter().zip(lines).map(|(part, line)| match line.amount {
        _ if is_all => 0,
        0 => part - rounded(i128::from(*part) * i128::from(line.units), line.quantity.into()),
        amount => part - rounded(i128::from(*part) * i128::from(line.refunded), amount.into()),
    });
    left.sum()
}

fn drawn_lines(draw: &mut Draw, code: &str) -> Vec<pb::SaleLine> {
    let line = |place: usize, draw: &mut Draw| pb::SaleLine {
        line_id: if draw.below(3) == 0 { String::new() } else { format!("line-{place}") },
        item_sku: draw.sku().to_owned(),
        plan: draw.plan().to_owned(),
        collections: draw.collections(),
        quantity: i32::try_from(draw.below(5)).unwrap(),
        amount: Some(draw.amount(code)),
    };
    (0..=draw.below(5)).map(|place| line(place, draw)).collect()
}

/// A sale with lines that are less than its amount, more, or as much.
fn drawn(draw: &mut Draw, currency: &str) -> Event {
    let mut event = Event { kind: pb::CommissionEvent::Sale, ..draw.event(currency) };
    let code = event.amount.as_ref().map_or(currency, |amount| amount.currency_code.as_str()).to_owned();
    let lines = drawn_lines(draw, &code);
    let sum: i64 = lines.iter().map(|line| line.amount.as_ref().unwrap().amount_minor).sum();
    let other = draw.amount(&code).amount_minor;
    let amount_minor = if draw.below(2) == 0 { sum } else { other };
    let amount = Some(pb::Money { amount_minor, currency_code: code });
    event.amount.clone_from(&amount);
    event.sale = pb::RecordSaleRequest { event_id: "sale".to_owned(), amount, lines, ..event.sale };
    event.noted.clear();
    event.own = OwnRates::default();
    event
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn p24_the_engine_and_a_slow_model_agree_on_every_line(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let currency = draw.currency();
        let terms = draw.terms(currency);
        let event = drawn(&mut draw, currency);
        let (parts, code, numbers) = price(&terms, &event, &kept(&event.sale), currency);
        let (sale, _) = event.sale.read(&asking()).unwrap();
        let mut row = rows::sale(1);
        row.amount = sale.amount;
        row.occurred_at = event.time();
        row.channel = sale.channel;
        row.order = *sale.order;
        row.order.customer_sale = event.customer_sale;
        let is_counted = row.amount.is_some_and(|amount| amount.amount_minor > 0);
        prop_assume!(is_counted || event.customer_sale.is_none());
        let own: Currency = currency.parse().unwrap();
        let engine = Terms { rules: read(&terms, currency), ..rows::terms() };
        let priced = pricing::price_event(&engine, &row, own, rows::enrollment().id, OwnRates::default(), 1_000_000).unwrap().unwrap();
        let found: Vec<i64> = priced.calculation.lines.iter().map(|line| line.value_minor).collect();
        prop_assert_eq!(&found, &parts, "{:#?}\n{:#?}", terms, event);
        prop_assert_eq!(priced.value.amount_minor, parts.iter().sum::<i64>());
        prop_assert_eq!(priced.value.currency.to_string(), code);
        let taken = priced.calculation.lines.iter().map(|line| line.rule_taken.as_ref().map_or(0, |rule| rule.number));
        prop_assert_eq!(taken.collect::<Vec<_>>(), numbers);
        // A share is divided among the lines too, without losing a unit.
        let share = pricing::price_event(&engine, &row, own, rows::enrollment().id, OwnRates::default(), 333_333).unwrap().unwrap();
        let sum: i64 = share.calculation.lines.iter().map(|line| line.value_minor).sum();
        prop_assert_eq!(sum, share.value.amount_minor);
        prop_assert_eq!(pricing::value_at(&share.calculation, share.calculation.base_amount).unwrap(), share.value);
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn p24_refunds_by_line_and_by_amount_leave_what_the_model_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let currency = draw.currency();
        let terms = draw.terms(currency);
        let mut shop = Rules::new();
        shop.carry_out(&program_of(&terms, currency)).unwrap();
        let affiliate = pb::CreateAffiliateRequest {
            email: "ann@affiliates.example".to_owned(),
            ref_id: "ann".to_owned(),
            ..Default::default()
        };
        shop.carry_out(&affiliate).unwrap();
        let mut event = drawn(&mut draw, currency);
        let sale = std::mem::take(&mut event.sale);
        let email = "bob@shop.example".to_owned();
        event.sale = pb::RecordSaleRequest { email, ref_id: "ann".to_owned(), occur_time: None, ..sale };
        event.sold_at(START);
        let first = CustomerSale { number: 1, ..CustomerSale::default() };
        let place = |amount: i64| (amount > 0).then_some(first);
        shop.carry_out(&event.sale).unwrap();
        let mut lines = kept(&event.sale);
        event.customer_sale = place(lines.iter().map(|line| line.amount).sum());
        for step in 0..draw.below(7) {
            change(&mut shop, &mut draw, &mut event, &mut lines, step);
            let amount: i64 = lines.iter().map(|line| line.amount).sum();
            event.customer_sale = place(amount);
            let (parts, ..) = price(&terms, &event, &lines, currency);
            let left: i64 = shop.set.rewards.iter().map(|reward| reward.value.amount_minor).sum();
            let is_free = amount == 0;
            prop_assert_eq!(left, if is_free { parts.iter().sum() } else { net(&parts, &lines) }, "{:#?}\n{:#?}", lines, terms);
            check_rows(&shop, &lines)?;
            let told = explained(&shop);
            prop_assert_eq!(told.credits[0].recorded_rest.unwrap().amount_minor, left);
            prop_assert_eq!((told.credits[0].expected_rest, told.credits[0].difference), (told.credits[0].recorded_rest, None));
        }
        let left: i64 = lines.iter().map(Line::left).sum();
        if left > 0 {
            refund(&mut shop, "last", Some(left), event.amount.as_ref().unwrap(), Vec::new());
            let net: i64 = shop.set.rewards.iter().map(|reward| reward.value.amount_minor).sum();
            prop_assert_eq!(net, 0, "{:#?}", lines);
        }
    }
}

/// The stored lines of the sale and of its refunds are those of the model, and add up.
fn check_rows(shop: &Rules, lines: &[Line]) -> Result<(), TestCaseError> {
    let rows = || shop.set.conversions.iter();
    let sale = rows().find(|row| row.event_id == "sale").unwrap();
    let stored = sale.order.lines.iter().map(|line| (line.amount_minor, line.refunded_minor));
    let expected: Vec<_> = lines.iter().map(|line| (line.amount, line.refunded)).collect();
    prop_assert_eq!(stored.collect::<Vec<_>>(), expected);
    prop_assert_eq!(sale.refunded_minor, lines.iter().map(|line| line.refunded).sum::<i64>());
    prop_assert!(sale.order.lines.len() <= LINES_MAX + 1);
    for row in rows().filter(|row| !row.order.lines.is_empty()) {
        let sum: i64 = row.order.lines.iter().map(|line| line.amount_minor).sum();
        prop_assert_eq!(sum, row.amount.unwrap().amount_minor);
    }
    for reward in shop.set.rewards.iter().filter_map(|row| Some((row.value, row.calculation.as_ref()?))) {
        let (value, calculation) = reward;
        let sum: i64 = calculation.lines.iter().map(|line| line.value_minor).sum();
        prop_assert!(calculation.lines.is_empty() || sum == value.amount_minor);
    }
    Ok(())
}

/// Refunds or corrects the sale, in the shop and in the model.
fn change(shop: &mut Rules, draw: &mut Draw, event: &mut Event, lines: &mut [Line], step: usize) {
    let sold = event.amount.clone().unwrap();
    let refunded: i64 = lines.iter().map(|line| line.refunded).sum();
    let left = sold.amount_minor - refunded;
    let name = format!("step-{step}");
    match draw.below(4) {
        0 => {
            let amount_minor = refunded + draw.amount(&sold.currency_code).amount_minor;
            correct(shop, &name, amount_minor, &sold, Vec::new());
            let weights: Vec<i64> = lines.iter().map(Line::left).collect();
            let amounts = || lines.iter().map(|line| line.amount).collect();
            let weights = if left > 0 { weights } else { amounts() };
            let parts = divided(amount_minor - refunded, &weights);
            lines.iter_mut().zip(parts).for_each(|(line, part)| line.amount = line.refunded + part);
            event.amount = Some(pb::Money { amount_minor, ..sold });
        }
        1 if lines.iter().all(|line| !line.id.is_empty()) => {
            let place = draw.below(lines.len());
            lines[place].amount += 17;
            draw.sku().clone_into(&mut lines[place].sku);
            lines[place].collections = draw.collections();
            let amount_minor = sold.amount_minor + 17;
            let money = |amount_minor| Some(pb::Money { amount_minor, currency_code: sold.currency_code.clone() });
            let right = lines.iter().map(|line| pb::SaleLine {
                line_id: line.id.clone(),
                item_sku: line.sku.clone(),
                plan: line.plan.clone(),
                collections: line.collections.clone(),
                quantity: line.quantity,
                amount: money(line.amount),
            });
            let right = right.collect();
            correct(shop, &name, amount_minor, &sold, right);
            event.amount = Some(pb::Money { amount_minor, ..sold });
        }
        2 if left > 0 => {
            let amount_minor = 1 + i64::try_from(draw.below(usize::try_from(left).unwrap())).unwrap();
            refund(shop, &name, Some(amount_minor), &sold, Vec::new());
            let weights: Vec<i64> = lines.iter().map(Line::left).collect();
            lines.iter_mut().zip(divided(amount_minor, &weights)).for_each(|(line, part)| line.refunded += part);
        }
        _ if left > 0 => refund_lines(shop, draw, &sold, lines, &name),
        _ => {}
    }
}

/// Refunds parts or units of some lines.
fn refund_lines(shop: &mut Rules, draw: &mut Draw, sold: &pb::Money, lines: &mut [Line], name: &str) {
    let mut named = Vec::new();
    let mut sum = 0;
    for line in lines.iter_mut().filter(|line| !line.id.is_empty() && line.left() > 0) {
        let units_left = line.quantity - line.units;
        let (part, minor) = if draw.below(2) == 0 && units_left > 0 {
            let units = 1 + i32::try_from(draw.below(usize::try_from(units_left).unwrap())).unwrap();
            let floor = |units: i32| {
                i64::try_from(i128::from(line.amount) * i128::from(units) / i128::from(line.quantity)).unwrap()
            };
            let minor = floor(line.units + units) - floor(line.units);
            let minor = if units == units_left { line.left() } else { minor.min(line.left()) };
            line.units += units;
            (pb::refund_line::Part::Quantity(units), minor)
        } else {
            let minor = 1 + i64::try_from(draw.below(usize::try_from(line.left()).unwrap())).unwrap();
            (pb::refund_line::Part::Amount(pb::Money { amount_minor: minor, ..sold.clone() }), minor)
        };
        line.refunded += minor;
        sum += minor;
        named.push(pb::RefundLine { line_id: line.id.clone(), part: Some(part) });
        if draw.below(2) == 0 {
            break;
        }
    }
    if sum > 0 {
        refund(shop, name, None, sold, named);
    } else {
        // Units of a line that are worth nothing are no refund of a sale that was paid.
        for line in lines.iter_mut() {
            let of_line = named.iter().filter(|named| named.line_id == line.id);
            line.units -= of_line
                .map(|named| match named.part {
                    Some(pb::refund_line::Part::Quantity(units)) => units,
                    _ => 0,
                })
                .sum::<i32>();
        }
    }
}

fn refund(shop: &mut Rules, name: &str, minor: Option<i64>, sold: &pb::Money, lines: Vec<pb::RefundLine>) {
    let request = pb::RecordRefundRequest {
        event_id: format!("refund-{name}"),
        sale_event_id: "sale".to_owned(),
        amount: minor.map(|amount_minor| pb::Money { amount_minor, ..sold.clone() }),
        lines,
        ..Default::default()
    };
    shop.carry_out(&request).unwrap();
}

fn correct(shop: &mut Rules, name: &str, amount_minor: i64, sold: &pb::Money, lines: Vec<pb::SaleLine>) {
    let request = pb::CorrectSaleRequest {
        event_id: format!("correction-{name}"),
        sale_event_id: "sale".to_owned(),
        amount: Some(pb::Money { amount_minor, ..sold.clone() }),
        lines,
        ..Default::default()
    };
    shop.carry_out(&request).unwrap();
}
