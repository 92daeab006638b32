//! Figures by day, program, affiliate, link and sub-id.

mod sub_id;

use std::collections::BTreeMap;
use std::time::Duration;

use headwater::pb;
use pb::StatisticGroup as Group;
use testkit::client::Client;

use crate::support::database::TestDatabase;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

const DAY_SECONDS: i64 = 86_400;
const START_SECONDS: i64 = START_MICROS / 1_000_000;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn timestamp(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

/// A time of 2026, this many days and hours after its first moment in UTC.
fn at(day: i64, hour: i64) -> Option<prost_types::Timestamp> {
    Some(timestamp(START_SECONDS + day * DAY_SECONDS + hour * 3_600))
}

fn request(group_by: &[Group]) -> pb::QueryStatsRequest {
    pb::QueryStatsRequest {
        page_size: 1_000,
        first_day: "2025-12-01".to_owned(),
        last_day: "2026-12-31".to_owned(),
        group_by: group_by.iter().map(|group| (*group).into()).collect(),
        ..pb::QueryStatsRequest::default()
    }
}

async fn query(client: &mut Client, request: pb::QueryStatsRequest) -> Vec<pb::StatisticRow> {
    let answer = client.rewards.query_stats(request).await.unwrap().into_inner();
    assert_eq!(answer.next_page_token, "");
    answer.rows
}

async fn total(client: &mut Client) -> pb::StatisticRow {
    query(client, request(&[])).await.remove(0)
}

fn cash(amount_minor: i64) -> pb::RewardValue {
    pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(usd(amount_minor))) }
}

async fn sell(client: &mut Client, event_id: &str, day: i64, amount_minor: i64) -> pb::RecordSaleResponse {
    let request = pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(usd(amount_minor)),
        occur_time: at(day, 12),
        ..pb::RecordSaleRequest::default()
    };
    client.tracking.record_sale(request).await.unwrap().into_inner()
}

async fn refund(client: &mut Client, sale: &str, day: i64, amount_minor: i64) {
    let request = pb::RecordRefundRequest {
        event_id: format!("refund-{sale}-{day}"),
        sale_event_id: sale.to_owned(),
        amount: Some(usd(amount_minor)),
        occur_time: at(day, 12),
        ..pb::RecordRefundRequest::default()
    };
    client.tracking.record_refund(request).await.unwrap();
}

async fn click(client: &mut Client, ref_id: &str, day: i64) -> pb::RecordClickResponse {
    let request = pb::RecordClickRequest { ref_id: ref_id.to_owned(), occur_time: at(day, 12), ..Default::default() };
    client.tracking.record_click(request).await.unwrap().into_inner()
}

async fn verified(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert_eq!(report.differences, Vec::<String>::new());
}

fn by_day(rows: Vec<pb::StatisticRow>) -> BTreeMap<String, pb::StatisticRow> {
    rows.into_iter().map(|row| (row.day.clone(), row)).collect()
}

db_test!(p35_figures_are_those_of_the_day_on_which_it_happened, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    server.clock.advance_days(20);
    let client = &mut shop.client;
    assert_eq!(total(client).await, pb::StatisticRow::default(), "nothing has happened");
    click(client, "ann", 3).await;
    click(client, "ann", 4).await;
    let first = sell(client, "sale-1", 4, 1_000).await;
    sell(client, "sale-2", 4, 500).await;
    sell(client, "sale-3", 6, 0).await;
    refund(client, "sale-1", 9, 250).await;
    let correction = pb::CorrectSaleRequest {
        event_id: "correction".to_owned(),
        sale_event_id: "sale-2".to_owned(),
        amount: Some(usd(600)),
        ..Default::default()
    };
    client.tracking.correct_sale(correction).await.unwrap();
    let days = by_day(query(client, request(&[Group::Day])).await);
    assert_eq!(days.keys().collect::<Vec<_>>(), ["2026-01-04", "2026-01-05", "2026-01-07", "2026-01-10", "2026-01-21"]);
    assert_eq!(days["2026-01-04"].click_count, 1);
    let sold = &days["2026-01-05"];
    assert_eq!((sold.click_count, sold.sale_count, sold.refund_count), (1, 2, 0));
    assert_eq!(
        (&sold.sale_amounts[..], &sold.rewards[..]),
        (&[usd(1_600)][..], &[cash(300)][..]),
        "with the correction"
    );
    assert_eq!((days["2026-01-07"].sale_count, days["2026-01-07"].rewards.len()), (1, 0), "a free order is a sale");
    let refunded = &days["2026-01-10"];
    assert_eq!((refunded.sale_count, refunded.refund_count), (0, 1));
    assert_eq!((&refunded.refund_amounts[..], &refunded.rewards[..]), (&[usd(250)][..], &[cash(-50)][..]));
    assert_eq!(days["2026-01-21"].rewards, [cash(20)], "the correction's own reward, on its day");

    // A denied reward and its reversal are no figures; the approval of one changes none.
    let before = total(client).await;
    let ids: Vec<String> = first.rewards.into_iter().map(|reward| reward.reward_id).collect();
    let deny = pb::DenyRewardsRequest { reward_ids: ids, reason: "fraud".to_owned(), ..Default::default() };
    client.rewards.deny_rewards(deny).await.unwrap();
    let after = total(client).await;
    assert_eq!((&before.rewards[..], &after.rewards[..]), (&[cash(270)][..], &[cash(120)][..]));
    assert_eq!(pb::StatisticRow { rewards: Vec::new(), ..after }, pb::StatisticRow { rewards: Vec::new(), ..before });
    verified(client).await;
});

db_test!(p19_figures_are_divided_by_program_affiliate_and_link, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (ann, program_id) = (shop.affiliate_id.clone(), shop.program_id.clone());
    let client = &mut shop.client;
    let bea = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    let bea = client.affiliates.create_affiliate(bea).await.unwrap().into_inner().affiliate.unwrap().id;
    let enrollments = pb::ListEnrollmentsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let client = &mut shop.client;
    let enrollments = client.affiliates.list_enrollments(enrollments).await.unwrap().into_inner().enrollments;
    let link = pb::CreateLinkRequest {
        enrollment_id: enrollments[0].id.clone(),
        code: "summer".to_owned(),
        ..Default::default()
    };
    let summer = client.affiliates.create_link(link).await.unwrap().into_inner().link.unwrap().id;
    server.clock.advance_days(20);
    let clicked = click(client, "summer", 2).await;
    click(client, "ann", 2).await;
    click(client, "bea", 3).await;
    // The link binds the customer, so it also led to what the customer buys later.
    let sale = pb::RecordSaleRequest {
        event_id: "sale-1".to_owned(),
        external_id: "c-1".to_owned(),
        tid: clicked.tid,
        amount: Some(usd(1_000)),
        occur_time: at(4, 0),
        ..Default::default()
    };
    client.tracking.record_sale(sale.clone()).await.unwrap();
    let again = pb::RecordSaleRequest {
        event_id: "sale-2".to_owned(),
        tid: String::new(),
        occur_time: at(5, 0),
        ..sale.clone()
    };
    client.tracking.record_sale(again).await.unwrap();
    sell(client, "sale-3", 6, 300).await;
    let not_referred = pb::RecordSaleRequest {
        event_id: "sale-4".to_owned(),
        external_id: "c-2".to_owned(),
        tid: String::new(),
        ..sale
    };
    client.tracking.record_sale(not_referred).await.unwrap();

    let sum = total(client).await;
    assert_eq!((sum.click_count, sum.sale_count, sum.sale_amounts.clone()), (3, 3, vec![usd(2_300)]));
    assert_eq!(
        query(client, request(&[Group::Program])).await,
        [pb::StatisticRow { program_id: program_id.clone(), ..sum.clone() }]
    );
    let mut of_affiliates = query(client, request(&[Group::Affiliate])).await;
    of_affiliates.sort_by_key(|row| row.sale_count);
    let counts = |row: &pb::StatisticRow| (row.affiliate_id.clone(), row.click_count, row.sale_count);
    assert_eq!(of_affiliates.iter().map(counts).collect::<Vec<_>>(), [(bea.clone(), 1, 0), (ann.clone(), 2, 3)]);
    let of_links = query(client, request(&[Group::Link])).await;
    let of_link = |id: &str| of_links.iter().find(|row| row.link_id == id).unwrap();
    let by_summer = of_link(&summer);
    assert_eq!((by_summer.click_count, by_summer.sale_count), (1, 2));
    assert_eq!((&by_summer.sale_amounts[..], &by_summer.rewards[..]), (&[usd(2_000)][..], &[cash(400)][..]));
    assert_eq!((of_link("").click_count, of_link("").sale_count), (0, 1), "the sale with the coupon");
    assert_eq!(of_links.len(), 4, "the two links of the enrollments, the new one, and none");

    let mut one = request(&[Group::Day, Group::Link]);
    one.affiliate = Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(ann.clone())) });
    let days: Vec<String> = query(client, one.clone()).await.into_iter().map(|row| row.day).collect();
    assert_eq!(days, ["2026-01-03", "2026-01-03", "2026-01-05", "2026-01-06", "2026-01-07"]);
    one.link_id = summer.clone();
    assert_eq!(query(client, one.clone()).await.len(), 3);
    one.affiliate = Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(bea)) });
    assert!(query(client, one).await.is_empty(), "the link is Ann's");
    let other = pb::QueryStatsRequest { program_id: program_id.replace(['0', '1'], "2"), ..request(&[Group::Day]) };
    assert!(query(client, other).await.is_empty());
    let short = pb::QueryStatsRequest { last_day: "2026-01-05".to_owned(), ..request(&[]) };
    assert_eq!(query(client, short).await[0].sale_count, 1);
    verified(client).await;
});

db_test!(p35_a_sale_that_moves_takes_its_figures_along, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let ann = shop.affiliate_id.clone();
    let client = &mut shop.client;
    let bea = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    let bea = client.affiliates.create_affiliate(bea).await.unwrap().into_inner().affiliate.unwrap().id;
    server.clock.advance_days(20);
    let tid = click(client, "ann", 5).await.tid;
    let sale = pb::RecordSaleRequest {
        event_id: "sale-1".to_owned(),
        external_id: "c-1".to_owned(),
        tid: tid.clone(),
        amount: Some(usd(1_000)),
        occur_time: at(9, 0),
        ..Default::default()
    };
    client.tracking.record_sale(sale).await.unwrap();
    let of = |rows: Vec<pb::StatisticRow>| -> BTreeMap<String, (i64, i64, Vec<pb::RewardValue>)> {
        rows.into_iter().map(|row| (row.affiliate_id, (row.click_count, row.sale_count, row.rewards))).collect()
    };
    let before = of(query(client, request(&[Group::Affiliate])).await);
    assert_eq!(before, BTreeMap::from([(ann.clone(), (1, 1, vec![cash(200)]))]));
    // A click of the same visitor is told late and wins.
    let late = pb::RecordClickRequest { ref_id: "bea".to_owned(), tid, occur_time: at(7, 0), ..Default::default() };
    client.tracking.record_click(late).await.unwrap();
    let after = of(query(client, request(&[Group::Affiliate])).await);
    assert_eq!(after, BTreeMap::from([(ann, (1, 0, Vec::new())), (bea, (1, 1, vec![cash(200)]))]));
    verified(client).await;
});

db_test!(p35_days_are_those_of_the_accounts_time_zone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let update = |time_zone: &str| pb::UpdateAccountRequest {
        account: Some(pb::Account { time_zone: time_zone.to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["time_zone".to_owned()] }),
        ..Default::default()
    };
    let get = pb::GetAccountRequest {};
    assert_eq!(client.accounts.get_account(get).await.unwrap().into_inner().account.unwrap().time_zone, "UTC");
    // Before the change has begun, days are those of UTC.
    sell(client, "sale-0", -1, 100).await;
    let changed = client.accounts.update_account(update("europe/berlin")).await.unwrap().into_inner().account.unwrap();
    assert_eq!(changed.time_zone, "Europe/Berlin");
    server.clock.advance_days(100);
    // In 2026, Berlin's clocks are set forward on the 29th of March, the 88th day of the year.
    let times = [(-1, 23, 30), (0, 23, 30), (86, 22, 45), (86, 23, 0), (87, 21, 45), (87, 22, 0)];
    for (number, (day, hour, minute)) in times.into_iter().enumerate() {
        let sale = pb::RecordSaleRequest {
            event_id: format!("sale-{}", number + 1),
            coupon_code: "ANN".to_owned(),
            amount: Some(usd(100)),
            occur_time: Some(timestamp(START_SECONDS + day * DAY_SECONDS + hour * 3_600 + minute * 60)),
            ..Default::default()
        };
        client.tracking.record_sale(sale).await.unwrap();
    }
    let rows = query(client, request(&[Group::Day])).await;
    let counts: Vec<(String, i64)> = rows.into_iter().map(|row| (row.day, row.sale_count)).collect();
    let expected = [("2025-12-31", 2), ("2026-01-02", 1), ("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1)];
    assert_eq!(counts, expected.map(|(day, count)| (day.to_owned(), count)));
    verified(client).await;

    // A change that has not begun is replaced, and one back to the present zone leaves nothing.
    client.accounts.update_account(update("Asia/Tokyo")).await.unwrap();
    client.accounts.update_account(update("Europe/Berlin")).await.unwrap();
    for zone in ["Asia/Tokyo", "America/New_York"].into_iter().cycle().take(49) {
        client.accounts.update_account(update(zone)).await.unwrap();
        server.clock.pass(Duration::from_secs(2 * 3_600));
    }
    let refused = client.accounts.update_account(update("UTC")).await.unwrap_err();
    assert!(refused.message().contains("time_zone"), "{refused:?}");
    verified(client).await;
});

db_test!(p35_pages_of_figures_have_every_row_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    server.clock.advance_days(200);
    let client = &mut shop.client;
    for day in 0..130 {
        sell(client, &format!("sale-{day}"), day, 100 + day).await;
        if day % 3 == 0 {
            click(client, "ann", day).await;
        }
    }
    let groups = [Group::Day, Group::Affiliate, Group::Link];
    let all = query(client, request(&groups)).await;
    assert_eq!(all.len(), 130 + 44);
    assert!(all.is_sorted_by_key(|row| row.day.clone()));
    let mut seen = Vec::new();
    let mut page = pb::QueryStatsRequest { page_size: 7, ..request(&groups) };
    loop {
        let answer = client.rewards.query_stats(page.clone()).await.unwrap().into_inner();
        seen.extend(answer.rows);
        if answer.next_page_token.is_empty() {
            break;
        }
        page.page_token = answer.next_page_token;
    }
    assert_eq!(seen, all);
    let other = pb::QueryStatsRequest { last_day: "2026-12-30".to_owned(), ..page };
    assert!(client.rewards.query_stats(other).await.is_err(), "the token is of other days");
    let sum = total(client).await;
    assert_eq!((sum.sale_count, sum.click_count), (130, 44));
    assert_eq!(sum.sale_amounts, [usd((0..130).map(|day| 100 + day).sum())]);

    for (first_day, last_day) in [("2026-02-02", "2026-02-01"), ("2020-01-01", "2026-01-01")] {
        let wrong =
            pb::QueryStatsRequest { first_day: first_day.to_owned(), last_day: last_day.to_owned(), ..request(&[]) };
        let refused = client.rewards.query_stats(wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
    verified(client).await;
});
