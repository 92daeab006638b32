//! Accounts and keys: registering, checking a key, and what each kind of key may do.

use headwater::pb;
use pb::ApiKeyKind;
use testkit::client::Client;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

async fn key_of(admin: &mut Client, kind: ApiKeyKind) -> pb::CreateApiKeyResponse {
    let request = pb::CreateApiKeyRequest { kind: kind.into(), ..Default::default() };
    admin.accounts.create_api_key(request).await.unwrap().into_inner()
}

async fn check(client: &mut Client) -> Result<pb::CheckApiKeyResponse, Status> {
    client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.map(tonic::Response::into_inner)
}

fn said<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), reason(&status))
}

db_test!(w1_an_account_is_registered_with_a_key_that_is_shown_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let request = pb::RegisterAccountRequest {
        request_id: "register".to_owned(),
        display_name: "Harbour Coffee".to_owned(),
        email: "owner@harbour-coffee.example".to_owned(),
        ..Default::default()
    };
    let made = operator.accounts.register_account(request.clone()).await.unwrap().into_inner();
    assert!(!made.replayed && made.api_key.unwrap().kind() == ApiKeyKind::Admin);
    let account = made.account.unwrap();
    let mut owner = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    let read = owner.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner();
    assert_eq!(read.account, Some(account.clone()));
    // The key's text is in the first answer and in no other.
    let again = operator.accounts.register_account(request.clone()).await.unwrap().into_inner();
    assert!(again.replayed && again.api_key_text.is_empty());
    assert_eq!(again.account.unwrap().id, account.id);

    for email in ["", "owner", "owner@", "@harbour-coffee.example", "two words@harbour-coffee.example"] {
        let request =
            pb::RegisterAccountRequest { request_id: String::new(), email: email.to_owned(), ..request.clone() };
        let status = operator.accounts.register_account(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"), "{email}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "email");
    }
});

db_test!(u1_a_key_is_checked, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = server.new_account("shop").await;
    let account = admin.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    let made = key_of(&mut admin, ApiKeyKind::Read).await;
    let mut reader = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    let checked = check(&mut reader).await.unwrap();
    let key = checked.api_key.unwrap();
    assert_eq!((key.kind(), &key.id), (ApiKeyKind::Read, &made.api_key.unwrap().id));
    assert_eq!(checked.account_id, account.id);
    let may = |name: &str| checked.allowed_methods.iter().any(|method| method.ends_with(name));
    assert!(may("AffiliateService/ListAffiliates") && !may("AffiliateService/CreateAffiliate"));

    let mut unknown = Client::connect(&server.address, "hw_read_0000000000000000_nobody").await.unwrap();
    let (code, _) = said(check(&mut unknown).await);
    assert_eq!(code, Code::Unauthenticated);
    let (code, _) = said(check(&mut Client::connect(&server.address, "").await.unwrap()).await);
    assert_eq!(code, Code::Unauthenticated);

    let now = headwater::clock::Clock::now(&server.clock);
    let expiring = pb::CreateApiKeyRequest {
        kind: ApiKeyKind::Read.into(),
        expire_time: Some(prost_types::Timestamp { seconds: now.micros() / 1_000_000 + 60, nanos: 0 }),
        ..Default::default()
    };
    let expiring = admin.accounts.create_api_key(expiring).await.unwrap().into_inner().api_key_text;
    let mut expired = Client::connect(&server.address, &expiring).await.unwrap();
    check(&mut expired).await.unwrap();
    server.clock.set(now.plus_days(1));
    assert_eq!(said(check(&mut expired).await).0, Code::Unauthenticated);

    let request = pb::RevokeApiKeyRequest { api_key_id: key.id, ..Default::default() };
    admin.accounts.revoke_api_key(request).await.unwrap();
    assert_eq!(said(check(&mut reader).await).0, Code::Unauthenticated);
});

db_test!(f1_both_headers_carry_a_key_and_tracking_keys_only_record, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await.client;
    let key = key_of(&mut shop, ApiKeyKind::Tracking).await.api_key_text;
    let mut tracker = Client::connect(&server.address, &key).await.unwrap();
    tracker.tracking.record_sale(sale(1)).await.unwrap();
    // The other header.
    let channel = Endpoint::from_shared(server.address.clone()).unwrap().connect().await.unwrap();
    let mut plain = pb::tracking_service_client::TrackingServiceClient::new(channel);
    let mut request = Request::new(sale(2));
    request.metadata_mut().insert("x-api-key", key.parse().unwrap());
    plain.record_sale(request).await.unwrap();
    assert_eq!(plain.record_sale(sale(3)).await.unwrap_err().code(), Code::Unauthenticated);

    let listed = tracker.affiliates.list_affiliates(pb::ListAffiliatesRequest::default()).await;
    assert_eq!(said(listed), (Code::PermissionDenied, "KEY_KIND_NOT_ALLOWED".to_owned()));
    let paid = tracker.rewards.approve_rewards(pb::ApproveRewardsRequest::default()).await;
    assert_eq!(said(paid).0, Code::PermissionDenied);
    // It may do nothing but record, and ask what it is and where.
    let allowed = check(&mut tracker).await.unwrap().allowed_methods;
    let others: Vec<_> = allowed.iter().filter(|method| !method.contains("TrackingService/")).collect();
    assert!(
        others.iter().all(|method| method.ends_with("/CheckApiKey") || method.ends_with("/GetServerInfo")),
        "{others:?}"
    );
    let reads: Vec<_> = allowed.iter().filter(|method| method.contains("/Get") || method.contains("/List")).collect();
    assert!(reads.iter().all(|method| method.ends_with("/GetServerInfo")), "{reads:?}");
});

db_test!(p37_each_kind_of_key_has_its_role, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for (kind, may_record, may_read, may_change) in [
        (ApiKeyKind::Admin, true, true, true),
        (ApiKeyKind::Tracking, true, false, false),
        (ApiKeyKind::Read, false, true, false),
        (ApiKeyKind::Payout, false, true, false),
        (ApiKeyKind::Publishable, false, false, false),
    ] {
        let key = key_of(&mut shop.client, kind).await;
        let mut client = Client::connect(&server.address, &key.api_key_text).await.unwrap();
        let allowed = |result: Result<(), Status>| match result {
            Ok(()) => true,
            Err(status) if reason(&status) == "KEY_KIND_NOT_ALLOWED" => false,
            Err(status) => panic!("{kind:?}: {status:?}"),
        };
        let recorded = client.tracking.record_sale(sale(kind as usize)).await.map(|_| ());
        assert_eq!(allowed(recorded), may_record, "{kind:?} records");
        let read = client.rewards.list_rewards(pb::ListRewardsRequest::default()).await.map(|_| ());
        assert_eq!(allowed(read), may_read, "{kind:?} reads");
        let item = pb::CreateItemRequest { sku: format!("{kind:?}"), ..Default::default() };
        assert_eq!(allowed(client.affiliates.create_item(item).await.map(|_| ())), may_change, "{kind:?} changes");
        let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
        let may_click = may_record || kind == ApiKeyKind::Publishable;
        assert_eq!(allowed(client.tracking.record_click(click).await.map(|_| ())), may_click, "{kind:?} clicks");
    }
    // Who has which key is listed, without the secret text.
    let listed = shop.client.accounts.list_api_keys(pb::ListApiKeysRequest::default()).await.unwrap().into_inner();
    let kinds: Vec<_> = listed.api_keys.iter().map(pb::ApiKey::kind).collect();
    assert_eq!(kinds.len(), 6);
    assert!(
        listed.api_keys.iter().all(|key| shop.client.key.starts_with(&key.text_prefix) || key.text_prefix.len() > 4)
    );
});
