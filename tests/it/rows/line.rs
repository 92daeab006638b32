//! Lines of sales: rows P5, P6 and P24.

use headwater::app::check;
use headwater::pb;
use headwater::store::entity::{conversion, reward};
use pb::refund_line::Part;
use sea_orm::sea_query::{Expr, Func, IntoColumnRef, SimpleExpr};
use sea_orm::{Database, EntityTrait, ExprTrait, QueryFilter};
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::{cash, conversion_of, from_beginning};
use crate::support::server::TestServer;
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn percent(name: &str, percent_ppm: i32, sku: &str) -> pb::CommissionRule {
    let rate = pb::commission::Rate::PercentPpm(percent_ppm);
    let item_skus = if sku.is_empty() { Vec::new() } else { vec![sku.to_owned()] };
    let commission = Some(pb::Commission { rate: Some(rate) });
    pb::CommissionRule { name: name.to_owned(), commission, item_skus, ..Default::default() }
}

/// A shop at 20 % with Ann: cups earn 10 %, gift cards nothing, and mugs 1.00 for each.
async fn open(server: &TestServer) -> Shop {
    let flat = Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(usd(100))) });
    let mugs = pb::CommissionRule { commission: flat, is_per_unit: true, ..percent("mugs", 0, "MUG") };
    let rules = vec![percent("cups", 100_000, "CUP"), percent("gift cards", 0, "GIFT"), mugs];
    Shop::furnish_with(server.new_account("shop").await, pb::Terms { rules, ..Default::default() }).await
}

fn line(line_id: &str, item_sku: &str, quantity: i32, minor: i64) -> pb::SaleLine {
    let (line_id, item_sku) = (line_id.to_owned(), item_sku.to_owned());
    pb::SaleLine { line_id, item_sku, quantity, amount: Some(usd(minor)), ..Default::default() }
}

fn sale(event_id: &str, minor: i64, lines: Vec<pb::SaleLine>) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        external_id: "bob".to_owned(),
        ref_id: "ann".to_owned(),
        amount: Some(usd(minor)),
        lines,
        ..Default::default()
    }
}

fn refund(event_id: &str, sale: &str, lines: &[(&str, Part)]) -> pb::RecordRefundRequest {
    let line = |(id, part): &(&str, Part)| pb::RefundLine { line_id: (*id).to_owned(), part: Some(part.clone()) };
    pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale.to_owned(),
        lines: lines.iter().map(line).collect(),
        ..Default::default()
    }
}

fn values(rewards: &[pb::RewardSummary]) -> Vec<i64> {
    rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

fn selector(event_id: &str, kind: pb::ConversionKind) -> Option<pb::ConversionSelector> {
    let event = pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() };
    Some(pb::ConversionSelector { selector: Some(pb::conversion_selector::Selector::RecordedEvent(event)) })
}

async fn conversion(client: &mut Client, event_id: &str, kind: pb::ConversionKind) -> pb::Conversion {
    let request = pb::GetConversionRequest { conversion: selector(event_id, kind), ..Default::default() };
    client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap()
}

/// Id, amount, refunded amount and refunded units of each line.
fn lines(conversion: &pb::Conversion) -> Vec<(&str, i64, i64, i32)> {
    let minor = |money: &Option<pb::Money>| money.as_ref().map_or(0, |money| money.amount_minor);
    let fact = |line: &pb::ConversionLine| (minor(&line.amount), minor(&line.refunded_amount), line.refunded_quantity);
    let facts = conversion.lines.iter().map(|line| (line.line_id.as_str(), fact(line)));
    facts.map(|(id, (amount, refunded, units))| (id, amount, refunded, units)).collect()
}

async fn differences(server: &TestServer) -> Vec<String> {
    let app = server.server.app();
    let mut differences = Vec::new();
    for account_id in check::accounts(app.store()).await.unwrap() {
        differences.extend(check::check(app.store(), account_id).await.unwrap().differences);
    }
    differences
}

fn four_lines() -> Vec<pb::SaleLine> {
    vec![line("m", "MUG", 3, 3_000), line("c", "CUP", 1, 1_000), line("g", "GIFT", 1, 5_000), line("", "", 1, 900)]
}

db_test!(p24_each_line_is_priced_and_shown_with_its_rule, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let answer = client.tracking.record_sale(sale("one", 10_000, four_lines())).await.unwrap().into_inner();
    // 3 x 1.00, 10 % of 10.00, nothing, 20 % of 9.00 and of the rest.
    assert_eq!(values(&answer.rewards), [300 + 100 + 180 + 20]);
    assert_eq!(answer.warnings, []);
    let stored = conversion(&mut client, "one", pb::ConversionKind::Sale).await;
    let expected = [("m", 3_000, 0, 0), ("c", 1_000, 0, 0), ("g", 5_000, 0, 0), ("4", 900, 0, 0), ("", 100, 0, 0)];
    assert_eq!(lines(&stored), expected);
    let calculation = stored.rewards[0].calculation.clone().unwrap();
    let part = |line: &pb::RewardLine| (line.rule_number, line.value_amount.clone().unwrap().amount_minor);
    let parts: Vec<_> = calculation.lines.iter().map(part).collect();
    assert_eq!(parts, [(3, 300), (1, 100), (2, 0), (0, 180), (0, 20)]);
    assert_eq!((calculation.rule_name.as_str(), calculation.lines[0].quantity), ("mugs", 3));
    // The feed has the lines too, and so has the statement.
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let told: Vec<_> = events.iter().filter_map(conversion_of).collect();
    assert_eq!(told[0].lines, stored.lines);
    let interval = pb::TimeInterval::default();
    let request = pb::CalculateCommissionsRequest {
        affiliate: Some(pb::AffiliateSelector {
            selector: Some(pb::affiliate_selector::Selector::Id(answer.credits[0].affiliate_id.clone())),
        }),
        period: Some(pb::calculate_commissions_request::Period::Interval(interval)),
        ..Default::default()
    };
    let statement = client.rewards.calculate_commissions(request).await.unwrap().into_inner();
    assert_eq!(statement.lines[0].calculation.clone().unwrap().lines, calculation.lines);
    let request = pb::ExplainConversionRequest { conversion: selector("one", pb::ConversionKind::Sale) };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    assert_eq!(told.result(), pb::ExplanationResult::Earned);
    let lines = &told.credits[0].lines;
    assert_eq!(lines.iter().map(|line| line.computation.clone().unwrap()).collect::<Vec<_>>(), calculation.lines);
    let results: Vec<_> = lines[1].steps.iter().map(pb::CommissionStep::result).collect();
    use pb::CommissionStepResult::{NotSet, OtherItem, Outranked, Taken};
    assert_eq!(results, [NotSet, Taken, OtherItem, OtherItem, Outranked]);
    let sentence =
        "The line c with the SKU CUP of 10.00 USD is priced by the rule 1 \"cups\" (10 %): it earns 1.00 USD.";
    assert!(told.sentences.iter().any(|one| one == sentence), "{:#?}", told.sentences);
    assert_eq!(told.credits[0].expected_rest, told.credits[0].recorded_rest);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(g11_g12_a_purchase_is_recorded_with_its_line_items, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let mut items = four_lines();
    items[0] = pb::SaleLine { plan: "pro".to_owned(), collections: vec!["kitchen".to_owned()], ..items[0].clone() };
    let request = pb::RecordSaleRequest {
        email: "jo@customers.example".to_owned(),
        order_id: "4711".to_owned(),
        ..sale("purchase-1", 9_900, items)
    };
    let recorded = client.tracking.record_sale(request.clone()).await.unwrap().into_inner();
    assert_eq!((values(&recorded.rewards), recorded.warnings), (vec![300 + 100 + 180], Vec::new()));
    let stored = conversion(&mut client, "purchase-1", pb::ConversionKind::Sale).await;
    assert_eq!(lines(&stored), [("m", 3_000, 0, 0), ("c", 1_000, 0, 0), ("g", 5_000, 0, 0), ("4", 900, 0, 0)]);
    let first = &stored.lines[0];
    assert_eq!((&*first.item_sku, &*first.plan, first.quantity), ("MUG", "pro", 3));
    assert_eq!((&first.collections[..], &*stored.order_id), (&["kitchen".to_owned()][..], "4711"));
    // The same purchase has no second effect, and its id with other items is refused.
    let again = client.tracking.record_sale(request.clone()).await.unwrap().into_inner();
    assert_eq!((again.replayed, &again.conversion_id), (true, &recorded.conversion_id));
    let mut other = request.clone();
    other.lines[1].quantity = 2;
    let status = client.tracking.record_sale(other).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    // A list of purchases has the items, and so has the feed.
    let listed = client.tracking.list_conversions(pb::ListConversionsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.conversions[0].lines, stored.lines);
    // Items of a purchase that nobody referred are kept too.
    let alone = pb::RecordSaleRequest {
        event_id: "purchase-2".to_owned(),
        external_id: "kim".to_owned(),
        email: String::new(),
        ref_id: String::new(),
        ..request
    };
    let alone = client.tracking.record_sale(alone).await.unwrap().into_inner();
    assert_eq!(alone.outcome(), pb::ConversionOutcome::NotReferred);
    assert_eq!(conversion(&mut client, "purchase-2", pb::ConversionKind::Sale).await.lines.len(), 4);
    // A returned item takes back what it earned.
    let back = refund("return-1", "purchase-1", &[("c", Part::Amount(usd(1_000)))]);
    let back = client.tracking.record_refund(back).await.unwrap().into_inner();
    assert_eq!(values(&back.rewards), [-100]);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p24_refunds_by_line_take_back_the_commission_of_the_line, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    client.tracking.record_sale(sale("one", 10_000, four_lines())).await.unwrap();
    let units = refund("r1", "one", &[("m", Part::Quantity(1)), ("g", Part::Amount(usd(2_000)))]);
    let answer = client.tracking.record_refund(units.clone()).await.unwrap().into_inner();
    assert_eq!(values(&answer.rewards), [-100]);
    assert!(client.tracking.record_refund(units.clone()).await.unwrap().into_inner().replayed);
    let other = pb::RecordRefundRequest { lines: Vec::new(), amount: Some(usd(3_000)), ..units };
    let status = client.tracking.record_refund(other).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "IDEMPOTENCY_MISMATCH");
    let stored = conversion(&mut client, "r1", pb::ConversionKind::Refund).await;
    assert_eq!(lines(&stored), [("m", -1_000, 0, 0), ("g", -2_000, 0, 0)]);
    assert_eq!((stored.amount, stored.lines[0].quantity), (Some(usd(-3_000)), 1));
    let stored = conversion(&mut client, "one", pb::ConversionKind::Sale).await;
    let expected =
        [("m", 3_000, 1_000, 1), ("c", 1_000, 0, 0), ("g", 5_000, 2_000, 0), ("4", 900, 0, 0), ("", 100, 0, 0)];
    assert_eq!(lines(&stored), expected);
    for (wrong, code, reason) in [
        (refund("r2", "one", &[("x", Part::Quantity(1))]), Code::InvalidArgument, "INVALID_FIELDS"),
        (refund("r2", "one", &[("m", Part::Quantity(3))]), Code::InvalidArgument, "INVALID_FIELDS"),
        (refund("r2", "one", &[("g", Part::Amount(usd(3_001)))]), Code::FailedPrecondition, "REFUND_EXCEEDS_SALE"),
    ] {
        let status = client.tracking.record_refund(wrong).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert_eq!(status.get_error_details().error_info().unwrap().reason, reason);
    }
    let all = pb::RecordRefundRequest { amount: Some(usd(7_000)), ..refund("r3", "one", &[]) };
    assert_eq!(values(&client.tracking.record_refund(all).await.unwrap().into_inner().rewards), [-500]);
    let request = pb::ExplainConversionRequest { conversion: selector("one", pb::ConversionKind::Sale) };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    assert_eq!(told.result(), pb::ExplanationResult::TakenBack);
    assert_eq!(told.credits[0].lines.iter().filter(|line| line.rest_amount != Some(usd(0))).count(), 0);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p24_a_sale_is_not_lost_over_lines_that_do_not_fit, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    // A shop sends what it has: two lines with one id, the credit of a proration below zero, and more than 100 lines.
    let mut many = vec![line("a", "CUP", 1, 1_000), line("a", "CUP", 0, 1_000), line("b", "", 1, -500)];
    many.extend((3..103).map(|number| line(&format!("n{number}"), "", 2_000_000, 10)));
    let answer = client.tracking.record_sale(sale("one", 2_900, many)).await.unwrap().into_inner();
    let fields: Vec<&str> = answer.warnings.iter().map(|warning| warning.field.as_str()).collect();
    assert_eq!(fields[..2], ["lines", "lines[1].line_id"]);
    assert_eq!((fields.contains(&"lines[2].amount"), fields.last()), (true, Some(&"lines")));
    let stored = conversion(&mut client, "one", pb::ConversionKind::Sale).await;
    // 20.00 and 97 times 0.10 are reduced to 29.00.
    assert_eq!(stored.lines.len(), 99);
    assert_eq!(lines(&stored)[..3], [("a", 976, 0, 0), ("2", 976, 0, 0), ("n3", 10, 0, 0)]);
    let sum: i64 = lines(&stored).iter().map(|(_, amount, ..)| amount).sum();
    assert_eq!(sum, 2_900);
    let euro = pb::Money { amount_minor: 100, currency_code: "EUR".to_owned() };
    let wrong = sale("two", 100, vec![pb::SaleLine { amount: Some(euro), ..line("a", "", 1, 0) }]);
    assert_eq!(client.tracking.record_sale(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p5_p6_rates_of_items_hold_for_each_line_in_batches_too, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let item = |sale| pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) };
    let items = vec![
        // An item that is excluded beside one that is not, and one unit beside three.
        item(sale("one", 6_000, vec![line("g", "GIFT", 1, 5_000), line("c", "CUP", 1, 1_000)])),
        item(sale("two", 6_000, vec![line("m", "MUG", 1, 5_000), line("n", "MUG", 3, 1_000)])),
        item(pb::RecordSaleRequest { item_sku: "GIFT".to_owned(), ..sale("three", 6_000, Vec::new()) }),
        item(pb::RecordSaleRequest { item_sku: "MUG".to_owned(), quantity: 2, ..sale("four", 6_000, Vec::new()) }),
    ];
    let request = pb::BatchRecordEventsRequest { items };
    client.tracking.batch_record_events(request).await.unwrap();
    for (event_id, earned) in [("one", 100), ("two", 400), ("three", 0), ("four", 200)] {
        let stored = conversion(&mut client, event_id, pb::ConversionKind::Sale).await;
        let values: Vec<i64> = stored.rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect();
        assert_eq!(values.iter().sum::<i64>(), earned, "{event_id}");
    }
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

/// A column with another text in place of a part of it.
fn replaced(column: impl IntoColumnRef, from: &str, to: &str) -> SimpleExpr {
    Func::cust("replace").arg(Expr::col(column)).arg(from).arg(to).into()
}

db_test!(p24_lines_that_do_not_add_up_are_found, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    client.tracking.record_sale(sale("one", 10_000, four_lines())).await.unwrap();
    assert_eq!(differences(&server).await, Vec::<String>::new());
    let details = replaced(conversion::Column::OrderDetails, "\"amount_minor\":900", "\"amount_minor\":901");
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    conversion::Entity::update_many()
        .col_expr(conversion::Column::OrderDetails, details)
        .filter(Expr::col(conversion::Column::EventId).eq("one"))
        .exec(&connection)
        .await
        .unwrap();
    let calculation = replaced(reward::Column::Calculation, "\"value_minor\":180", "\"value_minor\":170");
    reward::Entity::update_many().col_expr(reward::Column::Calculation, calculation).exec(&connection).await.unwrap();
    connection.close().await.unwrap();
    let found = differences(&server).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("is 6.00 USD, and its lines add up to 590"), "{found:?}");
    assert!(found[1].contains("add up to 10001 and should add up to 10000"), "{found:?}");
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(!report.ok, "VerifyLedger compares the lines of rewards");
});

db_test!(p24_wrong_lines_of_a_refund_are_named, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let euro = pb::Money { amount_minor: 1, currency_code: "EUR".to_owned() };
    let mut wrong =
        refund("r1", "one", &[("", Part::Amount(usd(-1))), ("a", Part::Quantity(0)), ("a", Part::Amount(euro))]);
    wrong.lines.push(pb::RefundLine { line_id: "b".to_owned(), part: None });
    let faults = async |client: &mut Client, request| {
        let status = client.tracking.record_refund(request).await.unwrap_err();
        let violations = status.get_details_bad_request().unwrap().field_violations;
        violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>()
    };
    let expected = [
        "lines[0].line_id",
        "lines[0].amount.amount_minor",
        "lines[1].quantity",
        "lines[2].line_id",
        "lines[2].amount.currency_code",
        "lines[3].amount",
    ];
    assert_eq!(faults(&mut client, wrong).await, expected);
    let of_customer =
        pb::RecordRefundRequest { external_id: "bob".to_owned(), ..refund("r1", "", &[("a", Part::Quantity(1))]) };
    assert_eq!(faults(&mut client, of_customer).await, ["sale_event_id"]);
    let many: Vec<_> = (0..101).map(|_| ("a", Part::Quantity(1))).collect();
    assert_eq!(faults(&mut client, refund("r1", "one", &many)).await, ["lines"]);
    // What units are worth is not known before the sale.
    assert_eq!(faults(&mut client, refund("r1", "one", &[("a", Part::Quantity(1))])).await, ["amount"]);
});
