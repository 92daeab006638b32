//! What is counted, computed and owed before there are payments.

use headwater::pb;
use pb::StatisticGroup as Group;
use pb::reward_value::Amount;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn cash(amount_minor: i64) -> Option<pb::RewardValue> {
    Some(pb::RewardValue { amount: Some(Amount::Cash(usd(amount_minor))) })
}

db_test!(p3_clicks_are_counted_by_link_and_sub_id_and_earn_nothing, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    for (number, sub_id) in ["mail", "mail", "post", ""].into_iter().enumerate() {
        let request = pb::RecordClickRequest {
            event_id: format!("click-{number}"),
            ref_id: "ann".to_owned(),
            sub_id: sub_id.to_owned(),
            ..Default::default()
        };
        client.tracking.record_click(request.clone()).await.unwrap();
        assert!(client.tracking.record_click(request).await.unwrap().into_inner().replayed);
    }
    let clicks = client.tracking.list_clicks(pb::ListClicksRequest::default()).await.unwrap().into_inner().clicks;
    assert_eq!(clicks.len(), 4, "a repeat is no click");
    for (group_by, expected) in [(Group::Link, vec![4]), (Group::SubId, vec![1, 1, 2])] {
        let request = pb::QueryStatsRequest {
            first_day: "2026-01-01".to_owned(),
            last_day: "2026-01-02".to_owned(),
            group_by: vec![group_by.into()],
            ..Default::default()
        };
        let rows = client.rewards.query_stats(request).await.unwrap().into_inner().rows;
        assert!(rows.iter().all(|row| row.rewards.is_empty()), "{rows:?}");
        let mut counts: Vec<i64> = rows.iter().map(|row| row.click_count).collect();
        counts.sort_unstable();
        assert_eq!(counts, expected, "{group_by:?}");
    }
    let request = pb::GetBalanceRequest { affiliate: Some(affiliate), ..Default::default() };
    assert!(client.rewards.get_balance(request).await.unwrap().into_inner().balances.is_empty());
});

db_test!(g14_the_commissions_of_an_affiliate_say_how_they_were_computed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    client.tracking.record_sale(sale(1)).await.unwrap();
    let flat = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        coupon_code: "BEA".to_owned(),
        commission_override: Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(usd(150))) }),
        ..Default::default()
    };
    let bea = client.affiliates.create_affiliate(flat).await.unwrap().into_inner().affiliate.unwrap().id;
    let request = pb::RecordSaleRequest { coupon_code: "BEA".to_owned(), ..sale(2) };
    client.tracking.record_sale(request).await.unwrap();
    let bea = pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(bea)) };
    for (affiliate, value, rate, rule) in [
        (affiliate, 200, pb::reward_calculation::Rate::PercentPpm(200_000), pb::RewardRule::Program),
        (bea, 150, pb::reward_calculation::Rate::Flat(usd(150)), pb::RewardRule::Enrollment),
    ] {
        let request = pb::ListRewardsRequest {
            affiliate: Some(affiliate),
            view: pb::RewardView::Full.into(),
            ..Default::default()
        };
        let rewards = client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
        let [reward] = &rewards[..] else { panic!("{rewards:?}") };
        assert_eq!(reward.value, cash(value));
        let calculation = reward.calculation.as_ref().unwrap();
        assert_eq!((calculation.rate.as_ref(), calculation.rule()), (Some(&rate), rule));
        assert_eq!((calculation.base_amount.as_ref(), calculation.terms_version), (Some(&usd(1_000)), 1));
        assert_eq!(reward.conversion.as_ref().unwrap().amount, Some(usd(1_000)));
        let request = pb::GetRewardRequest { reward_id: reward.id.clone(), ..Default::default() };
        let alone = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
        assert_eq!(alone.calculation, reward.calculation);
    }
});

db_test!(g15_what_is_owed_is_apart_from_what_waits_for_approval, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    let first = client.tracking.record_sale(sale(1)).await.unwrap().into_inner().rewards.remove(0).reward_id;
    client.tracking.record_sale(sale(2)).await.unwrap();
    let request = pb::ApproveRewardsRequest { reward_ids: vec![first], ..Default::default() };
    client.rewards.approve_rewards(request).await.unwrap();
    let request = pb::GetBalanceRequest { affiliate: Some(affiliate), ..Default::default() };
    let balances = client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    let expected = pb::Balance {
        earned: cash(400),
        pending: cash(200),
        owed: cash(200),
        in_flight: cash(0),
        in_dispute: cash(0),
        paid: cash(0),
    };
    assert_eq!(balances, std::slice::from_ref(&expected));
    let all = client.rewards.list_balances(pb::ListBalancesRequest::default()).await.unwrap().into_inner().affiliates;
    assert_eq!((all.len(), &all[0].balances), (1, &vec![expected]));
    let owed_only = pb::ListBalancesRequest { owed_only: true, ..Default::default() };
    assert_eq!(client.rewards.list_balances(owed_only).await.unwrap().into_inner().affiliates, all);
});
