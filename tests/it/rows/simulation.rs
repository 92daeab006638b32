//! Simulations of terms: row N6. Every scenario ends with a simulation of the terms in force, which changes nothing, and the property
//! `n6_a_simulation_is_a_replay_under_the_proposed_terms` compares with replays of random histories.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater::domain::time::Time;
use headwater_client::pb::simulate_terms_response::Content;
use headwater_client::pb::{self, commission::Rate};
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning};
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(Rate::PercentPpm(percent_ppm)) })
}

fn by_id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

/// What a simulation of the history says in the end.
struct Simulated {
    /// Earned, proposed, difference, changed conversions by affiliate.
    affiliates: BTreeMap<String, [i64; 4]>,
    summary: pb::SimulationSummary,
}

async fn simulate(client: &mut Client, request: pb::SimulateTermsRequest) -> Simulated {
    let mut messages = client.rewards.simulate_terms(request).await.unwrap().into_inner();
    let (mut affiliates, mut is_begun) = (BTreeMap::new(), false);
    while let Some(message) = messages.message().await.unwrap() {
        match message.content.unwrap() {
            Content::Progress(progress) => {
                is_begun = true;
                assert!(progress.judged_conversion_count <= progress.conversion_count, "{progress:?}");
            }
            Content::Affiliates(page) => {
                assert!(is_begun, "progress comes first");
                for row in page.affiliates {
                    let amount = |money: Option<pb::Money>| money.unwrap().amount_minor;
                    let [earned, proposed, difference] =
                        [row.earned_amount, row.proposed_amount, row.difference_amount].map(amount);
                    assert_eq!(proposed - earned, difference);
                    let sums = [earned, proposed, difference, row.changed_conversion_count];
                    assert!(affiliates.insert(row.affiliate_id, sums).is_none());
                }
            }
            Content::Summary(summary) => {
                assert!(messages.message().await.unwrap().is_none(), "the summary is last");
                return Simulated { affiliates, summary };
            }
            Content::SampleSale(sale) => panic!("{sale:?}"),
        }
    }
    panic!("no summary");
}

/// A shop with three affiliates: bob is above ann, and cy above bob.
struct Chain {
    shop: Shop,
    ids: [String; 3],
}

async fn chain(server: &TestServer, name: &str, terms: pb::Terms) -> Chain {
    server.clock.set(Time::from_micros(START_MICROS));
    let commission = terms.commission.clone();
    let mut shop = Shop::furnish_with(server.new_account(name).await, terms.clone()).await;
    let client = &mut shop.client;
    if commission != percent(200_000) {
        let id = shop.program_id.clone();
        let request = pb::UpdateProgramRequest {
            program: Some(pb::Program { id, terms: Some(terms), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
            ..Default::default()
        };
        client.affiliates.update_program(request).await.unwrap();
    }
    let mut ids = [shop.affiliate_id.clone(), String::new(), String::new()];
    for (place, name) in [(1, "bob"), (2, "cy")] {
        let request = pb::CreateAffiliateRequest {
            email: format!("{name}@affiliates.example"),
            ref_id: name.to_owned(),
            ..Default::default()
        };
        ids[place] = client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id;
        let (affiliate, upline) = (by_id(&ids[place - 1]), by_id(&ids[place]));
        client.affiliates.set_upline(pb::SetUplineRequest { affiliate, upline, ..Default::default() }).await.unwrap();
    }
    Chain { shop, ids }
}

/// A history with refunds, a correction, a sale that is told late, one outside of the window, and customers who are no leads.
async fn play(server: &TestServer, chain: &mut Chain) {
    let client = &mut chain.shop.client;
    let at = |minutes: i64| {
        let seconds = START_MICROS / 1_000_000 + minutes * 60;
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    };
    let wait = |minutes: i64| server.clock.set(Time::from_micros(START_MICROS + minutes * 60_000_000));
    let sale = |event: &str, customer: &str, amount: i64| pb::RecordSaleRequest {
        event_id: event.to_owned(),
        external_id: customer.to_owned(),
        amount: Some(usd(amount)),
        ..Default::default()
    };
    wait(10);
    let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
    let tid = client.tracking.record_click(click).await.unwrap().into_inner().tid;
    wait(20);
    let mut first = sale("first", "dan", 10_001);
    first.tid.clone_from(&tid);
    client.tracking.record_sale(first).await.unwrap();
    let by_bob = pb::RecordSaleRequest { ref_id: "bob".to_owned(), ..sale("bobs", "eve", 4_999) };
    client.tracking.record_sale(by_bob).await.unwrap();
    let by_ann = pb::RecordSaleRequest { ref_id: "ann".to_owned(), ..sale("anns", "hal", 6_001) };
    client.tracking.record_sale(by_ann).await.unwrap();
    let alone = pb::RecordSaleRequest { ref_id: "cy".to_owned(), external_id: String::new(), ..sale("alone", "", 333) };
    client.tracking.record_sale(alone).await.unwrap();
    let refund = |event: &str, sale: &str, amount: i64| pb::RecordRefundRequest {
        event_id: event.to_owned(),
        sale_event_id: sale.to_owned(),
        amount: Some(usd(amount)),
        ..Default::default()
    };
    client.tracking.record_refund(refund("part", "first", 3_333)).await.unwrap();
    client.tracking.record_refund(refund("rest", "bobs", 4_999)).await.unwrap();
    wait(60 * 24 * 20);
    // Late for a window of 10 days, and of a customer who is no lead then.
    let late_click = pb::RecordSaleRequest { tid, ..sale("by click", "fay", 8_000) };
    client.tracking.record_sale(late_click).await.unwrap();
    client.tracking.record_sale(sale("second", "dan", 777)).await.unwrap();
    let fix = pb::CorrectSaleRequest {
        event_id: "fix".to_owned(),
        sale_event_id: "second".to_owned(),
        amount: Some(usd(1_777)),
        ..Default::default()
    };
    client.tracking.correct_sale(fix).await.unwrap();
    // It happened before all others of its customer.
    let late = pb::RecordSaleRequest { ref_id: "bob".to_owned(), occur_time: at(15), ..sale("late", "dan", 2_000) };
    client.tracking.record_sale(late).await.unwrap();
}

/// What each affiliate has earned in all.
async fn earned(chain: &mut Chain) -> [i64; 3] {
    let mut sums = [0; 3];
    for (sum, id) in sums.iter_mut().zip(&chain.ids) {
        let request = pb::GetBalanceRequest { affiliate: by_id(id), ..Default::default() };
        let balances = chain.shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
        *sum = balances.iter().map(|balance| cash(balance.earned.as_ref()).amount_minor).sum();
    }
    sums
}

fn terms_with(percent_ppm: i32, window_days: i32) -> pb::Terms {
    pb::Terms { commission: percent(percent_ppm), attribution_window_days: Some(window_days), ..Default::default() }
}

fn proposals() -> Vec<pb::Terms> {
    let level = |percent_ppm| pb::UplineLevel { basis: pb::UplineBasis::Commission.into(), percent_ppm };
    let mut levels = terms_with(150_000, 60);
    levels.upline_levels = vec![level(100_000), level(33_333)];
    let mut first_clicks = terms_with(333_333, 10);
    first_clicks.rounding = pb::Rounding::Down.into();
    let mut flat = terms_with(0, 60);
    flat.commission = Some(pb::Commission { rate: Some(Rate::Flat(usd(99))) });
    vec![levels, first_clicks, flat]
}

db_test!(n6_the_difference_is_that_to_a_replay_under_the_proposed_terms, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut current = chain(&server, "current", terms_with(200_000, 10)).await;
    play(&server, &mut current).await;
    let before = earned(&mut current).await;
    let stopped = Time::from_micros(START_MICROS).plus_days(20);
    for (number, terms) in proposals().into_iter().enumerate() {
        server.clock.set(stopped);
        let request = pb::SimulateTermsRequest { terms: Some(terms.clone()), ..Default::default() };
        let simulated = simulate(&mut current.shop.client, request).await;
        let mut replay = chain(&server, &format!("replay-{number}"), terms).await;
        play(&server, &mut replay).await;
        let after = earned(&mut replay).await;
        for (place, id) in current.ids.iter().enumerate() {
            let [was, proposed, difference, _] = simulated.affiliates.get(id).copied().unwrap_or_default();
            assert_eq!((was, proposed), (before[place], after[place]), "{number}, affiliate {place}");
            assert_eq!(difference, after[place] - before[place]);
        }
        let total = &simulated.summary.totals[0];
        let difference: i64 = after.iter().sum::<i64>() - before.iter().sum::<i64>();
        assert_eq!(total.difference_amount, Some(usd(difference)));
        assert!(simulated.summary.changed_conversion_count > 0);
    }
});

db_test!(n6_the_terms_in_force_change_nothing_and_nothing_is_written, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut chain = chain(&server, "current", terms_with(200_000, 10)).await;
    play(&server, &mut chain).await;
    let client = &mut chain.shop.client;
    let events = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let before = client.feed.read_events(events.clone()).await.unwrap().into_inner();
    for (start, end) in [(None, None), (Some(15), None), (Some(15), Some(60 * 24)), (None, Some(20))] {
        let at = |minutes: i64| prost_types::Timestamp { seconds: START_MICROS / 1_000_000 + minutes * 60, nanos: 0 };
        let request = pb::SimulateTermsRequest {
            program_id: chain.shop.program_id.clone(),
            terms: Some(terms_with(200_000, 10)),
            start_time: start.map(at),
            end_time: end.map(at),
            ..Default::default()
        };
        let simulated = simulate(client, request).await;
        assert_eq!(simulated.summary.changed_conversion_count, 0, "{:?}", simulated.summary);
        assert!(simulated.summary.judged_conversion_count > 0 || end == Some(20), "{:?}", simulated.summary);
        assert!(simulated.affiliates.values().all(|[earned, proposed, difference, changed]| {
            earned == proposed && (*difference, *changed) == (0, 0)
        }));
    }
    // Conversions outside of the time of the proposed terms are left out.
    let at = |minutes: i64| prost_types::Timestamp { seconds: START_MICROS / 1_000_000 + minutes * 60, nanos: 0 };
    let request = pb::SimulateTermsRequest {
        terms: Some(terms_with(300_000, 10)),
        start_time: Some(at(60 * 24)),
        end_time: Some(at(60 * 24 * 30)),
        ..Default::default()
    };
    let simulated = simulate(client, request).await;
    let expected = BTreeMap::from([(chain.ids[1].clone(), [355, 533, 178, 1])]);
    assert_eq!(simulated.affiliates, expected);
    let after = client.feed.read_events(events).await.unwrap().into_inner();
    assert_eq!((before.events.len(), before.head_cursor), (after.events.len(), after.head_cursor));
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(n6_a_sample_sale_is_priced_by_both_terms_and_not_recorded, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut chain = chain(&server, "shop", terms_with(200_000, 60)).await;
    let proposed = proposals().swap_remove(0);
    let sample = pb::RecordSaleRequest {
        ref_id: "ann".to_owned(),
        amount: Some(usd(10_000)),
        channel: 99,
        ..Default::default()
    };
    let request = pb::SimulateTermsRequest { terms: Some(proposed), sample_sale: Some(sample), ..Default::default() };
    let mut messages = chain.shop.client.rewards.simulate_terms(request).await.unwrap().into_inner();
    let message = messages.message().await.unwrap().unwrap();
    assert_eq!(message.warnings[0].field, "sample_sale.channel");
    let Some(Content::SampleSale(sale)) = message.content else { panic!("{message:?}") };
    assert!(messages.message().await.unwrap().is_none());
    let earned = |outcome: Option<pb::SimulatedOutcome>| -> Vec<(String, i64, i32)> {
        let outcome = outcome.unwrap();
        assert_eq!(outcome.outcome(), pb::ConversionOutcome::Attributed);
        let rewards = outcome.rewards.into_iter();
        rewards
            .map(|reward| {
                (reward.affiliate_id, reward.value.unwrap().amount_minor, reward.calculation.unwrap().terms_version)
            })
            .collect()
    };
    let [ann, bob, cy] = chain.ids.clone();
    assert_eq!(earned(sale.current), [(ann.clone(), 2_000, 1)]);
    assert_eq!(earned(sale.proposed), [(ann, 1_500, 0), (bob, 150, 0), (cy, 50, 0)]);
    let outcomes = vec![pb::ConversionOutcome::Attributed.into(), pb::ConversionOutcome::NotReferred.into()];
    let list = pb::ListConversionsRequest { outcomes, ..Default::default() };
    let listed = chain.shop.client.tracking.list_conversions(list).await.unwrap().into_inner();
    assert!(listed.conversions.is_empty());
});

db_test!(n6_wrong_terms_are_answered_as_by_update_program, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let euros = pb::Money { amount_minor: 1, currency_code: "EUR".to_owned() };
    let mut flat = terms_with(1, 60);
    flat.commission = Some(pb::Commission { rate: Some(Rate::Flat(euros)) });
    let nameless = pb::Terms { rules: vec![pb::CommissionRule::default()], ..terms_with(1, 60) };
    for terms in [pb::Terms::default(), flat, nameless, terms_with(1_000_001, 0)] {
        let update = pb::UpdateProgramRequest {
            program: Some(pb::Program {
                id: shop.program_id.clone(),
                terms: Some(terms.clone()),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
            ..Default::default()
        };
        let expected = shop.client.affiliates.update_program(update).await.unwrap_err();
        let request = pb::SimulateTermsRequest { terms: Some(terms), ..Default::default() };
        let status = shop.client.rewards.simulate_terms(request).await.unwrap_err();
        let faults = |status: &tonic::Status| -> Vec<(String, String)> {
            let violations = status.get_details_bad_request().unwrap().field_violations;
            let path = |field: &str| field.trim_start_matches("program.").to_owned();
            violations.into_iter().map(|fault| (path(&fault.field), fault.description)).collect()
        };
        assert_eq!((status.code(), faults(&status)), (expected.code(), faults(&expected)));
    }
    // What is only unwise is a warning.
    let level = pb::UplineLevel { basis: pb::UplineBasis::SaleAmount.into(), percent_ppm: 900_000 };
    let generous = pb::Terms { upline_levels: vec![level, level], ..terms_with(200_000, 60) };
    let request = pb::SimulateTermsRequest { terms: Some(generous), ..Default::default() };
    let mut messages = shop.client.rewards.simulate_terms(request).await.unwrap().into_inner();
    assert_eq!(messages.message().await.unwrap().unwrap().warnings.len(), 1);
    // The order of the two times is checked too.
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let terms = Some(terms_with(1, 60));
    let request =
        pb::SimulateTermsRequest { terms, start_time: at(100_000), end_time: at(100_000), ..Default::default() };
    drop(messages);
    let status = shop.client.rewards.simulate_terms(request).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "end_time");
});

fn cap(scope: pb::CapScope, period: pb::Period, maximum: i64) -> pb::Cap {
    pb::Cap { scope: scope.into(), period: period.into(), maximum: Some(usd(maximum)) }
}

db_test!(n6_one_cap_is_simulated_over_the_history, |database: TestDatabase| async move {
    use pb::CapScope::{Affiliate, Customer, SingleEvent};
    use pb::Period::{AllTime, Month};
    let server = TestServer::start(&database).await;
    let capped = |caps: &[pb::Cap]| pb::Terms { caps: caps.to_vec(), ..terms_with(200_000, 10) };
    let of_affiliate = cap(Affiliate, Month, 1_300);
    let mut current = chain(&server, "current", capped(std::slice::from_ref(&of_affiliate))).await;
    play(&server, &mut current).await;
    let before = earned(&mut current).await;
    let stopped = Time::from_micros(START_MICROS).plus_days(20);
    let proposals = [
        capped(&[of_affiliate]),
        capped(&[]),
        capped(&[cap(Affiliate, AllTime, 1_000)]),
        capped(&[cap(Customer, AllTime, 1_200)]),
        capped(&[cap(SingleEvent, AllTime, 900), cap(Affiliate, Month, 2_000)]),
    ];
    for (number, terms) in proposals.into_iter().enumerate() {
        server.clock.set(stopped);
        let request = pb::SimulateTermsRequest { terms: Some(terms.clone()), ..Default::default() };
        let simulated = simulate(&mut current.shop.client, request).await;
        let mut replay = chain(&server, &format!("replay-{number}"), terms).await;
        play(&server, &mut replay).await;
        let after = earned(&mut replay).await;
        for (place, id) in current.ids.iter().enumerate() {
            let [was, proposed, difference, _] = simulated.affiliates.get(id).copied().unwrap_or_default();
            assert_eq!((was, proposed), (before[place], after[place]), "{number}, affiliate {place}");
            assert_eq!(difference, after[place] - before[place]);
        }
        assert_eq!(number == 0, after == before, "{number}: the maximum is never reached");
        assert_eq!(number == 0, simulated.summary.changed_conversion_count == 0);
    }
    // Sales of before the proposed terms share the tally with later ones. They count, and are not in the results.
    server.clock.set(stopped);
    let start = START_MICROS / 1_000_000 + 60 * 60 * 24;
    let request = pb::SimulateTermsRequest {
        terms: Some(pb::Terms { caps: vec![cap(Affiliate, Month, 1_300)], ..terms_with(0, 10) }),
        start_time: Some(prost_types::Timestamp { seconds: start, nanos: 0 }),
        ..Default::default()
    };
    let simulated = simulate(&mut current.shop.client, request).await;
    assert!(
        simulated.affiliates.values().all(|[earned, proposed, ..]| proposed <= earned),
        "{:?}",
        simulated.affiliates
    );
    let report = current.shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

fn steps(mode: pb::LadderMode, rates: &[(i64, i32)]) -> Option<pb::Ladder> {
    let step = |(minimum, percent_ppm): &(i64, i32)| pb::LadderStep {
        min_amount: Some(usd(*minimum)),
        commission: percent(*percent_ppm),
        ..Default::default()
    };
    Some(pb::Ladder { mode: mode.into(), steps: rates.iter().map(step).collect(), ..Default::default() })
}

/// Terms under which what an event earns depends on the events of other customers.
fn terms_with_tallies() -> Vec<pb::Terms> {
    use pb::CapScope::{Affiliate, Customer, Program};
    use pb::Period::{AllTime, Month};
    let terms = || terms_with(200_000, 10);
    let upline_levels = vec![pb::UplineLevel { basis: pb::UplineBasis::Commission.into(), percent_ppm: 100_000 }];
    let rule = |name: &str, commission| pb::CommissionRule { name: name.to_owned(), commission, ..Default::default() };
    let clicks = pb::CommissionRule {
        event_kind: pb::CommissionEvent::Click.into(),
        ..rule("clicks", Some(pb::Commission { rate: Some(Rate::Flat(usd(7))) }))
    };
    let condition = pb::Condition {
        field: pb::ConditionField::AffiliateSalesAmount.into(),
        comparison: pb::Comparison::More.into(),
        values: vec!["4000".to_owned()],
        ..Default::default()
    };
    let figures = pb::CommissionRule { condition: Some(condition), ..rule("regular", percent(310_000)) };
    let bonus = |name: &str, period: pb::Period, min_amount| pb::ThresholdBonus {
        name: name.to_owned(),
        period: period.into(),
        min_amount: Some(usd(min_amount)),
        bonus: Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(usd(500))) }),
        ..Default::default()
    };
    let bonuses = vec![bonus("silver", Month, 9_000), bonus("gold", AllTime, 10_000)];
    let ladder = |mode| steps(mode, &[(4_000, 250_000), (9_000, 330_000)]);
    let capped = |caps: &[pb::Cap]| pb::Terms { caps: caps.to_vec(), ..terms() };
    let of_affiliate = cap(Affiliate, Month, 1_300);
    vec![
        capped(&[cap(Program, AllTime, 2_000)]),
        capped(&[cap(Customer, AllTime, 1_400), of_affiliate.clone(), cap(Program, Month, 2_500)]),
        pb::Terms { upline_levels: upline_levels.clone(), ..capped(std::slice::from_ref(&of_affiliate)) },
        pb::Terms { ladder: ladder(pb::LadderMode::LevelUp), ..capped(std::slice::from_ref(&of_affiliate)) },
        pb::Terms { ladder: ladder(pb::LadderMode::Retroactive), upline_levels, ..terms() },
        pb::Terms { ladder: ladder(pb::LadderMode::Marginal), ..terms() },
        pb::Terms { threshold_bonuses: bonuses.clone(), ..terms() },
        pb::Terms { rules: vec![figures.clone()], ..terms() },
        pb::Terms { rules: vec![clicks.clone()], ..terms() },
        pb::Terms { rules: vec![clicks, figures], threshold_bonuses: bonuses, ..capped(&[of_affiliate]) },
    ]
}

db_test!(n6_any_terms_are_simulated_over_the_history, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let stopped = Time::from_micros(START_MICROS).plus_days(20);
    let all = terms_with_tallies();
    let mut played = Vec::new();
    for (number, terms) in all.iter().enumerate() {
        let mut chain = chain(&server, &format!("shop-{number}"), terms.clone()).await;
        play(&server, &mut chain).await;
        let earned = earned(&mut chain).await;
        played.push((chain, earned));
    }
    let after: Vec<[i64; 3]> = played.iter().map(|(_, earned)| *earned).collect();
    assert!(after.iter().collect::<std::collections::BTreeSet<_>>().len() >= all.len() - 1, "{after:?}");
    server.clock.set(stopped);
    for (number, (chain, before)) in played.iter_mut().enumerate() {
        // The terms in force, and two others.
        for other in [0, 1, 4].map(|more| (number + more) % all.len()) {
            let request = pb::SimulateTermsRequest { terms: Some(all[other].clone()), ..Default::default() };
            let simulated = simulate(&mut chain.shop.client, request).await;
            for (place, id) in chain.ids.iter().enumerate() {
                let [was, proposed, difference, changed] = simulated.affiliates.get(id).copied().unwrap_or_default();
                assert_eq!(
                    (was, proposed),
                    (before[place], after[other][place]),
                    "{number}, {other}, affiliate {place}"
                );
                assert!(other != number || (difference, changed) == (0, 0));
            }
            assert!(other != number || simulated.summary.changed_conversion_count == 0);
        }
        let report = chain.shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
        assert!(report.ok, "{:?}", report.differences);
    }
});

db_test!(n6_a_caller_who_is_gone_leaves_nothing_open, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut chain = chain(&server, "shop", terms_with(200_000, 10)).await;
    play(&server, &mut chain).await;
    let client = &mut chain.shop.client;
    let request = pb::SimulateTermsRequest { terms: Some(terms_with(100_000, 10)), ..Default::default() };
    let messages = client.rewards.simulate_terms(request.clone()).await.unwrap().into_inner();
    // One runs at a time, until its caller is gone.
    let mut other = client.clone();
    let status = other.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await;
    assert!(status.is_ok() || status.unwrap_err().code() == Code::ResourceExhausted);
    drop(messages);
    let again = async {
        loop {
            match client.rewards.simulate_terms(request.clone()).await {
                Ok(_) => break,
                Err(status) => assert_eq!(status.code(), Code::ResourceExhausted),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
});
