//! Keys over the wire: which keys are accepted, which are refused, and the errors of refused keys.

use headwater::domain::account::KeyKind;
use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, nameless_details, reason};

async fn new_key(admin: &mut Client, kind: pb::ApiKeyKind) -> pb::CreateApiKeyResponse {
    let request = pb::CreateApiKeyRequest { kind: kind.into(), ..pb::CreateApiKeyRequest::default() };
    admin.accounts.create_api_key(request).await.unwrap().into_inner()
}

async fn client_of(server: &TestServer, admin: &mut Client, kind: pb::ApiKeyKind) -> Client {
    Client::connect(&server.address, &new_key(admin, kind).await.api_key_text).await.unwrap()
}

async fn check(client: &mut Client) -> Result<pb::CheckApiKeyResponse, Status> {
    client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.map(tonic::Response::into_inner)
}

fn said<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), reason(&status))
}

db_test!(a_key_that_does_not_work_tells_nothing_of_why, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = server.new_account("shop").await;
    let missing = said(check(&mut Client::connect(&server.address, "").await.unwrap()).await);
    assert_eq!(missing, (Code::Unauthenticated, "KEY_MISSING".to_owned()));

    let (unknown, _) = headwater::auth::key::generate(KeyKind::Admin);
    let unknown = secrecy::ExposeSecret::expose_secret(&unknown).to_owned();
    let mut other_secret = admin.key.clone();
    other_secret.replace_range(other_secret.len() - 20..other_secret.len() - 19, "_");
    let mut messages = Vec::new();
    for wrong in ["nonsense", &unknown, &other_secret, &admin.key[1..]] {
        let status = check(&mut Client::connect(&server.address, wrong).await.unwrap()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "KEY_INVALID"), "{wrong}");
        messages.push((status.message().to_owned(), nameless_details(&status)));
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "one answer for every fault");
    assert!(check(&mut admin).await.is_ok());
});

db_test!(a_key_says_what_it_is_and_what_it_may_do, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = server.new_account("shop").await;
    let account_id = check(&mut admin).await.unwrap().account_id;
    assert!(account_id.starts_with("acc_"));
    for kind in [
        pb::ApiKeyKind::Admin,
        pb::ApiKeyKind::Tracking,
        pb::ApiKeyKind::Read,
        pb::ApiKeyKind::Payout,
        pb::ApiKeyKind::Publishable,
    ] {
        let made = new_key(&mut admin, kind).await;
        let checked = check(&mut Client::connect(&server.address, &made.api_key_text).await.unwrap()).await.unwrap();
        assert_eq!(checked.api_key, made.api_key);
        assert_eq!(checked.account_id, account_id);
        let key = checked.api_key.unwrap();
        assert_eq!(key.kind, i32::from(kind));
        assert!(made.api_key_text.starts_with(&key.text_prefix));
        assert!(key.text_prefix.len() < made.api_key_text.len() / 2);
        assert!(checked.allowed_methods.contains(&"headwater.v1.AccountService/CheckApiKey".to_owned()));
    }
    let operator = check(&mut Client::connect(&server.address, &server.operator_key).await.unwrap()).await.unwrap();
    assert_eq!(operator.account_id, "");
    assert_eq!(operator.allowed_methods.len(), 14);
    let refused = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::ServerOperator.into(), ..Default::default() };
    assert_eq!(said(admin.accounts.create_api_key(refused).await).1, "INVALID_FIELDS");
});

db_test!(a_key_of_the_wrong_kind_is_told_which_is_right, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = server.new_account("shop").await;
    let mut read = client_of(&server, &mut admin, pb::ApiKeyKind::Read).await;
    let status = read.accounts.update_account(pb::UpdateAccountRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "KEY_KIND_NOT_ALLOWED"));
    assert!(status.message().ends_with("use one of kind admin"), "{}", status.message());
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["method"], "headwater.v1.AccountService/UpdateAccount");
    assert_eq!(metadata["key_kind"], "read");

    let mut publishable = client_of(&server, &mut admin, pb::ApiKeyKind::Publishable).await;
    assert_eq!(said(publishable.tracking.list_leads(pb::ListLeadsRequest::default()).await).1, "KEY_KIND_NOT_ALLOWED");
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    assert_eq!(said(operator.accounts.get_account(pb::GetAccountRequest {}).await).1, "KEY_KIND_NOT_ALLOWED");
    let register = pb::RegisterAccountRequest::default();
    assert_eq!(said(admin.accounts.register_account(register).await).1, "KEY_KIND_NOT_ALLOWED");
});

db_test!(a_revoked_key_stops_at_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = server.new_account("shop").await;
    let made = new_key(&mut admin, pb::ApiKeyKind::Read).await;
    let mut client = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    check(&mut client).await.unwrap();
    let request = pb::RevokeApiKeyRequest { api_key_id: made.api_key.unwrap().id, ..Default::default() };
    let revoked = admin.accounts.revoke_api_key(request.clone()).await.unwrap().into_inner().api_key.unwrap();
    assert!(revoked.revoke_time.is_some());
    assert_eq!(said(check(&mut client).await).1, "KEY_INVALID");
    let again = admin.accounts.revoke_api_key(request).await.unwrap().into_inner().api_key.unwrap();
    assert_eq!(again, revoked, "revoking again changes nothing");
});

db_test!(a_key_stops_when_it_expires, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = server.new_account("shop").await;
    let seconds = crate::support::server::START_MICROS / 1_000_000;
    let expiring = |seconds| pb::CreateApiKeyRequest {
        kind: pb::ApiKeyKind::Read.into(),
        expire_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..pb::CreateApiKeyRequest::default()
    };
    assert_eq!(said(admin.accounts.create_api_key(expiring(seconds)).await).1, "INVALID_FIELDS");
    let made = admin.accounts.create_api_key(expiring(seconds + 86_400)).await.unwrap().into_inner();
    let mut client = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    check(&mut client).await.unwrap();
    server.clock.advance_days(1);
    assert_eq!(said(check(&mut client).await).1, "KEY_INVALID");
});

db_test!(key_texts_are_shown_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let register = pb::RegisterAccountRequest {
        request_id: "r1".to_owned(),
        display_name: "Shop".to_owned(),
        email: "Owner@Shop.example".to_owned(),
        ..Default::default()
    };
    let first = operator.accounts.register_account(register.clone()).await.unwrap().into_inner();
    let again = operator.accounts.register_account(register.clone()).await.unwrap().into_inner();
    assert!(again.replayed && again.api_key_text.is_empty());
    assert_eq!((&again.account, &again.api_key), (&first.account, &first.api_key));
    assert_eq!(first.account.unwrap().email, "owner@shop.example");
    let other = pb::RegisterAccountRequest { request_id: String::new(), ..register };
    assert_eq!(
        said(operator.accounts.register_account(other).await),
        (Code::AlreadyExists, "ALREADY_EXISTS".to_owned())
    );

    let mut admin = Client::connect(&server.address, &first.api_key_text).await.unwrap();
    let request = pb::CreateApiKeyRequest {
        request_id: "k1".to_owned(),
        kind: pb::ApiKeyKind::Read.into(),
        ..Default::default()
    };
    let made = admin.accounts.create_api_key(request.clone()).await.unwrap().into_inner();
    let again = admin.accounts.create_api_key(request).await.unwrap().into_inner();
    assert!(!made.api_key_text.is_empty() && again.api_key_text.is_empty() && again.replayed);
    let listed = admin.accounts.list_api_keys(pb::ListApiKeysRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.api_keys.len(), 2);
    assert_eq!(listed.api_keys[1], made.api_key.unwrap());
});

db_test!(every_answer_has_a_request_id, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = server.new_account("shop").await;
    let mut request = Request::new(pb::CheckApiKeyRequest {});
    request.metadata_mut().insert("x-request-id", "order-17".parse().unwrap());
    let answer = admin.accounts.check_api_key(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "order-17");
    let answer = admin.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap().len(), 32);
    let status = admin.tracking.get_lead(pb::GetLeadRequest::default()).await.unwrap_err();
    assert!(status.metadata().get("x-request-id").is_some(), "errors too: {status:?}");
});

db_test!(errors_of_the_grpc_library_have_our_reasons, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--message-bytes-max", "2000"]).await;
    let mut admin = server.new_account("shop").await;
    let large = pb::RecordSaleRequest { event_id: "x".repeat(3_000), ..Default::default() };
    assert_eq!(
        said(admin.tracking.record_sale(large).await),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned())
    );

    // A message of another type: its field 1 is a string instead of a number.
    let channel = tonic::transport::Endpoint::from_shared(server.address.clone()).unwrap().connect().await.unwrap();
    let mut raw = tonic::client::Grpc::new(channel);
    let mut call = async |path: &'static str, message: pb::GetRewardRequest| {
        raw.ready().await.unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-api-key", admin.key.parse().unwrap());
        let codec = tonic_prost::ProstCodec::<pb::GetRewardRequest, pb::GetRewardResponse>::default();
        raw.unary(request, path.parse().unwrap(), codec).await
    };
    let message = pb::GetRewardRequest { reward_id: "text".to_owned(), ..Default::default() };
    let listed = call("/headwater.v1.RewardService/ListRewards", message.clone()).await;
    assert_eq!(said(listed), (Code::InvalidArgument, "INVALID_FIELDS".to_owned()));
    let unknown = call("/headwater.v1.RewardService/Fly", message.clone()).await;
    assert_eq!(said(unknown), (Code::Unimplemented, "METHOD_UNKNOWN".to_owned()));
    let unknown = call("/headwater.v2.RewardService/GetReward", message).await;
    assert_eq!(said(unknown), (Code::Unimplemented, "METHOD_UNKNOWN".to_owned()));
});

db_test!(an_operator_makes_a_key_for_an_account_whose_first_answer_was_lost, |database: TestDatabase| async move {
    use pb::account_selector::Selector;
    let server = TestServer::start(&database).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let register = pb::RegisterAccountRequest {
        request_id: "register".to_owned(),
        display_name: "Shop".to_owned(),
        email: "owner@shop.example".to_owned(),
        ..Default::default()
    };
    let account = operator.accounts.register_account(register.clone()).await.unwrap().into_inner().account.unwrap();
    // A repeated answer has no key text, even if the first answer was lost.
    assert_eq!(operator.accounts.register_account(register).await.unwrap().into_inner().api_key_text, "");

    let named = |selector: Selector, request_id: &str| pb::CreateAdminApiKeyRequest {
        request_id: request_id.to_owned(),
        account: Some(pb::AccountSelector { selector: Some(selector) }),
        display_name: "recovered".to_owned(),
    };
    let by_email = named(Selector::Email("Owner@Shop.example".to_owned()), "recover");
    let made = operator.accounts.create_admin_api_key(by_email.clone()).await.unwrap().into_inner();
    assert_eq!((made.account_id.as_str(), made.replayed), (account.id.as_str(), false));
    let again = operator.accounts.create_admin_api_key(by_email).await.unwrap().into_inner();
    assert_eq!((again.api_key, again.api_key_text, again.replayed), (made.api_key.clone(), String::new(), true));

    let mut owner = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    let key = check(&mut owner).await.unwrap().api_key.unwrap();
    assert_eq!((key.kind(), key.display_name.as_str()), (pb::ApiKeyKind::Admin, "recovered"));
    let request = pb::GetApiKeyRequest { api_key_id: key.id.clone() };
    assert_eq!(owner.accounts.get_api_key(request).await.unwrap().into_inner().api_key, made.api_key);
    // The account's feed has an event for it.
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), ..pb::ReadEventsRequest::default() };
    let last = owner.feed.read_events(request).await.unwrap().into_inner().events.pop().unwrap();
    assert_eq!((last.kind(), last.cause_id.as_str()), (pb::EventKind::ApiKeyCreated, "recover"));
    assert_eq!(last.subject, made.api_key.map(pb::event::Subject::ApiKey));

    let by_id = named(Selector::Id(account.id), "");
    operator.accounts.create_admin_api_key(by_id.clone()).await.unwrap();
    let nobody = named(Selector::Email("nobody@shop.example".to_owned()), "");
    let refused = operator.accounts.create_admin_api_key(nobody).await;
    assert_eq!(said(refused), (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
    let refused = owner.accounts.create_admin_api_key(by_id).await;
    assert_eq!(said(refused), (Code::PermissionDenied, "KEY_KIND_NOT_ALLOWED".to_owned()));
});
