//! Keys that manage keys, the operator keys, and the last use of keys.

use std::time::Duration;

use headwater::app::SubmitError;
use headwater::app::worker::note_key_uses;
use headwater::clock::Clock;
use headwater::domain::account::KeyKind;
use headwater::domain::id::AccountId;
use headwater::domain::refusal::Refusal;
use headwater::domain::rule::{Envelope, RevokeApiKey};
use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Status};

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{START_MICROS, TestServer, reason};

async fn new_key(admin: &mut Client, kind: pb::ApiKeyKind) -> pb::CreateApiKeyResponse {
    let request = pb::CreateApiKeyRequest { kind: kind.into(), ..pb::CreateApiKeyRequest::default() };
    admin.accounts.create_api_key(request).await.unwrap().into_inner()
}

async fn check(client: &mut Client) -> Result<pb::CheckApiKeyResponse, Status> {
    client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.map(tonic::Response::into_inner)
}

fn said<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), reason(&status))
}

/// Creates a key that expires this many seconds from now.
async fn expiring_key(
    server: &TestServer,
    client: &mut Client,
    kind: pb::ApiKeyKind,
    seconds: i64,
) -> pb::CreateApiKeyResponse {
    let now = server.clock.now().micros() / 1_000_000;
    let request = pb::CreateApiKeyRequest {
        kind: kind.into(),
        expire_time: Some(prost_types::Timestamp { seconds: now + seconds, nanos: 0 }),
        ..pb::CreateApiKeyRequest::default()
    };
    client.accounts.create_api_key(request).await.unwrap().into_inner()
}

async fn revoke(client: &mut Client, key_id: &str) -> Result<pb::ApiKey, Status> {
    let request = pb::RevokeApiKeyRequest { api_key_id: key_id.to_owned(), ..Default::default() };
    Ok(client.accounts.revoke_api_key(request).await?.into_inner().api_key.unwrap())
}

async fn own_id(client: &mut Client) -> String {
    check(client).await.unwrap().api_key.unwrap().id
}

db_test!(the_last_key_that_manages_keys_cannot_be_revoked, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let owner = server.new_account("shop").await;
    let operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    for (mut client, kind, other) in [
        (owner, pb::ApiKeyKind::Admin, Some(pb::ApiKeyKind::Tracking)),
        (operator, pb::ApiKeyKind::ServerOperator, None),
    ] {
        let id = own_id(&mut client).await;
        let status = revoke(&mut client, &id).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "LAST_KEY"), "{kind:?}");
        assert!(status.message().contains("create another one first"), "{}", status.message());
        if let Some(other) = other {
            // A key of another kind cannot create keys, and may be revoked.
            let tracking = new_key(&mut client, other).await.api_key.unwrap();
            assert_eq!(said(revoke(&mut client, &id).await).1, "LAST_KEY");
            revoke(&mut client, &tracking.id).await.unwrap();
        }
        // Keys that were revoked or have expired do not count. They may be revoked themselves.
        let revoked = new_key(&mut client, kind).await.api_key.unwrap();
        revoke(&mut client, &revoked.id).await.unwrap();
        let expired = [1, 2, 3].map(|hours| hours * 3_600);
        let mut last = String::new();
        for seconds in expired {
            last = expiring_key(&server, &mut client, kind, seconds).await.api_key.unwrap().id;
        }
        server.clock.advance_days(1);
        assert_eq!(said(revoke(&mut client, &id).await).1, "LAST_KEY");
        revoke(&mut client, &last).await.unwrap();
        assert_eq!(said(revoke(&mut client, &id).await).1, "LAST_KEY");

        // One that expires later counts.
        let made = expiring_key(&server, &mut client, kind, 10 * 86_400).await;
        let mut second = Client::connect(&server.address, &made.api_key_text).await.unwrap();
        revoke(&mut second, &id).await.unwrap();
        assert_eq!(said(check(&mut client).await).1, "KEY_INVALID");
        let id = own_id(&mut second).await;
        assert_eq!(said(revoke(&mut second, &id).await).1, "LAST_KEY");
    }
});

db_test!(of_keys_that_are_revoked_in_one_batch_the_last_stays, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let account_id: AccountId = check(&mut owner).await.unwrap().account_id.parse().unwrap();
    let mut ids = vec![own_id(&mut owner).await];
    for number in 1..=6 {
        // Some of them expire, so they are loaded by the other query.
        let made = match number % 3 {
            0 => expiring_key(&server, &mut owner, pb::ApiKeyKind::Admin, 3_600 * number).await,
            _ => new_key(&mut owner, pb::ApiKeyKind::Admin).await,
        };
        ids.push(made.api_key.unwrap().id);
    }
    let envelope = |id: &String| {
        let command = RevokeApiKey { id: id.parse().unwrap(), allow_lockout: false }.into();
        Envelope { account_id, fingerprint: None, actor: None, command }
    };
    let replies = server.server.app().submit_batch(ids.iter().map(envelope).collect(), None).await.unwrap();
    let (last, others) = replies.split_last().unwrap();
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert!(
        matches!(last, Err(SubmitError::Refused(Refusal::LastKey { kind: KeyKind::Admin }))),
        "nobody can create a key any more: {last:?}"
    );
});

db_test!(operator_keys_are_managed_with_an_operator_key, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut first = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let mut owner = server.new_account("shop").await;
    let request = pb::CreateApiKeyRequest {
        request_id: "second".to_owned(),
        kind: pb::ApiKeyKind::ServerOperator.into(),
        display_name: "Ada".to_owned(),
        ..pb::CreateApiKeyRequest::default()
    };
    assert_eq!(said(owner.accounts.create_api_key(request.clone()).await).1, "INVALID_FIELDS");
    let admin = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Admin.into(), ..request.clone() };
    assert_eq!(said(first.accounts.create_api_key(admin).await).1, "INVALID_FIELDS");
    let made = first.accounts.create_api_key(request.clone()).await.unwrap().into_inner();
    assert!(made.api_key_text.starts_with("hw_server_operator_"));
    let again = first.accounts.create_api_key(request).await.unwrap().into_inner();
    assert_eq!((again.api_key, again.api_key_text.as_str(), again.replayed), (made.api_key.clone(), "", true));

    let mut second = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    let listed = second.accounts.list_api_keys(pb::ListApiKeysRequest::default()).await.unwrap().into_inner().api_keys;
    assert_eq!(listed.len(), 2, "operator keys and no others: {listed:?}");
    assert_eq!(Some(&listed[1]), made.api_key.as_ref());
    let get = pb::GetApiKeyRequest { api_key_id: listed[0].id.clone() };
    assert_eq!(second.accounts.get_api_key(get.clone()).await.unwrap().into_inner().api_key.as_ref(), Some(&listed[0]));
    // An account sees none of them, and an operator none of an account.
    assert_eq!(said(owner.accounts.get_api_key(get).await).1, "API_KEY_NOT_FOUND");
    assert_eq!(said(revoke(&mut owner, &listed[0].id).await).1, "API_KEY_NOT_FOUND");
    let id = own_id(&mut owner).await;
    assert_eq!(said(revoke(&mut second, &id).await).1, "API_KEY_NOT_FOUND");

    revoke(&mut second, &listed[0].id).await.unwrap();
    assert_eq!(said(check(&mut first).await).1, "KEY_INVALID");
    assert_eq!(said(revoke(&mut second, &listed[1].id).await).1, "LAST_KEY");
    let register = pb::RegisterAccountRequest {
        display_name: "Other shop".to_owned(),
        email: "other@shop.example".to_owned(),
        ..pb::RegisterAccountRequest::default()
    };
    second.accounts.register_account(register).await.unwrap();
});

/// The last use of each of the account's keys.
async fn last_uses(client: &mut Client) -> Vec<(String, Option<i64>)> {
    let keys = client.accounts.list_api_keys(pb::ListApiKeysRequest::default()).await.unwrap().into_inner().api_keys;
    keys.into_iter().map(|key| (key.id, key.last_use_time.map(|time| time.seconds))).collect()
}

db_test!(the_last_use_of_a_key_is_kept, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let start = START_MICROS / 1_000_000;
    let mut owner = server.new_account("shop").await;
    let used = new_key(&mut owner, pb::ApiKeyKind::Read).await;
    let unused = new_key(&mut owner, pb::ApiKeyKind::Read).await.api_key.unwrap().id;
    let mut user = Client::connect(&server.address, &used.api_key_text).await.unwrap();
    let used = used.api_key.unwrap().id;
    server.clock.pass(Duration::from_secs(11 * 60));
    check(&mut user).await.unwrap();
    let events = async |client: &mut Client| {
        let request = pb::ReadEventsRequest { start: Some(from_beginning()), ..pb::ReadEventsRequest::default() };
        client.feed.read_events(request).await.unwrap().into_inner().events.len()
    };
    let told = events(&mut owner).await;
    let noted = async |client: &mut Client, expected: Option<i64>| {
        let app = server.server.app();
        let seen = async {
            loop {
                assert!(app.wake_worker(note_key_uses::NAME));
                let uses = last_uses(client).await;
                if uses.iter().any(|(id, seconds)| *id == used && *seconds == expected) {
                    return uses;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap()
    };
    let uses = noted(&mut owner, Some(start + 600)).await;
    assert!(uses.contains(&(unused.clone(), None)), "{uses:?}");
    let request = pb::GetApiKeyRequest { api_key_id: used.clone() };
    let got = owner.accounts.get_api_key(request).await.unwrap().into_inner().api_key.unwrap();
    assert_eq!(got.last_use_time.map(|time| time.seconds), Some(start + 600));
    assert_eq!(events(&mut owner).await, told, "a use is no event");

    // The uses since the last write are written when the server stops.
    server.clock.pass(Duration::from_secs(10 * 60));
    check(&mut user).await.unwrap();
    server.server.stop().await;
    let server = TestServer::start(&database).await;
    let mut owner = Client::connect(&server.address, &owner.key).await.unwrap();
    let uses = last_uses(&mut owner).await;
    assert!(uses.contains(&(used, Some(start + 1_200))) && uses.contains(&(unused, None)), "{uses:?}");
});
