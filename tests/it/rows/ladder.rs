//! Ladders of commissions: row P9. The scenarios `ladder*.txt` have the amounts.

use headwater::app::check;
use headwater::pb;
use headwater::store::entity::ladder_tally;
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

fn percent(ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(ppm)) })
}

fn by_count(min_sale_count: i64, ppm: i32) -> pb::LadderStep {
    pb::LadderStep { min_sale_count, min_amount: None, commission: percent(ppm) }
}

fn by_amount(amount_minor: i64, ppm: i32) -> pb::LadderStep {
    pb::LadderStep { min_sale_count: 0, min_amount: Some(usd(amount_minor)), commission: percent(ppm) }
}

fn ladder(mode: pb::LadderMode, steps: Vec<pb::LadderStep>) -> pb::Ladder {
    pb::Ladder { mode: mode.into(), period: pb::Period::Month.into(), steps }
}

/// A shop at 20 % with Ann, and with this ladder.
async fn open(server: &TestServer, name: &str, ladder: Option<pb::Ladder>) -> Shop {
    let terms = pb::Terms { ladder, ..Default::default() };
    Shop::furnish_with(server.new_account(name).await, terms).await
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

async fn explain(client: &mut Client, number: usize) -> pb::ExplainConversionResponse {
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: format!("order-{number}") };
    let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
    let request = pb::ExplainConversionRequest { conversion: Some(pb::ConversionSelector { selector }) };
    client.tracking.explain_conversion(request).await.unwrap().into_inner()
}

/// Tells 64 sales at once, each twice, on PostgreSQL through two servers. Returns the rewards of all answers, in the order of their values.
async fn tell_64(servers: [&TestServer; 2], key: &str) -> Vec<i64> {
    let mut calls = Vec::new();
    for number in 0..128 {
        let (address, key) = (servers[number % 2].address.clone(), key.to_owned());
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
    paid
}

/// Refunds 64 sales at once.
async fn refund_64(shop: &Shop) {
    let calls = (0..64).map(|number| {
        let mut client = shop.client.clone();
        async move { refund(&mut client, number, 5_000).await }
    });
    futures::future::join_all(calls).await;
}

async fn second_server(database: &TestDatabase) -> Option<TestServer> {
    match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(database).await),
    }
}

db_test!(p9_of_64_sales_at_once_each_step_has_its_number, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let second = second_server(&database).await;
    let steps = vec![by_count(10, 250_000), by_count(30, 300_000)];
    let mut shop = open(&server, "shop", Some(ladder(pb::LadderMode::LevelUp, steps))).await;
    let paid = tell_64([&server, second.as_ref().unwrap_or(&server)], &shop.client.key).await;
    let expected = [vec![1_000; 20], vec![1_250; 40], vec![1_500; 68]].concat();
    assert_eq!(paid, expected, "each sale was told twice");
    assert_eq!(differences(&server).await, Vec::<String>::new());

    // Refunds of all at once leave nothing.
    refund_64(&shop).await;
    assert_eq!(earned(&mut shop).await, 0);
    assert_eq!(differences(&server).await, Vec::<String>::new());
    assert_eq!(values(&record(&mut shop.client, sale(99, 5_000)).await), [1_000]);
});

db_test!(p9_of_64_sales_at_once_all_have_the_step_that_is_reached, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let second = second_server(&database).await;
    let steps = vec![by_count(10, 250_000), by_count(30, 300_000)];
    let mut shop = open(&server, "shop", Some(ladder(pb::LadderMode::Retroactive, steps))).await;
    let paid = tell_64([&server, second.as_ref().unwrap_or(&server)], &shop.client.key).await;
    // Nine sales before the first step, twenty from it on and 35 from the second one on, and what the tenth and the thirtieth give the others.
    let expected = [vec![1_000; 18], vec![1_250; 40], vec![1_500; 70], vec![9 * 250; 2], vec![29 * 250; 2]].concat();
    assert_eq!(paid, expected, "each sale was told twice");
    assert_eq!(earned(&mut shop).await, 64 * 1_500);
    assert_eq!(differences(&server).await, Vec::<String>::new());

    refund_64(&shop).await;
    assert_eq!(earned(&mut shop).await, 0);
    assert_eq!(differences(&server).await, Vec::<String>::new());
    assert_eq!(values(&record(&mut shop.client, sale(99, 5_000)).await), [1_000]);
});

db_test!(p9_of_64_sales_at_once_each_bracket_has_its_part, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let second = second_server(&database).await;
    // The twentieth sale is divided.
    let steps = vec![by_amount(97_500, 250_000), by_amount(200_000, 300_000)];
    let mut shop = open(&server, "shop", Some(ladder(pb::LadderMode::Marginal, steps))).await;
    let paid = tell_64([&server, second.as_ref().unwrap_or(&server)], &shop.client.key).await;
    let expected = [vec![1_000; 38], vec![1_125; 2], vec![1_250; 40], vec![1_500; 48]].concat();
    assert_eq!(paid, expected, "each sale was told twice");
    assert_eq!(differences(&server).await, Vec::<String>::new());

    refund_64(&shop).await;
    assert_eq!(earned(&mut shop).await, 0);
    assert_eq!(differences(&server).await, Vec::<String>::new());
    assert_eq!(values(&record(&mut shop.client, sale(99, 5_000)).await), [1_000]);
});

db_test!(p9_a_sale_says_on_which_step_it_is, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let steps = vec![by_amount(10_000, 250_000), by_amount(30_000, 300_000)];
    let mut shop = open(&server, "shop", Some(ladder(pb::LadderMode::LevelUp, steps))).await;
    let mut client = shop.client.clone();
    assert_eq!(values(&record(&mut client, sale(1, 12_000)).await), [2_400]);
    let on_step = record(&mut client, sale(2, 20_000)).await;
    assert_eq!(values(&on_step), [5_000]);
    assert_eq!(values(&record(&mut client, sale(3, 100)).await), [30]);

    let request = pb::GetRewardRequest { reward_id: on_step.rewards[0].reward_id.clone(), ..Default::default() };
    let reward = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    let calculation = reward.calculation.unwrap();
    assert_eq!(calculation.rate, Some(pb::reward_calculation::Rate::PercentPpm(250_000)));
    let met = calculation.ladder.unwrap();
    assert!(met.period_start_day.ends_with("-01"), "{met:?}");
    let expected = pb::LadderMet {
        step: 1,
        period: pb::Period::Month.into(),
        period_start_day: met.period_start_day.clone(),
        earlier_sale_count: 1,
        earlier_amount: Some(usd(12_000)),
        earlier_millionth_count: 0,
    };
    assert_eq!(met, expected);

    let told = explain(&mut client, 2).await;
    let on_ladder = pb::LadderExplanation {
        mode: pb::LadderMode::LevelUp.into(),
        met: Some(expected),
        next_commission: percent(300_000),
        missing_sale_count: 0,
        missing_amount: Some(usd(18_000)),
        ..Default::default()
    };
    assert_eq!(told.credits[0].ladder, Some(on_ladder));
    let sentence = format!(
        "The affiliate was on step 1 of the ladder, with 1 sale of 120.00 USD before it in the month from {}; 180.00 USD was missing to the \
         next step.",
        met.period_start_day
    );
    assert!(told.sentences.contains(&sentence), "{:#?}", told.sentences);
    let told = explain(&mut client, 3).await.credits[0].ladder.clone().unwrap();
    assert_eq!((told.met.unwrap().step, told.next_commission, told.missing_amount), (2, None, None));
    // A refund changes no other sale, and what is recorded stays explained.
    refund(&mut client, 1, 12_000).await;
    assert_eq!(explain(&mut client, 2).await.credits[0].difference(), pb::ExplanationDifference::Unspecified);
    assert_eq!(earned(&mut shop).await, 5_030);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p9_a_sale_says_what_it_changed_for_earlier_ones, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop =
        open(&server, "shop", Some(ladder(pb::LadderMode::Retroactive, vec![by_amount(20_000, 300_000)]))).await;
    let mut client = shop.client.clone();
    assert_eq!(values(&record(&mut client, sale(1, 12_000)).await), [2_400]);
    let reaches = record(&mut client, sale(2, 8_000)).await;
    assert_eq!(values(&reaches), [2_400, 1_200]);
    let request = pb::GetRewardRequest { reward_id: reaches.rewards[1].reward_id.clone(), ..Default::default() };
    let reward = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    let calculation = reward.calculation.unwrap();
    assert_eq!(calculation.rule(), pb::RewardRule::TallyChange);
    let change = pb::TallyChange { paid_before_minor: 0, paid_after_minor: 3_600, booked_minor: 2_400 };
    assert_eq!((calculation.tally_change, calculation.base_amount), (Some(change), Some(usd(2_400))));
    let met = calculation.ladder.unwrap();
    assert_eq!((met.step, met.earlier_sale_count, met.earlier_amount.clone()), (1, 1, Some(usd(12_000))));

    let told = explain(&mut client, 2).await;
    let on_ladder = told.credits[0].ladder.clone().unwrap();
    assert_eq!((on_ladder.mode(), on_ladder.met.unwrap().step), (pb::LadderMode::Retroactive, 1));
    assert_eq!(on_ladder.booked_change, Some(usd(1_200)));
    assert_eq!(told.credits[0].difference(), pb::ExplanationDifference::Unspecified);
    let sentence = format!(
        "The reward {} of 12.00 USD is what {} has by the ladder of the terms, beside the own rewards of its sales: step 1 of it was reached then, \
         with 1 sale of 120.00 USD apart from this one in the month from {}; ",
        reaches.rewards[1].reward_id, reaches.rewards[1].affiliate_id, met.period_start_day
    );
    assert!(told.sentences.iter().any(|told| told.starts_with(&sentence)), "{sentence} {:#?}", told.sentences);
    // The refund of the first one takes the step away.
    refund(&mut client, 1, 1).await;
    assert_eq!(earned(&mut shop).await, 2_400 + 1_600);
    assert_eq!(explain(&mut client, 1).await.credits[0].difference(), pb::ExplanationDifference::Unspecified);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p9_a_sale_says_how_it_is_divided_among_brackets, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let steps = vec![by_amount(10_000, 300_000), by_amount(30_000, 400_000)];
    let mut shop = open(&server, "shop", Some(ladder(pb::LadderMode::Marginal, steps))).await;
    let mut client = shop.client.clone();
    assert_eq!(values(&record(&mut client, sale(1, 4_000)).await), [800]);
    let divided = record(&mut client, sale(2, 16_000)).await;
    assert_eq!(values(&divided), [1_200 + 3_000]);
    let part =
        |step, ppm, minor| pb::LadderBracket { step, commission: percent(ppm), amount: Some(usd(minor)), share_ppm: 0 };
    let parts = vec![part(0, 200_000, 6_000), part(1, 300_000, 10_000)];
    let request = pb::GetRewardRequest { reward_id: divided.rewards[0].reward_id.clone(), ..Default::default() };
    let reward = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    let calculation = reward.calculation.unwrap();
    assert_eq!((calculation.brackets, calculation.brackets_amount), (parts.clone(), Some(usd(4_200))));
    let told = explain(&mut client, 2).await;
    let on_ladder = told.credits[0].ladder.clone().unwrap();
    assert_eq!((on_ladder.brackets, on_ladder.brackets_amount), (parts, Some(usd(4_200))));
    assert_eq!(on_ladder.booked_change, Some(usd(0)));
    assert_eq!(told.credits[0].difference(), pb::ExplanationDifference::Unspecified);
    let sentence = "The brackets of the ladder give 42.00 USD for the affiliate's part of the sale: 20 % for 60.00 USD before the first step, 30 % \
                    for 100.00 USD from step 1 on.";
    assert!(told.sentences.iter().any(|told| told == sentence), "{:#?}", told.sentences);
    refund(&mut client, 1, 4_000).await;
    assert_eq!(earned(&mut shop).await, 2_000 + 1_800);
    for number in [1, 2] {
        assert_eq!(explain(&mut client, number).await.credits[0].difference(), pb::ExplanationDifference::Unspecified);
    }
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p9_wrong_ladders_are_refused, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::furnish(server.new_account("shop").await).await;
    let mut client = shop.client.clone();
    let request = |ladder: pb::Ladder| pb::CreateProgramRequest {
        display_name: "Ladders".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission: percent(1), ladder: Some(ladder), ..Default::default() }),
        ..Default::default()
    };
    let of = |steps: Vec<pb::LadderStep>| ladder(pb::LadderMode::LevelUp, steps);
    let euros = |amount_minor| pb::Money { amount_minor, currency_code: "EUR".to_owned() };
    let flat = |money| Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(money)) });
    let many: Vec<_> = (1..=100).map(|count| by_count(count, 1)).collect();
    for (ladder, path) in [
        (of(Vec::new()), "terms.ladder.steps"),
        (of(many.clone()), "terms.ladder.steps"),
        (ladder(pb::LadderMode::Unspecified, vec![by_count(1, 1)]), "terms.ladder.mode"),
        (pb::Ladder { mode: 99, ..of(vec![by_count(1, 1)]) }, "terms.ladder.mode"),
        (pb::Ladder { period: 99, ..of(vec![by_count(1, 1)]) }, "terms.ladder.period"),
        (of(vec![by_count(0, 1)]), "terms.ladder.steps[0].min_sale_count"),
        (of(vec![by_count(1_000_000_001, 1)]), "terms.ladder.steps[0].min_sale_count"),
        (of(vec![by_count(5, 1), by_count(5, 2)]), "terms.ladder.steps[1].min_sale_count"),
        (of(vec![by_amount(5, 1), by_amount(4, 2)]), "terms.ladder.steps[1].min_amount"),
        (of(vec![by_amount(0, 1)]), "terms.ladder.steps[0].min_amount.amount_minor"),
        (of(vec![by_count(5, 1), by_amount(6, 2)]), "terms.ladder.steps[1].min_amount"),
        (of(vec![by_amount(5, 1), by_count(6, 2)]), "terms.ladder.steps[1].min_amount"),
        (
            of(vec![by_amount(5, 1), pb::LadderStep { min_sale_count: 6, ..by_amount(6, 2) }]),
            "terms.ladder.steps[1].min_sale_count",
        ),
        (of(vec![by_count(5, 1_000_001)]), "terms.ladder.steps[0].commission.percent_ppm"),
        (of(vec![pb::LadderStep { commission: None, ..by_count(5, 1) }]), "terms.ladder.steps[0].commission"),
        (
            of(vec![pb::LadderStep { min_amount: Some(euros(5)), ..by_amount(5, 1) }]),
            "terms.ladder.steps[0].min_amount.currency_code",
        ),
        (
            of(vec![by_count(1, 1), pb::LadderStep { commission: flat(euros(5)), ..by_count(5, 1) }]),
            "terms.ladder.steps[1].commission.flat.currency_code",
        ),
    ] {
        let error = client.affiliates.create_program(request(ladder)).await.unwrap_err();
        let violations = error.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert!(fields.contains(&path), "{path}: {violations:?}");
    }
    // What a ladder that pays for its tally cannot pay for.
    let flat_of = |min_sale_count| pb::LadderStep { commission: flat(usd(5)), ..by_count(min_sale_count, 1) };
    let flat_from = |minor| pb::LadderStep { commission: flat(usd(5)), ..by_amount(minor, 1) };
    let cap = pb::Cap { scope: pb::CapScope::Affiliate.into(), maximum: Some(usd(100)), ..Default::default() };
    let (marginal, retroactive) = (pb::LadderMode::Marginal, pb::LadderMode::Retroactive);
    for (base, ladder, caps, path) in [
        (percent(1), ladder(marginal, vec![by_amount(5, 1), flat_from(6)]), None, "terms.ladder.steps[1].commission"),
        (flat(usd(5)), ladder(marginal, vec![by_amount(5, 1)]), None, "terms.commission"),
        (flat(usd(5)), ladder(marginal, vec![by_count(5, 1)]), None, "terms.ladder.steps[0].commission"),
        (percent(1), ladder(marginal, vec![flat_of(5)]), None, "terms.commission"),
        (percent(1), ladder(marginal, vec![by_amount(5, 1)]), Some(cap.clone()), "terms.ladder.mode"),
        (percent(1), ladder(retroactive, vec![by_amount(5, 1)]), Some(cap.clone()), "terms.ladder.mode"),
    ] {
        let mut request = request(ladder);
        let terms = request.terms.as_mut().unwrap();
        (terms.commission, terms.caps) = (base, caps.into_iter().collect());
        let error = client.affiliates.create_program(request).await.unwrap_err();
        let violations = error.get_details_bad_request().unwrap().field_violations;
        assert!(matches!(violations.as_slice(), [one] if one.field == path), "{path}: {violations:?}");
    }
    // 99 steps are taken, and returned as they were sent.
    let sent = of(many[..99].to_vec());
    let program = client.affiliates.create_program(request(sent.clone())).await.unwrap().into_inner().program.unwrap();
    assert_eq!(program.terms.unwrap().ladder, Some(sent));
});

db_test!(p9_a_program_without_a_ladder_has_no_tally, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, "shop", None).await;
    assert_eq!(values(&record(&mut shop.client, sale(1, 10_000)).await), [2_000]);
    refund(&mut shop.client, 1, 5_000).await;
    let connection = sea_orm::Database::connect(&database.url).await.unwrap();
    assert_eq!(ladder_tally::Entity::find().all(&connection).await.unwrap(), Vec::<ladder_tally::Model>::new());
});

db_test!(p9_check_finds_a_tally_that_was_changed, |database: TestDatabase| async move {
    use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
    let server = TestServer::start(&database).await;
    let steps = vec![by_count(2, 250_000)];
    let mut shop = open(&server, "shop", Some(ladder(pb::LadderMode::LevelUp, steps))).await;
    for number in 0..2 {
        record(&mut shop.client, sale(number, 10_000)).await;
    }
    let connection = sea_orm::Database::connect(&database.url).await.unwrap();
    let row = ladder_tally::Entity::find().one(&connection).await.unwrap().unwrap();
    assert_eq!((row.sale_count, row.amount_minor), (2, 20_000));
    for (sale_count, amount_minor) in [(3, 20_000), (2, 19_999)] {
        let mut changed = row.clone().into_active_model();
        (changed.sale_count, changed.amount_minor) = (Set(sale_count), Set(amount_minor));
        changed.update(&connection).await.unwrap();
        let found = differences(&server).await;
        let expected = format!("has {sale_count} sales of {amount_minor} and should have 2 of 20000");
        assert!(matches!(found.as_slice(), [one] if one.contains(&expected)), "{found:?}");
    }
});

db_test!(p9_check_finds_what_is_wrongly_paid_for_a_tally, |database: TestDatabase| async move {
    use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
    let server = TestServer::start(&database).await;
    let steps = vec![by_count(2, 250_000)];
    let mut shop = open(&server, "shop", Some(ladder(pb::LadderMode::Retroactive, steps))).await;
    for number in 0..2 {
        record(&mut shop.client, sale(number, 10_000)).await;
    }
    let connection = sea_orm::Database::connect(&database.url).await.unwrap();
    let row = ladder_tally::Entity::find().one(&connection).await.unwrap().unwrap();
    assert_eq!((row.paid_minor, row.step_values.as_deref()), (5_000, Some("[1,[4000,5000]]")));
    let mut changed = row.clone().into_active_model();
    changed.paid_minor = Set(5_001);
    changed.update(&connection).await.unwrap();
    let found = differences(&server).await;
    assert!(found.iter().any(|one| one.contains("pays 5001 and its sales have changed that by 5000")), "{found:?}");
    assert!(found.iter().any(|one| one.contains("pays 5001, and its ladder gives 5000")), "{found:?}");
    let mut changed = row.into_active_model();
    (changed.paid_minor, changed.step_values) = (Set(5_000), Set(Some("[1,[4001,5000]]".to_owned())));
    changed.update(&connection).await.unwrap();
    let found = differences(&server).await;
    let expected = "has sales that earn 4001 at step 0 and should have 4000";
    assert!(matches!(found.as_slice(), [one] if one.contains(expected)), "{found:?}");
});

db_test!(p9_n6_ladders_are_simulated_over_the_history, |database: TestDatabase| async move {
    use pb::simulate_terms_response::Content;
    let server = TestServer::start(&database).await;
    let on_ladder = ladder(pb::LadderMode::LevelUp, vec![by_count(1, 300_000)]);
    let mut shop = open(&server, "shop", Some(on_ladder.clone())).await;
    record(&mut shop.client, sale(1, 10_000)).await;
    record(&mut shop.client, sale(2, 10_000)).await;
    refund(&mut shop.client, 1, 10_000).await;
    record(&mut shop.client, sale(3, 10_000)).await;
    record(&mut shop.client, sale(4, 10_000)).await;
    let proposed = |ladder| pb::Terms { commission: percent(100_000), ladder, ..Default::default() };
    let request = |terms| pb::SimulateTermsRequest { terms: Some(terms), ..Default::default() };
    let simulate = async |shop: &mut Shop, terms| {
        let mut messages = shop.client.rewards.simulate_terms(request(terms)).await.unwrap().into_inner();
        let mut last = None;
        while let Some(message) = messages.message().await.unwrap() {
            last = message.content;
        }
        let Some(Content::Summary(summary)) = last else { panic!("{last:?}") };
        let minor = |amount: &Option<pb::Money>| amount.as_ref().unwrap().amount_minor;
        let total = &summary.totals[0];
        (minor(&total.earned_amount), minor(&total.proposed_amount), summary.judged_conversion_count)
    };
    // Two sales are left before the fourth one, so it alone is on the step of 40 %.
    let later = ladder(pb::LadderMode::LevelUp, vec![by_count(2, 400_000)]);
    assert_eq!(simulate(&mut shop, proposed(Some(later))).await, (9_000, 6_000, 4));
    assert_eq!(simulate(&mut shop, proposed(None)).await, (9_000, 3_000, 4));
    let in_force = pb::Terms { commission: percent(200_000), ..proposed(Some(on_ladder.clone())) };
    assert_eq!(simulate(&mut shop, in_force.clone()).await, (9_000, 9_000, 4));
    // The step decides what a cap limits: all that is left are the sales on the step of 30 %, up to the cap.
    let caps = vec![pb::Cap { scope: pb::CapScope::Affiliate.into(), maximum: Some(usd(5_000)), ..Default::default() }];
    assert_eq!(simulate(&mut shop, pb::Terms { caps, ..in_force.clone() }).await, (9_000, 5_000, 4));
    // Three sales are left.
    for (mode, expected) in [(pb::LadderMode::Retroactive, 12_000), (pb::LadderMode::Marginal, 6_000)] {
        let steps = vec![by_amount(20_000, 400_000)];
        assert_eq!(simulate(&mut shop, proposed(Some(ladder(mode, steps)))).await, (9_000, expected, 4), "{mode:?}");
    }
    // Of a sample sale, the proposed ladder goes on with what was counted.
    let higher = ladder(pb::LadderMode::LevelUp, vec![by_count(1, 400_000)]);
    let sampled = pb::SimulateTermsRequest { sample_sale: Some(sale(5, 10_000)), ..request(proposed(Some(higher))) };
    let mut messages = shop.client.rewards.simulate_terms(sampled).await.unwrap().into_inner();
    let Some(Content::SampleSale(sampled)) = messages.message().await.unwrap().unwrap().content else { panic!() };
    let value = |outcome: Option<pb::SimulatedOutcome>| outcome.unwrap().rewards[0].value.clone();
    assert_eq!((value(sampled.current), value(sampled.proposed)), (Some(usd(3_000)), Some(usd(4_000))));
    // A ladder of another mode begins anew, and the sale itself reaches a step.
    let retroactive = ladder(pb::LadderMode::Retroactive, vec![by_count(1, 400_000), by_count(2, 500_000)]);
    let sampled =
        pb::SimulateTermsRequest { sample_sale: Some(sale(2, 10_000)), ..request(proposed(Some(retroactive))) };
    let mut messages = shop.client.rewards.simulate_terms(sampled).await.unwrap().into_inner();
    let Some(Content::SampleSale(sampled)) = messages.message().await.unwrap().unwrap().content else { panic!() };
    assert_eq!((value(sampled.current), value(sampled.proposed)), (Some(usd(3_000)), Some(usd(4_000))));
});

// Each event that is told out of order has the customer judged as it was known then.
db_test!(p9_n6_a_customer_told_far_out_of_order_is_not_simulated, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let on_ladder = ladder(pb::LadderMode::LevelUp, vec![by_count(1, 300_000)]);
    let mut shop = open(&server, "shop", Some(on_ladder.clone())).await;
    for number in 0..230 {
        let seconds = START_MICROS / 1_000_000 - i64::try_from(number).unwrap();
        let occur_time = Some(Timestamp { seconds, nanos: 0 });
        let external_id = "customer".to_owned();
        record(&mut shop.client, pb::RecordSaleRequest { occur_time, external_id, ..sale(number, 10_000) }).await;
    }
    let terms = Some(pb::Terms { commission: percent(100_000), ladder: Some(on_ladder), ..Default::default() });
    let request = pb::SimulateTermsRequest { terms, ..Default::default() };
    let mut messages = shop.client.rewards.simulate_terms(request).await.unwrap().into_inner();
    let refused = loop {
        match messages.message().await {
            Ok(message) => assert!(message.is_some()),
            Err(refused) => break refused,
        }
    };
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    let [violation] = violations.as_slice() else { panic!("{violations:?}") };
    assert_eq!(violation.field, "terms");
    assert!(violation.description.contains("out of order") && violation.description.contains("led_"), "{violation:?}");
});
