//! Pay per click: row P3. The scenarios `click_pays*.txt` have the amounts.

use headwater::app::check;
use headwater::domain::time::Time;
use headwater::pb;
use headwater::store::entity::{account_head, counted_click};
use pb::ClickPayment::{AlreadyCounted, Capped, Earned, NoRule};
use prost_types::{FieldMask, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{Database, EntityTrait};
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::feed_images::all_events;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

/// A rule that pays this much for a click.
fn rule(amount_minor: i64) -> pb::CommissionRule {
    pb::CommissionRule {
        name: "clicks".to_owned(),
        event_kind: pb::CommissionEvent::Click.into(),
        commission: Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(usd(amount_minor))) }),
        ..Default::default()
    }
}

fn cap(scope: pb::CapScope, period: pb::Period, maximum_minor: i64) -> pb::Cap {
    pb::Cap { scope: scope.into(), period: period.into(), maximum: Some(usd(maximum_minor)) }
}

/// Terms that pay 20 cents for a click, and at most this much to an affiliate.
fn terms(maximum_minor: i64) -> pb::Terms {
    let caps = vec![cap(pb::CapScope::Affiliate, pb::Period::AllTime, maximum_minor)];
    pb::Terms { rules: vec![rule(20)], caps, ..Default::default() }
}

fn by(tid: &str) -> pb::RecordClickRequest {
    pb::RecordClickRequest { ref_id: "ann".to_owned(), tid: tid.to_owned(), ..Default::default() }
}

async fn click(client: &mut Client, request: pb::RecordClickRequest) -> pb::RecordClickResponse {
    client.tracking.record_click(request).await.unwrap().into_inner()
}

async fn clicks(client: &mut Client, request: pb::ListClicksRequest) -> Vec<pb::Click> {
    client.tracking.list_clicks(request).await.unwrap().into_inner().clicks
}

async fn rewards(client: &mut Client) -> Vec<pb::Reward> {
    let request = pb::ListRewardsRequest { page_size: 1_000, ..Default::default() };
    client.rewards.list_rewards(request).await.unwrap().into_inner().rewards
}

/// What Ann has earned.
async fn earned(shop: &mut Shop) -> i64 {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let answer = shop.client.rewards.get_balance(request).await.unwrap().into_inner();
    answer.balances.first().map_or(0, |balance| cash(balance.earned.as_ref()).amount_minor)
}

async fn update(client: &mut Client, program_id: &str, terms: pb::Terms) -> pb::UpdateProgramResponse {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) };
    let terms = Some(pb::Terms { commission: Some(commission), ..terms });
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: program_id.to_owned(), terms, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["terms".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_program(request).await.unwrap().into_inner()
}

async fn check_books(server: &TestServer, client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    assert_eq!(differences(server).await, Vec::<String>::new());
}

async fn differences(server: &TestServer) -> Vec<String> {
    let app = server.server.app();
    let mut differences = Vec::new();
    for account_id in check::accounts(app.store()).await.unwrap() {
        differences.extend(check::check(app.store(), account_id).await.unwrap().differences);
    }
    differences
}

/// The server, and on PostgreSQL a second one.
async fn two_servers(database: &TestDatabase) -> (TestServer, Option<TestServer>) {
    let first = TestServer::start(database).await;
    match database.kind {
        DatabaseKind::Sqlite => (first, None),
        DatabaseKind::Postgres => (first, Some(TestServer::start(database).await)),
    }
}

/// Records clicks at once through both servers. Returns how many earned, had counted before, and found no room.
async fn at_once(servers: [&TestServer; 2], key: &str, tids: Vec<String>) -> [usize; 3] {
    let mut calls = Vec::new();
    for (number, tid) in tids.into_iter().enumerate() {
        let (address, key) = (servers[number % 2].address.clone(), key.to_owned());
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            click(&mut client, by(&tid)).await.payment()
        }));
    }
    let mut payments = Vec::new();
    for call in calls {
        payments.push(call.await.unwrap());
    }
    [Earned, AlreadyCounted, Capped].map(|one| payments.iter().filter(|payment| **payment == one).count())
}

db_test!(p3_of_64_clicks_of_a_visitor_at_once_one_is_paid, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::furnish_with(first.new_account("shop").await, terms(1_010)).await;
    let mut tids = Vec::new();
    for _ in 0..2 {
        tids.push(click(&mut shop.client, by("")).await.tid);
    }
    assert_eq!(earned(&mut shop).await, 40);
    for server in servers {
        server.clock.set(Time::from_micros(START_MICROS).plus_days(1));
    }
    let key = shop.client.key.clone();
    let all = (0..64).map(|number| tids[number / 2 % 2].clone()).collect();
    assert_eq!(at_once(servers, &key, all).await, [2, 62, 0]);
    assert_eq!(earned(&mut shop).await, 80);
    // New visitors reach the maximum exactly: 46 times 20 cents, and once 10.
    assert_eq!(at_once(servers, &key, vec![String::new(); 64]).await, [47, 0, 17]);
    assert_eq!(earned(&mut shop).await, 1_010);
    check_books(&first, &mut shop.client).await;
});

db_test!(
    p3_a_click_that_earns_is_in_the_answer_the_lists_the_statement_and_the_feed,
    |database: TestDatabase| async move {
        let server = TestServer::start(&database).await;
        let mut shop = Shop::furnish_with(server.new_account("shop").await, terms(30)).await;
        let mut client = shop.client.clone();
        let request = pb::RecordClickRequest { event_id: "c-1".to_owned(), sub_id: "mail".to_owned(), ..by("") };
        let first = click(&mut client, request.clone()).await;
        assert_eq!((first.payment(), cash(first.reward.as_ref().unwrap().value.as_ref())), (Earned, &usd(20)));
        // A repeat of the call has the first answer. A repeat of the visitor is another click.
        assert_eq!(click(&mut client, request).await, pb::RecordClickResponse { replayed: true, ..first.clone() });
        let again = click(&mut client, by(&first.tid)).await;
        assert_eq!((again.payment(), &again.reward, &again.tid), (AlreadyCounted, &None, &first.tid));
        let clamped = click(&mut client, by("")).await;
        assert_eq!(cash(clamped.reward.as_ref().unwrap().value.as_ref()), &usd(10));
        let capped = click(&mut client, by("")).await;
        assert_eq!((capped.payment(), &capped.reward), (Capped, &None));

        let listed = clicks(&mut client, pb::ListClicksRequest::default()).await;
        let payments: Vec<_> = listed.iter().map(|click| (click.payment(), click.reward_id.is_empty())).collect();
        assert_eq!(payments, [(Earned, false), (AlreadyCounted, true), (Earned, false), (Capped, true)]);
        assert_eq!(listed[0].reward_id, first.reward.as_ref().unwrap().reward_id);

        let all = rewards(&mut client).await;
        assert_eq!(all.len(), 2);
        let reward = &all[0];
        let of = pb::RewardClick {
            click_id: first.click_id.clone(),
            tid: first.tid.clone(),
            link_id: listed[0].link_id.clone(),
            occur_time: listed[0].occur_time,
        };
        assert_eq!(
            (&reward.click, &*reward.conversion_id, reward.state()),
            (&Some(of.clone()), "", pb::RewardState::Pending)
        );
        assert_eq!(reward.auto_approve_time.unwrap().seconds, START_MICROS / 1_000_000 + 30 * 86_400);
        let calculation = reward.calculation.as_ref().unwrap();
        assert_eq!((calculation.rule(), &*calculation.rule_name), (pb::RewardRule::TermsRule, "clicks"));
        assert_eq!(calculation.rate, Some(pb::reward_calculation::Rate::Flat(usd(20))));
        let met = &all[1].calculation.as_ref().unwrap().caps[0];
        assert_eq!((met.paid_before.clone(), met.room_minor), (Some(usd(20)), 10));
        for (origin, count) in
            [(pb::RewardOrigin::Click, 2), (pb::RewardOrigin::Conversion, 0), (pb::RewardOrigin::ByHand, 0)]
        {
            let request = pb::ListRewardsRequest { origin: origin.into(), ..Default::default() };
            let found = client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
            assert_eq!(found.len(), count, "{origin:?}");
        }

        let start_time = Some(Timestamp { seconds: 1_600_000_000, nanos: 0 });
        let interval = pb::TimeInterval { start_time, ..Default::default() };
        let request = pb::CalculateCommissionsRequest {
            affiliate: Some(shop.affiliate()),
            period: Some(pb::calculate_commissions_request::Period::Interval(interval)),
            ..Default::default()
        };
        let statement = client.rewards.calculate_commissions(request).await.unwrap().into_inner();
        let line = &statement.lines[0];
        assert_eq!((statement.lines.len(), &line.click, line.conversion.is_none()), (2, &Some(of), true));
        assert_eq!(&line.calculation, &reward.calculation);

        let events = all_events(&mut client).await;
        let told: Vec<_> = events.iter().filter(|event| event.kind() == pb::EventKind::RewardCreated).collect();
        assert_eq!(told.len(), 2);
        let Some(pb::event::Subject::Reward(image)) = &told[0].subject else { panic!("{:?}", told[0]) };
        assert_eq!((image, &*told[0].cause_id), (reward, "c-1"));
        assert_eq!(earned(&mut shop).await, 30);
        check_books(&server, &mut client).await;
    }
);

db_test!(p3_figures_have_what_clicks_earn_by_day_link_and_sub_id, |database: TestDatabase| async move {
    use pb::StatisticGroup::{Day, Link, SubId};
    let server = TestServer::start(&database).await;
    let shop = Shop::furnish_with(server.new_account("shop").await, terms(1_000)).await;
    let mut client = shop.client.clone();
    server.clock.set(Time::from_micros(START_MICROS).plus_days(3));
    let occur_time = Some(Timestamp { seconds: START_MICROS / 1_000_000 + 86_400, nanos: 0 });
    let late = pb::RecordClickRequest { sub_id: "mail".to_owned(), occur_time, ..by("") };
    let reward_id = click(&mut client, late).await.reward.unwrap().reward_id;
    click(&mut client, by("")).await;
    let request = pb::QueryStatsRequest {
        first_day: "2026-01-01".to_owned(),
        last_day: "2026-12-31".to_owned(),
        group_by: [Day, Link, SubId].map(i32::from).to_vec(),
        ..Default::default()
    };
    let rows = client.rewards.query_stats(request.clone()).await.unwrap().into_inner().rows;
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (&*row.day, row.link_id.is_empty(), &*row.sub_id, row.click_count, cash(row.rewards.first()).amount_minor)
        })
        .collect();
    assert_eq!(found, [("2026-01-02", false, "mail", 1, 20), ("2026-01-04", false, "", 1, 20)]);
    // A denied reward is in no figure.
    let reason = "not real".to_owned();
    let deny = pb::DenyRewardsRequest { reward_ids: vec![reward_id], reason, ..Default::default() };
    client.rewards.deny_rewards(deny).await.unwrap();
    let rows = client.rewards.query_stats(request).await.unwrap().into_inner().rows;
    assert_eq!((rows[0].click_count, rows[0].rewards.len(), rows[1].rewards.len()), (1, 0, 1));
    check_books(&server, &mut client).await;
});

db_test!(p3_a_public_page_does_not_learn_what_a_click_earns, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms(1_000)).await;
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Publishable.into(), ..Default::default() };
    let key = shop.client.accounts.create_api_key(request).await.unwrap().into_inner().api_key_text;
    let mut page = Client::connect(&server.address, &key).await.unwrap();
    let first = click(&mut page, by("")).await;
    assert_eq!((first.payment(), &first.reward, &*first.affiliate_id), (pb::ClickPayment::Unspecified, &None, ""));
    assert_eq!(click(&mut page, by(&first.tid)).await.payment(), pb::ClickPayment::Unspecified);
    let mut owner = shop.client.clone();
    let listed = clicks(&mut owner, pb::ListClicksRequest::default()).await;
    assert_eq!(listed.iter().map(pb::Click::payment).collect::<Vec<_>>(), [Earned, AlreadyCounted]);
    assert_eq!(earned(&mut shop).await, 20);
});

db_test!(p3_clicks_of_other_accounts_and_programs_earn_nothing_and_need_no_lock, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::furnish_with(server.new_account("shop").await, pb::Terms::default()).await;
    let mut other = Shop::furnish_with(server.new_account("other").await, terms(1_000)).await;
    let answer = click(&mut shop.client, by("")).await;
    assert_eq!((answer.payment(), answer.reward), (NoRule, None));
    assert_eq!(click(&mut other.client, by("")).await.payment(), Earned);
    assert_eq!(clicks(&mut shop.client, pb::ListClicksRequest::default()).await[0].payment(), NoRule);
    let console = Database::connect(&database.url).await.unwrap();
    assert_eq!(counted_click::Entity::find().all(&console).await.unwrap().len(), 1);
    let heads = account_head::Entity::find().all(&console).await.unwrap();
    let counts: Vec<_> = heads.iter().map(|head| head.click_terms_count).filter(|count| *count > 0).collect();
    assert_eq!(counts, [1]);
    // The first terms that pay count from then on, and the next ones do not undo the lock.
    update(&mut shop.client.clone(), &shop.program_id, terms(1_000)).await;
    assert_eq!(click(&mut shop.client, by("")).await.payment(), Earned);
    update(&mut shop.client.clone(), &shop.program_id, pb::Terms::default()).await;
    assert_eq!(click(&mut shop.client, by("")).await.payment(), NoRule);
    let occur_time = Some(Timestamp { seconds: START_MICROS / 1_000_000, nanos: 0 });
    assert_eq!(click(&mut shop.client, pb::RecordClickRequest { occur_time, ..by("") }).await.payment(), NoRule);
    check_books(&server, &mut shop.client).await;
});

// On PostgreSQL the terms are made through another server than the one that has cached the former ones.
db_test!(p3_terms_that_another_server_makes_pay_at_once, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let shop = Shop::furnish(first.new_account("shop").await).await;
    let address = second.as_ref().unwrap_or(&first).address.clone();
    let (mut near, mut far) = (shop.client.clone(), Client::connect(&address, &shop.client.key).await.unwrap());
    assert_eq!(click(&mut near, by("")).await.payment(), NoRule);
    assert_eq!(click(&mut far, by("")).await.payment(), NoRule);
    update(&mut far, &shop.program_id, terms(1_000_000)).await;
    assert_eq!(click(&mut near, by("")).await.payment(), Earned);

    // While terms change, every click is recorded, and earns by the former ones or by the new ones.
    let mut calls = Vec::new();
    for name in 0..8 {
        let Shop { client, program_id, .. } = Shop::open(&first, &format!("account-{name}")).await;
        let mut far = Client::connect(&address, &client.key).await.unwrap();
        for _ in 0..6 {
            let mut near = client.clone();
            calls.push(tokio::spawn(async move { click(&mut near, by("")).await.payment() }));
        }
        calls.push(tokio::spawn(async move {
            update(&mut far, &program_id, terms(1_000_000)).await;
            click(&mut far, by("")).await.payment()
        }));
    }
    for call in calls {
        assert!([NoRule, Earned].contains(&call.await.unwrap()));
    }
    check_books(&first, &mut near).await;
});

db_test!(
    p3_rules_for_clicks_without_a_limit_are_warned_of_and_wrong_ones_refused,
    |database: TestDatabase| async move {
        let server = TestServer::start(&database).await;
        let shop = Shop::furnish(server.new_account("shop").await).await;
        let mut client = shop.client.clone();
        let of_event = cap(pb::CapScope::SingleEvent, pb::Period::Unspecified, 10);
        let of_customer = cap(pb::CapScope::Customer, pb::Period::Month, 10);
        for (rules, caps, is_warned) in [
            (vec![rule(20)], Vec::new(), true),
            (vec![rule(20)], vec![of_event, of_customer], true),
            (vec![rule(20)], vec![cap(pb::CapScope::Affiliate, pb::Period::Day, 10)], false),
            (vec![rule(20)], vec![cap(pb::CapScope::Program, pb::Period::AllTime, 10)], false),
            (vec![rule(0)], Vec::new(), false),
            (Vec::new(), Vec::new(), false),
        ] {
            let warnings =
                update(&mut client, &shop.program_id, pb::Terms { rules, caps, ..Default::default() }).await.warnings;
            assert_eq!(warnings.len(), usize::from(is_warned), "{warnings:?}");
            if let Some(warning) = warnings.first() {
                assert_eq!(warning.field, "program.terms.caps");
                assert!(warning.explanation.contains("add a cap with scope CAP_SCOPE_AFFILIATE"), "{warning:?}");
            }
        }
        let percent = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(1)) });
        let condition = |field: pb::ConditionField| {
            let comparison = pb::Comparison::Exists.into();
            Some(pb::Condition { field: field.into(), comparison, ..Default::default() })
        };
        for (wrong, field, words) in [
            (pb::CommissionRule { commission: percent, ..rule(1) }, "commission.percent_ppm", "set flat instead"),
            (pb::CommissionRule { coupon_codes: vec!["ANN".to_owned()], ..rule(1) }, "coupon_codes", "leave it out"),
            (pb::CommissionRule { plans: vec!["pro".to_owned()], ..rule(1) }, "plans", "leave it out"),
            (pb::CommissionRule { max_customer_sales: 1, ..rule(1) }, "max_customer_sales", "leave it out"),
            (pb::CommissionRule { is_per_unit: true, ..rule(1) }, "is_per_unit", "COMMISSION_EVENT_SALE"),
            (
                pb::CommissionRule { condition: condition(pb::ConditionField::CustomerCountry), ..rule(1) },
                "condition.field",
                "compare another field",
            ),
        ] {
            let request = pb::CreateProgramRequest {
                display_name: "Wrong".to_owned(),
                currency_code: "USD".to_owned(),
                landing_url: "https://shop.example/".to_owned(),
                terms: Some(pb::Terms {
                    commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(1)) }),
                    rules: vec![wrong],
                    ..Default::default()
                }),
                ..Default::default()
            };
            let refused = client.affiliates.create_program(request).await.unwrap_err();
            let violations = refused.get_details_bad_request().unwrap().field_violations;
            let [violation] = &violations[..] else { panic!("{violations:?}") };
            assert_eq!(violation.field, format!("terms.rules[0].{field}"));
            assert!(violation.description.contains(words), "{violation:?}");
        }
    }
);

db_test!(p3_check_finds_a_click_that_was_paid_without_counting, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms(30)).await;
    let paid = click(&mut shop.client, by("")).await;
    click(&mut shop.client, by("")).await;
    assert_eq!(differences(&server).await, Vec::<String>::new());
    let console = Database::connect(&database.url).await.unwrap();
    let counted = counted_click::Column::RewardId;
    counted_click::Entity::update_many()
        .col_expr(counted, Expr::value(None::<uuid::Uuid>))
        .exec(&console)
        .await
        .unwrap();
    let found = differences(&server).await;
    let words = format!("{} has 1 rewards of its affiliate and should have 0", paid.click_id);
    assert!(found.len() == 2 && found.iter().any(|text| text.contains(&words)), "{found:?}");
    counted_click::Entity::delete_many().exec(&console).await.unwrap();
    let found = differences(&server).await;
    let words = format!("{} has a reward and does not count", paid.click_id);
    assert!(found.iter().any(|text| text.contains(&words)), "{found:?}");
    assert!(found.iter().any(|text| text.contains("has 40 earned and should have 0")), "{found:?}");
});
