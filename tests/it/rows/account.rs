//! Accounts and their keys: rows W1, W4, U1 and F1.

use headwater::clock::Clock;
use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, nameless_details, reason};

async fn check(client: &mut Client) -> Result<pb::ApiKey, Status> {
    let answer = client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await?;
    Ok(answer.into_inner().api_key.unwrap())
}

/// The same call, with one more header.
async fn check_with(client: &mut Client, name: &'static str, value: &'static str) -> Result<pb::ApiKey, Status> {
    let mut request = Request::new(pb::CheckApiKeyRequest {});
    request.metadata_mut().insert(name, value.parse().unwrap());
    Ok(client.accounts.check_api_key(request).await?.into_inner().api_key.unwrap())
}

async fn create(client: &mut Client, request: pb::CreateApiKeyRequest) -> (pb::ApiKey, String) {
    let made = client.accounts.create_api_key(request).await.unwrap().into_inner();
    (made.api_key.unwrap(), made.api_key_text)
}

fn of_kind(kind: pb::ApiKeyKind) -> pb::CreateApiKeyRequest {
    pb::CreateApiKeyRequest { kind: kind.into(), ..Default::default() }
}

async fn update(
    client: &mut Client,
    key: pb::ApiKey,
    paths: &[&str],
    allow_lockout: bool,
) -> Result<pb::ApiKey, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateApiKeyRequest {
        request_id: String::new(),
        api_key: Some(key),
        update_mask: Some(prost_types::FieldMask { paths }),
        allow_lockout,
    };
    Ok(client.accounts.update_api_key(request).await?.into_inner().api_key.unwrap())
}

fn in_seconds(server: &TestServer, seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: server.clock.now().micros() / 1_000_000 + seconds, nanos: 0 })
}

async fn kinds_of_events(client: &mut Client) -> Vec<pb::EventKind> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    events.iter().map(pb::Event::kind).collect()
}

db_test!(u1_a_key_is_replaced_without_a_pause, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let (old, old_text) = create(&mut owner, of_kind(pb::ApiKeyKind::Tracking)).await;
    let mut caller = Client::connect(&server.address, &old_text).await.unwrap();
    assert_eq!(check(&mut caller).await.unwrap().update_time, None);
    let (_, new_text) = create(&mut owner, of_kind(pb::ApiKeyKind::Tracking)).await;
    let ending = pb::ApiKey { expire_time: in_seconds(&server, 3_600), ..old.clone() };
    let changed = update(&mut owner, ending.clone(), &["expire_time"], false).await.unwrap();
    assert_eq!((changed.expire_time, changed.update_time), (ending.expire_time, in_seconds(&server, 0)));
    // Both work until then, and the change has its effect at once.
    let mut moved = Client::connect(&server.address, &new_text).await.unwrap();
    check(&mut moved).await.unwrap();
    assert_eq!(check(&mut caller).await.unwrap(), changed);
    server.clock.pass(std::time::Duration::from_secs(3_601));
    assert_eq!(reason(&check(&mut caller).await.unwrap_err()), "KEY_INVALID");
    check(&mut moved).await.unwrap();
    assert_eq!(kinds_of_events(&mut owner).await.last(), Some(&pb::EventKind::ApiKeyUpdated));

    // A key that has expired can be given more time, one that was revoked cannot be changed.
    let lasting = pb::ApiKey { expire_time: None, ..changed };
    update(&mut owner, lasting.clone(), &["expire_time"], false).await.unwrap();
    check(&mut caller).await.unwrap();
    let revoke = pb::RevokeApiKeyRequest { api_key_id: old.id.clone(), ..Default::default() };
    owner.accounts.revoke_api_key(revoke).await.unwrap();
    let status = update(&mut owner, lasting, &["expire_time"], false).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "API_KEY_REVOKED"));
    assert_eq!(reason(&check(&mut caller).await.unwrap_err()), "KEY_INVALID");
});

db_test!(u1_the_last_admin_key_does_not_end_by_mistake, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let key = check(&mut owner).await.unwrap();
    let ending = pb::ApiKey { expire_time: in_seconds(&server, 7_200), ..key.clone() };
    let refused = async |owner: &mut Client| {
        let status = update(owner, ending.clone(), &["expire_time"], false).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "LAST_KEY"));
        assert!(status.message().contains("allow_lockout"), "{}", status.message());
    };
    refused(&mut owner).await;
    // Another one that ends earlier does not help, and a name may be changed.
    let sooner = pb::CreateApiKeyRequest { expire_time: in_seconds(&server, 3_600), ..of_kind(pb::ApiKeyKind::Admin) };
    create(&mut owner, sooner).await;
    refused(&mut owner).await;
    update(&mut owner, pb::ApiKey { display_name: "last".to_owned(), ..key.clone() }, &["display_name"], false)
        .await
        .unwrap();
    let later = pb::CreateApiKeyRequest { expire_time: in_seconds(&server, 9_000), ..of_kind(pb::ApiKeyKind::Admin) };
    let (_, later) = create(&mut owner, later).await;
    update(&mut owner, ending.clone(), &["expire_time"], false).await.unwrap();
    let mut later = Client::connect(&server.address, &later).await.unwrap();
    let revoke = |id: &str, allow_lockout| pb::RevokeApiKeyRequest {
        api_key_id: id.to_owned(),
        allow_lockout,
        ..Default::default()
    };
    // Once the others have expired, the last one is revoked only by somebody who says that this is meant.
    server.clock.pass(std::time::Duration::from_secs(8_000));
    let last = check(&mut later).await.unwrap().id;
    let status = later.accounts.revoke_api_key(revoke(&last, false)).await.unwrap_err();
    assert_eq!(reason(&status), "LAST_KEY");
    later.accounts.revoke_api_key(revoke(&last, true)).await.unwrap();
    assert_eq!(reason(&check(&mut later).await.unwrap_err()), "KEY_INVALID");
});

db_test!(u1_a_key_works_from_its_networks_alone, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--trusted-proxies", "127.0.0.0/8"]).await;
    let mut owner = server.new_account("shop").await;
    let request = pb::CreateApiKeyRequest {
        allowed_networks: vec!["203.0.113.9/24".to_owned(), "2001:db8::/32".to_owned()],
        ..of_kind(pb::ApiKeyKind::Read)
    };
    let (key, text) = create(&mut owner, request).await;
    assert_eq!(key.allowed_networks, ["203.0.113.0/24", "2001:db8::/32"]);
    let mut caller = Client::connect(&server.address, &text).await.unwrap();
    // The test is the proxy.
    for inside in ["203.0.113.77", "2001:db8::1", "198.51.100.1, 203.0.113.1", "203.0.113.5, 127.0.0.8"] {
        check_with(&mut caller, "x-forwarded-for", inside).await.unwrap_or_else(|status| panic!("{inside}: {status}"));
    }
    let mut nobody = Client::connect(&server.address, "hw_read_nobody").await.unwrap();
    let unknown = nameless_details(&check(&mut nobody).await.unwrap_err());
    for outside in ["198.51.100.1", "203.0.113.1, 198.51.100.1", "2001:db9::1", "nowhere"] {
        let status = check_with(&mut caller, "x-forwarded-for", outside).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{outside}");
        assert_eq!(nameless_details(&status), unknown, "it is told from a key that does not exist");
    }
    assert_eq!(reason(&check(&mut caller).await.unwrap_err()), "KEY_INVALID");
    // An open stream ends too, once its key no longer works there.
    let opened =
        update(&mut owner, pb::ApiKey { allowed_networks: Vec::new(), ..key.clone() }, &["allowed_networks"], false);
    opened.await.unwrap();
    let start = Some(from_beginning());
    let mut stream = caller
        .feed
        .watch_events(pb::WatchEventsRequest { start: start.clone(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap();
    update(&mut owner, key, &["allowed_networks"], false).await.unwrap();
    let ended = loop {
        match stream.message().await {
            Ok(message) => assert!(message.is_some(), "the stream ends with an error"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&ended), "KEY_INVALID");

    // Nobody shuts themselves out by mistake.
    let own = pb::ApiKey { allowed_networks: vec!["203.0.113.0/24".to_owned()], ..check(&mut owner).await.unwrap() };
    let status = update(&mut owner, own.clone(), &["allowed_networks"], false).await.unwrap_err();
    let field = status.get_details_bad_request().unwrap().field_violations[0].clone();
    assert_eq!(field.field, "api_key.allowed_networks");
    assert!(field.description.contains("127.0.0.1"), "{}", field.description);
    update(&mut owner, own, &["allowed_networks"], true).await.unwrap();
    assert_eq!(reason(&check(&mut owner).await.unwrap_err()), "KEY_INVALID");
});

db_test!(u1_the_header_of_a_stranger_is_not_believed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let request = pb::CreateApiKeyRequest {
        allowed_networks: vec!["203.0.113.0/24".to_owned()],
        ..of_kind(pb::ApiKeyKind::Read)
    };
    let (_, text) = create(&mut owner, request).await;
    let mut caller = Client::connect(&server.address, &text).await.unwrap();
    let status = check_with(&mut caller, "x-forwarded-for", "203.0.113.1").await.unwrap_err();
    assert_eq!(reason(&status), "KEY_INVALID");
});

db_test!(f1_a_publishable_key_works_on_its_pages_alone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let origins = vec!["https://Shop.example/".to_owned(), "http://localhost:3000".to_owned()];
    let request = pb::CreateApiKeyRequest { allowed_origins: origins, ..of_kind(pb::ApiKeyKind::Publishable) };
    let (key, text) = create(&mut owner, request).await;
    assert_eq!(key.allowed_origins, ["http://localhost:3000", "https://shop.example"]);
    let mut page = Client::connect(&server.address, &text).await.unwrap();
    for own in ["https://shop.example", "http://localhost:3000"] {
        check_with(&mut page, "origin", own).await.unwrap();
    }
    for other in ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"] {
        assert_eq!(reason(&check_with(&mut page, "origin", other).await.unwrap_err()), "KEY_INVALID", "{other}");
    }
    assert_eq!(reason(&check(&mut page).await.unwrap_err()), "KEY_INVALID");
    update(&mut owner, pb::ApiKey { allowed_origins: Vec::new(), ..key }, &["allowed_origins"], false).await.unwrap();
    check(&mut page).await.unwrap();
    // Keys of other kinds have no origins.
    let origins = vec!["https://shop.example".to_owned()];
    let request = pb::CreateApiKeyRequest { allowed_origins: origins.clone(), ..of_kind(pb::ApiKeyKind::Read) };
    assert_eq!(reason(&owner.accounts.create_api_key(request).await.unwrap_err()), "INVALID_FIELDS");
    let (read, _) = create(&mut owner, of_kind(pb::ApiKeyKind::Read)).await;
    let bound = pb::ApiKey { allowed_origins: origins, ..read };
    let status = update(&mut owner, bound, &["allowed_origins"], false).await.unwrap_err();
    let field = status.get_details_bad_request().unwrap().field_violations[0].field.clone();
    assert_eq!((reason(&status).as_str(), field.as_str()), ("INVALID_FIELDS", "api_key.allowed_origins"));
});

fn by_email(email: &str) -> Option<pb::AccountSelector> {
    Some(pb::AccountSelector { selector: Some(pb::account_selector::Selector::Email(email.to_owned())) })
}

db_test!(w1_operators_list_suspend_and_resume_accounts, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let mut other = server.new_account("other").await;
    let (_, tracking) = create(&mut owner, of_kind(pb::ApiKeyKind::Tracking)).await;
    let mut tracking = Client::connect(&server.address, &tracking).await.unwrap();
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let list = async |operator: &mut Client, states: &[pb::AccountState]| {
        let states = states.iter().map(|state| (*state).into()).collect();
        let request = pb::ListAccountsRequest { states, ..Default::default() };
        let accounts = operator.accounts.list_accounts(request).await.unwrap().into_inner().accounts;
        accounts.into_iter().map(|account| account.email).collect::<Vec<_>>()
    };
    assert_eq!(list(&mut operator, &[]).await, ["shop@owners.example", "other@owners.example"]);
    let suspend = |suspension_reason: &str| pb::SuspendAccountRequest {
        account: by_email("shop@owners.example"),
        suspension_reason: suspension_reason.to_owned(),
        ..Default::default()
    };
    let suspended = operator.accounts.suspend_account(suspend("unpaid since May")).await.unwrap().into_inner();
    let suspended = suspended.account.unwrap();
    assert_eq!(suspended.state(), pb::AccountState::Suspended);
    assert_eq!(suspended.suspend_time, in_seconds(&server, 0));
    assert_eq!(list(&mut operator, &[pb::AccountState::Suspended]).await, ["shop@owners.example"]);
    assert_eq!(list(&mut operator, &[pb::AccountState::Active]).await, ["other@owners.example"]);

    // Nothing is changed any more, by no kind of key. Reading stays.
    let lead = |email: &str| pb::RecordLeadRequest {
        event_id: email.to_owned(),
        email: email.to_owned(),
        ..Default::default()
    };
    let item = |sku: &str| pb::CreateItemRequest { sku: sku.to_owned(), ..Default::default() };
    for status in [
        owner.affiliates.create_item(item("mug")).await.unwrap_err(),
        tracking.tracking.record_lead(lead("bob@customers.example")).await.unwrap_err(),
        owner.accounts.create_api_key(of_kind(pb::ApiKeyKind::Admin)).await.unwrap_err(),
    ] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "ACCOUNT_SUSPENDED"));
        assert!(status.message().contains("unpaid since May"), "{}", status.message());
    }
    let seen = owner.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    assert_eq!(seen, suspended);
    check(&mut tracking).await.unwrap();
    let items = owner.affiliates.list_items(pb::ListItemsRequest::default()).await.unwrap().into_inner().items;
    assert_eq!(items, [], "the refused call has no effect");
    assert_eq!(kinds_of_events(&mut owner).await.last(), Some(&pb::EventKind::AccountSuspended));
    other.affiliates.create_item(item("mug")).await.unwrap();

    // The reason can be changed. The same reason changes nothing.
    let told = kinds_of_events(&mut owner).await.len();
    operator.accounts.suspend_account(suspend("unpaid since May")).await.unwrap();
    assert_eq!(kinds_of_events(&mut owner).await.len(), told);
    let again = operator.accounts.suspend_account(suspend("spam")).await.unwrap().into_inner().account.unwrap();
    assert_eq!((again.suspend_time, again.suspension_reason.as_str()), (suspended.suspend_time, "spam"));

    let resume = pb::ResumeAccountRequest { account: by_email("shop@owners.example"), ..Default::default() };
    for _ in 0..2 {
        let resumed = operator.accounts.resume_account(resume.clone()).await.unwrap().into_inner().account.unwrap();
        assert_eq!((resumed.state(), resumed.suspend_time), (pb::AccountState::Active, None));
        assert_eq!(resumed.suspension_reason, "");
    }
    assert_eq!(kinds_of_events(&mut owner).await.last(), Some(&pb::EventKind::AccountResumed));
    owner.affiliates.create_item(item("mug")).await.unwrap();
    tracking.tracking.record_lead(lead("bob@customers.example")).await.unwrap();

    // Operators alone, and only accounts that exist.
    let status = owner.accounts.suspend_account(suspend("spam")).await.unwrap_err();
    assert_eq!(reason(&status), "KEY_KIND_NOT_ALLOWED");
    let status = owner.accounts.list_accounts(pb::ListAccountsRequest::default()).await.unwrap_err();
    assert_eq!(reason(&status), "KEY_KIND_NOT_ALLOWED");
    let nobody = pb::ResumeAccountRequest { account: by_email("nobody@owners.example"), ..Default::default() };
    assert_eq!(reason(&operator.accounts.resume_account(nobody).await.unwrap_err()), "ACCOUNT_NOT_FOUND");
});

db_test!(w1_the_owner_verifies_the_address_with_a_token_that_works_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let register = |email: &str| pb::RegisterAccountRequest {
        request_id: format!("register-{email}"),
        display_name: "Söhne & Co".to_owned(),
        email: email.to_owned(),
        ..Default::default()
    };
    for wrong in ["", "owner", "owner@", "@shop.example", "a b@shop.example"] {
        let status = operator.accounts.register_account(register(wrong)).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELDS", "{wrong}");
    }
    assert_eq!(server.mails().await, [""; 0], "a refused call mails nothing");
    let registered = operator.accounts.register_account(register("ann@shop.example")).await.unwrap().into_inner();
    let again = operator.accounts.register_account(register("ann@shop.example")).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.api_key_text.as_str()), (true, ""), "the key is shown once");
    assert_eq!(server.mails().await.len(), 1, "a repeat mails nothing");
    assert_eq!(registered.account.unwrap().email_verify_time, None);
    let mut owner = Client::connect(&server.address, &registered.api_key_text).await.unwrap();
    let mut stranger = server.new_account("stranger").await;
    let verify = async |client: &mut Client, token: &str| {
        let request = pb::VerifyAccountEmailRequest { verification_token: token.to_owned(), ..Default::default() };
        Ok(client.accounts.verify_account_email(request).await?.into_inner().account.unwrap())
    };
    let refused = async |client: &mut Client, token: &str| {
        let status: Status = verify(client, token).await.unwrap_err();
        let told = (status.code(), reason(&status));
        assert_eq!(told, (Code::FailedPrecondition, "VERIFICATION_TOKEN_INVALID".to_owned()), "{token}");
    };
    let token = server.mailed_token("ann@shop.example").await;
    refused(&mut stranger, &token).await;
    refused(&mut owner, &token[1..]).await;
    let verified = verify(&mut owner, &token).await.unwrap();
    assert_eq!(verified.email_verify_time, in_seconds(&server, 0));
    refused(&mut owner, &token).await;
    assert_eq!(kinds_of_events(&mut owner).await.last(), Some(&pb::EventKind::AccountEmailVerified));

    // Another address has to be verified too. Only the token of the newest mail works, and only for some days.
    let move_to = |email: &str| pb::UpdateAccountRequest {
        account: Some(pb::Account { email: email.to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["email".to_owned()] }),
        ..Default::default()
    };
    let moved = owner.accounts.update_account(move_to("bea@shop.example")).await.unwrap().into_inner().account.unwrap();
    // It is not the account's before that.
    assert_eq!((moved.email.as_str(), moved.pending_email.as_str()), ("ann@shop.example", "bea@shop.example"));
    assert_eq!(moved.email_verify_time, verified.email_verify_time);
    let first = server.mailed_token("bea@shop.example").await;
    server.clock.advance_days(4);
    refused(&mut owner, &first).await;
    owner.accounts.update_account(move_to("bea@shop.example")).await.unwrap();
    let second = server.mailed_token("bea@shop.example").await;
    refused(&mut owner, &first).await;
    let verified = verify(&mut owner, &second).await.unwrap();
    assert_eq!((verified.email.as_str(), verified.pending_email.as_str()), ("bea@shop.example", ""));
    assert_eq!(verified.email_verify_time, in_seconds(&server, 0));
    // Somebody else may have got the address meanwhile. Whoever asks for the present one wants no other one.
    owner.accounts.update_account(move_to("cid@shop.example")).await.unwrap();
    let third = server.mailed_token("cid@shop.example").await;
    operator.accounts.register_account(register("cid@shop.example")).await.unwrap();
    let status = verify(&mut owner, &third).await.unwrap_err();
    assert_eq!(reason(&status), "ALREADY_EXISTS");
    let kept = owner.accounts.update_account(move_to("bea@shop.example")).await.unwrap().into_inner().account.unwrap();
    assert_eq!((kept.email.as_str(), kept.pending_email.as_str()), ("bea@shop.example", ""));
    refused(&mut owner, &third).await;
    // A verified address that stays the same is not verified anew.
    let mails = server.mails().await.len();
    let same = owner.accounts.update_account(move_to("bea@shop.example")).await.unwrap().into_inner().account.unwrap();
    assert_eq!(same.email_verify_time, verified.email_verify_time);
    assert_eq!(server.mails().await.len(), mails);
});
