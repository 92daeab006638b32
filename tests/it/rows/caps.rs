//! Caps of what is earned: row P11. The scenarios `caps*.txt` have the amounts of each kind of cap.

use headwater::app::check;
use headwater::pb;
use headwater::store::entity::tally;
use prost_types::Timestamp;
use sea_orm::EntityTrait;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn cap(scope: pb::CapScope, period: pb::Period, maximum_minor: i64) -> pb::Cap {
    pb::Cap { scope: scope.into(), period: period.into(), maximum: Some(usd(maximum_minor)) }
}

/// A shop at 20 % with Ann, and with these caps.
async fn open(server: &TestServer, caps: Vec<pb::Cap>) -> Shop {
    let terms = pb::Terms { caps, ..Default::default() };
    Shop::furnish_with(server.new_account("shop").await, terms).await
}

/// A sale that Ann has referred.
fn sale(number: usize, amount_minor: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("order-{number}"),
        ref_id: "ann".to_owned(),
        amount: Some(usd(amount_minor)),
        occur_time: Some(Timestamp { seconds: START_MICROS / 1_000_000, nanos: 0 }),
        ..Default::default()
    }
}

fn values(answer: &pb::RecordSaleResponse) -> Vec<i64> {
    answer.rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

async fn record(client: &mut Client, sale: pb::RecordSaleRequest) -> pb::RecordSaleResponse {
    client.tracking.record_sale(sale).await.unwrap().into_inner()
}

async fn refund(client: &mut Client, number: usize, amount_minor: i64) {
    let request = pb::RecordRefundRequest {
        event_id: format!("refund-{number}"),
        sale_event_id: format!("order-{number}"),
        amount: Some(usd(amount_minor)),
        ..Default::default()
    };
    client.tracking.record_refund(request).await.unwrap();
}

/// What Ann has earned.
async fn earned(shop: &mut Shop) -> i64 {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let answer = shop.client.rewards.get_balance(request).await.unwrap().into_inner();
    answer.balances.first().map_or(0, |balance| cash(balance.earned.as_ref()).amount_minor)
}

async fn differences(server: &TestServer) -> Vec<String> {
    let app = server.server.app();
    let mut differences = Vec::new();
    for account_id in check::accounts(app.store()).await.unwrap() {
        differences.extend(check::check(app.store(), account_id).await.unwrap().differences);
    }
    differences
}

// On PostgreSQL through two servers. All sales are told twice.
db_test!(p11_of_64_sales_at_once_exactly_the_maximum_is_paid, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    for scope in [pb::CapScope::Affiliate, pb::CapScope::Program] {
        let terms = pb::Terms { caps: vec![cap(scope, pb::Period::Month, 20_050)], ..Default::default() };
        let account = server.new_account(&scope.as_str_name().to_lowercase()).await;
        let mut shop = Shop::furnish_with(account, terms).await;
        let mut calls = Vec::new();
        for number in 0..128 {
            let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                record(&mut client, sale(number / 2, 5_000)).await
            }));
        }
        let mut paid = Vec::new();
        for call in calls {
            paid.extend(values(&call.await.unwrap()));
        }
        paid.sort_unstable();
        let mut expected = vec![50, 50];
        expected.extend([1_000; 40]);
        assert_eq!(paid, expected, "each sale was told twice");
        assert_eq!(earned(&mut shop).await, 20_050);

        // Refunds of all at once leave nothing.
        let calls = (0..64).map(|number| {
            let mut client = shop.client.clone();
            async move { refund(&mut client, number, 5_000).await }
        });
        futures::future::join_all(calls).await;
        assert_eq!(earned(&mut shop).await, 0);
        assert_eq!(differences(&server).await, Vec::<String>::new());
    }
});

db_test!(p11_a_capped_sale_says_what_it_met, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let caps = vec![
        cap(pb::CapScope::Program, pb::Period::AllTime, 100_000),
        cap(pb::CapScope::Affiliate, pb::Period::Month, 2_500),
        cap(pb::CapScope::SingleEvent, pb::Period::Unspecified, 2_100),
    ];
    let mut shop = open(&server, caps).await;
    let mut client = shop.client.clone();
    assert_eq!(values(&record(&mut client, sale(1, 10_000)).await), [2_000]);
    let clamped = record(&mut client, sale(2, 10_000)).await;
    assert_eq!(values(&clamped), [500]);
    assert!(values(&record(&mut client, sale(3, 10_000)).await).is_empty());

    let request = pb::GetRewardRequest { reward_id: clamped.rewards[0].reward_id.clone(), ..Default::default() };
    let reward = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    let calculation = reward.calculation.unwrap();
    assert_eq!(calculation.rate, Some(pb::reward_calculation::Rate::PercentPpm(200_000)));
    let met = |scope: pb::CapScope, period: pb::Period, first: &str, maximum, before| pb::CapApplied {
        scope: scope.into(),
        period: period.into(),
        period_start_day: first.to_owned(),
        maximum: Some(usd(maximum)),
        paid_before: Some(usd(before)),
        room_minor: maximum - before,
    };
    let month = &calculation.caps[1].period_start_day;
    assert!(month.ends_with("-01"), "{month}");
    let expected = [
        met(pb::CapScope::SingleEvent, pb::Period::AllTime, "", 2_100, 0),
        met(pb::CapScope::Affiliate, pb::Period::Month, month, 2_500, 2_000),
        met(pb::CapScope::Program, pb::Period::AllTime, "", 100_000, 2_000),
    ];
    assert_eq!(calculation.caps, expected);

    let explain = |number: usize| {
        let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: format!("order-{number}") };
        let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
        pb::ExplainConversionRequest { conversion: Some(pb::ConversionSelector { selector }) }
    };
    let told = client.tracking.explain_conversion(explain(3)).await.unwrap().into_inner();
    assert_eq!(told.result(), pb::ExplanationResult::Capped);
    let computation = told.credits[0].computation.clone().unwrap();
    assert_eq!(computation.value_before_caps, Some(usd(2_000)));
    assert_eq!((computation.value_amount, computation.caps[1].room_minor), (Some(usd(0)), 0));
    let sentence = format!(
        "The cap of the affiliate is 25.00 USD in the month from {month}; 25.00 USD was paid before, so there was room for 0.00 USD; the \
         event earns 0.00 USD."
    );
    assert!(told.sentences.contains(&sentence), "{:#?}", told.sentences);

    // What a sale gives up of several caps is for later sales.
    refund(&mut client, 1, 10_000).await;
    assert_eq!(earned(&mut shop).await, 500);
    assert_eq!(values(&record(&mut client, sale(4, 10_000)).await), [2_000]);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p11_what_a_sale_gives_up_of_one_cap_goes_to_the_others, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, vec![cap(pb::CapScope::Affiliate, pb::Period::Month, 2_500)]).await;
    let mut client = shop.client.clone();
    for number in 1..=3 {
        record(&mut client, sale(number, 10_000)).await;
    }
    // Without the first sale the other two have earned 40.00, of which 25.00 are still paid.
    refund(&mut client, 1, 10_000).await;
    assert_eq!(earned(&mut shop).await, 2_500);
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: "order-1".to_owned() };
    let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
    let request = pb::ExplainConversionRequest { conversion: Some(pb::ConversionSelector { selector }) };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    let change = told.conversion.unwrap().rewards.pop().unwrap();
    assert_eq!((change.state(), cash(change.value.as_ref()).amount_minor), (pb::RewardState::Pending, 2_000));
    let calculation = change.calculation.unwrap();
    assert_eq!(calculation.rule(), pb::RewardRule::TallyChange);
    let expected = pb::TallyChange { paid_before_minor: 2_000, paid_after_minor: 2_000, booked_minor: 0 };
    assert_eq!(calculation.tally_change, Some(expected));
    // The statement has every change.
    let all = pb::calculate_commissions_request::Period::Interval(pb::TimeInterval::default());
    let request =
        pb::CalculateCommissionsRequest { affiliate: Some(shop.affiliate()), period: Some(all), ..Default::default() };
    let statement = client.rewards.calculate_commissions(request).await.unwrap().into_inner();
    let lines: Vec<_> = statement.lines.iter().map(|line| cash(line.reward_value.as_ref()).amount_minor).collect();
    assert_eq!(lines, [2_000, 500, -2_000, 2_000]);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p11_wrong_caps_are_refused, |database: TestDatabase| async move {
    use pb::{CapScope, Period};
    let server = TestServer::start(&database).await;
    let shop = Shop::furnish(server.new_account("shop").await).await;
    let mut client = shop.client.clone();
    let request = |caps: Vec<pb::Cap>| pb::CreateProgramRequest {
        display_name: "Caps".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms {
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(1)) }),
            caps,
            ..Default::default()
        }),
        ..Default::default()
    };
    let good = cap(CapScope::Affiliate, Period::Month, 1);
    let euros = Some(pb::Money { amount_minor: 1, currency_code: "EUR".to_owned() });
    for (caps, path) in [
        (vec![good.clone(); 20], "terms.caps"),
        (vec![good.clone(), good.clone()], "terms.caps[1]"),
        (
            vec![cap(CapScope::Customer, Period::AllTime, 1), cap(CapScope::Customer, Period::Unspecified, 2)],
            "terms.caps[1]",
        ),
        (vec![cap(CapScope::Unspecified, Period::Month, 1)], "terms.caps[0].scope"),
        (vec![pb::Cap { scope: 9, ..good.clone() }], "terms.caps[0].scope"),
        (vec![pb::Cap { period: 9, ..good.clone() }], "terms.caps[0].period"),
        (vec![cap(CapScope::SingleEvent, Period::Day, 1)], "terms.caps[0].period"),
        (vec![cap(CapScope::Affiliate, Period::Month, 0)], "terms.caps[0].maximum.amount_minor"),
        (vec![cap(CapScope::Affiliate, Period::Month, -1)], "terms.caps[0].maximum.amount_minor"),
        (vec![pb::Cap { maximum: None, ..good.clone() }], "terms.caps[0].maximum"),
        (
            vec![good.clone(), pb::Cap { maximum: euros, ..cap(CapScope::Program, Period::Day, 1) }],
            "terms.caps[1].maximum.currency_code",
        ),
    ] {
        let error = client.affiliates.create_program(request(caps)).await.unwrap_err();
        let violations = error.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert!(fields.contains(&path) && fields.iter().all(|field| *field == path), "{path}: {violations:?}");
    }
    // Caps are returned in the order in which they are applied.
    let sent =
        vec![cap(CapScope::Program, Period::Day, 5), good.clone(), cap(CapScope::SingleEvent, Period::Unspecified, 3)];
    let program = client.affiliates.create_program(request(sent)).await.unwrap().into_inner().program.unwrap();
    let expected = [cap(CapScope::SingleEvent, Period::AllTime, 3), good, cap(CapScope::Program, Period::Day, 5)];
    assert_eq!(program.terms.unwrap().caps, expected);
});

db_test!(p11_a_program_without_caps_has_no_tally, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, Vec::new()).await;
    assert_eq!(values(&record(&mut shop.client, sale(1, 10_000)).await), [2_000]);
    refund(&mut shop.client, 1, 5_000).await;
    let tallies = tally::Entity::find().all(&sea_orm::Database::connect(&database.url).await.unwrap()).await.unwrap();
    assert_eq!(tallies, Vec::<tally::Model>::new());
});

db_test!(p11_check_finds_a_tally_that_was_changed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, vec![cap(pb::CapScope::Affiliate, pb::Period::Month, 2_500)]).await;
    for number in 0..2 {
        record(&mut shop.client, sale(number, 10_000)).await;
    }
    let connection = sea_orm::Database::connect(&database.url).await.unwrap();
    let row = tally::Entity::find().one(&connection).await.unwrap().unwrap();
    assert_eq!((row.earned_minor, row.paid_minor), (4_000, 2_500));
    for (earned_minor, paid_minor, expected) in [(4_001, 2_500, "has 4001 earned"), (4_000, 2_499, "has 2499 paid")] {
        use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
        let mut changed = row.clone().into_active_model();
        (changed.earned_minor, changed.paid_minor) = (Set(earned_minor), Set(paid_minor));
        changed.update(&connection).await.unwrap();
        let found = differences(&server).await;
        assert!(matches!(found.as_slice(), [one] if one.contains(expected)), "{found:?}");
    }
});
