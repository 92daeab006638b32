//! Limits of calls per minute: row W4.

use std::time::Duration;

use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};

/// One call that every key may make, as it comes from this address through the test, which is a proxy.
async fn check_from(client: &mut Client, address: &str) -> Result<(), Status> {
    let mut request = Request::new(pb::CheckApiKeyRequest {});
    if !address.is_empty() {
        request.metadata_mut().insert("x-forwarded-for", address.parse().unwrap());
    }
    client.accounts.check_api_key(request).await.map(|_| ())
}

/// Calls until the limit refuses it, and returns how many calls were let through and the refusal.
async fn until_limited(client: &mut Client, address: &str) -> (usize, Status) {
    for passed in 0..50 {
        match check_from(client, address).await {
            Err(status) if reason(&status) == "RATE_LIMITED" => return (passed, status),
            _ => {}
        }
    }
    panic!("50 calls at once were let through");
}

async fn set_limit(operator: &mut Client, email: &str, calls_per_minute: i32) -> Result<pb::Account, Status> {
    let selector = Some(pb::account_selector::Selector::Email(email.to_owned()));
    let request = pb::SetAccountCallLimitRequest {
        account: Some(pb::AccountSelector { selector }),
        calls_per_minute,
        ..Default::default()
    };
    Ok(operator.accounts.set_account_call_limit(request).await?.into_inner().account.unwrap())
}

async fn new_key(owner: &mut Client, kind: pb::ApiKeyKind) -> String {
    let request = pb::CreateApiKeyRequest { kind: kind.into(), ..Default::default() };
    owner.accounts.create_api_key(request).await.unwrap().into_inner().api_key_text
}

/// How long the refusal says to wait. Both details that tell it agree.
fn told_delay(status: &Status) -> Duration {
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    let pushback: u64 = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(delay, Duration::from_millis(pushback));
    delay
}

db_test!(w4_a_plan_limits_the_calls_of_each_key_of_an_account, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--key-calls-burst", "4"]).await;
    let mut owner = server.new_account("shop").await;
    let mut other = server.new_account("other").await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let mut second = Client::connect(&server.address, &new_key(&mut owner, pb::ApiKeyKind::Read).await).await.unwrap();
    for _ in 0..20 {
        check_from(&mut owner, "").await.unwrap();
    }
    // One call in three seconds.
    let limited = set_limit(&mut operator, "shop@owners.example", 20).await.unwrap();
    assert_eq!(limited.calls_per_minute, 20);
    let (passed, status) = until_limited(&mut owner, "").await;
    assert!((4..8).contains(&passed), "{passed}");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let delay = told_delay(&status);
    assert!(delay > Duration::ZERO && delay <= Duration::from_secs(3), "{delay:?}");
    let quota = status.get_details_quota_failure().unwrap().violations;
    assert_eq!(quota.iter().map(|violation| violation.subject.as_str()).collect::<Vec<_>>(), ["key"]);
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!((metadata["limited_by"].as_str(), metadata["calls_per_minute"].as_str()), ("key", "20"));
    // A write is refused too, and changes nothing.
    let item = pb::CreateItemRequest { sku: "mug".to_owned(), ..Default::default() };
    assert_eq!(reason(&owner.affiliates.create_item(item).await.unwrap_err()), "RATE_LIMITED");
    // Each key counts for itself, and other accounts and operators are not limited.
    let items = second.affiliates.list_items(pb::ListItemsRequest::default()).await.unwrap().into_inner().items;
    assert_eq!(items, []);
    for _ in 0..20 {
        check_from(&mut other, "").await.unwrap();
        check_from(&mut operator, "").await.unwrap();
    }
    // After the time that was told, one call is let through.
    let (_, status) = until_limited(&mut owner, "").await;
    tokio::time::sleep(told_delay(&status)).await;
    check_from(&mut owner, "").await.unwrap();
    assert_eq!(reason(&check_from(&mut owner, "").await.unwrap_err()), "RATE_LIMITED");

    // The operator ends the limit. It is in the feed, and the owner cannot change it.
    set_limit(&mut operator, "shop@owners.example", 0).await.unwrap();
    for _ in 0..20 {
        check_from(&mut owner, "").await.unwrap();
    }
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = owner.feed.read_events(request).await.unwrap().into_inner().events;
    let limits: Vec<i32> = events
        .iter()
        .filter(|event| event.kind() == pb::EventKind::AccountUpdated)
        .map(|event| match event.subject.as_ref().unwrap() {
            pb::event::Subject::Account(account) => account.calls_per_minute,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(limits, [20, 0]);
    let own = pb::UpdateAccountRequest {
        account: Some(pb::Account { calls_per_minute: 1_000, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["calls_per_minute".to_owned()] }),
        ..Default::default()
    };
    assert_eq!(reason(&owner.accounts.update_account(own).await.unwrap_err()), "INVALID_FIELDS");
    let status = set_limit(&mut owner, "shop@owners.example", 0).await.unwrap_err();
    assert_eq!(reason(&status), "KEY_KIND_NOT_ALLOWED");
    for wrong in [-1, 60_000_001] {
        let status = set_limit(&mut operator, "shop@owners.example", wrong).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELDS");
    }
    let status = set_limit(&mut operator, "nobody@owners.example", 1).await.unwrap_err();
    assert_eq!(reason(&status), "ACCOUNT_NOT_FOUND");
});

db_test!(w4_an_address_makes_so_many_calls_whatever_its_keys, |database: TestDatabase| async move {
    let flags = ["--trusted-proxies", "127.0.0.0/8", "--address-calls-per-minute", "20", "--address-calls-burst", "10"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut owner = server.new_account("shop").await;
    let mut guesser = Client::connect(&server.address, "hw_admin_nobody").await.unwrap();
    let status = check_from(&mut guesser, "203.0.113.7").await.unwrap_err();
    assert_eq!(reason(&status), "KEY_INVALID");
    // Somebody who tries out keys is limited, and then good keys are refused there too.
    let (passed, status) = until_limited(&mut guesser, "203.0.113.7").await;
    assert!((9..15).contains(&passed), "{passed}");
    assert_eq!(status.get_details_quota_failure().unwrap().violations[0].subject, "address");
    assert_eq!(reason(&check_from(&mut owner, "203.0.113.7").await.unwrap_err()), "RATE_LIMITED");
    let (_, status) = until_limited(&mut guesser, "203.0.113.7").await;
    // Other addresses are not refused. One network of IPv6 counts as one address.
    check_from(&mut owner, "203.0.113.8").await.unwrap();
    until_limited(&mut owner, "2001:db8::1").await;
    assert_eq!(reason(&check_from(&mut owner, "2001:db8::ffff:2").await.unwrap_err()), "RATE_LIMITED");
    check_from(&mut owner, "2001:db8:0:1::1").await.unwrap();
    tokio::time::sleep(told_delay(&status)).await;
    check_from(&mut owner, "203.0.113.7").await.unwrap();
});

db_test!(w4_the_header_of_a_stranger_gives_no_further_calls, |database: TestDatabase| async move {
    let flags = ["--address-calls-per-minute", "20", "--address-calls-burst", "10"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut owner = server.new_account("shop").await;
    let mut refused = 0;
    for number in 0..20 {
        let answer = check_from(&mut owner, &format!("203.0.113.{number}")).await;
        refused += usize::from(answer.is_err_and(|status| reason(&status) == "RATE_LIMITED"));
    }
    assert!(refused > 5, "{refused}");
});

db_test!(w4_one_visitor_does_not_use_up_the_calls_of_a_publishable_key, |database: TestDatabase| async move {
    let flags = ["--trusted-proxies", "127.0.0.0/8", "--key-calls-per-minute", "20", "--key-calls-burst", "3"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut owner = server.new_account("shop").await;
    let text = new_key(&mut owner, pb::ApiKeyKind::Publishable).await;
    let mut page = Client::connect(&server.address, &text).await.unwrap();
    let (passed, status) = until_limited(&mut page, "203.0.113.7").await;
    assert!((3..6).contains(&passed), "{passed}");
    assert_eq!(status.get_details_quota_failure().unwrap().violations[0].subject, "key");
    check_from(&mut page, "203.0.113.8").await.unwrap();
    // A key that is no web page's has one number of calls, wherever it is used.
    until_limited(&mut owner, "203.0.113.7").await;
    assert_eq!(reason(&check_from(&mut owner, "203.0.113.8").await.unwrap_err()), "RATE_LIMITED");
});
