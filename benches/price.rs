//! How long it takes to price one sale by terms with many rules, and to price it for three uplines. `cargo bench --bench price` prints the
//! times. See `docs/performance.md`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot begin ends with a panic")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater::domain::account::KeyKind;
use headwater::domain::customer_sale::CustomerSale;
use headwater::domain::id::{AccountId, EnrollmentId, ProgramId};
use headwater::domain::money::Money;
use headwater::domain::pricing::{self, CommissionEvent, Facts, OwnRates, Priced};
use headwater::domain::program::Terms;
use headwater::domain::time::Time;
use headwater::domain::upline::UplineShare;
use headwater::pb;
use headwater::rpc::call::change::{Asking, Change};

const NOW: Time = Time::from_micros(1_790_000_000_000_000);

const LEVELS: usize = 3;

fn compare(field: pb::ConditionField, comparison: pb::Comparison, values: &[&str]) -> pb::Condition {
    pb::Condition {
        field: field.into(),
        comparison: comparison.into(),
        values: values.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

/// A rule for large orders of one item, of a customer abroad or of one who buys again. The condition is nested to depth 3.
fn rule(number: usize, has_condition: bool) -> pb::CommissionRule {
    use pb::Comparison::{Between, Less, More, OneOf, StartsWith};
    use pb::ConditionField::{Amount, CustomerCountry, CustomerSaleNumber, EventMetadata, OrderId, Quantity};
    let metadata = pb::Condition { key: "campaign".to_owned(), ..compare(EventMetadata, StartsWith, &["winter"]) };
    let abroad = vec![compare(CustomerCountry, OneOf, &["NO", "SE", "DK"]), compare(CustomerSaleNumber, More, &["3"])];
    let large = vec![
        compare(Amount, Between, &["1000", "9000000"]),
        compare(Quantity, Less, &["1000"]),
        compare(OrderId, StartsWith, &["order-"]),
        pb::Condition {
            any_of: vec![pb::Condition { all_of: abroad, ..Default::default() }, metadata],
            ..Default::default()
        },
    ];
    pb::CommissionRule {
        name: format!("rule {number}"),
        condition: has_condition.then(|| pb::Condition { all_of: large, ..Default::default() }),
        item_skus: if has_condition { Vec::new() } else { vec![format!("SKU-{number}")] },
        commission: percent(150_000),
        ..Default::default()
    }
}

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

/// Terms as the server reads them.
fn terms(rules: Vec<pb::CommissionRule>) -> Terms {
    let level = pb::UplineLevel { basis: pb::UplineBasis::Commission.into(), percent_ppm: 100_000 };
    let request = pb::CreateProgramRequest {
        display_name: "Shop".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms {
            commission: percent(100_000),
            rules,
            upline_levels: vec![level; LEVELS],
            ..Default::default()
        }),
        ..Default::default()
    };
    let asking = Asking::new(NOW, KeyKind::Admin);
    let rules = request.read(&asking).unwrap_or_else(|error| panic!("{error:?}")).0.rules;
    Terms {
        account_id: AccountId::SERVER,
        program_id: ProgramId::from_uuid(uuid::Uuid::from_u128(1)),
        version: 1,
        starts_at: NOW,
        ends_at: None,
        scheduled_at: None,
        withdrawn_at: None,
        yields_to: Vec::new(),
        rules,
    }
}

/// The price of a sale for its affiliate and for the uplines.
fn price(terms: &Terms, facts: &Facts<'_>) -> Vec<Priced> {
    let priced = pricing::price(terms, facts, OwnRates::default(), 1_000_000).unwrap().unwrap();
    let levels = terms.rules.upline_levels.iter().zip(1..);
    let uplines = levels.map(|(rate, level)| {
        let upline =
            UplineShare { level, rate: *rate, credited_enrollment_id: EnrollmentId::from_uuid(uuid::Uuid::nil()) };
        pricing::price_for_upline(&priced, upline).unwrap()
    });
    let uplines: Vec<Priced> = uplines.collect();
    std::iter::once(priced).chain(uplines).collect()
}

fn benches(criterion: &mut Criterion) {
    let metadata = BTreeMap::from([("campaign".to_owned(), "summer".to_owned())]);
    let currency = "USD".parse().unwrap();
    let facts = Facts {
        event_kind: CommissionEvent::Sale,
        amount: Some(Money::new(123_456, currency)),
        line_amount: None,
        quantity: 3,
        channel: "online",
        coupon_code: "",
        item_sku: "SKU-20",
        plan: "pro",
        collections: &[],
        custom_kind: "",
        order_id: "order-77",
        metadata: &metadata,
        country_code: "DE",
        noted: None,
        occurred_at: NOW,
        customer_sale: Some(CustomerSale { number: 2, ..Default::default() }),
        program_currency: currency,
    };
    let no_rules = terms(Vec::new());
    let items = terms((1..=20).map(|number| rule(number, false)).collect());
    let conditions = terms((1..=20).map(|number| rule(number, true)).collect());
    let mut group = criterion.benchmark_group("a sale with 3 uplines");
    // The rule that is taken says that the benchmark measures what it names.
    for (name, terms, taken) in [
        ("no rules", &no_rules, None),
        ("20 rules, the last one applies", &items, Some(20)),
        ("20 rules with conditions to depth 3, none applies", &conditions, None),
    ] {
        let priced = price(terms, &facts);
        assert_eq!(priced.len(), 1 + LEVELS);
        assert_eq!(priced[0].calculation.rule_taken.as_ref().map(|taken| taken.number), taken, "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| price(black_box(terms), black_box(&facts))));
    }
    group.finish();
}

criterion_group!(price_benches, benches);
criterion_main!(price_benches);
