//! Commission rules of terms: rows P4, P5, P6, P7, P12 and P13.

use headwater::pb;
use pb::conversion_selector::Selector;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::{cash, conversion_of, from_beginning};
use crate::support::server::TestServer;
use crate::support::shop::Shop;

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn flat(amount_minor: i64) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(usd(amount_minor))) })
}

fn rule(name: &str, commission: Option<pb::Commission>) -> pb::CommissionRule {
    pb::CommissionRule { name: name.to_owned(), commission, ..Default::default() }
}

fn for_event(event: pb::CommissionEvent, rule: pb::CommissionRule) -> pb::CommissionRule {
    pb::CommissionRule { event_kind: event.into(), ..rule }
}

/// A shop at 20 % with Ann, and with these rules.
async fn open(server: &TestServer, rules: Vec<pb::CommissionRule>) -> Shop {
    let terms = pb::Terms { rules, custom_kinds: vec!["deposit".to_owned()], ..Default::default() };
    Shop::furnish_with(server.new_account("shop").await, terms).await
}

fn sale(event_id: &str, amount_minor: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        ref_id: "ann".to_owned(),
        amount: Some(usd(amount_minor)),
        ..Default::default()
    }
}

async fn earned(client: &mut Client, sale: pb::RecordSaleRequest) -> Vec<i64> {
    let answer = client.tracking.record_sale(sale).await.unwrap().into_inner();
    values(&answer.rewards)
}

fn values(rewards: &[pb::RewardSummary]) -> Vec<i64> {
    rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

async fn calculation_of(client: &mut Client, kind: pb::ConversionKind, event_id: &str) -> pb::RewardCalculation {
    let event = pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() };
    let selector = pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) };
    let request = pb::GetConversionRequest { conversion: Some(selector), ..Default::default() };
    let conversion = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    let reward_id = conversion.rewards[0].id.clone();
    let request = pb::GetRewardRequest { reward_id, ..Default::default() };
    client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap().calculation.unwrap()
}

/// The books are right, and so are the figures.
async fn check_books(client: &mut Client, sum_minor: i64) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    let (first_day, last_day) = ("2024-06-01".to_owned(), "2026-12-31".to_owned());
    let request = pb::QueryStatsRequest { first_day, last_day, ..Default::default() };
    let stats = client.rewards.query_stats(request).await.unwrap().into_inner();
    let rewards = stats.rows.iter().flat_map(|row| &row.rewards);
    let sum: i64 = rewards.map(|value| cash(Some(value)).amount_minor).sum();
    assert_eq!(sum, sum_minor, "{stats:?}");
}

db_test!(p4_g9_g10_sign_ups_appointments_and_custom_events_earn, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let rules = vec![
        for_event(pb::CommissionEvent::Lead, rule("sign-up", flat(200))),
        for_event(pb::CommissionEvent::Appointment, rule("meeting", flat(500))),
        for_event(pb::CommissionEvent::CustomEvent, rule("deposit", percent(100_000))),
    ];
    let mut client = open(&server, rules).await.client;
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        email: "bob@shop.example".to_owned(),
        ref_id: "ann".to_owned(),
        ..Default::default()
    };
    let first = client.tracking.record_lead(lead.clone()).await.unwrap().into_inner();
    assert_eq!(values(&first.rewards), [200]);
    let again = client.tracking.record_lead(lead).await.unwrap().into_inner();
    assert_eq!(again, pb::RecordLeadResponse { replayed: true, ..first });

    let meeting = pb::RecordAppointmentRequest {
        event_id: "meeting".to_owned(),
        email: "bob@shop.example".to_owned(),
        ..Default::default()
    };
    let first = client.tracking.record_appointment(meeting.clone()).await.unwrap().into_inner();
    assert_eq!(values(&first.rewards), [500]);
    let again = client.tracking.record_appointment(meeting).await.unwrap().into_inner();
    assert_eq!(again, pb::RecordAppointmentResponse { replayed: true, ..first });

    // In a batch, and once more.
    let deposit = pb::RecordCustomEventRequest {
        event_id: "deposit".to_owned(),
        email: "bob@shop.example".to_owned(),
        custom_kind: "deposit".to_owned(),
        amount: Some(usd(5_000)),
        ..Default::default()
    };
    let item = pb::BatchItem { item: Some(pb::batch_item::Item::CustomEvent(deposit)) };
    for replayed in [false, true] {
        let request = pb::BatchRecordEventsRequest { items: vec![item.clone()] };
        let result = client.tracking.batch_record_events(request).await.unwrap().into_inner().results.remove(0);
        let Some(pb::batch_result::Answer::CustomEvent(answer)) = result.answer else { panic!("{result:?}") };
        assert_eq!((values(&answer.rewards), answer.replayed), (vec![500], replayed));
    }

    let calculation = calculation_of(&mut client, pb::ConversionKind::Lead, "lead").await;
    assert_eq!(calculation.rule(), pb::RewardRule::TermsRule);
    assert_eq!((calculation.rule_name.as_str(), calculation.rule_number), ("sign-up", 1));
    assert_eq!(calculation.base_amount, Some(usd(0)));
    let calculation = calculation_of(&mut client, pb::ConversionKind::CustomEvent, "deposit").await;
    assert_eq!((calculation.rule_name.as_str(), calculation.base_amount), ("deposit", Some(usd(5_000))));
    check_books(&mut client, 1_200).await;

    // The feed has the rewards with the events.
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let told = events.iter().filter_map(conversion_of);
    let told: Vec<_> = told.map(|conversion| (conversion.event_id.as_str(), conversion.rewards.len())).collect();
    assert_eq!(told, [("lead", 1), ("meeting", 1), ("deposit", 1)]);
});

db_test!(p5_f10_items_and_plans_have_rates_of_their_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let rules = vec![
        pb::CommissionRule { plans: vec!["pro".to_owned()], ..rule("pro", percent(300_000)) },
        pb::CommissionRule { item_skus: vec!["MUG".to_owned()], ..rule("mugs", percent(100_000)) },
        pb::CommissionRule { item_skus: vec!["GIFT".to_owned()], ..rule("no gifts", percent(0)) },
    ];
    let mut client = open(&server, rules).await.client;
    let of = |event_id: &str, item: &str, plan: &str| pb::RecordSaleRequest {
        item_sku: item.to_owned(),
        plan: plan.to_owned(),
        ..sale(event_id, 10_000)
    };
    assert_eq!(earned(&mut client, of("other", "CUP", "")).await, [2_000]);
    assert_eq!(earned(&mut client, of("mug", "MUG", "")).await, [1_000]);
    assert_eq!(earned(&mut client, of("plan", "", "pro")).await, [3_000]);
    assert_eq!(earned(&mut client, of("both", "MUG", "pro")).await, [1_000]);
    // An item that is excluded earns nothing, and the sale is recorded and credited.
    let gift = client.tracking.record_sale(of("gift", "GIFT", "pro")).await.unwrap().into_inner();
    assert_eq!((gift.outcome(), gift.rewards.len()), (pb::ConversionOutcome::Attributed, 0));
    let calculation = calculation_of(&mut client, pb::ConversionKind::Sale, "both").await;
    assert_eq!((calculation.rule_name.as_str(), calculation.rule_number, calculation.quantity), ("mugs", 2, 0));
    check_books(&mut client, 7_000).await;
});

db_test!(p6_a_fixed_amount_is_paid_per_order_or_per_unit, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let rules = vec![
        pb::CommissionRule { item_skus: vec!["MUG".to_owned()], is_per_unit: true, ..rule("mugs", flat(125)) },
        rule("orders", flat(500)),
    ];
    let mut client = open(&server, rules).await.client;
    let of = |event_id: &str, item: &str, quantity| pb::RecordSaleRequest {
        item_sku: item.to_owned(),
        quantity,
        ..sale(event_id, 900)
    };
    assert_eq!(earned(&mut client, of("order", "", 3)).await, [500]);
    assert_eq!(earned(&mut client, of("units", "MUG", 3)).await, [375]);
    assert_eq!(earned(&mut client, of("unit", "MUG", 0)).await, [125]);
    let calculation = calculation_of(&mut client, pb::ConversionKind::Sale, "units").await;
    assert_eq!((calculation.rule_name.as_str(), calculation.quantity), ("mugs", 3));
    // A third of the sale takes a third of all units' commission back, and the rest all of it.
    for (event_id, amount_minor, taken) in [("refund-1", 300, -125), ("refund-2", 600, -250)] {
        let request = pb::RecordRefundRequest {
            event_id: event_id.to_owned(),
            sale_event_id: "units".to_owned(),
            amount: Some(usd(amount_minor)),
            ..Default::default()
        };
        let answer = client.tracking.record_refund(request).await.unwrap().into_inner();
        assert_eq!(values(&answer.rewards), [taken]);
    }
    check_books(&mut client, 625).await;
});

db_test!(p7_conditions_on_the_sale_choose_the_rule, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let compare = |field: pb::ConditionField, comparison: pb::Comparison, values: &[&str]| pb::Condition {
        field: field.into(),
        comparison: comparison.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..Default::default()
    };
    let large = compare(pb::ConditionField::Amount, pb::Comparison::MoreOrEqual, &["10000"]);
    let till = compare(pb::ConditionField::Channel, pb::Comparison::Equal, &["SALE_CHANNEL_POINT_OF_SALE"]);
    let test_order = compare(pb::ConditionField::OrderId, pb::Comparison::StartsWith, &["TEST-"]);
    let either = pb::Condition { any_of: vec![till, test_order], ..Default::default() };
    let both = pb::Condition { all_of: vec![large.clone(), either], ..Default::default() };
    let rules = vec![
        pb::CommissionRule { condition: Some(both.clone()), ..rule("large at a till", percent(0)) },
        pb::CommissionRule { condition: Some(large), ..rule("large", percent(300_000)) },
    ];
    let shop = open(&server, rules).await;
    let mut client = shop.client;
    assert_eq!(earned(&mut client, sale("small", 9_999)).await, [2_000]);
    assert_eq!(earned(&mut client, sale("large", 10_000)).await, [3_000]);
    let channel = pb::SaleChannel::PointOfSale.into();
    assert_eq!(earned(&mut client, pb::RecordSaleRequest { channel, ..sale("till", 10_000) }).await, [0; 0]);
    let order_id = "TEST-7".to_owned();
    assert_eq!(earned(&mut client, pb::RecordSaleRequest { order_id, ..sale("test", 10_000) }).await, [0; 0]);
    // A correction across the threshold.
    let request = pb::CorrectSaleRequest {
        event_id: "correction".to_owned(),
        sale_event_id: "small".to_owned(),
        amount: Some(usd(10_000)),
        ..Default::default()
    };
    let answer = client.tracking.correct_sale(request).await.unwrap().into_inner();
    assert_eq!(values(&answer.rewards), [1_000]);
    // An amount in another currency is not compared.
    let euros = pb::Money { amount_minor: 10_000, currency_code: "EUR".to_owned() };
    let request = pb::RecordSaleRequest { amount: Some(euros), ..sale("euros", 0) };
    assert_eq!(earned(&mut client, request).await, [2_000]);
    let calculation = calculation_of(&mut client, pb::ConversionKind::Sale, "euros").await;
    assert_eq!((calculation.rule(), calculation.amount_not_compared), (pb::RewardRule::Program, true));

    // The terms are returned as they were sent, and wrong ones are refused with the path.
    let request = pb::GetProgramRequest { program_id: shop.program_id.clone(), ..Default::default() };
    let program = client.affiliates.get_program(request).await.unwrap().into_inner().program.unwrap();
    let mut terms = program.terms.unwrap();
    assert_eq!(terms.rules[0].condition, Some(both));
    terms.rules[1].condition.as_mut().unwrap().set_comparison(pb::Comparison::Contains);
    terms.rules[0].condition.as_mut().unwrap().all_of[1].any_of[0].values.clear();
    let mut update = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id, terms: Some(terms.clone()), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
        ..Default::default()
    };
    let wrong = async |client: &mut Client, update: &pb::UpdateProgramRequest| -> Vec<String> {
        let status = client.affiliates.update_program(update.clone()).await.unwrap_err();
        let details = status.get_details_bad_request().unwrap();
        details.field_violations.into_iter().map(|violation| violation.field).collect()
    };
    assert_eq!(
        wrong(&mut client, &update).await,
        ["program.terms.rules[0].condition.all_of[1].any_of[0].values", "program.terms.rules[1].condition.comparison"]
    );
    // A flat amount is in the program's currency.
    let euros = pb::Money { amount_minor: 1, currency_code: "EUR".to_owned() };
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(euros)) });
    terms.rules = vec![rule("right", flat(1)), rule("wrong", commission)];
    update.program.as_mut().unwrap().terms = Some(terms);
    assert_eq!(wrong(&mut client, &update).await, ["program.terms.rules[1].commission.flat.currency_code"]);
});

db_test!(p12_rates_of_affiliates_come_before_those_of_coupons_items_and_plans, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let rules = vec![
        rule("any", percent(110_000)),
        pb::CommissionRule { plans: vec!["pro".to_owned()], ..rule("plan", percent(120_000)) },
        pb::CommissionRule { item_skus: vec!["MUG".to_owned()], ..rule("item", percent(130_000)) },
        pb::CommissionRule { coupon_codes: vec!["ann".to_owned()], ..rule("coupon", percent(140_000)) },
    ];
    let mut client = open(&server, rules).await.client;
    let made = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        commission_override: percent(150_000),
        ..Default::default()
    };
    client.affiliates.create_affiliate(made).await.unwrap();
    let of = |event_id: &str, plan: &str, item: &str, coupon: &str| pb::RecordSaleRequest {
        plan: plan.to_owned(),
        item_sku: item.to_owned(),
        coupon_code: coupon.to_owned(),
        ..sale(event_id, 10_000)
    };
    assert_eq!(earned(&mut client, of("any", "", "", "")).await, [1_100]);
    assert_eq!(earned(&mut client, of("plan", "pro", "", "")).await, [1_200]);
    assert_eq!(earned(&mut client, of("item", "pro", "MUG", "")).await, [1_300]);
    assert_eq!(earned(&mut client, of("coupon", "pro", "MUG", "Ann")).await, [1_400]);
    // Bea's own rate, although the coupon rule fits: the code of another affiliate was used with her link by a customer of hers.
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        external_id: "7".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    client.tracking.record_lead(lead).await.unwrap();
    let own = pb::RecordSaleRequest { external_id: "7".to_owned(), ..of("own", "pro", "MUG", "ANN") };
    assert_eq!(earned(&mut client, own).await, [1_500]);
    check_books(&mut client, 6_500).await;
});

db_test!(p13_a_promotion_begins_and_ends_by_the_time_of_the_sale, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let time = |seconds: i64| Some(prost_types::Timestamp { seconds, nanos: 0 });
    // December 2024.
    let (start, end) = (1_733_011_200, 1_735_689_600);
    let double =
        pb::CommissionRule { start_time: time(start), end_time: time(end), ..rule("December", percent(400_000)) };
    let mut client = open(&server, vec![double]).await.client;
    // They are told in any order.
    for (seconds, expected) in [(end, 2_000), (start, 4_000), (start - 1, 2_000), (end - 1, 4_000)] {
        let occur_time = time(seconds);
        let request = pb::RecordSaleRequest { occur_time, ..sale(&format!("sale-{seconds}"), 10_000) };
        assert_eq!(earned(&mut client, request).await, [expected], "{seconds}");
    }
    check_books(&mut client, 12_000).await;
});
