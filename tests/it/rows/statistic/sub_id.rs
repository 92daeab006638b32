//! Figures by sub-id.

use headwater::pb;
use pb::StatisticGroup as Group;
use testkit::client::Client;

use super::{at, cash, query, request, sell, total, usd, verified};
use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

/// A click of a visitor, or of a new one without a tid. Returns its tid.
async fn click(client: &mut Client, sub_id: &str, tid: &str, day: i64) -> String {
    let request = pb::RecordClickRequest {
        ref_id: "ann".to_owned(),
        sub_id: sub_id.to_owned(),
        tid: tid.to_owned(),
        occur_time: at(day, 12),
        ..Default::default()
    };
    client.tracking.record_click(request).await.unwrap().into_inner().tid
}

/// The rows by sub-id, in the order of these.
async fn by_sub_id(client: &mut Client, order: &[&str]) -> Vec<pb::StatisticRow> {
    let mut rows = query(client, request(&[Group::SubId])).await;
    let place = |row: &pb::StatisticRow| order.iter().position(|sub_id| *sub_id == row.sub_id).unwrap();
    rows.sort_by_key(place);
    assert_eq!(rows.iter().map(|row| &*row.sub_id).collect::<Vec<_>>(), order);
    rows
}

fn with_sub_id(sub_id: &str, groups: &[Group]) -> pb::QueryStatsRequest {
    pb::QueryStatsRequest { sub_id: sub_id.to_owned(), ..request(groups) }
}

/// Two sales of a customer who came by a click with the sub-id "May", a refund of the second one, and a sale with a coupon. Returns the
/// customer's tid.
async fn sell_to_two(client: &mut Client) -> String {
    let tid = click(client, "May", "", 2).await;
    click(client, "June", "", 3).await;
    click(client, "", "", 3).await;
    let first = pb::RecordSaleRequest {
        event_id: "sale-1".to_owned(),
        external_id: "c-1".to_owned(),
        tid: tid.clone(),
        amount: Some(usd(1_000)),
        occur_time: at(4, 12),
        ..Default::default()
    };
    client.tracking.record_sale(first.clone()).await.unwrap();
    // The binding knows the sub-id of the click that bound the customer.
    let second =
        pb::RecordSaleRequest { event_id: "sale-2".to_owned(), tid: String::new(), occur_time: at(5, 12), ..first };
    client.tracking.record_sale(second).await.unwrap();
    super::refund(client, "sale-2", 6, 250).await;
    sell(client, "sale-3", 6, 300).await;
    tid
}

db_test!(p19_figures_are_divided_by_sub_id, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    server.clock.advance_days(20);
    let ann = shop.affiliate_id.clone();
    let client = &mut shop.client;
    let tid = sell_to_two(client).await;

    let rows = by_sub_id(client, &["", "June", "May"]).await;
    let counts: Vec<_> = rows.iter().map(|row| (row.click_count, row.sale_count, row.refund_count)).collect();
    assert_eq!(counts, [(1, 1, 0), (1, 0, 0), (1, 2, 1)]);
    let may = &rows[2];
    assert_eq!((&may.sale_amounts[..], &may.refund_amounts[..]), (&[usd(2_000)][..], &[usd(250)][..]));
    assert_eq!((&may.rewards[..], &rows[0].rewards[..]), (&[cash(350)][..], &[cash(60)][..]));
    let all = total(client).await;
    assert_eq!((all.click_count, all.sale_count, &all.rewards[..]), (3, 3, &[cash(410)][..]));

    // A filter gives the same figures as the row, whatever they are divided by.
    let without = pb::StatisticRow { sub_id: String::new(), ..may.clone() };
    assert_eq!(query(client, with_sub_id("May", &[])).await, std::slice::from_ref(&without));
    assert_eq!(query(client, with_sub_id(" May ", &[Group::SubId])).await, std::slice::from_ref(may));
    let of_ann = pb::StatisticRow { affiliate_id: ann.clone(), ..without };
    assert_eq!(query(client, with_sub_id("May", &[Group::Affiliate])).await, [of_ann]);
    let days = query(client, with_sub_id("May", &[Group::Day, Group::Link])).await;
    let days: Vec<_> = days.into_iter().map(|row| (row.day, !row.link_id.is_empty())).collect();
    let expected = ["2026-01-03", "2026-01-05", "2026-01-06", "2026-01-07"];
    assert_eq!(days, expected.map(|day| (day.to_owned(), true)));
    assert!(query(client, with_sub_id("may", &[Group::Day])).await.is_empty(), "case counts");
    let id = Some(pb::affiliate_selector::Selector::Id(ann));
    let mut of_ann = request(&[Group::Day, Group::SubId]);
    of_ann.affiliate = Some(pb::AffiliateSelector { selector: id });
    let days = query(client, of_ann).await;
    let mut days: Vec<_> = days.iter().map(|row| (&*row.day, &*row.sub_id)).collect();
    days.sort_unstable();
    let of_day = |day| [(day, ""), (day, "May")];
    assert_eq!(days[..1], [("2026-01-03", "May")]);
    assert_eq!(days[1..5], [("2026-01-04", ""), ("2026-01-04", "June"), ("2026-01-05", "May"), ("2026-01-06", "May")]);
    assert_eq!(days[5..], of_day("2026-01-07"));
    verified(client).await;

    // A later click of the customer through the same link is told now. Both sales move to its sub-id, and readers need no event about
    // it, because the affiliate is the same. The refund stays where it was booked.
    click(client, "July", &tid, 3).await;
    let rows = by_sub_id(client, &["", "June", "May", "July"]).await;
    let counts: Vec<_> = rows.iter().map(|row| (row.click_count, row.sale_count, row.refund_count)).collect();
    assert_eq!(counts, [(1, 1, 0), (1, 0, 0), (1, 0, 1), (1, 2, 0)]);
    assert_eq!((&rows[2].rewards[..], &rows[3].rewards[..]), (&[cash(-50)][..], &[cash(400)][..]));
    assert_eq!(total(client).await.rewards, [cash(410)]);
    let told = events(client).await;
    assert!(told.iter().all(|event| event.kind() != pb::EventKind::SaleAttributed), "{told:?}");
    verified(client).await;

    // A click of the same time moves the figures again. Nothing of the lead changes that somebody is shown.
    click(client, "August", &tid, 3).await;
    let rows = by_sub_id(client, &["", "June", "May", "July", "August"]).await;
    let counts: Vec<_> = rows.iter().map(|row| (row.click_count, row.sale_count)).collect();
    assert_eq!(counts, [(1, 1), (1, 0), (1, 0), (1, 0), (1, 2)]);
    assert_eq!(events(client).await, told);
    verified(client).await;
});

/// All events of the account.
async fn events(client: &mut Client) -> Vec<pb::Event> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    client.feed.read_events(request).await.unwrap().into_inner().events
}
