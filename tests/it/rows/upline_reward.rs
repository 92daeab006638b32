//! What uplines earn: row P28. The scenario `uplines.txt` has the amounts.

use headwater::domain::time::Time;
use headwater::domain::upline::PAID_LEVELS_MAX;
use headwater_client::pb;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

fn level(basis: pb::UplineBasis, percent_ppm: i32) -> pb::UplineLevel {
    pb::UplineLevel { basis: basis.into(), percent_ppm }
}

async fn enrolled(client: &mut Client, name: &str) -> String {
    let request = pb::CreateAffiliateRequest {
        email: format!("{name}@affiliates.example"),
        ref_id: name.to_owned(),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id
}

fn by_id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

async fn set_upline(client: &mut Client, affiliate: &str, upline: &str) {
    let request = pb::SetUplineRequest { affiliate: by_id(affiliate), upline: by_id(upline), ..Default::default() };
    client.affiliates.set_upline(request).await.unwrap();
}

fn sale(number: usize) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("order-{number}"),
        ref_id: "ann".to_owned(),
        amount: Some(pb::Money { amount_minor: 10_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    }
}

fn values(rewards: &[pb::RewardSummary]) -> Vec<i64> {
    rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

db_test!(p28_each_level_has_a_reward_that_says_how_it_was_computed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let levels = (1..=10).map(|number| level(pb::UplineBasis::Commission, number * 10_000)).collect();
    let terms = pb::Terms { upline_levels: levels, ..Default::default() };
    let shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let mut client = shop.client.clone();
    let mut chain = vec![shop.affiliate_id.clone()];
    for number in 1..=11 {
        let upline = enrolled(&mut client, &format!("level-{number}")).await;
        set_upline(&mut client, &chain[number - 1], &upline).await;
        chain.push(upline);
    }
    let answer = client.tracking.record_sale(sale(1)).await.unwrap().into_inner();
    assert_eq!(values(&answer.rewards), [2_000, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200]);
    let earners: Vec<_> = answer.rewards.iter().map(|reward| reward.affiliate_id.clone()).collect();
    assert_eq!(earners, chain[..=PAID_LEVELS_MAX]);
    assert!(!answer.credits.is_empty() && answer.credits.iter().all(|credit| credit.affiliate_id == chain[0]));

    let request = pb::GetRewardRequest { reward_id: answer.rewards[3].reward_id.clone(), ..Default::default() };
    let reward = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    let calculation = reward.calculation.unwrap();
    assert_eq!(calculation.rate, Some(pb::reward_calculation::Rate::PercentPpm(200_000)));
    let share = pb::UplineShare {
        level: 3,
        basis: pb::UplineBasis::Commission.into(),
        percent_ppm: 30_000,
        credited_enrollment_id: answer.credits[0].enrollment_id.clone(),
    };
    assert_eq!(calculation.upline, Some(share));
    assert_ne!(reward.enrollment_id, answer.credits[0].enrollment_id);

    // The figures have what each affiliate earned, and the books are right.
    let request = pb::QueryStatsRequest {
        first_day: "2025-01-01".to_owned(),
        last_day: "2026-12-31".to_owned(),
        affiliate: by_id(&chain[3]),
        ..Default::default()
    };
    let stats = client.rewards.query_stats(request).await.unwrap().into_inner();
    let sum: i64 = stats.rows.iter().flat_map(|row| &row.rewards).map(|value| cash(Some(value)).amount_minor).sum();
    assert_eq!((sum, stats.rows.iter().map(|row| row.sale_count).sum::<i64>()), (60, 0), "{stats:?}");
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

async fn explain(
    client: &mut Client,
    number: usize,
) -> (Vec<(i32, String, pb::UplineResult, Option<i64>)>, Vec<String>) {
    let sale = pb::conversion_selector::Selector::RecordedEvent(pb::RecordedEvent {
        kind: pb::ConversionKind::Sale.into(),
        event_id: format!("order-{number}"),
    });
    let request = pb::ExplainConversionRequest { conversion: Some(pb::ConversionSelector { selector: Some(sale) }) };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    let level = |told: &pb::UplineExplanation| {
        let value = told.value_amount.as_ref().map(|money| money.amount_minor);
        assert_eq!(value, told.recorded_rest.as_ref().map(|money| money.amount_minor), "{told:?}");
        (told.level, told.affiliate_id.clone(), told.result(), value)
    };
    (told.credits[0].uplines.iter().map(level).collect(), told.sentences)
}

db_test!(n4_each_level_of_uplines_is_explained, |database: TestDatabase| async move {
    use pb::UplineResult::{Earns, EnrollmentEnded, NoRate, NoUpline, NotActive, NotEnrolled, NothingBelow, Zero};
    let server = TestServer::start(&database).await;
    let of_commission = |percent_ppm| level(pb::UplineBasis::Commission, percent_ppm);
    let of_amount = |percent_ppm| level(pb::UplineBasis::SaleAmount, percent_ppm);
    let upline_levels = vec![of_commission(100_000), of_commission(1), of_amount(0), of_amount(20_000), of_amount(1)];
    let terms = pb::Terms { upline_levels, ..Default::default() };
    let shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let mut client = shop.client.clone();
    let ann = shop.affiliate_id.clone();
    client.tracking.record_sale(sale(1)).await.unwrap();
    let (levels, sentences) = explain(&mut client, 1).await;
    assert_eq!(levels, [(1, String::new(), NoUpline, None)]);
    assert!(
        sentences.iter().any(|text| text.starts_with(&format!("Level 1 earns nothing, because {ann} had no upline")))
    );

    let mut chain = vec![ann];
    for name in ["bob", "cy", "dan", "eve"] {
        let upline = enrolled(&mut client, name).await;
        set_upline(&mut client, chain.last().unwrap(), &upline).await;
        chain.push(upline);
    }
    server.clock.set(Time::from_micros(START_MICROS).plus_days(1));
    client.tracking.record_sale(sale(2)).await.unwrap();
    let [_, bob, cy, dan, eve] = chain.clone().try_into().unwrap();
    let (levels, sentences) = explain(&mut client, 2).await;
    let last = (5, String::new(), NoUpline, None);
    let expected = [
        (1, bob.clone(), Earns, Some(200)),
        (2, cy.clone(), Zero, None),
        (3, dan.clone(), NoRate, None),
        (4, eve.clone(), Earns, Some(200)),
        last.clone(),
    ];
    assert_eq!(levels, expected);
    for text in [
        format!("Level 1, {bob}, earns 10 % of the credited affiliate's commission, which is 2.00 USD."),
        format!("Level 2, {cy}, earns nothing, because what it would earn rounds to zero."),
        format!("Level 4, {eve}, earns 2 % of the amount of the event, which is 2.00 USD."),
    ] {
        assert!(sentences.contains(&text), "{text}: {sentences:#?}");
    }

    // Who cannot earn is left out, and nobody moves up.
    server.clock.set(Time::from_micros(START_MICROS).plus_days(2));
    let deactivate = pb::DeactivateAffiliateRequest {
        affiliate: by_id(&bob),
        pending_rewards: pb::PendingRewards::Keep.into(),
        ..Default::default()
    };
    client.affiliates.deactivate_affiliate(deactivate).await.unwrap();
    let request = pb::ListEnrollmentsRequest { affiliate: by_id(&eve), ..Default::default() };
    let enrollment_id =
        client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments[0].id.clone();
    let end = pb::EndEnrollmentRequest { enrollment_id, ..Default::default() };
    client.affiliates.end_enrollment(end).await.unwrap();
    server.clock.set(Time::from_micros(START_MICROS).plus_days(3));
    client.tracking.record_sale(sale(3)).await.unwrap();
    let results = |levels: &[(i32, String, pb::UplineResult, Option<i64>)]| -> Vec<pb::UplineResult> {
        levels.iter().map(|(_, _, result, _)| *result).collect()
    };
    assert_eq!(results(&explain(&mut client, 3).await.0), [NotActive, Zero, NoRate, EnrollmentEnded, NoUpline]);
    // What was earned before stays explained as it was.
    assert_eq!(results(&explain(&mut client, 2).await.0), [Earns, Zero, NoRate, Earns, NoUpline]);
    // A free sale earns nobody anything.
    let free = pb::Money { amount_minor: 0, currency_code: "USD".to_owned() };
    client.tracking.record_sale(pb::RecordSaleRequest { amount: Some(free), ..sale(4) }).await.unwrap();
    assert_eq!(results(&explain(&mut client, 4).await.0), [NotActive, NothingBelow, NoRate, EnrollmentEnded, NoUpline]);
    // An upline who is in another program only.
    let other = pb::CreateProgramRequest {
        display_name: "Other".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms {
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(1)) }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let program_id = client.affiliates.create_program(other).await.unwrap().into_inner().program.unwrap().id;
    let fay = pb::CreateAffiliateRequest {
        email: "fay@affiliates.example".to_owned(),
        ref_id: "fay".to_owned(),
        program_id,
        ..Default::default()
    };
    let fay = client.affiliates.create_affiliate(fay).await.unwrap().into_inner().affiliate.unwrap().id;
    set_upline(&mut client, &eve, &fay).await;
    server.clock.set(Time::from_micros(START_MICROS).plus_days(4));
    client.tracking.record_sale(sale(5)).await.unwrap();
    assert_eq!(results(&explain(&mut client, 5).await.0), [NotActive, Zero, NoRate, EnrollmentEnded, NotEnrolled]);
});

// On PostgreSQL through two servers. All sales are told twice.
db_test!(p28_uplines_are_exact_when_64_sales_arrive_at_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    let levels = vec![level(pb::UplineBasis::Commission, 125_000), level(pb::UplineBasis::SaleAmount, 333)];
    let terms = pb::Terms { upline_levels: levels, ..Default::default() };
    let shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let mut client = shop.client.clone();
    let bob = enrolled(&mut client, "bob").await;
    let cy = enrolled(&mut client, "cy").await;
    set_upline(&mut client, &shop.affiliate_id, &bob).await;
    set_upline(&mut client, &bob, &cy).await;
    let calls = (0..128).map(|number| {
        let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
        async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            client.tracking.record_sale(sale(number / 2)).await.unwrap().into_inner()
        }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| values(&answer.rewards) == [2_000, 250, 3]), "{answers:?}");
    for (affiliate, expected) in [(&bob, 64 * 250), (&cy, 64 * 3)] {
        let request = pb::GetBalanceRequest { affiliate: by_id(affiliate), ..Default::default() };
        let answer = client.rewards.get_balance(request).await.unwrap().into_inner();
        assert_eq!(answer.balances[0].pending.as_ref().map(|value| cash(Some(value)).amount_minor), Some(expected));
    }
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(p28_a_denial_is_of_one_reward, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let terms = pb::Terms { upline_levels: vec![level(pb::UplineBasis::Commission, 100_000)], ..Default::default() };
    let shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let mut client = shop.client.clone();
    let bob = enrolled(&mut client, "bob").await;
    set_upline(&mut client, &shop.affiliate_id, &bob).await;
    let answer = client.tracking.record_sale(sale(1)).await.unwrap().into_inner();
    let [of_ann, of_bob] = answer.rewards.as_slice() else { panic!("{answer:?}") };
    let reward_ids = vec![of_ann.reward_id.clone()];
    let request = pb::DenyRewardsRequest { reward_ids, reason: "fraud".to_owned(), ..Default::default() };
    client.rewards.deny_rewards(request).await.unwrap();
    for (reward, expected) in [(of_ann, pb::RewardState::Denied), (of_bob, pb::RewardState::Pending)] {
        let request = pb::GetRewardRequest { reward_id: reward.reward_id.clone(), ..Default::default() };
        let found = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
        assert_eq!(found.state(), expected, "{found:?}");
    }
});

db_test!(p28_wrong_levels_are_refused_and_generous_ones_warned_of, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::furnish(server.new_account("shop").await).await;
    let mut client = shop.client.clone();
    let request = |rate: i32, upline_levels: Vec<pb::UplineLevel>| pb::CreateProgramRequest {
        display_name: "Levels".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms {
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(rate)) }),
            upline_levels,
            ..Default::default()
        }),
        ..Default::default()
    };
    let commission = |percent_ppm| level(pb::UplineBasis::Commission, percent_ppm);
    for (levels, path) in [
        (vec![commission(1); 11], "terms.upline_levels"),
        (vec![commission(1), commission(-1)], "terms.upline_levels[1].percent_ppm"),
        (vec![commission(1_000_001)], "terms.upline_levels[0].percent_ppm"),
        (vec![pb::UplineLevel { basis: 9, percent_ppm: 1 }], "terms.upline_levels[0].basis"),
    ] {
        let error = client.affiliates.create_program(request(200_000, levels)).await.unwrap_err();
        let violations = error.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(), [path]);
    }
    // 60 %, 40 % of that and 16 % of the sale are all of the sale. One part in a million more is too much.
    let amount = |percent_ppm| level(pb::UplineBasis::SaleAmount, percent_ppm);
    let exact = request(600_000, vec![commission(400_000), amount(160_000)]);
    let answer = client.affiliates.create_program(exact).await.unwrap().into_inner();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    let program = answer.program.unwrap();
    let generous = request(600_000, vec![commission(400_000), amount(160_001)]);
    let answer = client.affiliates.create_program(generous.clone()).await.unwrap().into_inner();
    assert_eq!(answer.warnings[0].field, "terms.upline_levels");
    let update = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: program.id, terms: generous.terms, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
        ..Default::default()
    };
    let answer = client.affiliates.update_program(update).await.unwrap().into_inner();
    assert_eq!(answer.warnings[0].field, "program.terms.upline_levels");
    assert!(answer.warnings[0].explanation.contains("1000001 ppm"), "{:?}", answer.warnings);
});
