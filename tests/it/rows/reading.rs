//! Balances of all affiliates, clicks, and the server itself.

use headwater::pb;
use pb::reward_value::Amount;
use testkit::client::Client;

use crate::support::database::TestDatabase;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::{Shop, sale};

async fn affiliate(client: &mut Client, name: &str) -> String {
    let request = pb::CreateAffiliateRequest {
        email: format!("{name}@affiliates.example"),
        ref_id: name.to_owned(),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id
}

async fn give(client: &mut Client, ref_id: &str, amount: Amount, state: pb::RewardState) {
    let selector = pb::enrollment_selector::Selector::RefId(ref_id.to_owned());
    let enrollment = pb::EnrollmentSelector { selector: Some(selector) };
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(enrollment)),
        value: Some(pb::RewardValue { amount: Some(amount) }),
        state: state.into(),
        ..Default::default()
    };
    client.rewards.create_reward(request).await.unwrap();
}

fn cash(amount_minor: i64, code: &str) -> Amount {
    Amount::Cash(pb::Money { amount_minor, currency_code: code.to_owned() })
}

/// All pages: each affiliate with the earned amounts.
async fn all(client: &mut Client, mut request: pb::ListBalancesRequest) -> Vec<(String, Vec<Amount>)> {
    let mut found = Vec::new();
    loop {
        let page = client.rewards.list_balances(request.clone()).await.unwrap().into_inner();
        for affiliate in page.affiliates {
            let earned = affiliate.balances.into_iter().map(|balance| balance.earned.unwrap().amount.unwrap());
            found.push((affiliate.affiliate_id, earned.collect()));
        }
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

db_test!(balances_of_all_affiliates_are_paged_and_filtered, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let bea = affiliate(client, "bea").await;
    affiliate(client, "cid").await;
    let dan = affiliate(client, "dan").await;
    give(client, "ann", cash(700, "USD"), pb::RewardState::Approved).await;
    give(client, "ann", Amount::Points(5), pb::RewardState::Approved).await;
    give(client, "bea", cash(300, "EUR"), pb::RewardState::Approved).await;
    give(client, "bea", cash(200, "USD"), pb::RewardState::Pending).await;
    give(client, "dan", Amount::Credits(9), pb::RewardState::Pending).await;
    let of_ann = (shop.affiliate_id.clone(), vec![cash(700, "USD"), Amount::Points(5)]);
    let of_bea = (bea.clone(), vec![cash(300, "EUR"), cash(200, "USD")]);
    let of_dan = (dan.clone(), vec![Amount::Credits(9)]);
    // Cid never had a reward.
    for page_size in [1, 2, 0] {
        let request = pb::ListBalancesRequest { page_size, ..Default::default() };
        assert_eq!(all(client, request.clone()).await, [of_ann.clone(), of_bea.clone(), of_dan.clone()]);
        let newest = pb::ListBalancesRequest { order: pb::ListOrder::NewestFirst.into(), ..request };
        assert_eq!(all(client, newest).await, [of_dan.clone(), of_bea.clone(), of_ann.clone()]);
    }
    let money = |code: &str| vec![code.to_owned()];
    let none = pb::ListBalancesRequest { page_size: 1, ..Default::default() };
    let by_bea = pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(bea.clone())) };
    for (request, expected) in [
        (
            pb::ListBalancesRequest { currencies: money("USD"), ..none.clone() },
            vec![(of_ann.0.clone(), vec![cash(700, "USD")]), (bea.clone(), vec![cash(200, "USD")])],
        ),
        (
            pb::ListBalancesRequest { units: vec![pb::RewardUnit::Points.into(), 3], ..none.clone() },
            vec![(of_ann.0.clone(), vec![Amount::Points(5)]), of_dan.clone()],
        ),
        (
            pb::ListBalancesRequest { owed_only: true, ..none.clone() },
            vec![of_ann.clone(), (bea.clone(), vec![cash(300, "EUR")])],
        ),
        (pb::ListBalancesRequest { affiliate: Some(by_bea), ..none.clone() }, vec![of_bea]),
        (pb::ListBalancesRequest { currencies: money("JPY"), ..none.clone() }, Vec::new()),
    ] {
        assert_eq!(all(client, request.clone()).await, expected, "{request:?}");
    }
});

db_test!(clicks_are_listed_by_each_filter, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let bea = affiliate(client, "bea").await;
    let at = |day: i64| prost_types::Timestamp { seconds: 1_767_225_600 - 86_400 * day, nanos: 0 };
    let mut tids: Vec<String> = Vec::new();
    // A visitor comes back later than another one came.
    for (ref_id, visitor, day) in [("ann", None, 3), ("bea", None, 2), ("bea", Some(0), 1), ("ann", None, 9)] {
        let request = pb::RecordClickRequest {
            ref_id: ref_id.to_owned(),
            tid: visitor.map(|visitor: usize| tids[visitor].clone()).unwrap_or_default(),
            occur_time: Some(at(day)),
            referrer_url: format!("https://search.example/{day}"),
            ..Default::default()
        };
        tids.push(client.tracking.record_click(request).await.unwrap().into_inner().tid);
    }
    let request = pb::ListLinksRequest::default();
    let links = client.affiliates.list_links(request).await.unwrap().into_inner().links;
    let link_of = |affiliate_id: &str| links.iter().find(|link| link.affiliate_id == affiliate_id).unwrap().id.clone();
    let by =
        |id: &str| Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) });
    let none = pb::ListClicksRequest::default();
    let between = pb::TimeInterval { start_time: Some(at(3)), end_time: Some(at(1)) };
    for (request, days) in [
        (none.clone(), vec![3, 2, 1, 9]),
        (pb::ListClicksRequest { order: pb::ListOrder::NewestFirst.into(), ..none.clone() }, vec![9, 1, 2, 3]),
        (pb::ListClicksRequest { affiliate: by(&bea), ..none.clone() }, vec![2, 1]),
        (pb::ListClicksRequest { link_id: link_of(&bea), ..none.clone() }, vec![2, 1]),
        (pb::ListClicksRequest { link_id: link_of(&shop.affiliate_id), ..none.clone() }, vec![3, 9]),
        (pb::ListClicksRequest { tid: tids[0].clone(), ..none.clone() }, vec![3, 1]),
        (pb::ListClicksRequest { occur_interval: Some(between), ..none.clone() }, vec![3, 2]),
        (pb::ListClicksRequest { program_id: shop.program_id.clone(), ..none.clone() }, vec![3, 2, 1, 9]),
        (
            pb::ListClicksRequest { program_id: "prg_00000000000000000000000000000001".to_owned(), ..none.clone() },
            vec![],
        ),
    ] {
        for page_size in [1, 3, 0] {
            let mut request = pb::ListClicksRequest { page_size, ..request.clone() };
            let mut found = Vec::new();
            loop {
                let page = client.tracking.list_clicks(request.clone()).await.unwrap().into_inner();
                found.extend(page.clicks.into_iter().map(|click| click.referrer_url));
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            let expected: Vec<String> = days.iter().map(|day| format!("https://search.example/{day}")).collect();
            assert_eq!(found, expected, "{request:?}");
        }
    }
});

/// All pages of a list of clicks, and how many there were.
async fn all_clicks(client: &mut Client, mut request: pb::ListClicksRequest) -> (Vec<String>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = client.tracking.list_clicks(request.clone()).await.unwrap().into_inner();
        found.extend(page.clicks.into_iter().map(|click| click.id));
        pages += 1;
        if page.next_page_token.is_empty() {
            return (found, pages);
        }
        request.page_token = page.next_page_token;
    }
}

// A page ends after some clicks, also if few of them are wanted. A test build ends it after 8.
db_test!(g8_few_clicks_among_many_are_listed_page_by_page, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let bea = affiliate(client, "bea").await;
    let (mut all, mut of_bea, mut of_visitor, mut of_later) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut visitor = String::new();
    let later = START_MICROS / 1_000_000 + 10 * 86_400;
    for number in 0..60 {
        if number == 50 {
            server.clock.advance_days(10);
        }
        // One visitor comes back again and again.
        let is_of_visitor = number >= 5 && number % 2 == 1;
        let is_of_bea = number % 25 == 3;
        let request = pb::RecordClickRequest {
            ref_id: if is_of_bea { "bea" } else { "ann" }.to_owned(),
            tid: if is_of_visitor { visitor.clone() } else { String::new() },
            ..Default::default()
        };
        let clicked = client.tracking.record_click(request).await.unwrap().into_inner();
        for (is_listed, list) in [
            (true, &mut all),
            (is_of_bea, &mut of_bea),
            (is_of_visitor, &mut of_visitor),
            (number >= 50, &mut of_later),
        ] {
            if is_listed {
                list.push(clicked.click_id.clone());
            }
        }
        if number == 5 {
            visitor = clicked.tid;
        }
    }
    assert_eq!((of_bea.len(), of_visitor.len(), of_later.len()), (3, 28, 10));
    let by_bea = pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(bea)) };
    let none = pb::ListClicksRequest::default();
    let since =
        pb::TimeInterval { start_time: Some(prost_types::Timestamp { seconds: later, nanos: 0 }), end_time: None };
    for (request, expected, pages_least) in [
        (none.clone(), &all, 1),
        (pb::ListClicksRequest { affiliate: Some(by_bea), ..none.clone() }, &of_bea, 2),
        (pb::ListClicksRequest { tid: visitor.clone(), ..none.clone() }, &of_visitor, 1),
        (pb::ListClicksRequest { occur_interval: Some(since), ..none.clone() }, &of_later, 1),
    ] {
        for page_size in [1, 2, 7, 1_000] {
            let request = pb::ListClicksRequest { page_size, ..request.clone() };
            let (found, pages) = all_clicks(client, request.clone()).await;
            assert_eq!(&found, expected, "{request:?}");
            // All of Bea's clicks would fit into one page of 7.
            assert!(page_size != 7 || pages >= pages_least, "{pages} pages: {request:?}");
            let newest = pb::ListClicksRequest { order: pb::ListOrder::NewestFirst.into(), ..request };
            let (mut found, _) = all_clicks(client, newest.clone()).await;
            found.reverse();
            assert_eq!(&found, expected, "{newest:?}");
        }
    }
});

db_test!(a_server_says_what_it_is, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--message-bytes-max", "65536"]).await;
    let mut shop = Shop::open(&server, "shop").await;
    shop.client.tracking.record_sale(sale(1)).await.unwrap();
    let info = shop.client.accounts.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.version.as_str(), info.feed_id.len()), (env!("CARGO_PKG_VERSION"), 32));
    let limits = info.limits.as_ref().unwrap();
    assert_eq!((limits.max_page_size, limits.default_page_size, limits.max_batch_size), (1_000, 50, 1_000));
    assert_eq!((limits.max_request_bytes, limits.request_timeout_seconds), (65_536, 10));
    assert_eq!(limits.request_id_retention_days, 30);
    let is_shared = database.url.starts_with("postgres");
    assert_eq!(info.features().any(|feature| feature == pb::ServerFeature::SeveralServers), is_shared);
    // Every account and every kind of key gets the same answer.
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let same = operator.accounts.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(same, info);
});
