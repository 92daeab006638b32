//! SetUpline: who brought an affiliate. It is set, moved and removed, and loops are refused.

use headwater::pb;
use pb::affiliate_selector::Selector;
use testkit::client::Client;
use tonic::{Code, Status};

use super::affiliate::{by, by_email, create, get, new};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn email(number: usize) -> String {
    format!("level{number}@affiliates.example")
}

async fn set(client: &mut Client, number: usize, upline: Option<usize>) -> Result<pb::Affiliate, Status> {
    let request = pb::SetUplineRequest {
        affiliate: by_email(&email(number)),
        upline: upline.and_then(|number| by_email(&email(number))),
        ..Default::default()
    };
    Ok(client.affiliates.set_upline(request).await?.into_inner().affiliate.unwrap())
}

/// Makes affiliates, and returns their ids.
async fn make(client: &mut Client, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(create(client, new(&email(number))).await.affiliate.unwrap().id);
    }
    ids
}

db_test!(p17_an_upline_is_set_moved_and_removed_with_its_history, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let ids = make(&mut client, 3).await;
    let set_first = set(&mut client, 0, Some(1)).await.unwrap();
    assert_eq!(set_first.upline_affiliate_id, ids[1]);
    assert_eq!(set(&mut client, 0, Some(1)).await.unwrap().etag, set_first.etag, "the present one changes nothing");
    server.clock.advance_days(1);
    let moved = set(&mut client, 0, Some(2)).await.unwrap();
    server.clock.advance_days(1);
    let removed = set(&mut client, 0, None).await.unwrap();
    assert_eq!((moved.upline_affiliate_id.as_str(), removed.upline_affiliate_id.as_str()), (ids[2].as_str(), ""));
    let found = get(&mut client, by_email(&email(0))).await.unwrap().affiliate.unwrap();
    assert_eq!(found, removed);
    let past: Vec<&str> = found.past_uplines.iter().map(|past| past.affiliate_id.as_str()).collect();
    assert_eq!(past, ["", ids[1].as_str(), ids[2].as_str()]);
    assert!(
        found.past_uplines.windows(2).all(|pair| pair[0].end_time.unwrap().seconds < pair[1].end_time.unwrap().seconds)
    );

    // A repeat changes nothing.
    let request = pb::SetUplineRequest {
        request_id: "again".to_owned(),
        affiliate: by_email(&email(0)),
        upline: by_email(&email(1)),
        ..Default::default()
    };
    client.affiliates.set_upline(request.clone()).await.unwrap();
    assert!(client.affiliates.set_upline(request).await.unwrap().into_inner().replayed);

    let status = client
        .affiliates
        .set_upline(pb::SetUplineRequest {
            affiliate: by_email(&email(0)),
            upline: by(Selector::ExternalId("nobody".to_owned())),
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "AFFILIATE_NOT_FOUND"));
    let request = pb::SetUplineRequest { affiliate: by_email(&email(0)), etag: "v1".to_owned(), ..Default::default() };
    let status = client.affiliates.set_upline(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
});

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, expected: &str) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, expected));
    assert!(status.message().starts_with("upline: ") || expected == "AFFILIATE_ERASED", "{}", status.message());
}

db_test!(p17_a_loop_of_uplines_is_refused, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    make(&mut client, 102).await;
    refused(set(&mut client, 0, Some(0)).await, "UPLINE_LOOP");
    for number in 0..99 {
        set(&mut client, number, Some(number + 1)).await.unwrap();
    }
    // Each of a long chain, from its head.
    for number in [0, 1, 50, 98] {
        refused(set(&mut client, 99, Some(number)).await, "UPLINE_LOOP");
    }
    // There are 100 levels above one at most.
    set(&mut client, 99, Some(100)).await.unwrap();
    refused(set(&mut client, 101, Some(0)).await, "UPLINE_LEVELS");
    let new_below = pb::CreateAffiliateRequest { upline: by_email(&email(0)), ..new("below@affiliates.example") };
    refused(client.affiliates.create_affiliate(new_below).await, "UPLINE_LEVELS");
    set(&mut client, 101, Some(1)).await.unwrap();
    // Out of the chain, and in again elsewhere.
    set(&mut client, 50, None).await.unwrap();
    set(&mut client, 100, Some(0)).await.unwrap();
    refused(set(&mut client, 50, Some(99)).await, "UPLINE_LOOP");
});

db_test!(p17_of_two_who_are_put_above_each_other_at_once_one_is_refused, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    make(&mut client, 2).await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let mut other = match &second {
        Some(server) => Client::connect(&server.address, &client.key).await.unwrap(),
        None => client.clone(),
    };
    for _ in 0..10 {
        let (up, down) = tokio::join!(set(&mut client, 0, Some(1)), set(&mut other, 1, Some(0)));
        let refusals: Vec<Status> = [up, down].into_iter().filter_map(Result::err).collect();
        assert_eq!(refusals.iter().map(reason).collect::<Vec<_>>(), ["UPLINE_LOOP"]);
        for number in [0, 1] {
            set(&mut client, number, None).await.unwrap();
        }
    }
});

async fn listed(client: &mut Client, number: usize) -> Vec<String> {
    let request = pb::ListAffiliatesRequest { upline: by_email(&email(number)), ..Default::default() };
    let listed = client.affiliates.list_affiliates(request).await.unwrap().into_inner();
    let request = pb::CountAffiliatesRequest { upline: by_email(&email(number)), ..Default::default() };
    let counted = client.affiliates.count_affiliates(request).await.unwrap().into_inner();
    assert_eq!(usize::try_from(counted.total_count).unwrap(), listed.affiliates.len());
    listed.affiliates.into_iter().map(|affiliate| affiliate.email).collect()
}

db_test!(p17_those_whom_an_affiliate_has_brought_are_listed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let ids = make(&mut client, 3).await;
    set(&mut client, 2, Some(0)).await.unwrap();
    let brought = pb::CreateAffiliateRequest { upline: by_email(&email(0)), ..new("new@affiliates.example") };
    let brought = create(&mut client, brought).await.affiliate.unwrap();
    assert_eq!((brought.upline_affiliate_id.as_str(), brought.past_uplines.len()), (ids[0].as_str(), 0));
    assert_eq!(listed(&mut client, 0).await, [email(2).as_str(), "new@affiliates.example"]);
    // Only those whom it has brought itself.
    set(&mut client, 0, Some(1)).await.unwrap();
    assert_eq!(listed(&mut client, 1).await, [email(0)]);
    set(&mut client, 2, Some(1)).await.unwrap();
    assert_eq!(listed(&mut client, 0).await, ["new@affiliates.example"]);
    for name in ["nobody@affiliates.example", "ann@affiliates.example"] {
        let request = pb::ListAffiliatesRequest { upline: by_email(name), ..Default::default() };
        match client.affiliates.list_affiliates(request).await {
            Ok(listed) => assert!(listed.into_inner().affiliates.is_empty()),
            Err(status) => {
                assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "AFFILIATE_NOT_FOUND"));
                assert!(status.message().starts_with("upline: "), "{}", status.message());
                assert_eq!(name, "nobody@affiliates.example");
            }
        }
    }
});

db_test!(p17_who_was_rejected_or_erased_brings_nobody, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let ids = make(&mut client, 3).await;
    let applied = pb::CreateAffiliateRequest {
        state: pb::AffiliateState::Applied.into(),
        upline: by_email(&email(0)),
        ..new("applied@affiliates.example")
    };
    create(&mut client, applied).await;
    let reject = pb::RejectAffiliateRequest {
        affiliate: by_email("applied@affiliates.example"),
        reason: "no site".to_owned(),
        ..Default::default()
    };
    client.affiliates.reject_affiliate(reject).await.unwrap();
    let below = |upline| pb::SetUplineRequest { affiliate: by_email(&email(1)), upline, ..Default::default() };
    let rejected = below(by_email("applied@affiliates.example"));
    refused(client.affiliates.set_upline(rejected).await, "UPLINE_REJECTED");
    // Who is erased later stays as an id, and cannot be named again.
    set(&mut client, 1, Some(0)).await.unwrap();
    let erase = pb::EraseAffiliateRequest { affiliate: by_email(&email(0)), ..Default::default() };
    client.affiliates.erase_affiliate(erase).await.unwrap();
    let found = get(&mut client, by_email(&email(1))).await.unwrap().affiliate.unwrap();
    assert_eq!(found.upline_affiliate_id, ids[0]);
    let by_id = |id: &str| by(Selector::Id(id.to_owned()));
    let request = pb::SetUplineRequest { affiliate: by_email(&email(2)), upline: by_id(&ids[0]), ..Default::default() };
    refused(client.affiliates.set_upline(request).await, "AFFILIATE_ERASED");
    let request = pb::SetUplineRequest { affiliate: by_id(&ids[0]), upline: by_id(&ids[2]), ..Default::default() };
    refused(client.affiliates.set_upline(request).await, "AFFILIATE_ERASED");
    let request = pb::ListAffiliatesRequest { upline: by_id(&ids[0]), ..Default::default() };
    assert_eq!(client.affiliates.list_affiliates(request).await.unwrap().into_inner().affiliates.len(), 2);
});
