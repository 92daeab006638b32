//! Collections of sales and of their lines: row P5.

use headwater::pb;
use pb::{Comparison, ConditionField};
use tonic_types::StatusExt;

use super::affiliate::mask;
use crate::support::database::TestDatabase;
use crate::support::feed::{cash, conversion_of, from_beginning};
use crate::support::server::TestServer;
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn rule(name: &str, percent_ppm: i32, comparison: Comparison, values: &[&str]) -> pb::CommissionRule {
    let condition = Some(pb::Condition {
        field: ConditionField::Collection.into(),
        comparison: comparison.into(),
        values: texts(values),
        ..Default::default()
    });
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) });
    pb::CommissionRule { name: name.to_owned(), commission, condition, ..Default::default() }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn sale(event_id: &str, collections: &[&str]) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        email: format!("{event_id}@customers.example"),
        ref_id: "ann".to_owned(),
        amount: Some(usd(10_000)),
        collections: texts(collections),
        ..Default::default()
    }
}

fn values(rewards: &[pb::RewardSummary]) -> Vec<i64> {
    rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

/// A shop at 20 % with Ann, where gift cards earn nothing and shirts 40 %.
async fn open(server: &TestServer) -> Shop {
    let rules = vec![
        rule("gifts", 0, Comparison::OneOf, &["gift", "voucher"]),
        rule("shirts", 400_000, Comparison::Equal, &["shirts"]),
    ];
    Shop::furnish_with(server.new_account("shop").await, pb::Terms { rules, ..Default::default() }).await
}

fn recorded(event_id: &str) -> Option<pb::ConversionSelector> {
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: event_id.to_owned() };
    Some(pb::ConversionSelector { selector: Some(pb::conversion_selector::Selector::RecordedEvent(event)) })
}

db_test!(p5_collections_are_kept_priced_and_explained, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let shirt = sale("one", &["shirts", "blue", "", "shirts"]);
    let answer = client.tracking.record_sale(shirt.clone()).await.unwrap().into_inner();
    assert_eq!((values(&answer.rewards), answer.warnings), (vec![4_000], Vec::new()));
    // The same collections in another order are the same request, and others are not.
    let same = sale("one", &["blue", "shirts"]);
    assert!(client.tracking.record_sale(same).await.unwrap().into_inner().replayed);
    let status = client.tracking.record_sale(sale("one", &["shirts"])).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "IDEMPOTENCY_MISMATCH");

    let request = pb::GetConversionRequest { conversion: recorded("one"), ..Default::default() };
    let found = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    assert_eq!(found.collections, ["blue", "shirts"]);
    let request = pb::ExplainConversionRequest { conversion: recorded("one") };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    let comparisons: Vec<_> = told.credits[0].steps.iter().flat_map(|step| &step.comparisons).collect();
    let told: Vec<_> = comparisons.iter().map(|one| (one.actual.as_str(), one.holds)).collect();
    assert_eq!(told, [("blue, shirts", false), ("blue, shirts", true)]);

    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let told = events.iter().find_map(conversion_of).unwrap();
    assert_eq!(told.collections, ["blue", "shirts"]);
});

db_test!(p5_a_line_has_collections_of_its_own_and_its_reward_keeps_them, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let line = |line_id: &str, minor, collections: &[&str]| pb::SaleLine {
        line_id: line_id.to_owned(),
        amount: Some(usd(minor)),
        collections: texts(collections),
        ..Default::default()
    };
    let lines = vec![line("a", 5_000, &["gift"]), line("b", 3_000, &[]), line("c", 2_000, &["mugs"])];
    let answer = client.tracking.record_sale(pb::RecordSaleRequest { lines, ..sale("one", &["shirts"]) }).await;
    assert_eq!(values(&answer.unwrap().into_inner().rewards), [1_600]);
    let request = pb::GetConversionRequest { conversion: recorded("one"), ..Default::default() };
    let found = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    let kept: Vec<_> = found.lines.iter().map(|line| line.collections.clone()).collect();
    assert_eq!(kept, [texts(&["gift"]), Vec::new(), texts(&["mugs"])]);
    let calculation = found.rewards[0].calculation.as_ref().unwrap();
    let priced: Vec<_> =
        calculation.lines.iter().map(|line| (line.rule_name.as_str(), line.collections.clone())).collect();
    let expected = [("gifts", texts(&["gift"])), ("shirts", Vec::new()), ("", texts(&["mugs"]))];
    assert_eq!(priced, expected);
    // The explanation prices the sale again and finds what was recorded.
    let request = pb::ExplainConversionRequest { conversion: recorded("one") };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    assert_eq!(told.credits[0].difference(), pb::ExplanationDifference::Unspecified);
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(p5_a_sale_is_not_lost_over_its_collections, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let (longest, too_long) = ("x".repeat(128), "x".repeat(129));
    let many: Vec<String> = (10..31).map(|number| format!("c{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (event_id, sent, kept, warned) in [
        ("longest", vec![longest.as_str()], vec![longest.as_str()], 0),
        ("long", vec![&too_long, "shirts", "a\n", " "], vec!["shirts"], 1),
        ("twenty", many[..20].to_vec(), many[..20].to_vec(), 0),
        ("many", many.iter().rev().copied().collect(), many[..20].to_vec(), 1),
    ] {
        let answer = client.tracking.record_sale(sale(event_id, &sent)).await.unwrap().into_inner();
        let fields: Vec<&str> = answer.warnings.iter().map(|warning| warning.field.as_str()).collect();
        assert_eq!(fields, vec!["collections"; warned], "{event_id}");
        let request = pb::GetConversionRequest { conversion: recorded(event_id), ..Default::default() };
        let found = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
        assert_eq!(found.collections, kept, "{event_id}");
    }
});

db_test!(p5_conditions_on_collections_are_checked, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server).await;
    let fields = async |shop: &mut Shop, rule: pb::CommissionRule| {
        let terms = pb::Terms { commission: rule.commission.clone(), rules: vec![rule], ..Default::default() };
        let program = pb::Program { id: shop.program_id.clone(), terms: Some(terms), ..Default::default() };
        let update_mask = mask(&["terms"]);
        let request = pb::UpdateProgramRequest { program: Some(program), update_mask, ..Default::default() };
        match shop.client.affiliates.update_program(request).await {
            Ok(_) => Vec::new(),
            Err(status) => status.get_error_details().bad_request().unwrap().field_violations.clone(),
        }
    };
    let is_wrong = async |shop: &mut Shop, rule| {
        fields(shop, rule).await.into_iter().map(|violation| violation.field).collect::<Vec<_>>()
    };
    for good in [
        rule("r", 1, Comparison::NotEqual, &["a"]),
        rule("r", 1, Comparison::Contains, &["a"]),
        rule("r", 1, Comparison::NotExists, &[]),
    ] {
        assert_eq!(is_wrong(&mut shop, good).await, Vec::<String>::new());
    }
    let more = rule("r", 1, Comparison::More, &["1"]);
    assert_eq!(is_wrong(&mut shop, more).await, ["program.terms.rules[0].condition.comparison"]);
    let empty = rule("r", 1, Comparison::Equal, &[""]);
    assert_eq!(is_wrong(&mut shop, empty).await, ["program.terms.rules[0].condition.values[0]"]);
    let of_lead = pb::CommissionRule {
        event_kind: pb::CommissionEvent::Lead.into(),
        ..rule("r", 1, Comparison::Equal, &["shirts"])
    };
    let wrong = is_wrong(&mut shop, of_lead).await;
    assert!(wrong.contains(&"program.terms.rules[0].condition.field".to_owned()), "{wrong:?}");
});
