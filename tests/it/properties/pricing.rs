//! What events earn by the commission rules of terms: the engine and a second, slow model agree, and refunds and corrections add up.

mod caps;
mod clicks;
mod dated;
mod draw;
mod granted;
mod ladder;
mod lines;
mod model;
mod recurring;
mod referral;
mod sold;

use headwater::domain::account::KeyKind;
use headwater::domain::conversion::CustomerSale;
use headwater::domain::explanation::{self, Explanation};
use headwater::domain::money::{Currency, Money};
use headwater::domain::noted::NotedFacts;
use headwater::domain::pricing::{self, CommissionEvent, ConditionField, Facts, OwnRates, StepResult};
use headwater::domain::program::{Terms, TermsDraft};
use headwater::domain::reward::RewardRule;
use headwater::pb;
use headwater::rpc::call::change::{Asking, Change};
use proptest::prelude::*;

use self::draw::Draw;
use self::model::{Event, price};
use super::config;
use super::rules::{Rules, START};
use crate::support::dossier::dossier;
use crate::support::rows;

fn asking() -> Asking<'static> {
    Asking::new(START, KeyKind::Admin)
}

fn program_of(terms: &pb::Terms, currency: &str) -> pb::CreateProgramRequest {
    pb::CreateProgramRequest {
        display_name: "Main".to_owned(),
        currency_code: currency.to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(terms.clone()),
        ..Default::default()
    }
}

/// The terms as the server reads them.
fn read(terms: &pb::Terms, currency: &str) -> TermsDraft {
    let (rule, _) = program_of(terms, currency).read(&asking()).unwrap_or_else(|error| panic!("{error:?}: {terms:#?}"));
    rule.rules
}

/// The value, its currency and the number of the rule, by the engine.
fn priced(terms: TermsDraft, event: &Event, currency: Currency) -> Option<(i64, String, i32)> {
    let terms = Terms { rules: terms, ..rows::terms() };
    let priced = with_facts(event, currency, |facts| pricing::price(&terms, facts, event.own, 1_000_000)).unwrap()?;
    let number = priced.calculation.rule_taken.as_ref().map_or(0, |taken| taken.number);
    // A calculation is computed again from what it says.
    assert_eq!(pricing::value_at(&priced.calculation, priced.calculation.base_amount).unwrap(), priced.value);
    Some((priced.value.amount_minor, priced.value.currency.to_string(), number))
}

fn with_facts<T>(event: &Event, currency: Currency, price: impl FnOnce(&Facts<'_>) -> T) -> T {
    let sale = pb::RecordSaleRequest { event_id: "sale".to_owned(), ..event.sale.clone() };
    let (sale, _) = sale.read(&asking()).unwrap();
    let kind = pb::CommissionEvent::as_str_name(&event.kind).to_lowercase();
    let mut noted = NotedFacts::none(rows::enrollment().id);
    for (field, value) in &event.noted {
        let name = field.as_str_name().strip_prefix("CONDITION_FIELD_").unwrap().to_lowercase();
        let key = if *field == pb::ConditionField::LeadMetadata { "tier" } else { "" };
        noted.keep(name.parse::<ConditionField>().unwrap().noted_as(key), value);
    }
    let facts = Facts {
        event_kind: kind.strip_prefix("commission_event_").unwrap().parse::<CommissionEvent>().unwrap(),
        amount: event.amount.as_ref().map(|money| Money::new(money.amount_minor, money.currency_code.parse().unwrap())),
        line_amount: None,
        quantity: sale.order.quantity,
        channel: sale.channel.as_str(),
        coupon_code: &sale.order.coupon_code,
        item_sku: &sale.order.item_sku,
        plan: &sale.order.plan,
        collections: &sale.order.collections,
        custom_kind: &event.custom_kind,
        order_id: &sale.order.order_id,
        metadata: &sale.order.metadata,
        country_code: &sale.order.country_code,
        noted: Some(&noted),
        occurred_at: event.time(),
        customer_sale: event.customer_sale,
        program_currency: currency,
    };
    price(&facts)
}

/// Checks that an explanation names the rule that prices an event, and true reasons for all others.
fn check_trace(terms: &pb::Terms, event: &Event, currency: &str) {
    let own_code: Currency = currency.parse().unwrap();
    let read = Terms { rules: read(terms, currency), ..rows::terms() };
    let (trace, priced) = with_facts(event, own_code, |facts| {
        let trace = pricing::trace(&read, facts, event.own, 1_000_000).unwrap();
        (trace, pricing::price(&read, facts, event.own, 1_000_000).unwrap())
    });
    assert_eq!(trace.priced, priced);
    assert_eq!(trace.steps.len(), terms.rules.len() + 2 + usize::from(event.own.coupon.is_some()));
    let mut taken = None;
    for step in &trace.steps {
        if step.result == StepResult::Taken {
            assert_eq!(taken.replace((step.source, step.number)), None, "two are taken");
        }
        let Some(rule) = usize::try_from(step.number - 1).ok().and_then(|place| terms.rules.get(place)) else {
            continue;
        };
        assert_eq!(step.rule.unwrap().name.as_ref(), rule.name);
        let reasons = model::misfits(rule, event, currency);
        match step.result {
            StepResult::Taken => assert_eq!(reasons, [], "{step:?}"),
            // A commission that comes earlier was taken.
            StepResult::Outranked => assert!(reasons.is_empty() && taken.is_some(), "{step:?} {reasons:?}"),
            other => assert_eq!(reasons.first().map(pb::CommissionStepResult::as_str_name), Some(wire_name(other))),
        }
    }
    if let Some(priced) = priced {
        let number = priced.calculation.rule_taken.map_or(0, |taken| taken.number);
        assert_eq!(taken, Some((priced.calculation.rule, number)));
        let own = event.kind == pb::CommissionEvent::Sale;
        match (event.own.enrollment.filter(|_| own), event.own.coupon.filter(|_| own)) {
            (Some(_), _) => assert_eq!(priced.calculation.rule, RewardRule::Enrollment),
            (None, Some(_)) => assert_eq!(priced.calculation.rule, RewardRule::Coupon),
            (None, None) => {}
        }
    }
}

fn wire_name(result: StepResult) -> &'static str {
    let name = format!("COMMISSION_STEP_RESULT_{}", result.as_str().to_uppercase());
    pb::CommissionStepResult::from_str_name(&name).unwrap().as_str_name()
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn the_engine_and_a_slow_model_agree(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let currency = draw.currency();
        let terms = draw.terms(currency);
        let event = draw.event(currency);
        let expected = price(&terms, &event, currency);
        let found = priced(read(&terms, currency), &event, currency.parse().unwrap());
        prop_assert_eq!(found, expected, "{:#?}\n{:#?}", terms, event);
    }

    #[test]
    fn an_explanation_names_the_rule_that_is_taken_and_true_reasons(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let currency = draw.currency();
        let terms = draw.terms(currency);
        check_trace(&terms, &draw.event(currency), currency);
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn rules_are_returned_as_they_are_read(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let currency = draw.currency();
        let request = program_of(&draw.terms(currency), currency);
        let canonical = request.canonical();
        prop_assert_eq!(read(canonical.terms.as_ref().unwrap(), currency), read(request.terms.as_ref().unwrap(), currency));
        let again = canonical.canonical();
        prop_assert_eq!(again.as_ref(), canonical.as_ref());
    }

    #[test]
    fn corrections_and_refunds_leave_what_the_model_says(seed in any::<u64>()) {
        play_corrections_and_refunds(seed)?;
    }
}

/// The seed by which a wrong currency was found. The scenario `rules_currency.txt` shows the rule.
#[test]
fn a_correction_may_change_the_currency_of_a_reward() {
    play_corrections_and_refunds(8_640_687_129_116_216_860).unwrap();
}

fn play_corrections_and_refunds(seed: u64) -> Result<(), TestCaseError> {
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
    let mut event = Event { kind: pb::CommissionEvent::Sale, ..draw.event(currency) };
    let code = event.amount.as_ref().map_or(currency, |amount| amount.currency_code.as_str()).to_owned();
    let sold = draw.amount(&code);
    event.amount = Some(sold.clone());
    event.sale = pb::RecordSaleRequest {
        event_id: "sale".to_owned(),
        email: "bob@shop.example".to_owned(),
        ref_id: "ann".to_owned(),
        amount: Some(sold.clone()),
        occur_time: None,
        ..event.sale
    };
    event.sold_at(START);
    // The affiliate and the customer have neither a country nor a group, and no metadata.
    event.noted.clear();
    event.own = OwnRates::default();
    let first = CustomerSale { number: 1, ..CustomerSale::default() };
    let place = |amount: i64| (amount > 0).then_some(first);
    event.customer_sale = place(sold.amount_minor);
    shop.carry_out(&event.sale).unwrap();
    let mut refunded = 0;
    for step in 0..draw.below(6) {
        let amount = event.amount.clone().unwrap();
        let left = amount.amount_minor - refunded;
        if draw.below(2) == 0 {
            let right = pb::Money { amount_minor: refunded + draw.amount(currency).amount_minor, ..amount };
            let request = pb::CorrectSaleRequest {
                event_id: format!("correction-{step}"),
                sale_event_id: "sale".to_owned(),
                amount: Some(right.clone()),
                ..Default::default()
            };
            shop.carry_out(&request).unwrap();
            event.customer_sale = place(right.amount_minor);
            event.amount = Some(right);
        } else if left > 0 {
            let part = 1 + i64::try_from(draw.below(usize::try_from(left).unwrap())).unwrap();
            refund(&mut shop, step, part, &amount.currency_code);
            refunded += part;
        }
        let net: i64 = shop.set.rewards.iter().map(|reward| reward.value.amount_minor).sum();
        prop_assert_eq!(net, model::net(&terms, &event, currency, refunded), "{:#?}\n{:#?}", &terms, &event);
        let told = explained(&shop);
        let (credit, value) = (&told.credits[0], price(&terms, &event, currency));
        let (value, code, number) = value.unwrap();
        let computed = credit.computation.as_ref().unwrap().value;
        prop_assert_eq!((computed.amount_minor, computed.currency.to_string()), (value, code));
        prop_assert_eq!(credit.taken().unwrap().rule_number, number);
        prop_assert_eq!(credit.recorded_rest.unwrap().amount_minor, net);
        prop_assert_eq!((credit.expected_rest, credit.difference), (credit.recorded_rest, None), "{:#?}", told);
    }
    let amount = event.amount.clone().unwrap();
    if amount.amount_minor > refunded {
        refund(&mut shop, 99, amount.amount_minor - refunded, &amount.currency_code);
    }
    if amount.amount_minor > 0 {
        let net: i64 = shop.set.rewards.iter().map(|reward| reward.value.amount_minor).sum();
        prop_assert_eq!(net, 0, "{:#?}\n{:#?}", &terms, &event);
    }
    Ok(())
}

/// The explanation of the sale.
fn explained(shop: &Rules) -> Explanation {
    let sale = shop.set.conversions.iter().find(|row| row.event_id == "sale").unwrap();
    explanation::explain(&dossier(&shop.set, sale))
}

fn refund(shop: &mut Rules, step: usize, amount_minor: i64, currency: &str) {
    let request = pb::RecordRefundRequest {
        event_id: format!("refund-{step}"),
        sale_event_id: "sale".to_owned(),
        amount: Some(pb::Money { amount_minor, currency_code: currency.to_owned() }),
        ..Default::default()
    };
    shop.carry_out(&request).unwrap();
}
